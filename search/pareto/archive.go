package pareto

import (
	"fmt"
	"slices"
	"sort"
)

// Entry is a point with two minimised objectives, and the number by which its owner knows it.
type Entry struct {
	X, Y float64
	ID   int
}

// Archive keeps the non-dominated among all points ever offered, for two minimised objectives and without
// bound. The zero value is empty and ready to use. What it holds does not depend on the order of the offers,
// except that of equal points it keeps the first.
//
// Invariant: entries are ascending in X and descending in Y, both strictly.
type Archive struct{ entries []Entry }

// Insert offers a point and reports whether it was taken; it is refused if an entry dominates or equals it, and
// entries that it dominates go. It panics if an objective is not finite. O(log n) comparisons; taking a point also
// moves the entries behind it by one copy of memory, which is the lesser part up to some 10,000 entries.
func (a *Archive) Insert(x, y float64, id int) bool {
	from, to, covered := a.find(x, y)
	if covered {
		return false
	}
	e := Entry{x, y, id}
	if from < to {
		a.entries[from] = e
		a.entries = slices.Delete(a.entries, from+1, to)
	} else {
		a.entries = slices.Insert(a.entries, from, e)
	}
	return true
}

// Covers reports whether an entry dominates or equals the point, so that Insert would refuse it. O(log n).
func (a *Archive) Covers(x, y float64) bool {
	_, _, covered := a.find(x, y)
	return covered
}

// Len returns the number of entries.
func (a *Archive) Len() int { return len(a.entries) }

// Entries returns a copy of the entries, ascending in X.
func (a *Archive) Entries() []Entry { return slices.Clone(a.entries) }

// Hypervolume returns the area that the entries dominate within the reference point; see [Hypervolume]. O(n).
func (a *Archive) Hypervolume(x, y float64) float64 {
	mustCheck([][]float64{{x, y}})
	var sum float64
	edge := x
	for _, e := range slices.Backward(a.entries) { // ascending in Y
		if e.X < edge && e.Y < y {
			sum += product(edge-e.X, y-e.Y)
			edge = e.X
		}
	}
	return sum
}

// find returns the range of entries that the point dominates, which starts where the point belongs, or covered if an
// entry dominates or equals it.
func (a *Archive) find(x, y float64) (from, to int, covered bool) {
	if !finite(x) || !finite(y) {
		panic(fmt.Sprintf("pareto: objectives %v, %v offered to an archive", x, y))
	}
	n := len(a.entries)
	from = sort.Search(n, func(i int) bool { return a.entries[i].X >= x })
	if from > 0 && a.entries[from-1].Y <= y {
		return from, from, true
	}
	if from < n && a.entries[from].X == x && a.entries[from].Y <= y {
		return from, from, true
	}
	to = from + sort.Search(n-from, func(i int) bool { return a.entries[from+i].Y < y })
	return from, to, false
}

// gain returns the area by which the point would add to the hypervolume. The point and all entries lie inside the
// reference point. O(log n + entries dominated).
func (a *Archive) gain(x, y, refX, refY float64) float64 {
	from, to, covered := a.find(x, y)
	if covered {
		return 0
	}
	ceiling := refY
	if from > 0 {
		ceiling = a.entries[from-1].Y
	}
	var sum float64
	for _, e := range a.entries[from:to] {
		sum += product(e.X-x, ceiling-y)
		x, ceiling = e.X, e.Y
	}
	end := refX
	if to < len(a.entries) {
		end = a.entries[to].X
	}
	return sum + product(end-x, ceiling-y)
}
