package stats

import "math"

// Wilson returns the 95% interval of a share of which k of n trials are known: [0, 1] for no trials.
//
// Source: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22,
// 1927.
func Wilson(k, n int) (low, high float64) {
	if n <= 0 {
		return 0, 1
	}
	const z = 1.959963984540054 // 97.5% of the standard normal distribution
	m, p := float64(n), float64(k)/float64(n)
	centre := p + z*z/(2*m)
	half := z * math.Sqrt(float64(p*(1-p)/m)+z*z/(4*m*m))
	scale := 1 + z*z/m
	return max(0, (centre-half)/scale), min(1, (centre+half)/scale)
}
