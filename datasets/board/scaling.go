package board

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// maxCoRunners bounds the co-runners of a measurement.
const maxCoRunners = 1000

// ScalingData are latencies of one network on one processor, measured at several clocks and with
// several co-running programs.
type ScalingData struct {
	Processor string
	Origin
	Points []ScalingPoint
}

// ScalingPoint is one measurement.
type ScalingPoint struct {
	Origin
	Clock     Number[unit.Hertz]
	CoRunners Number[int]
	Latency   Number[time.Duration]
}

// Scaling says how latency at one operating point follows from that at another:
//
//	latency = alone x (reference / clock)^exponent x co-runner^(number of co-runners)
//
// Three parameters, fitted by least squares of the logarithms. There is nothing physical about it: an
// exponent above 1 says that the measurements slow down more than the clock does, and the model goes no further
// than they do. The clock of the memory is not in it, and matters: where a table was taken at the operating point,
// use the table.
type Scaling struct {
	Processor string
	Reference unit.Hertz    // the highest clock measured
	Alone     time.Duration // fitted latency of the measured network there, undisturbed
	Exponent  float64
	CoRunner  float64 // factor on latency for each co-runner
	// What was measured: clocks in [Low, Reference], up to Most co-runners, at so many points.
	Low    unit.Hertz
	Most   int
	Points int
	// Worst is the largest relative error of the model at a measured point.
	Worst float64
}

// Extrapolation is a doubt about a scaled latency: it is outside of what was measured.
type Extrapolation struct {
	Processor string
	What      string // what is outside of what
}

// Error implements error.
func (e *Extrapolation) Error() string {
	return fmt.Sprintf("board: scaling of %s: %s: the model says nothing about that", e.Processor, e.What)
}

// Fit fits the model. It returns an error unless there are at least three points, at two or more clocks
// and with two or more numbers of co-runners that do not just go along with the clocks.
func (d *ScalingData) Fit() (Scaling, error) {
	s := Scaling{Processor: d.Processor, Points: len(d.Points)}
	n := float64(len(d.Points))
	if len(d.Points) < 3 {
		return s, fmt.Errorf("%d points, want at least 3 to fit three parameters", len(d.Points))
	}
	for i, p := range d.Points {
		if !(p.Clock.Value > 0) || p.Latency.Value <= 0 || p.CoRunners.Value < 0 || p.CoRunners.Value > maxCoRunners {
			return s, fmt.Errorf("point %d has a clock or latency that is not positive, or no sensible number of co-runners", i)
		}
		s.Reference, s.Most = max(s.Reference, p.Clock.Value), max(s.Most, p.CoRunners.Value)
		if s.Low == 0 || p.Clock.Value < s.Low {
			s.Low = p.Clock.Value
		}
	}
	var x, k, y mean
	for _, p := range d.Points {
		x.add(math.Log(float64(s.Reference/p.Clock.Value)), n)
		k.add(float64(p.CoRunners.Value), n)
		y.add(math.Log(float64(p.Latency.Value)), n)
	}
	xx, xk, kk, xy, ky := dot(x, x), dot(x, k), dot(k, k), dot(x, y), dot(k, y)
	det := float64(xx*kk) - float64(xk*xk)
	if !(det > 1e-9*xx*kk) {
		return s, errors.New("the points do not tell the effect of the clock from that of the co-runners")
	}
	s.Exponent = (float64(xy*kk) - float64(ky*xk)) / det
	perCoRunner := (float64(ky*xx) - float64(xy*xk)) / det
	s.CoRunner = math.Exp(perCoRunner)
	s.Alone = time.Duration(math.Round(math.Exp(y.mean - float64(s.Exponent*x.mean) - float64(perCoRunner*k.mean))))
	for _, p := range d.Points {
		fitted, _ := s.Latency(p.Clock.Value, p.CoRunners.Value)
		s.Worst = max(s.Worst, math.Abs(float64(fitted)/float64(p.Latency.Value)-1))
	}
	return s, nil
}

// mean collects values with their mean.
type mean struct {
	mean   float64
	values []float64
}

func (m *mean) add(v, n float64) {
	m.values = append(m.values, v)
	m.mean += v / n
}

// dot is the sum of products of deviations from the means.
func dot(a, b mean) float64 {
	sum := 0.0
	for i := range a.values {
		sum += float64((a.values[i] - a.mean) * (b.values[i] - b.mean))
	}
	return sum
}

// Latency returns the latency of the measured network at a clock, which is positive, beside co-runners, and
// doubts of type [*Extrapolation].
func (s *Scaling) Latency(clock unit.Hertz, coRunners int) (time.Duration, []error) {
	ns := unit.Nanoseconds(float64(s.Alone) * s.from(clock, coRunners))
	return ns.Duration(), s.doubts(clock, coRunners)
}

// Factor returns by what a latency at one clock beside some co-runners is to be multiplied for that at
// another clock beside others, and doubts of type [*Extrapolation].
func (s *Scaling) Factor(from unit.Hertz, fromCoRunners int, to unit.Hertz, toCoRunners int) (float64, []error) {
	doubts := s.doubts(from, fromCoRunners)
	if from != to || fromCoRunners != toCoRunners {
		doubts = append(doubts, s.doubts(to, toCoRunners)...)
	}
	return s.from(to, toCoRunners) / s.from(from, fromCoRunners), doubts
}

// from returns the factor on Alone.
func (s *Scaling) from(clock unit.Hertz, coRunners int) float64 {
	return math.Pow(float64(s.Reference/clock), s.Exponent) * math.Pow(s.CoRunner, float64(coRunners))
}

func (s *Scaling) doubts(clock unit.Hertz, coRunners int) []error {
	var doubts []error
	if !(clock >= s.Low && clock <= s.Reference) {
		doubts = append(doubts, &Extrapolation{s.Processor, fmt.Sprintf("%s is outside the measured clocks, %s to %s", format(clock), format(s.Low), format(s.Reference))})
	}
	if coRunners < 0 || coRunners > s.Most {
		doubts = append(doubts, &Extrapolation{s.Processor, fmt.Sprintf("%d co-runners, up to %d were measured", coRunners, s.Most)})
	}
	return doubts
}

// ScalingOf fits the board's measurements of a processor. It returns an error if there are none.
func (b *Board) ScalingOf(processor string) (Scaling, error) {
	for i := range b.Scaling {
		if b.Scaling[i].Processor == processor {
			s, err := b.Scaling[i].Fit()
			if err != nil {
				return s, fmt.Errorf("board: %s: scaling of %s: %w", b.Name, processor, err)
			}
			return s, nil
		}
	}
	return Scaling{}, fmt.Errorf("board: %s: nothing is known about how latency on %q depends on its clock", b.Name, clip(processor))
}
