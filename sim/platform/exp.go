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
	sum := inverseFactorials[len(inverseFactorials)-1]
	for k := len(inverseFactorials) - 2; k >= 0; k-- {
		sum = inverseFactorials[k] + float64(x*sum)
	}
	e := float64(x * sum)
	for range halvings {
		e = float64(e*e) + 2*e // e^2y - 1 = (e^y - 1)^2 + 2 (e^y - 1)
	}
	return e
}

// inverseFactorials are those of (e^x - 1)/x: 1/(k+1)!.
var inverseFactorials = [10]float64{1, 1. / 2, 1. / 6, 1. / 24, 1. / 120, 1. / 720, 1. / 5040, 1. / 40320, 1. / 362880, 1. / 3628800}
