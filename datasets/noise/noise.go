// Package noise describes how measured latencies scatter around their mean: a lognormal body, a generalised Pareto tail, and
// bursts, since inferences that take long come in a row. Models are fitted from samples in the order in which they were
// measured, and drawn from by a simulator.
//
// The package knows neither requests nor levels: a sample is a factor on a latency.
package noise

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// Model is a two-state Markov chain of factors on latency. In the calm state a factor is lognormal below Threshold; in a burst
// it is Threshold plus an excess with a generalised Pareto distribution. Within a burst an excess stays as it is with the
// probability Persist, and is drawn anew otherwise, which leaves its distribution what it is.
//
// So P(above t | above t the time before) is Stay for t = Threshold, and Stay (Persist + (1 - Persist) P(excess > t -
// Threshold)) for larger ones.
type Model struct {
	// Mu and Sigma are mean and standard deviation of the logarithm of the body before it is cut off at
	// Threshold.
	Mu, Sigma float64
	Threshold float64 // positive, above exp(Mu)
	// Enter and Stay are the probabilities of a burst after a calm factor and after one of a burst, in [0, 1).
	Enter, Stay float64
	// Scale (positive) and Shape (below 1) are those of the excess: P(excess > x) = (1 + Shape x/Scale)^(-1/Shape).
	Scale, Shape float64
	Persist      float64 // in [0, 1]
}

// Validate returns what makes m unusable.
func (m *Model) Validate() error {
	var errs []error
	in := func(name string, v, low, high float64) {
		if !(v >= low && v <= high) {
			errs = append(errs, fmt.Errorf("%s %g is outside [%g, %g]", name, v, low, high))
		}
	}
	in("mu", m.Mu, -2, 2)
	in("sigma", m.Sigma, 0, 2)
	in("threshold", m.Threshold, 0.1, 100)
	in("enter", m.Enter, 0, 0.99)
	in("stay", m.Stay, 0, 0.999)
	in("scale", m.Scale, 1e-6, 100)
	in("shape", m.Shape, -1, 0.95)
	in("persist", m.Persist, 0, 1)
	if len(errs) == 0 && math.Log(m.Threshold) <= m.Mu {
		errs = append(errs, fmt.Errorf("threshold %g is not above the body's median %g", m.Threshold, math.Exp(m.Mu)))
	}
	return errors.Join(errs...)
}

// Bursts returns the share of factors in bursts in the long run.
func (m *Model) Bursts() float64 { return m.Enter / (m.Enter + 1 - m.Stay) }

// Mean returns the mean factor in the long run.
func (m *Model) Mean() float64 {
	z := (math.Log(m.Threshold) - m.Mu) / m.Sigma
	body := math.Exp(m.Mu)
	if m.Sigma > 0 {
		body = math.Exp(m.Mu+m.Sigma*m.Sigma/2) * phi(z-m.Sigma) / phi(z)
	}
	b := m.Bursts()
	return (1-b)*body + b*(m.Threshold+m.Scale/(1-m.Shape))
}

// Above returns the probability that a factor exceeds t, which is at least Threshold.
func (m *Model) Above(t float64) float64 { return m.Bursts() * m.excess(t) }

// AboveAgain returns the probability that a factor exceeds t, at least Threshold, if the one before did.
func (m *Model) AboveAgain(t float64) float64 {
	return m.Stay * (m.Persist + (1-m.Persist)*m.excess(t))
}

// excess returns P(excess > t - Threshold).
func (m *Model) excess(t float64) float64 {
	x := (t - m.Threshold) / m.Scale
	if math.Abs(m.Shape) < 1e-9 {
		return math.Exp(-x)
	}
	return math.Pow(max(0, 1+m.Shape*x), -1/m.Shape)
}

// phi is the distribution function of the standard normal distribution.
func phi(z float64) float64 { return math.Erfc(-z/math.Sqrt2) / 2 }

// Source draws factors of one run. It is used by one goroutine.
type Source struct {
	Model
	burst bool
	last  float64 // excess
}

// Source starts the chain in its long-run distribution: the first factor is of a burst with the probability Bursts.
func (m *Model) Source(rng *rand.Rand) *Source {
	s := &Source{Model: *m, burst: rng.Float64() < m.Bursts()}
	s.last = s.draw(rng)
	return s
}

// Next draws the next factor. Each takes the same number of uniform draws in either state, except that a body above the threshold is
// drawn again. What is drawn is the same on every architecture but for the standard library's normal variables beyond 3.4 standard
// deviations, whose last bit may differ.
func (s *Source) Next(rng *rand.Rand) float64 {
	change, persist := rng.Float64(), rng.Float64()
	before := s.burst
	s.burst = change < s.Enter
	if before {
		s.burst = change < s.Stay
	}
	if s.burst {
		if !before || persist >= s.Persist {
			s.last = s.draw(rng)
		}
		return s.Threshold + s.last
	}
	for range 1000 {
		if f := Exp(s.Mu + float64(s.Sigma*rng.NormFloat64())); f < s.Threshold {
			return f
		}
	}
	return Exp(s.Mu) // a body that hardly ever is below its threshold
}

// draw draws an excess by inversion.
func (s *Source) draw(rng *rand.Rand) float64 {
	u := 1 - rng.Float64() // in (0, 1]
	if math.Abs(s.Shape) < 1e-9 {
		return -s.Scale * Log(u)
	}
	return s.Scale / s.Shape * (Exp(-s.Shape*Log(u)) - 1)
}
