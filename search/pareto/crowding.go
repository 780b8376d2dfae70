package pareto

import (
	"math"
	"slices"
)

// Crowding returns the crowding distance of each point of a front, given by indices into points, in the
// order of front: the sum over the objectives of the distance between its two neighbours, as a share of the
// front's range. Points at either end of an objective get +Inf; an objective that is the same for all adds
// nothing. O(M n log n).
//
// Source: K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans.
// Evolutionary Computation 6(2), 2002, section III-B. Deviation: of equal points the first in front gets the
// distance that it would have alone and the others get 0, so that copies are the first to go. Ties in one
// objective are ordered by the others, so the result does not depend on the order of different points.
func Crowding(points [][]float64, front []int) []float64 {
	members := make([][]float64, len(front))
	for k, i := range front {
		members[k] = points[i]
	}
	mustCheck(members)
	distance := make([]float64, len(front))
	if len(front) == 0 {
		return distance
	}
	order := slices.CompactFunc(lexicographic(members), func(a, b int) bool { return slices.Equal(members[a], members[b]) })
	for m := range members[0] {
		// order is lexicographic before the first round and broken ties stay so: the sort is stable.
		byObjective := slices.Clone(order)
		slices.SortStableFunc(byObjective, func(a, b int) int {
			return compare(members[a][m], members[b][m])
		})
		addCrowding(distance, members, byObjective, m)
	}
	return distance
}

// addCrowding adds objective m's part for the members listed in ascending order of it.
func addCrowding(distance []float64, members [][]float64, order []int, m int) {
	first, last := order[0], order[len(order)-1]
	low, high := members[first][m], members[last][m]
	if low == high && len(order) > 2 {
		return
	}
	distance[first], distance[last] = math.Inf(1), math.Inf(1)
	for k := 1; k+1 < len(order); k++ {
		distance[order[k]] += share(members[order[k-1]][m], members[order[k+1]][m], low, high)
	}
}

// share returns (b-a)/(high-low), for numbers whose difference overflows too.
func share(a, b, low, high float64) float64 {
	if span := high - low; finite(span) {
		return (b - a) / span
	}
	return (b/2 - a/2) / (high/2 - low/2)
}

// compare orders finite numbers.
func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
