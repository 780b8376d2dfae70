package accuracy

import "math"

const (
	ln2   = math.Ln2
	ln2Hi = 6.93147180369123816490e-01 // ln 2 in two parts; k*ln2Hi is exact for |k| < 2^20
	ln2Lo = 1.90821492927058770002e-10
)

// exp is math.Exp to 2 units in the last place, but with the same bits on all machines, for which
// math.Exp has different assembly: exp(x) = 2^k exp(t), |t| <= ln(2)/2, the latter by its Taylor series.
func exp(x float64) float64 {
	switch {
	case math.IsNaN(x):
		return x
	case x > 710:
		return math.Inf(1)
	case x < -746:
		return 0
	}
	k := math.RoundToEven(x * (1 / ln2))
	t := x - float64(k*ln2Hi) - float64(k*ln2Lo)
	s := 1.0
	for n := taylorTerms; n > 0; n-- {
		s = 1 + float64(float64(t*s)*inverse[n])
	}
	return math.Ldexp(s, int(k))
}

// taylorTerms are enough: (ln(2)/2)^14 / 14! is 4e-18.
const taylorTerms = 13

var inverse = [taylorTerms + 1]float64{0, 1, 1. / 2, 1. / 3, 1. / 4, 1. / 5, 1. / 6, 1. / 7, 1. / 8, 1. / 9, 1. / 10, 1. / 11, 1. / 12, 1. / 13}
