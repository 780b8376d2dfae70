package monitor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/deploy/runner"
)

// Config says what to watch. FS and Health are required.
type Config struct {
	FS     fs.FS
	Health *runner.Health
	// Ladder drops levels where memory is short; nil: none is dropped.
	Ladder *Ladder
	Period time.Duration // between samples; default DefaultPeriod
	Logger *slog.Logger  // nil: discard

	// Now is the time since any fixed start, by a clock that nobody sets; Wall is the time of day. Default the machine's.
	Now  func() time.Duration
	Wall func() time.Time
}

// DefaultPeriod is the time between two samples.
const DefaultPeriod = 500 * time.Millisecond

const (
	// jump is the difference between the two clocks' steps from which on time has jumped: more than clocks are slewed by, and than a
	// sample takes on a busy machine.
	jump = 500 * time.Millisecond
	// stopped is the number of periods after which nothing can have run.
	stopped = 20
)

// Readings are what the device says at one moment.
type Readings struct {
	At     time.Duration // by Config.Now
	State  host.State
	Memory host.MemoryLimit
	// Busy and Stolen are shares of the processors' time since the sample before; Known says whether there are any.
	Busy, Stolen float64
	Known        bool
	Energy       []Energy // of rails, since the first sample
	Lost         []string // sensors that answered at first and do not now, in order
	Jumps        int      // of time, so far
}

// Monitor samples a device. Its methods may be called from any goroutine.
type Monitor struct {
	cfg Config

	mu      sync.Mutex
	begun   bool
	last    Readings
	wall    time.Time
	sensors []string // that answered at the first sample
	lost    map[string]bool
	meter   meter
}

// New returns a monitor. It returns an error for an unusable configuration.
func New(cfg Config) (*Monitor, error) {
	if cfg.FS == nil || cfg.Health == nil || cfg.Period < 0 {
		return nil, errors.New("monitor: a file system, a health and a period that is not negative are required")
	}
	if cfg.Period == 0 {
		cfg.Period = DefaultPeriod
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		began := time.Now()
		cfg.Now = func() time.Duration { return time.Since(began) }
	}
	if cfg.Wall == nil {
		cfg.Wall = func() time.Time { return time.Now().Round(0) } // without the monotonic clock
	}
	return &Monitor{cfg: cfg, lost: map[string]bool{}}, nil
}

// Run samples every Period until ctx ends.
func (m *Monitor) Run(ctx context.Context) {
	t := time.NewTicker(m.cfg.Period)
	defer t.Stop()
	for {
		m.Sample()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// Last returns the last sample, false before the first.
func (m *Monitor) Last() (Readings, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last, m.begun
}

// Sample reads the device, raises alarms and lets the ladder take a step.
func (m *Monitor) Sample() Readings {
	now, wall := m.cfg.Now(), m.cfg.Wall()
	r := Readings{At: now, State: host.ReadState(m.cfg.FS), Memory: host.ReadMemoryLimit(m.cfg.FS)}
	m.mu.Lock()
	r.Jumps = m.last.Jumps
	if m.begun {
		if detail := m.jumped(now, wall); detail != "" {
			r.Jumps++
			m.cfg.Health.Raise(runner.Alarm{Reason: runner.ReasonClockJump, Detail: detail})
		}
		r.Busy, r.Stolen, r.Known = r.State.CPUTime.Since(m.last.State.CPUTime)
	} else {
		m.sensors = sensors(&r.State)
	}
	m.meter.add(now, r.State.Rails, 4*m.cfg.Period)
	r.Energy = m.meter.energies()
	r.Lost = m.missing(&r.State)
	m.last, m.wall, m.begun = r, wall, true
	m.mu.Unlock()
	if m.cfg.Ladder != nil {
		m.cfg.Ladder.step(&r)
	}
	return r
}

// jumped says how time jumped since the sample before, if it did.
func (m *Monitor) jumped(now time.Duration, wall time.Time) string {
	step, day := now-m.last.At, wall.Sub(m.wall)
	switch {
	case step < 0:
		return fmt.Sprintf("the clock that nobody sets fell by %v", -step)
	case step > stopped*m.cfg.Period && step > jump:
		return fmt.Sprintf("nothing ran for %v", step)
	case day-step > jump:
		return fmt.Sprintf("the time of day went forward by %v: it was set, or the machine slept", (day - step).Round(time.Millisecond))
	case step-day > jump:
		return fmt.Sprintf("the time of day went back by %v", (step - day).Round(time.Millisecond))
	}
	return ""
}

// missing compares the sensors with those that answered first, and raises an alarm for each that was lost since the last sample.
func (m *Monitor) missing(s *host.State) []string {
	there := sensors(s)
	var lost []string
	for _, name := range m.sensors {
		gone := !slices.Contains(there, name)
		switch {
		case gone && !m.lost[name]:
			m.cfg.Health.Raise(runner.Alarm{Reason: runner.ReasonSensorLost, Detail: name})
		case !gone && m.lost[name]:
			m.cfg.Logger.Info("a sensor is back", "sensor", name)
		}
		if m.lost[name] = gone; gone {
			lost = append(lost, name)
		}
	}
	return lost
}

// sensors names what of a state is measured.
func sensors(s *host.State) []string {
	var names []string
	for _, t := range s.Temperatures {
		names = append(names, "temperature of "+t.Zone)
	}
	for _, r := range s.Rails {
		names = append(names, "power of "+r.Name)
	}
	for _, p := range s.Policies {
		if p.Current > 0 {
			names = append(names, "clock of "+p.Name)
		}
	}
	for _, d := range s.Devices {
		if d.Current > 0 {
			names = append(names, "clock of "+d.Name)
		}
	}
	for _, u := range s.Utilisation {
		names = append(names, "utilisation of "+u.Name)
	}
	return names
}
