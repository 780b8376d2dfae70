// Package pareto compares and ranks points by several objectives at once: dominance, non-dominated
// sorting, crowding distance, an archive of the non-dominated, and the indicators hypervolume and IGD+.
//
// A point is a []float64 with one value for each objective, and every objective is minimised: what is
// to be maximised comes in with its sign flipped. All points of a set have the same length M >= 1, and
// all values are finite. Anything else is a programmer mistake on which the functions panic, since an
// incomparable value would stay on every front; [Check] finds it beforehand and names it. Results do not
// depend on the order of the points except where stated, so the same set gives the same bytes.
//
// The package knows nothing of networks, searches or units, and it refuses to choose among
// non-dominated points: that is selection's business.
package pareto

import (
	"cmp"
	"fmt"
	"slices"
)

// Dominates reports whether a is at least as good as b in every objective and better in one. It
// panics if the lengths differ or a value is not finite. O(M).
func Dominates(a, b []float64) bool {
	checkPair(a, b)
	return dominates(a, b)
}

// StrictlyDominates reports whether a is better than b in every objective. It panics like Dominates.
func StrictlyDominates(a, b []float64) bool {
	checkPair(a, b)
	return strictlyDominates(a, b)
}

// Check returns an error naming the first point whose length differs from that of the first one or
// which holds NaN or an infinity, and nil if the set can be used. O(n M).
func Check(points [][]float64) error {
	for i, p := range points {
		if len(p) != len(points[0]) {
			return fmt.Errorf("pareto: point %d has %d objectives, point 0 has %d", i, len(p), len(points[0]))
		}
		if len(p) == 0 {
			return fmt.Errorf("pareto: point %d has no objectives", i)
		}
		for m, v := range p {
			if !finite(v) {
				return fmt.Errorf("pareto: point %d: objective %d is %v", i, m, v)
			}
		}
	}
	return nil
}

// finite is false for NaN and the infinities.
func finite(v float64) bool { return v-v == 0 }

// mustCheck panics with what Check finds.
func mustCheck(points [][]float64) {
	if err := Check(points); err != nil {
		panic(err.Error())
	}
}

func checkPair(a, b []float64) {
	if len(a) != len(b) {
		panic(fmt.Sprintf("pareto: points with %d and %d objectives compared", len(a), len(b)))
	}
	for m := range a {
		if !finite(a[m]) || !finite(b[m]) {
			panic(fmt.Sprintf("pareto: objective %d is %v and %v", m, a[m], b[m]))
		}
	}
}

func dominates(a, b []float64) bool {
	better := false
	for m, v := range a {
		if v > b[m] {
			return false
		}
		better = better || v < b[m]
	}
	return better
}

func strictlyDominates(a, b []float64) bool {
	for m, v := range a {
		if v >= b[m] {
			return false
		}
	}
	return len(a) > 0
}

// lexicographic returns the indices of the points ordered by first objective, then second, and so on;
// equal points by index. No point is dominated by a later one.
func lexicographic(points [][]float64) []int {
	order := make([]int, len(points))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(slices.Compare(points[a], points[b]), cmp.Compare(a, b))
	})
	return order
}
