package platform

// expm1 returns e^x - 1 for x that is not positive, within some 2e-15 of relative error. Unlike the
// standard library's it is the same on every architecture: products are rounded before they are added.
func expm1(x float64) float64 {
	if x < -45 {
		return -1
	}
	halvings := 0
	for x < -1.0/16 {
		x /= 2
		halvings++
	}
	// The series of (e^x - 1)/x up to x^9/10!, which is below 3e-19 of the sum.
	sum := 1.0
	for n := 10.0; n >= 2; n-- {
		sum = 1 + float64(x*sum)/n
	}
	e := float64(x * sum)
	for range halvings {
		e = float64(e*e) + 2*e // e^2y - 1 = (e^y - 1)^2 + 2 (e^y - 1)
	}
	return e
}
