package fit

import (
	"cmp"
	"math"
	"slices"
)

// Tau returns Kendall's rank correlation tau-b, which accounts for ties: 1 if x and y order all pairs
// alike, -1 if they order them oppositely, 0 if either has no two different values. It takes
// O(n log n). It panics if the lengths differ; values must not be NaN.
//
// Source: Knight, "A computer method for calculating Kendall's tau with ungrouped data", Journal of
// the American Statistical Association, 1966.
func Tau(x, y []float64) float64 {
	if len(x) != len(y) {
		panic("fit: Tau of sequences of different length")
	}
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(x[a], x[b]), cmp.Compare(y[a], y[b]))
	})
	sorted := make([]float64, len(y))
	for i, j := range order {
		sorted[i] = y[j]
	}
	tiedX := ties(len(order), func(i, j int) bool { return x[order[i]] == x[order[j]] })
	tiedBoth := ties(len(order), func(i, j int) bool { return x[order[i]] == x[order[j]] && sorted[i] == sorted[j] })
	swaps := inversions(sorted, make([]float64, len(y))) // sorts
	tiedY := ties(len(order), func(i, j int) bool { return sorted[i] == sorted[j] })

	pairs := int64(len(x)) * int64(len(x)-1) / 2
	if tiedX == pairs || tiedY == pairs {
		return 0
	}
	concordantLess := pairs - tiedX - tiedY + tiedBoth - 2*swaps // concordant less discordant pairs
	return float64(concordantLess) / math.Sqrt(float64(pairs-tiedX)) / math.Sqrt(float64(pairs-tiedY))
}

// ties counts the pairs that are equal in a sorted sequence of n.
func ties(n int, equal func(i, j int) bool) int64 {
	var sum, run int64
	for i := 1; i < n; i++ {
		if equal(i-1, i) {
			run++
			sum += run
		} else {
			run = 0
		}
	}
	return sum
}

// inversions sorts y by merging and returns how many pairs were in descending order. tmp is as long.
func inversions(y, tmp []float64) int64 {
	if len(y) < 2 {
		return 0
	}
	mid := len(y) / 2
	n := inversions(y[:mid], tmp[:mid]) + inversions(y[mid:], tmp[mid:])
	i, j := 0, mid
	for k := range tmp {
		if j == len(y) || i < mid && y[i] <= y[j] {
			tmp[k] = y[i]
			i++
		} else {
			tmp[k] = y[j]
			n += int64(mid - i)
			j++
		}
	}
	copy(y, tmp)
	return n
}
