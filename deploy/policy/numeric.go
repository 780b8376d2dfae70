package policy

import "math"

// The standard library's exponential and logarithm differ in the last bit between architectures, and a
// product fused with a sum rounds otherwise than one that is not. What decides is computed here, with
// every product rounded: the four operations and the square root are the same everywhere.

// exp returns e^x to some 14 digits, 0 below -700 and a huge number above 700.
func exp(x float64) float64 {
	if x < -700 {
		return 0
	}
	x = min(x, 700)
	const (
		ln2High = 6.93147180369123816490e-01
		ln2Low  = 1.90821492927058770002e-10
	)
	k := math.Floor(float64(x*math.Log2E) + 0.5)
	r := x - float64(k*ln2High)
	r -= float64(k * ln2Low)
	sum, term := 1.0, 1.0
	for i := 1.0; i <= 14; i++ {
		term = float64(term*r) / i
		sum += term
	}
	return math.Ldexp(sum, int(k))
}

// log returns the natural logarithm of a positive number to some 14 digits.
func log(x float64) float64 {
	f, k := math.Frexp(x) // in [0.5, 1)
	if f < math.Sqrt2/2 {
		f, k = 2*f, k-1
	}
	// log f = 2 artanh((f-1)/(f+1))
	s := (f - 1) / (f + 1)
	square := float64(s * s)
	sum, term := 0.0, s
	for i := 1.0; i <= 25; i += 2 {
		sum += term / i
		term = float64(term * square)
	}
	return 2*sum + float64(float64(k)*math.Ln2)
}

// normal returns the probability that a standard normal variable is at most x, with an error below
// 1.5e-7.
//
// Source: M. Abramowitz, I. Stegun, "Handbook of Mathematical Functions", 1964, 7.1.26.
func normal(x float64) float64 {
	z := math.Abs(x) / math.Sqrt2
	t := 1 / (1 + float64(0.3275911*z))
	poly := 0.0
	for _, a := range [...]float64{1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592} {
		poly = float64((poly + a) * t)
	}
	half := float64(poly*exp(-float64(z*z))) / 2
	if x < 0 {
		return half
	}
	return 1 - half
}
