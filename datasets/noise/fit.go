package noise

import (
	"fmt"
	"math"
	"slices"
)

// MinTail is the number of samples above the threshold that a fit takes.
const MinTail = 30

// Fit fits a model to factors in the order in which they were measured, with the tail beginning at a quantile of them, in
// [0.5, 0.999]: the share of requests that may miss their deadline is a good choice, or 0.95. It returns an error for samples
// that are not positive, or if fewer than MinTail are above the threshold.
//
// The body's two parameters are those of a lognormal distribution cut off at the threshold that has the mean and
// standard deviation of the samples' logarithms; the tail's come from probability-weighted moments; the chain's from counting. Persist
// makes the excess above the tail's own median follow one another as often as they do in the samples.
//
// Source: J. R. M. Hosking, J. R. Wallis, "Parameter and quantile estimation for the generalized Pareto distribution",
// Technometrics 29, 1987, section 3.2 (their k is -Shape).
func Fit(factors []float64, quantile float64) (*Model, error) {
	if !(quantile >= 0.5 && quantile <= 0.999) {
		return nil, fmt.Errorf("noise: quantile %g is outside [0.5, 0.999]", quantile)
	}
	for i, f := range factors {
		if !(f > 0) || math.IsInf(f, 0) {
			return nil, fmt.Errorf("noise: sample %d is %g, want a positive factor", i+1, f)
		}
	}
	sorted := slices.Sorted(slices.Values(factors))
	if len(sorted) == 0 {
		return nil, fmt.Errorf("noise: no samples, want %d above the threshold", MinTail)
	}
	m := &Model{Threshold: sorted[int(quantile*float64(len(sorted)-1))]}
	first, _ := slices.BinarySearchFunc(sorted, m.Threshold, func(v, t float64) int {
		if v <= t {
			return -1
		}
		return 1
	})
	if tail := len(sorted) - first; tail < MinTail {
		return nil, fmt.Errorf("noise: %d of %d samples are above the threshold %g, want at least %d", tail, len(sorted), m.Threshold, MinTail)
	}
	m.fitTail(sorted[first:])
	m.fitBody(sorted[:first])
	m.fitChain(factors, sorted[(first+len(sorted))/2])
	if err := m.Validate(); err != nil {
		return nil, fmt.Errorf("noise: the samples have no such tail or bursts: %w", err)
	}
	return m, nil
}

// fitTail fits the excess of ascending factors above the threshold.
func (m *Model) fitTail(tail []float64) {
	n := float64(len(tail))
	a0, a1 := 0.0, 0.0
	for i, f := range tail {
		x := f - m.Threshold
		a0 += x / n
		a1 += x / n * (n - float64(i) - 0.65) / n // weighted by what exceeds it
	}
	m.Shape = min(max(2-a0/(a0-2*a1), -1), 0.9)
	m.Scale = a0 * (1 - m.Shape) // keeps the mean
}

// fitBody fits the factors up to the threshold.
func (m *Model) fitBody(body []float64) {
	mean, squares, n := 0.0, 0.0, float64(len(body))
	for _, f := range body {
		mean += math.Log(f) / n
	}
	for _, f := range body {
		squares += (math.Log(f) - mean) * (math.Log(f) - mean) / n
	}
	// Of a normal distribution cut off at mu + z sigma the mean is mu - sigma h and the variance sigma^2 (1 - h (z + h)), with
	// h = density/probability at z.
	m.Mu, m.Sigma = mean, math.Sqrt(squares)
	for range 200 {
		if m.Sigma == 0 {
			break
		}
		z := (math.Log(m.Threshold) - m.Mu) / m.Sigma
		h := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) / phi(z)
		m.Sigma = math.Sqrt(squares / max(0.05, 1-h*(z+h)))
		m.Mu = mean + m.Sigma*h
	}
}

// fitChain fits the bursts, with the tail's median.
func (m *Model) fitChain(factors []float64, middle float64) {
	var calm, entered, burst, stayed, high, again float64
	for i := 1; i < len(factors); i++ {
		before, now := factors[i-1], factors[i]
		switch {
		case before > m.Threshold:
			burst++
			if now > m.Threshold {
				stayed++
			}
			if before > middle {
				high++
				if now > middle {
					again++
				}
			}
		default:
			calm++
			if now > m.Threshold {
				entered++
			}
		}
	}
	m.Enter, m.Stay = entered/max(calm, 1), stayed/max(burst, 1)
	if m.Stay > 0 && high > 0 {
		s := m.excess(middle)
		m.Persist = min(max((again/high/m.Stay-s)/(1-s), 0), 1)
	}
}
