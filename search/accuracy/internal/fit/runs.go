package fit

import "math"

// A run is a stretch of consecutive rows that share an offset: a measuring session with its own
// calibration of the batch normalisation, say. reference/measured has four at each of r = 128, 160
// and 192, with offsets of -0.33 to +0.48 points at r = 128, between networks drawn alike.
const (
	maxRuns     = 8
	minRun      = 20 // rows
	changePrice = 3  // times ln(rows), in the units of rows*ln(sum of squares), per further run
)

// changes cuts a sequence into stretches of at least minRun values with means that differ, and returns
// the end of each. It is the least-squares segmentation for each number of stretches, by dynamic
// programming in O(n^2), and the number with the least n ln(sum of squares) + changePrice ln(n) per
// change.
//
// Source: Auger and Lawrence, "Algorithms for the optimal identification of segment neighborhoods",
// 1989; the price is that of Zhang and Siegmund, "A modified Bayes information criterion", 2007, for
// stretches of equal length, rounded up.
func changes(x []float64) []int {
	n := len(x)
	s, q := make([]float64, n+1), make([]float64, n+1)
	for i, v := range x {
		s[i+1], q[i+1] = s[i]+v, q[i]+v*v
	}
	cost := func(i, j int) float64 { // sum of squares about the mean of x[i:j]
		d := s[j] - s[i]
		return max(q[j]-q[i]-d*d/float64(j-i), 0)
	}
	best := make([]float64, n+1) // best[j]: least cost of x[:j] in the present number of stretches
	for j := range best {
		best[j] = math.Inf(1)
		if j >= minRun || j == n {
			best[j] = cost(0, max(j, 1))
		}
	}
	var from [][]int // from[k][j]: start of the last of k+2 stretches
	ends := []int{n}
	least := criterion(best[n], n, 1)
	for k := 2; k <= maxRuns && k*minRun <= n; k++ {
		next, start := make([]float64, n+1), make([]int, n+1)
		for j := range next {
			next[j] = math.Inf(1)
			for i := minRun; i <= j-minRun; i++ {
				if c := best[i] + cost(i, j); c < next[j] {
					next[j], start[j] = c, i
				}
			}
		}
		best, from = next, append(from, start)
		if c := criterion(best[n], n, k); c < least {
			least, ends = c, trace(from, n)
		}
	}
	return ends
}

// criterion weighs a sum of squares against the number of stretches. What is below 1e-12 per value is
// rounding, no reason for a change.
func criterion(ss float64, n, stretches int) float64 {
	return float64(n)*math.Log(max(ss, 1e-12*float64(n))) + changePrice*math.Log(float64(n))*float64(stretches-1)
}

// trace follows the starts back from the end of a sequence of n values.
func trace(from [][]int, n int) []int {
	ends := make([]int, len(from)+1)
	ends[len(from)] = n
	for k := len(from) - 1; k >= 0; k-- {
		ends[k] = from[k][ends[k+1]]
	}
	return ends
}
