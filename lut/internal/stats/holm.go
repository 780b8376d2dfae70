package stats

import (
	"cmp"
	"math"
	"slices"
)

// Holm returns p values corrected for their number, in the given order: rejecting those below alpha
// makes one or more false rejections with a probability of at most alpha, however the tests depend on
// each other. NaN stands for a test that could not be made and stays NaN, uncounted.
//
// Source: Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian Journal of
// Statistics 6, 1979.
func Holm(p []float64) []float64 {
	corrected := slices.Clone(p)
	var order []int
	for i, v := range p {
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i], p[j]) })
	largest := 0.0
	for rank, i := range order {
		largest = max(largest, min(1, p[i]*float64(len(order)-rank)))
		corrected[i] = largest
	}
	return corrected
}
