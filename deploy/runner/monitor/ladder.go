package monitor

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"

	"github.com/dynofa/dynofa/datasets/host"
)

// Levels are a family's levels in memory. A *runner.Pool is one.
type Levels interface {
	Len() int
	Resident(level int) bool
	Uses(level int) int64 // how often a level was asked for so far, while it was away as well
	Evict(level int) error
	Admit(may func(level int) bool)
	Retry()
}

// LadderConfig says when levels leave memory. FS and Levels are required.
type LadderConfig struct {
	FS     fs.FS
	Levels Levels
	// Need estimates the bytes that a level takes when it is loaded, of memory that the kernel cannot take back, per level; nil:
	// unknown, then a level is loaded as long as High is not reached.
	Need []int64
	// High is the share of the memory limit from which on levels are dropped, Low the one below which they may come
	// back; defaults 0.9 and 0.75.
	High, Low float64
	// Stall is the share of the last ten seconds in which something waited for memory from which on levels are dropped; default 0.1.
	Stall  float64
	Trim   func() // gives freed memory back to the kernel, after a level was dropped; may be nil
	Logger *slog.Logger
}

// Ladder drops the least used level at each sample in which memory is short, one after the other down to level 0,
// and lets levels come back when there is room again. A level that the policy asks for while it is away is asked for in the
// background, see runner.Pool; if there is no room for it, levels that are used less than half as often make some.
type Ladder struct {
	cfg   LadderConfig
	total int64 // of the machine

	mu       sync.Mutex
	scores   []float64 // recent uses, per level
	uses     []int64   // at the last step
	memory   host.MemoryLimit
	seen     bool
	short    bool // memory was short at the last step
	calm     int  // steps since it was
	patience int  // steps of calm before a level may come back
	loaded   int  // steps since one was let back, capped
	refused  int  // level that was refused last, for want of room; -1: none
	dropped  int
}

const (
	firstPatience = 4
	mostPatience  = 256
	// leastAvailable is the share of the machine's memory that has to be available where no limit is set.
	leastAvailable = 0.03
)

