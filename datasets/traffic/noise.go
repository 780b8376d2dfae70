package traffic

import (
	"math/rand/v2"
	"strings"

	"github.com/dynofa/dynofa/datasets/noise"
)

// NoNoise, Lognormal, Exponential and Burst are the kinds of noise.
const (
	NoNoise   NoiseKind = "none"
	Lognormal NoiseKind = "lognormal"
	// Exponential latencies have queueing theory's formulas to compare a simulator with. No processor has
	// them.
	Exponential NoiseKind = "exponential"
	// Burst is a lognormal body with a generalised Pareto tail that comes in bursts, see package noise.
	Burst NoiseKind = "burst"
)

// NoiseKind names a distribution in scenario files. The empty kind means NoNoise.
type NoiseKind string

// Noise is a random factor on the latency of each inference.
type Noise struct {
	Kind NoiseKind
	// Sigma is the standard deviation of the factor's logarithm, in (0, MaxSigma] for Lognormal and 0
	// otherwise; for small values it is the factor's relative standard deviation.
	Sigma float64
	// Bursts is the model of kind Burst, zero otherwise.
	Bursts noise.Model
}

// NoiseSource draws the factors of one run, in the order of requests. It is used by one goroutine.
type NoiseSource struct {
	Noise
	rng    *rand.Rand
	bursts *noise.Source
}

// Source starts the noise of a run, all of whose randomness comes from rng.
func (n Noise) Source(rng *rand.Rand) *NoiseSource {
	s := &NoiseSource{Noise: n, rng: rng}
	if n.Kind == Burst {
		s.bursts = n.Bursts.Source(rng)
	}
	return s
}

// Next draws a factor: for Lognormal exp(Sigma*z - Sigma^2/2) with a standard normal z, for Exponential one of
// mean 1, which may be 0, for Burst that of its model, and 1 without noise (and without a draw). But for Burst factors are independent
// and of mean 1. They are the same on every architecture, except that the standard library's normal variables take a logarithm of
// theirs beyond 3.4 standard deviations, which may differ in the last bit.
func (s *NoiseSource) Next() float64 {
	switch s.Kind {
	case Lognormal:
		return noise.Exp(float64(s.Sigma*s.rng.NormFloat64()) - float64(s.Sigma*s.Sigma)/2)
	case Exponential:
		return exponential(s.rng)
	case Burst:
		return s.bursts.Next(s.rng)
	}
	return 1
}

func (n Noise) problems(r *report) {
	if n.Kind != Burst && n.Bursts != (noise.Model{}) {
		r.add("kind", "a model of bursts is given for noise of another kind")
	}
	switch n.Kind {
	case "", NoNoise:
		if n.Sigma != 0 {
			r.add("sigma", "given for noise of kind none")
		}
	case Exponential:
		if n.Sigma != 0 {
			r.add("sigma", "given for noise of kind exponential")
		}
	case Burst:
		if n.Sigma != 0 {
			r.add("sigma", "belongs to the model of bursts")
		}
		if err := n.Bursts.Validate(); err != nil {
			r.add("", "%s", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	case Lognormal:
		if !(n.Sigma > 0 && n.Sigma <= MaxSigma) {
			r.add("sigma", "%g is outside (0, %g]", n.Sigma, MaxSigma)
		}
	default:
		r.add("kind", "%q is none of none, lognormal, exponential, burst", n.Kind)
	}
}
