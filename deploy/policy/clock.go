package policy

import (
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/family"
)

// ClockModel is what a policy knows about the clock of a processor.
type ClockModel struct {
	Steps []unit.Hertz // ascending
	// Effect is the time from a decision for another step until it is in force. The inference begins at once, at the
	// step before.
	Effect time.Duration
}

// PointModel is a level on a processor at a clock step.
type PointModel struct {
	Latency time.Duration // of one inference
	Energy  unit.Joules   // that it takes beyond what is drawn without it
}

func (l *LevelModel) addPoints(processor, processors int, points []family.Point) {
	if l.Points == nil {
		l.Points = make([][]PointModel, processors)
	}
	for _, p := range points {
		l.Points[processor] = append(l.Points[processor], PointModel{Latency: p.Latency.Duration(), Energy: p.Energy})
	}
}

// steps returns the number of clock steps of a processor that a decision may choose among.
func (m *Model) steps(processor int) int {
	if len(m.Clocks) == 0 {
		return 0
	}
	return len(m.Clocks[processor].Steps)
}

// At returns the predicted latency of a batch of up to Largest requests on a processor at a clock step as in a
// Decision: at step 0 the same as Of. A batch takes as many times the latency of one as it does there.
func (l *LevelModel) At(processor, clock, size int) time.Duration {
	if clock == 0 {
		return l.Of(processor, size)
	}
	one := l.Points[processor][clock-1].Latency
	if size < 2 {
		return one
	}
	return scaled(l.Of(processor, size), one, l.Latency[processor])
}

// energy returns what a batch takes at a clock step as in a Decision, 0 where nothing is known. It takes the power of one
// inference for that of a batch.
func (l *LevelModel) energy(processor, clock, size int) float64 {
	if len(l.Points) == 0 || len(l.Points[processor]) == 0 {
		return 0
	}
	e := float64(l.Points[processor][max(clock, 1)-1].Energy)
	if size < 2 {
		return e
	}
	return e * (float64(l.Of(processor, size)) / float64(l.Latency[processor]))
}

// scaled returns d times a/b, rounded down, at least 1 and at most a quarter of the largest duration. All are positive.
func scaled(d, a, b time.Duration) time.Duration {
	const most = math.MaxInt64 / 4
	hi, lo := bits.Mul64(uint64(d), uint64(a))
	if hi >= uint64(b) {
		return most
	}
	q, _ := bits.Div64(hi, lo, uint64(b))
	return max(time.Duration(min(q, most)), 1)
}

func (m *Model) checkClocks() error {
	if len(m.Clocks) != 0 && len(m.Clocks) != len(m.Processors) {
		return fmt.Errorf("policy: model: clocks of %d processors of %d", len(m.Clocks), len(m.Processors))
	}
	for i, c := range m.Clocks {
		if c.Effect < 0 || len(c.Steps) > family.MaxSteps {
			return fmt.Errorf("policy: model: clocks of %s: %d steps, in force after %v", m.Processors[i], len(c.Steps), c.Effect)
		}
		for k, s := range c.Steps {
			if !(s > 0) || k > 0 && s <= c.Steps[k-1] {
				return fmt.Errorf("policy: model: clocks of %s: step %d of %g Hz is not positive and above the one before", m.Processors[i], k, float64(s))
			}
		}
	}
	return nil
}

func (m *Model) checkPoints(l *LevelModel) error {
	if len(l.Points) != 0 && len(l.Points) != len(m.Processors) {
		return fmt.Errorf("points on %d processors of %d", len(l.Points), len(m.Processors))
	}
	for i := range m.Processors {
		n, steps := 0, 0
		if len(m.Clocks) > i {
			steps = len(m.Clocks[i].Steps)
		}
		if len(l.Points) != 0 {
			n = len(l.Points[i])
		}
		if steps > 0 && n != steps || steps == 0 && n > 1 {
			return fmt.Errorf("%d points on %s, which has %d clock steps", n, m.Processors[i], steps)
		}
		for k := range n {
			if p := l.Points[i][k]; p.Latency <= 0 || !(p.Energy >= 0) || math.IsInf(float64(p.Energy), 0) {
				return fmt.Errorf("point %d on %s has latency %v and energy %g J", k, m.Processors[i], p.Latency, float64(p.Energy))
			}
		}
	}
	return nil
}
