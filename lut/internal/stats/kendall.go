package stats

import (
	"cmp"
	"math"
)

// KendallTau returns the rank correlation tau-b of two equally long lists: 1 for the same order, -1
// for the opposite one, ties accounted for; NaN if either list is constant. It takes O(n^2).
//
// Source: Kendall, "The Treatment of Ties in Ranking Problems", Biometrika 33, 1945.
func KendallTau(a, b []float64) float64 {
	same, pairsA, pairsB := 0, 0, 0
	for i := range a {
		for j := range i {
			x, y := cmp.Compare(a[i], a[j]), cmp.Compare(b[i], b[j])
			same += x * y
			pairsA += x * x
			pairsB += y * y
		}
	}
	return float64(same) / math.Sqrt(float64(pairsA)*float64(pairsB))
}