// NewLadder returns a ladder, which is in charge of loading in the background from now on. It returns an error for an unusable
// configuration.
func NewLadder(cfg LadderConfig) (*Ladder, error) {
	if cfg.High == 0 {
		cfg.High = 0.9
	}
	if cfg.Low == 0 {
		cfg.Low = 0.75
	}
	if cfg.Stall == 0 {
		cfg.Stall = 0.1
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.FS == nil || cfg.Levels == nil {
		return nil, errors.New("monitor: a ladder needs a file system and levels")
	}
	if !(0 < cfg.Low && cfg.Low <= cfg.High && cfg.High < 1 && cfg.Stall > 0) || cfg.Need != nil && len(cfg.Need) != cfg.Levels.Len() {
		return nil, fmt.Errorf("monitor: ladder: low %g and high %g are not ascending shares, stall %g is not positive, or %d needs for %d levels", cfg.Low, cfg.High, cfg.Stall, len(cfg.Need), cfg.Levels.Len())
	}
	n := cfg.Levels.Len()
	l := &Ladder{cfg: cfg, total: host.ReadMachine(cfg.FS).MemoryBytes, scores: make([]float64, n), uses: make([]int64, n), patience: firstPatience, calm: mostPatience, refused: -1}
	cfg.Levels.Admit(l.Admits)
	return l, nil
}

// Dropped returns how many levels were dropped so far.
func (l *Ladder) Dropped() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

// Admits says whether a level may be loaded now. It looks afresh, since several may be loaded between two samples.
func (l *Ladder) Admits(level int) bool {
	m := host.ReadMemoryLimit(l.cfg.FS)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.short || l.calm < l.patience {
		return false
	}
	if limit := m.Limit(); limit > 0 {
		need := int64(0)
		if l.cfg.Need != nil {
			need = l.cfg.Need[level]
		}
		most := l.cfg.High
		if l.dropped > 0 {
			most = l.cfg.Low
		}
		if float64(max(m.Current-m.File, 0)+need) > float64(most*float64(limit)) {
			l.refused = level
			return false
		}
	}
	l.loaded = 0
	return true
}

// step looks at a sample.
func (l *Ladder) step(r *Readings) {
	l.mu.Lock()
	why := l.pressed(r)
	for level := range l.scores {
		n := l.cfg.Levels.Uses(level)
		l.scores[level] = float64(0.9*l.scores[level]) + float64(n-l.uses[level])
		l.uses[level] = n
	}
	l.loaded = min(l.loaded+1, mostPatience)
	l.short = why != ""
	if !l.short {
		l.calm = min(l.calm+1, mostPatience)
		if l.calm == mostPatience {
			l.patience = firstPatience
		}
		victim, wanted := l.room()
		l.mu.Unlock()
		if victim >= 0 {
			l.drop(victim, fmt.Sprintf("it makes room for level %d, which is asked for more often", wanted))
		}
		l.cfg.Levels.Retry()
		return
	}
	l.calm = 0
	victim := l.victim()
	if victim >= 0 && l.loaded <= 2*l.patience && l.dropped > 0 { // it was let back too early
		l.patience = min(2*l.patience, mostPatience/2)
	}
	if victim >= 0 {
		l.dropped++
	}
	l.mu.Unlock()
	if victim >= 0 { // else the smallest set is left
		l.drop(victim, why)
	}
}

// room returns a level that is to make room for one that was refused since the last step, and that one; -1 if none is. The caller
// holds the lock.
func (l *Ladder) room() (victim, wanted int) {
	wanted, l.refused = l.refused, -1
	if wanted < 0 || l.calm < l.patience {
		return -1, wanted
	}
	victim = l.victim()
	if victim < 0 || l.scores[victim] > l.scores[wanted]/2 {
		return -1, wanted
	}
	l.dropped++
	return victim, wanted
}

// drop closes a level.
func (l *Ladder) drop(victim int, why string) {
	if err := l.cfg.Levels.Evict(victim); err != nil {
		l.cfg.Logger.Error("a level that was dropped from memory did not close", "level", victim, "error", err)
	}
	if l.cfg.Trim != nil {
		l.cfg.Trim()
	}
	l.cfg.Logger.Warn("a level was dropped from memory", "level", victim, "why", why)
}

// pressed says why memory is short, empty if it is not.
func (l *Ladder) pressed(r *Readings) string {
	m, before, seen := r.Memory, l.memory, l.seen
	l.memory, l.seen = m, true
	same := seen && m.Group == before.Group
	switch {
	case m.Limit() > 0 && m.Used() >= l.cfg.High:
		return fmt.Sprintf("%.0f%% of the limit of %s are in use", 100*m.Used(), m.Group)
	case same && m.Used() >= l.cfg.Low && m.OverHigh+m.AtMax > before.OverHigh+before.AtMax:
		return "the limit of " + m.Group + " was reached"
	case same && m.OOM+m.Killed > before.OOM+before.Killed:
		return "memory of " + m.Group + " ran out"
	case m.SomeAvg10 >= l.cfg.Stall:
		return fmt.Sprintf("%.0f%% of the time something of %s waits for memory", 100*m.SomeAvg10, m.Group)
	}
	for _, p := range r.State.Pressure {
		if p.Resource == "memory" && p.SomeAvg10 >= l.cfg.Stall {
			return fmt.Sprintf("%.0f%% of the time something waits for memory", 100*p.SomeAvg10)
		}
	}
	if a := r.State.AvailableBytes; a > 0 && l.total > 0 && float64(a) < leastAvailable*float64(l.total) {
		return "the machine has hardly any memory left"
	}
	return ""
}

// victim returns the resident level above 0 that was used least of late, of equals the one that needs most, -1 if there is none.
func (l *Ladder) victim() int {
	least := -1
	for level := len(l.scores) - 1; level > 0; level-- {
		if l.cfg.Levels.Resident(level) && (least < 0 || l.scores[level] < l.scores[least]) {
			least = level
		}
	}
	return least
}
