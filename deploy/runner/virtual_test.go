package runner_test

import (
	"context"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/search/family"
)

// virtualClock is a clock for several goroutines that moves only when nothing can happen any more: the loop sleeps, and every
// inference that was handed to a worker is under way. So a run with workers is as repeatable as a simulation.
type virtualClock struct {
	mu       sync.Mutex
	now      time.Duration
	sleepers []*sleeper
	handed   int // inferences, by the policy
	begun    int // of these, by workers
}

type sleeper struct {
	until time.Duration
	loop  bool
	stale bool // an inference has ended since, of which the loop will hear
	wake  chan struct{}
}

func (c *virtualClock) Now() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *virtualClock) Sleep(ctx context.Context, d time.Duration) error {
	s := c.add(d, true)
	select {
	case <-s.wake:
		return nil
	case <-ctx.Done():
		c.mu.Lock()
		c.sleepers = slices.DeleteFunc(c.sleepers, func(o *sleeper) bool { return o == s })
		c.mu.Unlock()
		return ctx.Err()
	}
}

// work is an inference that takes so long.
func (c *virtualClock) work(d time.Duration) { <-c.add(d, false).wake }

func (c *virtualClock) add(d time.Duration, loop bool) *sleeper {
	c.mu.Lock()
	defer c.mu.Unlock()
	until := c.now + d
	if until < c.now {
		until = math.MaxInt64
	}
	s := &sleeper{until: until, loop: loop, wake: make(chan struct{})}
	c.sleepers = append(c.sleepers, s)
	if !loop {
		c.begun++
	}
	c.advance()
	return s
}

// advance wakes who is first, if nobody has anything left to do now.
func (c *virtualClock) advance() {
	if c.begun != c.handed || !slices.ContainsFunc(c.sleepers, func(s *sleeper) bool { return s.loop && !s.stale }) {
		return
	}
	first := 0
	for i, s := range c.sleepers {
		if s.until < c.sleepers[first].until {
			first = i
		}
	}
	s := c.sleepers[first]
	c.sleepers = slices.Delete(c.sleepers, first, first+1)
	c.now = max(c.now, s.until)
	for _, o := range c.sleepers {
		o.stale = o.stale || o.loop
	}
	close(s.wake)
}

// counting tells the clock of inferences that are handed over.
type counting struct {
	policy.Policy
	clock *virtualClock
}

func (p counting) Decide(o *policy.Observation) policy.Decision {
	d := p.Policy.Decide(o)
	if d.Action == policy.Serve {
		p.clock.mu.Lock()
		p.clock.handed++
		p.clock.mu.Unlock()
	}
	return d
}

// virtualSession takes what it is told to by a virtual clock.
type virtualSession struct {
	in, out []float32
	clock   *virtualClock
	takes   func() time.Duration
	err     func() error
}

func (s *virtualSession) Input() []float32  { return s.in }
func (s *virtualSession) Output() []float32 { return s.out }

func (s *virtualSession) Run() error {
	s.clock.work(s.takes())
	if s.err != nil {
		return s.err()
	}
	return nil
}

// pair is a run of the tiny family on a CPU and a GPU that is about twice as fast, by a virtual clock. No two events fall together.
type pair struct {
	*fixture
	clock    *virtualClock
	sessions [2][]*virtualSession
}

func newPair(t testing.TB, spec string) *pair {
	t.Helper()
	fx := newFixture(t)
	p := &pair{fixture: fx, clock: &virtualClock{now: time.Hour}}
	cfg := &fx.cfg
	cfg.Sessions, cfg.Clock = nil, p.clock
	cfg.Processors = []runner.Processor{{Name: "cpu"}, {Name: "gpu"}}
	for i := range cfg.Family.Levels {
		l := &cfg.Family.Levels[i]
		r := l.Arch.R
		for k := range 2 {
			d := time.Duration(i+1)*[2]time.Duration{10_000_019, 4_733_003}[k] + time.Duration(i*i*7919)
			l.Latencies[k] = family.Latency{Processor: cfg.Processors[k].Name, Latency: unit.Nanos(d), Origin: l.Latencies[k].Origin}
			s := &virtualSession{in: make([]float32, 3*r*r), out: make([]float32, 10), clock: p.clock, takes: func() time.Duration { return d }}
			p.sessions[k] = append(p.sessions[k], s)
			cfg.Processors[k].Sessions = append(cfg.Processors[k].Sessions, s)
		}
	}
	cfg.Policy = bundle.Policy{Spec: spec}
	cfg.NewPolicy = func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error) {
		inner, err := policy.New(spec, params, m)
		return counting{inner, p.clock}, err
	}
	return p
}
