package traffic

import (
	"math"
	"math/rand/v2"

	"github.com/dynofa/dynofa/datasets/noise"
)

// normal draws from the standard normal distribution.
//
// Source: G. Marsaglia, T. A. Bray, "A convenient method for generating normal variables", SIAM Review 6,
// 1964: the polar method; the second variable is thrown away, so that a draw depends on nothing before it.
func normal(rng *rand.Rand) float64 {
	for {
		u, v := 2*rng.Float64()-1, 2*rng.Float64()-1
		s := float64(u*u) + float64(v*v)
		if s > 0 && s < 1 {
			return u * math.Sqrt(float64(-2*noise.Log(s))/s)
		}
	}
}

// gamma draws from the gamma distribution with the given shape, which is positive, and scale 1.
//
// Source: G. Marsaglia, W. W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000; for
// a shape below 1 the variable of shape + 1 times U^(1/shape), as in its section 6.
func gamma(shape float64, rng *rand.Rand) float64 {
	if shape < 1 {
		u := rng.Float64()
		if u == 0 {
			return 0
		}
		return gamma(shape+1, rng) * noise.Exp(noise.Log(u)/shape)
	}
	d := shape - 1.0/3
	c := 1 / (3 * math.Sqrt(d))
	for {
		x := normal(rng)
		v := 1 + float64(c*x)
		if v <= 0 {
			continue
		}
		v = float64(v*v) * v
		u := rng.Float64()
		x2 := float64(x * x)
		if u < 1-float64(0.0331*float64(x2*x2)) {
			return d * v
		}
		if u > 0 && noise.Log(u) < float64(0.5*x2)+float64(d*(1-v+noise.Log(v))) {
			return d * v
		}
	}
}
