package stats

import (
	"math"
	"slices"
)

// smallSample bounds the sizes for which MannWhitney counts instead of approximating.
const smallSample = 12

// MannWhitney returns the probability, two-sided, that samples of one distribution order themselves
// as unevenly as a and b do: the rank-sum test of Wilcoxon, Mann and Whitney. Without ties and with
// at most 12 samples on either side it is exact, otherwise the normal approximation, corrected for
// ties and continuity. It is NaN for an empty list, 1 if all samples are equal. The samples must be
// finite; neither list is changed.
//
// Source: Mann and Whitney, "On a Test of Whether one of Two Random Variables is Stochastically
// Larger than the Other", Annals of Mathematical Statistics 18, 1947 (the recurrence of the counts is
// their equation 1); Lehmann, Nonparametrics, 1975, section 1.4 (ties).
func MannWhitney(a, b []float64) float64 {
	m, n := float64(len(a)), float64(len(b))
	if m == 0 || n == 0 {
		return math.NaN()
	}
	x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	ranks, ties := 0.0, 0.0 // of a; sum of t^3-t
	for i, j := 0, 0; i < len(x) || j < len(y); {
		next, before := math.Inf(1), i+j
		if i < len(x) {
			next = x[i]
		}
		if j < len(y) {
			next = min(next, y[j])
		}
		mine := -i
		for ; i < len(x) && x[i] == next; i++ {
		}
		for ; j < len(y) && y[j] == next; j++ {
		}
		mine += i
		t := float64(i + j - before)
		ranks += float64(mine) * (float64(before+i+j+1) / 2)
		ties += float64(t*t*t) - t
	}
	u := ranks - m*(m+1)/2 // pairs in which a is above b
	if ties == 0 && len(a) <= smallSample && len(b) <= smallSample {
		return exactMannWhitney(len(a), len(b), int(math.Round(min(u, m*n-u))))
	}
	variance := m * n / 12 * (m + n + 1 - ties/((m+n)*(m+n-1)))
	if variance <= 0 {
		return 1
	}
	z := max(0, math.Abs(u-m*n/2)-0.5) / math.Sqrt(variance)
	return math.Erfc(z / math.Sqrt2)
}

// exactMannWhitney returns twice the probability of a statistic of at most u, for m and n samples.
func exactMannWhitney(m, n, u int) float64 {
	// counts[i][j][k]: orders of i samples and j others with k pairs in which the first are above. The
	// largest of all is one of the first (above all j others) or one of the others.
	counts := make([][][]float64, m+1)
	for i := range counts {
		counts[i] = make([][]float64, n+1)
		for j := range counts[i] {
			c := make([]float64, u+1)
			switch {
			case i == 0 || j == 0:
				c[0] = 1
			default:
				for k := range c {
					c[k] = counts[i][j-1][k]
					if k >= j {
						c[k] += counts[i-1][j][k-j]
					}
				}
			}
			counts[i][j] = c
		}
	}
	below, all := 0.0, 1.0
	for _, c := range counts[m][n] {
		below += c
	}
	for i := 1; i <= m; i++ { // binomial(m+n, m)
		all = all * float64(n+i) / float64(i)
	}
	return min(1, 2*below/all)
}
