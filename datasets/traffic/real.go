package traffic

import (
	"math"
	"math/rand/v2"
)

// The functions of this file use only operations that IEEE 754 rounds the same way everywhere (each product
// is rounded before it is added to, see the language's rule on fusing), so what is drawn through them is equal
// on every machine. The standard library's logarithm and exponential are not: some architectures have
// assembly for them.

// ln returns the natural logarithm of a positive finite number, to within a few units in the last place.
func ln(x float64) float64 {
	m, e := math.Frexp(x) // m in [0.5, 1)
	if m < math.Sqrt2/2 {
		m, e = 2*m, e-1
	}
	// ln m = 2 artanh(z) with |z| <= 0.172; terms fall by a factor of at least 33.
	z := (m - 1) / (m + 1)
	z2 := float64(z * z)
	sum := 0.0
	for k := 25; k >= 1; k -= 2 {
		sum = float64(sum*z2) + 1/float64(k)
	}
	const high, low = 6.93147180369123816490e-01, 1.90821492927058770002e-10 // ln 2 in two parts
	k := float64(e)
	return float64(k*high) + (float64(2*float64(z*sum)) + float64(k*low))
}

// exp returns e to the x for finite x up to 700; below -700 it returns 0.
func exp(x float64) float64 {
	if x < -700 {
		return 0
	}
	const high, low = 6.93147180369123816490e-01, 1.90821492927058770002e-10
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := (x - float64(k*high)) - float64(k*low) // |r| <= 0.347
	sum := 1.0
	for n := 16; n >= 1; n-- {
		sum = 1 + float64(sum*r)/float64(n)
	}
	return math.Ldexp(sum, int(k))
}

// normal draws from the standard normal distribution.
//
// Source: G. Marsaglia, T. A. Bray, "A convenient method for generating normal variables", SIAM Review 6,
// 1964: the polar method; the second variable is thrown away, so that a draw depends on nothing before it.
func normal(rng *rand.Rand) float64 {
	for {
		u, v := 2*rng.Float64()-1, 2*rng.Float64()-1
		s := float64(u*u) + float64(v*v)
		if s > 0 && s < 1 {
			return u * math.Sqrt(float64(-2*ln(s))/s)
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
		return gamma(shape+1, rng) * exp(ln(u)/shape)
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
		if u > 0 && ln(u) < float64(0.5*x2)+float64(d*(1-v+ln(v))) {
			return d * v
		}
	}
}
