package traffic

import (
	"math"
	"math/rand/v2"
)

// NoNoise and Lognormal are the kinds of noise.
const (
	NoNoise   NoiseKind = "none"
	Lognormal NoiseKind = "lognormal"
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

// Factor draws one factor: exp(Sigma*z - Sigma^2/2) with a standard normal z, or 1 without noise (and
// without a draw). It goes through the normal distribution and the exponential function of the standard
// library, whose last bit may differ between architectures.
func (n Noise) Factor(rng *rand.Rand) float64 {
	if n.Kind != Lognormal {
		return 1
	}
	return math.Exp(float64(n.Sigma*rng.NormFloat64()) - float64(n.Sigma*n.Sigma)/2)
}

func (n Noise) problems(r *report) {
	switch n.Kind {
	case "", NoNoise:
		if n.Sigma != 0 {
			r.add("sigma", "given for noise of kind none")
		}
	case Lognormal:
		if !(n.Sigma > 0 && n.Sigma <= MaxSigma) {
			r.add("sigma", "%g is outside (0, %g]", n.Sigma, MaxSigma)
		}
	default:
		r.add("kind", "%q is none of none, lognormal", n.Kind)
	}
}
