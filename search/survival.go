package search

import (
	"cmp"
	"slices"

	"github.com/dynofa/dynofa/search/pareto"
)

// Survival chooses which keep of at least as many candidates form the next generation, and returns
// their indices, fittest first.
type Survival func(candidates []Score, keep int) []int

// RankAndCrowding keeps the candidates of the best fronts, and of the front that does not fit as a whole
// those with the largest crowding distance. Candidates that miss constraints come after all others, those
// that miss them by less first. Ties go to the earlier candidate.
//
// Source: K. Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Trans.
// Evolutionary Computation 6(2), 2002, sections III and VI (constrained dominance).
func RankAndCrowding(candidates []Score, keep int) []int {
	var points [][]float64
	var feasible, infeasible []int
	for i := range candidates {
		if candidates[i].Feasible() {
			feasible, points = append(feasible, i), append(points, candidates[i].Minimised())
		} else {
			infeasible = append(infeasible, i)
		}
	}
	kept := make([]int, 0, len(candidates))
	for _, front := range pareto.Sort(points) {
		if len(kept) >= keep {
			break
		}
		crowding := pareto.Crowding(points, front)
		order := make([]int, len(front))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(crowding[b], crowding[a]) })
		for _, i := range order {
			kept = append(kept, feasible[front[i]])
		}
	}
	slices.SortStableFunc(infeasible, func(a, b int) int { return cmp.Compare(candidates[a].Violation, candidates[b].Violation) })
	return append(kept, infeasible...)[:keep]
}
