package runner

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// Pool keeps the sessions of a family's levels: those that are resident, and how to make the others.
// To switch is to take another session out of it, which costs a few nanoseconds. Its methods may be
// called concurrently; a session that Session has returned is closed only by Evict or Close.
type Pool struct {
	open   func(level int) (Session, error)
	levels []atomic.Pointer[Session]
	using  []sync.Mutex // held while the run uses the level's session
	uses   []atomic.Int64
	hung   []atomic.Bool // the session is in use and may never come back
	admit  atomic.Pointer[func(level int) bool]

	mu       sync.Mutex              // serialises making and closing sessions
	failures []atomic.Pointer[error] // of the last attempt, per level; nil: none, or it went well
	wanted   []atomic.Bool
	wake     chan struct{}
	group    sync.WaitGroup
}

// NewPool returns a pool of n levels, none of them resident. open makes the session of a level; one
// call at a time.
func NewPool(n int, open func(level int) (Session, error)) *Pool {
	return &Pool{open: open, levels: make([]atomic.Pointer[Session], n), using: make([]sync.Mutex, n), uses: make([]atomic.Int64, n), hung: make([]atomic.Bool, n), failures: make([]atomic.Pointer[error], n), wanted: make([]atomic.Bool, n), wake: make(chan struct{}, 1)}
}

// PoolOf returns a pool of sessions that are there already, nil for those that are not. A level that is closed cannot be
// loaded again.
func PoolOf(sessions []Session) *Pool {
	p := NewPool(len(sessions), nil)
	for i := range sessions {
		if sessions[i] != nil {
			p.levels[i].Store(&sessions[i])
		}
	}
	return p
}

// Len returns the number of levels.
func (p *Pool) Len() int { return len(p.levels) }

// Session returns a level's session, nil if it is not resident.
func (p *Pool) Session(level int) Session {
	if s := p.levels[level].Load(); s != nil {
		return *s
	}
	return nil
}

// Load makes a level's session and runs it once on whatever its input holds, so that its memory has
// been touched before a request comes. A resident level stays as it is.
func (p *Pool) Load(level int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.levels[level].Load() != nil {
		return nil
	}
	if p.open == nil {
		return fmt.Errorf("runner: level %d: it cannot be loaded again", level)
	}
	s, err := p.open(level)
	if err == nil {
		if err = s.Run(); err != nil {
			err = errors.Join(err, closeSession(s))
		}
	}
	p.failures[level].Store(nil)
	if err != nil {
		p.failures[level].Store(&err)
		return fmt.Errorf("runner: level %d: %w", level, err)
	}
	p.levels[level].Store(&s)
	return nil
}

// LoadBehind starts loading levels in the background, in order, and those that Want asks for later,
// until ctx ends. failed is called for a level that cannot be loaded, and may be nil. Close waits for
// it.
func (p *Pool) LoadBehind(ctx context.Context, failed func(level int, err error), levels ...int) {
	for _, l := range levels {
		p.wanted[l].Store(true)
	}
	p.group.Go(func() {
		for {
			for level := range p.levels {
				if ctx.Err() != nil {
					return
				}
				if p.wanted[level].Load() && p.admitted(level) && p.wanted[level].Swap(false) {
					if err := p.Load(level); err != nil && failed != nil {
						failed(level, err)
					}
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-p.wake:
			}
		}
	})
	p.poke()
}

// Want asks for a level in the background; without LoadBehind nothing happens.
func (p *Pool) Want(level int) {
	if p.levels[level].Load() != nil {
		return
	}
	p.uses[level].Add(1)
	if !p.wanted[level].Swap(true) {
		p.poke()
	}
}

func (p *Pool) poke() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Admit makes loading in the background ask before each level whether it may be made now; a level that may not stays wanted
// until Retry. nil: all may.
func (p *Pool) Admit(may func(level int) bool) {
	if may == nil {
		p.admit.Store(nil)
		return
	}
	p.admit.Store(&may)
}

func (p *Pool) admitted(level int) bool {
	may := p.admit.Load()
	return may == nil || (*may)(level)
}

// Retry looks again at the levels that are wanted.
func (p *Pool) Retry() { p.poke() }

// evictEvery is how often Evict looks whether an inference has ended.
const evictEvery = time.Millisecond

// Evict closes a level's session and gives its memory back; the level can be loaded again. If the run uses the session, Evict
// waits for the end of the inference; a level whose inference hangs is left as it is.
func (p *Pool) Evict(level int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.levels[level].Swap(nil)
	if s == nil {
		return nil
	}
	for !p.using[level].TryLock() { // it may turn out to hang while this waits
		if p.hung[level].Load() {
			p.levels[level].Store(s)
			return nil
		}
		time.Sleep(evictEvery)
	}
	defer p.using[level].Unlock()
	return closeSession(*s)
}

// acquire returns a level's session, nil if it is not resident, which Evict leaves alone until release.
func (p *Pool) acquire(level int) Session {
	p.using[level].Lock()
	p.uses[level].Add(1)
	return p.Session(level)
}

func (p *Pool) release(level int) { p.using[level].Unlock() }

// abandon says whether a level's inference hangs, so that nobody waits for its session.
func (p *Pool) abandon(level int, hangs bool) { p.hung[level].Store(hangs) }

// Uses returns how often a level was used, or wanted while it was not resident.
func (p *Pool) Uses(level int) int64 { return p.uses[level].Load() }

// Failure returns why a level could not be loaded at the last attempt, nil if it could or none was made.
func (p *Pool) Failure(level int) error {
	if err := p.failures[level].Load(); err != nil {
		return *err
	}
	return nil
}

// Close waits for LoadBehind, whose context must have ended, and closes every session.
func (p *Pool) Close() error {
	p.group.Wait()
	var err error
	for i := range p.levels {
		err = errors.Join(err, p.Evict(i))
	}
	return err
}

func closeSession(s Session) error {
	if c, ok := s.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// Resident reports whether a level is in memory.
func (p *Pool) Resident(level int) bool { return p.Session(level) != nil }
