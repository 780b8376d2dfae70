package pareto

import (
	"fmt"
	"slices"
)

// Hypervolume returns the volume of the region that the points dominate and that the reference point bounds,
// in the product of the objectives' units. Points that are not better than the reference in every objective
// add nothing; neither do dominated points and copies. An empty set has volume 0.
//
// It is exact up to rounding for any number of objectives: O(n log n) for two, O(n^2) at worst and about
// O(n log n) typically for three, and a factor n for each one beyond. Beyond the largest float64 it is +Inf. It panics
// if the reference is not finite or has another length than the points.
//
// Source: the definition is E. Zitzler and L. Thiele's, "Multiobjective evolutionary algorithms", IEEE Trans.
// Evolutionary Computation 3(4), 1999 (the S metric). Three objectives: a sweep over the third that keeps the
// front of the first two (C. M. Fonseca, L. Paquete, M. Lopez-Ibanez, CEC 2006), with a sorted slice for
// the tree. More: slicing by the last objective (L. While et al., HSO, same journal 10(1), 2006).
func Hypervolume(points [][]float64, reference []float64) float64 {
	mustCheck([][]float64{reference})
	mustCheck(points)
	if len(points) > 0 && len(points[0]) != len(reference) {
		panic(fmt.Sprintf("pareto: points have %d objectives, the reference has %d", len(points[0]), len(reference)))
	}
	var inside [][]float64
	for _, p := range points {
		if strictlyDominates(p, reference) {
			inside = append(inside, p)
		}
	}
	return hypervolume(inside, reference)
}

// hypervolume is Hypervolume of points that all lie inside, by their first len(reference) objectives. It
// reorders the slice.
func hypervolume(points [][]float64, reference []float64) float64 {
	last := len(reference) - 1
	switch {
	case len(points) == 0:
		return 0
	case last == 0:
		return reference[0] - slices.MinFunc(points, slices.Compare[[]float64])[0]
	}
	// Ascending in the last objective; ties in an order that does not depend on the input's, for the sum's sake.
	slices.SortFunc(points, func(a, b []float64) int {
		if c := compare(a[last], b[last]); c != 0 {
			return c
		}
		return slices.Compare(a[:last], b[:last])
	})
	switch last {
	case 1:
		return area(points, reference)
	case 2:
		return swept(points, reference)
	}
	return sliced(points, reference)
}

// area is the volume for two objectives, of points in ascending order of the second.
func area(points [][]float64, reference []float64) float64 {
	var sum float64
	edge := reference[0]
	for _, p := range points {
		if p[0] < edge {
			sum += product(edge-p[0], reference[1]-p[1])
			edge = p[0]
		}
	}
	return sum
}

// swept is the volume for three objectives, of points in ascending order of the third: the area dominated in the
// first two, times the distance to the next point in the third.
func swept(points [][]float64, reference []float64) float64 {
	var front Archive
	var base, volume float64
	for k, p := range points {
		base += front.gain(p[0], p[1], reference[0], reference[1])
		front.Insert(p[0], p[1], 0)
		next := reference[2]
		if k+1 < len(points) {
			next = points[k+1][2]
		}
		volume += product(base, next-p[2])
	}
	return volume
}

// sliced sums the slices between successive values of the last objective, each with the volume of the points so far
// in the objectives before it.
func sliced(points [][]float64, reference []float64) float64 {
	last := len(reference) - 1
	var volume float64
	for k, p := range points {
		next := reference[last]
		if k+1 < len(points) {
			next = points[k+1][last]
		}
		if next == p[last] {
			continue
		}
		volume += product(hypervolume(slices.Clone(points[:k+1]), reference[:last]), next-p[last])
	}
	return volume
}

// product returns a*b, never fused into a sum, and 0 if either is 0 even if the other has overflowed.
func product(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return float64(a * b)
}
