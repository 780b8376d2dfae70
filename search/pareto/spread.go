package pareto

import (
	"fmt"
	"math"
)

// Coverage returns the part of b's points that a point of a equals or dominates, 0 to 1; 0 if b is empty.
// It is not symmetric. O(M |a| |b|).
//
// Source: the C metric of E. Zitzler and L. Thiele, "Multiobjective evolutionary algorithms", IEEE Trans.
// Evolutionary Computation 3(4), 1999.
func Coverage(a, b [][]float64) float64 {
	mustCheck(a)
	mustCheck(b)
	if len(a) > 0 && len(b) > 0 && len(a[0]) != len(b[0]) {
		panic(fmt.Sprintf("pareto: points with %d and %d objectives compared", len(a[0]), len(b[0])))
	}
	if len(b) == 0 {
		return 0
	}
	covered := 0
	for _, q := range b {
		for _, p := range a {
			if weaklyDominates(p, q) {
				covered++
				break
			}
		}
	}
	return float64(covered) / float64(len(b))
}

// weaklyDominates reports whether a is at least as good as b in every objective.
func weaklyDominates(a, b []float64) bool {
	for m, v := range a {
		if v > b[m] {
			return false
		}
	}
	return true
}

// Spread says how unevenly the points of a set lie, and how far it is from the extremes of a reference
// front: 0 if it holds them and every point is equally far from its nearest neighbour. It is
//
//	(sum of e + sum |d - mean d|) / (sum of e + n mean d)
//
// where d is the distance of each of the n points to its nearest neighbour and e, for each objective, that
// of the set to the reference point which is extreme (the largest) in it. Distances are Euclidean: scale the
// objectives first. A set of one point, or of copies, has spread 1. It panics if either is empty.
// O(M n (n + |reference|)).
//
// Source: the generalised spread of A. Zhou, Y. Jin, Q. Zhang, B. Sendhoff, E. Tsang, "Combining model-based
// and genetics-based offspring generation for multi-objective optimization using a convergence criterion",
// CEC 2006, after K. Deb's for two objectives.
func Spread(points, reference [][]float64) float64 {
	mustCheck(points)
	mustCheck(reference)
	if len(points) == 0 || len(reference) == 0 {
		panic("pareto: spread of or against an empty set")
	}
	if len(points[0]) != len(reference[0]) {
		panic(fmt.Sprintf("pareto: points have %d objectives, the reference front has %d", len(points[0]), len(reference[0])))
	}
	ends := 0.0
	for m := range reference[0] {
		extreme := reference[0]
		for _, p := range reference {
			if p[m] > extreme[m] {
				extreme = p
			}
		}
		ends += nearest(points, extreme, -1)
	}
	if len(points) == 1 {
		return 1
	}
	distances := make([]float64, len(points))
	mean := 0.0
	for i, p := range points {
		distances[i] = nearest(points, p, i)
		mean += distances[i] / float64(len(points))
	}
	deviation := 0.0
	for _, d := range distances {
		deviation += math.Abs(d - mean)
	}
	total := ends + float64(mean*float64(len(points)))
	if total == 0 {
		return 1
	}
	return (ends + deviation) / total
}

// nearest returns the distance from p to the nearest point but one.
func nearest(points [][]float64, p []float64, but int) float64 {
	least := math.Inf(1)
	for i, q := range points {
		if i == but {
			continue
		}
		sum := 0.0
		for m := range q {
			d := q[m] - p[m]
			sum += float64(d * d)
		}
		least = min(least, sum)
	}
	return math.Sqrt(least)
}
