package noise

import "math"

// The functions of this file use only operations that IEEE 754 rounds the same way everywhere (each product
// is rounded before it is added to, see the language's rule on fusing), so what is drawn through them is equal
// on every machine. The standard library's logarithm and exponential are not: some architectures have
// assembly for them.

// Log returns the natural logarithm of a positive finite number, to within a few units in the last place.
func Log(x float64) float64 {
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

// Exp returns e to the x for finite x up to 700; below -700 it returns 0.
func Exp(x float64) float64 {
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
