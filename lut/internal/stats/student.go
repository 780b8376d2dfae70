package stats

import "math"

// StudentTwoSided returns the probability that a variable with Student's t distribution and the
// given degrees of freedom (above 0) lies at least |t| from zero; NaN for NaN.
//
// Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.1 and 26.5.1: the
// regularised incomplete beta function of v/(v+t^2) with v/2 and 1/2.
func StudentTwoSided(t, freedom float64) float64 {
	if math.IsNaN(t) || !(freedom > 0) {
		return math.NaN()
	}
	if math.IsInf(t, 0) {
		return 0
	}
	return incompleteBeta(freedom/(freedom+float64(t*t)), freedom/2, 0.5)
}

// StudentQuantile returns the t that StudentTwoSided exceeds with probability p, 0 < p < 1.
func StudentQuantile(p, freedom float64) float64 {
	if !(p > 0 && p < 1 && freedom > 0) {
		return math.NaN()
	}
	low, high := 0.0, 1.0
	for StudentTwoSided(high, freedom) > p {
		if high *= 2; high > 1e12 {
			return math.Inf(1)
		}
	}
	for range 200 {
		middle := low + (high-low)/2
		if middle <= low || middle >= high {
			break
		}
		if StudentTwoSided(middle, freedom) > p {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// incompleteBeta returns the regularised incomplete beta function I_x(a, b).
//
// Source: Press et al., Numerical Recipes, 3rd ed. 2007, section 6.4: the continued fraction
// (Abramowitz and Stegun 26.5.8) by Lentz's method, on the side where it converges fast.
func incompleteBeta(x, a, b float64) float64 {
	if x <= 0 || x >= 1 {
		return min(1, max(0, x))
	}
	if x > (a+1)/(a+b+2) {
		return 1 - incompleteBeta(1-x, b, a)
	}
	lg := func(v float64) float64 { r, _ := math.Lgamma(v); return r }
	front := math.Exp(lg(a+b)-lg(a)-lg(b)+float64(a*math.Log(x))+float64(b*math.Log1p(-x))) / a
	const tiny = 1e-300
	guard := func(v float64) float64 {
		if math.Abs(v) < tiny {
			return tiny
		}
		return v
	}
	c, d := 1.0, 1/guard(1-float64((a+b)*x/(a+1)))
	h := d
	for m := 1.0; m <= 1000; m++ {
		even := m * (b - m) * x / ((a + 2*m - 1) * (a + 2*m))
		d, c = 1/guard(1+float64(even*d)), guard(1+even/c)
		h *= d * c
		odd := -(a + m) * (a + b + m) * x / ((a + 2*m) * (a + 2*m + 1))
		d, c = 1/guard(1+float64(odd*d)), guard(1+odd/c)
		h *= d * c
		if math.Abs(d*c-1) < 1e-15 {
			break
		}
	}
	return front * h
}
