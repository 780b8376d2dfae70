package search

import (
	"cmp"
	"slices"

	"github.com/dynofa/dynofa/search/pareto"
)

// Survival chooses which keep of at least as many candidates form the next generation, and returns
// their indices, fittest first.
type Survival func(candidates []Objectives, keep int) []int

// RankAndCrowding keeps the candidates of the best fronts, and of the front that does not fit as a whole
// those with the largest crowding distance. Ties go to the earlier candidate.
//
// Source: K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans.
// Evolutionary Computation 6(2), 2002, section III.
func RankAndCrowding(candidates []Objectives, keep int) []int {
	points, flat := make([][]float64, len(candidates)), make([]float64, 2*len(candidates))
	for i, o := range candidates {
		points[i], flat = flat[:2:2], flat[2:]
		points[i][0], points[i][1] = o.minimised()
	}
	kept := make([]int, 0, len(candidates))
	for _, front := range pareto.Sort(points) {
		crowding := pareto.Crowding(points, front)
		order := make([]int, len(front))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(crowding[b], crowding[a]) })
		for _, i := range order {
			kept = append(kept, front[i])
		}
		if len(kept) >= keep {
			break
		}
	}
	return kept[:keep]
}
