package traffic

import (
	"math"
	"math/rand/v2"
)

// NoNoise, Lognormal and Exponential are the kinds of noise.
const (
	NoNoise   NoiseKind = "none"
	Lognormal NoiseKind = "lognormal"
	// Exponential latencies have queueing theory's formulas to compare a simulator with. No processor has
	// them.
	Exponential NoiseKind = "exponential"
)

// NoiseKind names a distribution in scenario files. The empty kind means NoNoise.
type NoiseKind string

// Noise is a random factor on the latency of each inference, independent of the others and with mean 1.
type Noise struct {
	Kind NoiseKind
	// Sigma is the standard deviation of the factor's logarithm, in (0, MaxSigma] for Lognormal and 0
	// otherwise; for small values it is the factor's relative standard deviation.
	Sigma float64
}

// Factor draws one factor: for Lognormal exp(Sigma*z - Sigma^2/2) with a standard normal z, for
// Exponential one of mean 1, which may be 0, and 1 without noise (and without a draw). Lognormal goes
// through the normal distribution and the exponential function of the standard library, whose last bit
// may differ between architectures; the others are the same everywhere.
func (n Noise) Factor(rng *rand.Rand) float64 {
	switch n.Kind {
	case Lognormal:
		return math.Exp(float64(n.Sigma*rng.NormFloat64()) - float64(n.Sigma*n.Sigma)/2)
	case Exponential:
		return exponential(rng)
	}
	return 1
}

func (n Noise) problems(r *report) {
	switch n.Kind {
	case "", NoNoise:
		if n.Sigma != 0 {
			r.add("sigma", "given for noise of kind none")
		}
	case Exponential:
		if n.Sigma != 0 {
			r.add("sigma", "given for noise of kind exponential")
		}
	case Lognormal:
		if !(n.Sigma > 0 && n.Sigma <= MaxSigma) {
			r.add("sigma", "%g is outside (0, %g]", n.Sigma, MaxSigma)
		}
	default:
		r.add("kind", "%q is none of none, lognormal, exponential", n.Kind)
	}
}
