package pareto

import (
	"fmt"
	"math"
)

// IGDPlus returns the mean, over the points of a reference front, of the distance to the nearest point of the
// set, counting only the objectives in which that one is worse. It is 0 iff every reference point is dominated or
// equalled, and never falls when a point is replaced by a dominated one. The objectives are added as they come:
// scale them first; the sum runs in the order of the reference. An empty set gives +Inf; an empty reference front is a mistake on which it panics.
// O(M n |reference|).
//
// Source: H. Ishibuchi, H. Masuda, Y. Tanigaki, Y. Nojima, "Modified distance calculation in generational distance
// and inverted generational distance", EMO 2015.
func IGDPlus(points, reference [][]float64) float64 {
	mustCheck(points)
	mustCheck(reference)
	if len(reference) == 0 {
		panic("pareto: IGD+ without a reference front")
	}
	if len(points) == 0 {
		return math.Inf(1)
	}
	if len(points[0]) != len(reference[0]) {
		panic(fmt.Sprintf("pareto: points have %d objectives, the reference front has %d", len(points[0]), len(reference[0])))
	}
	var sum float64
	for _, z := range reference {
		nearest := math.Inf(1)
		for _, p := range points {
			var squares float64
			for m := range z {
				worse := max(p[m]-z[m], 0)
				squares += float64(worse * worse)
			}
			nearest = min(nearest, squares)
		}
		sum += math.Sqrt(nearest)
	}
	return sum / float64(len(reference))
}
