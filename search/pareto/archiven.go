package pareto

import (
	"fmt"
	"slices"
	"sort"
)

// ArchiveN keeps the non-dominated among all points ever offered, for any number of objectives, all
// minimised. The zero value is empty and ready to use. For two objectives an Archive is faster. What it
// holds does not depend on the order of the offers, except that of equal points it keeps the first.
//
// Invariant: the points are in lexicographic order, so that none is dominated by a later one.
type ArchiveN struct {
	points [][]float64
	ids    []int
}

// Insert offers a point with the number by which its owner knows it, and reports whether it was taken;
// it is refused if a point dominates or equals it, and points that it dominates go. The point is copied.
// It panics if a value is not finite or the number of objectives changes. O(M n).
func (f *ArchiveN) Insert(point []float64, id int) bool {
	mustCheck([][]float64{point})
	if len(f.points) > 0 && len(point) != len(f.points[0]) {
		panic(fmt.Sprintf("pareto: a point with %d objectives is offered to an archive of %d", len(point), len(f.points[0])))
	}
	at := sort.Search(len(f.points), func(i int) bool { return slices.Compare(f.points[i], point) >= 0 })
	if at < len(f.points) && slices.Equal(f.points[at], point) {
		return false
	}
	for _, p := range slices.Backward(f.points[:at]) { // the latest are the likeliest
		if dominates(p, point) {
			return false
		}
	}
	kept := at
	for i := at; i < len(f.points); i++ {
		if !dominates(point, f.points[i]) {
			f.points[kept], f.ids[kept] = f.points[i], f.ids[i]
			kept++
		}
	}
	clear(f.points[kept:])
	f.points = slices.Insert(f.points[:kept], at, slices.Clone(point))
	f.ids = slices.Insert(f.ids[:kept], at, id)
	return true
}

// Len returns the number of points.
func (f *ArchiveN) Len() int { return len(f.points) }

// Points returns a copy of the points in lexicographic order.
func (f *ArchiveN) Points() [][]float64 {
	points := make([][]float64, len(f.points))
	for i, p := range f.points {
		points[i] = slices.Clone(p)
	}
	return points
}

// IDs returns the numbers of the points, in the same order.
func (f *ArchiveN) IDs() []int { return slices.Clone(f.ids) }

// Hypervolume returns the volume that the points dominate within the reference point; see [Hypervolume].
func (f *ArchiveN) Hypervolume(reference []float64) float64 { return Hypervolume(f.points, reference) }
