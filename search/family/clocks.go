package family

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Clocks are the clock steps of a processor among which a runtime manager may choose. Every level then has a Point for
// each step on that processor.
type Clocks struct {
	Processor string       `json:"processor"`
	Steps     []unit.Hertz `json:"steps_hz"` // ascending, at most MaxSteps
	// Effect is the time from a request for another step until it is in force.
	Effect time.Duration `json:"effect_ns"`
	// Source says in one line where the latencies and energies of the points come from.
	Source string `json:"source"`
}

// Point is a level on a processor at one operating point.
type Point struct {
	Latency unit.Nanoseconds `json:"latency_ns"`
	// Energy is what an inference takes beyond what is drawn without it.
	Energy unit.Joules `json:"energy_j"`
}

// MaxSteps bounds the steps of a processor.
const MaxSteps = 64

// ClocksOf returns the clock steps of a processor, nil if there are none to choose among.
func (f *Family) ClocksOf(processor string) *Clocks {
	for i := range f.Clocks {
		if f.Clocks[i].Processor == processor {
			return &f.Clocks[i]
		}
	}
	return nil
}

// checkClocks returns what is wrong with the clock steps.
func (f *Family) checkClocks() error {
	var errs []error
	for i := range f.Clocks {
		c := &f.Clocks[i]
		fail := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("clocks of %.80q: "+format, append([]any{c.Processor}, args...)...))
		}
		if _, ok := f.Latency(0, c.Processor); !ok {
			fail("the levels have no latencies on it")
		}
		if f.ClocksOf(c.Processor) != c {
			fail("they stand twice")
		}
		if n := len(c.Steps); n < 1 || n > MaxSteps {
			fail("%d steps, want 1 to %d", n, MaxSteps)
		}
		for k, s := range c.Steps {
			if !(s > 0) || math.IsInf(float64(s), 0) || k > 0 && s <= c.Steps[k-1] {
				fail("step %d of %g Hz is not positive and above the one before", k, float64(s))
			}
		}
		if c.Effect < 0 || c.Effect > time.Hour {
			fail("effect after %v is outside [0s, 1h]", c.Effect)
		}
	}
	return errors.Join(errs...)
}

// checkPoints returns an error unless a latency has as many points as its processor has clock steps; without steps,
// none, or one for the clock as it is.
func (f *Family) checkPoints(l *Latency) error {
	want := 0
	if c := f.ClocksOf(l.Processor); c != nil {
		want = len(c.Steps)
	} else if len(l.Points) == 1 {
		want = 1
	}
	if len(l.Points) != want {
		return fmt.Errorf("%d points on %q, want %d", len(l.Points), l.Processor, want)
	}
	for k, p := range l.Points {
		if !(p.Latency > 0 && p.Latency < 1e15) || !(p.Energy >= 0 && p.Energy < 1e9) {
			return fmt.Errorf("point %d on %q: latency %g ns is not in (0, 1e15), or energy %g J not in [0, 1e9)", k, l.Processor, float64(p.Latency), float64(p.Energy))
		}
	}
	return nil
}
