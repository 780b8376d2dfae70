package pareto_test

import (
	"math"
	"math/rand/v2"
	"slices"
)

// The definitions, as slow as they come: the oracles of this package's tests.

func dominates(a, b []float64) bool {
	allAsGood, oneBetter := true, false
	for m := range a {
		allAsGood = allAsGood && a[m] <= b[m]
		oneBetter = oneBetter || a[m] < b[m]
	}
	return allAsGood && oneBetter
}

func betterInAll(a, b []float64) bool {
	for m := range a {
		if !(a[m] < b[m]) {
			return false
		}
	}
	return true
}

// sortByPeeling removes the non-dominated points again and again.
func sortByPeeling(points [][]float64) [][]int {
	fronts := [][]int{}
	left := make([]int, len(points))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		var front, rest []int
		for _, i := range left {
			if slices.ContainsFunc(left, func(j int) bool { return dominates(points[j], points[i]) }) {
				rest = append(rest, i)
			} else {
				front = append(front, i)
			}
		}
		fronts, left = append(fronts, front), rest
	}
	return fronts
}

// notBeaten returns the indices of the points that nothing beats.
func notBeaten(points [][]float64, beats func(a, b []float64) bool) []int {
	kept := []int{}
	for i, p := range points {
		if !slices.ContainsFunc(points, func(q []float64) bool { return beats(q, p) }) {
			kept = append(kept, i)
		}
	}
	return kept
}

// volumeByInclusionExclusion adds the boxes of all subsets with alternating signs.
func volumeByInclusionExclusion(points [][]float64, reference []float64) float64 {
	var sum float64
	for subset := 1; subset < 1<<len(points); subset++ {
		corner := slices.Repeat([]float64{math.Inf(-1)}, len(reference))
		sign := -1.0
		for i, p := range points {
			if subset>>i&1 == 1 {
				sign = -sign
				for m := range corner {
					corner[m] = max(corner[m], p[m])
				}
			}
		}
		box := sign
		for m := range corner {
			box *= max(reference[m]-corner[m], 0)
		}
		sum += box
	}
	return sum
}

// volumeByCells counts the unit cells below the reference that a point with whole coordinates >= 0 covers.
func volumeByCells(points [][]float64, reference []float64) float64 {
	cell := make([]float64, len(reference))
	var count func(m int) float64
	count = func(m int) float64 {
		if m == len(reference) {
			for _, p := range points {
				if covers(p, cell) {
					return 1
				}
			}
			return 0
		}
		var sum float64
		for cell[m] = 0; cell[m] < reference[m]; cell[m]++ {
			sum += count(m + 1)
		}
		return sum
	}
	return count(0)
}

func covers(p, q []float64) bool {
	for m := range p {
		if p[m] > q[m] {
			return false
		}
	}
	return true
}

// volumeByMonteCarlo returns the estimate of n uniform points in the box [0, reference), and its standard error.
func volumeByMonteCarlo(rng *rand.Rand, points [][]float64, reference []float64, n int) (volume, stdErr float64) {
	box := 1.0
	for _, r := range reference {
		box *= r
	}
	hits := 0
	q := make([]float64, len(reference))
	for range n {
		for m := range q {
			q[m] = rng.Float64() * reference[m]
		}
		if slices.ContainsFunc(points, func(p []float64) bool { return covers(p, q) }) {
			hits++
		}
	}
	p := float64(hits) / float64(n)
	return p * box, box * math.Sqrt(p*(1-p)/float64(n))
}

// wholePoints draws n points with coordinates 0..levels-1: few levels make many ties and copies.
func wholePoints(rng *rand.Rand, n, objectives, levels int) [][]float64 {
	points := make([][]float64, n)
	for i := range points {
		points[i] = make([]float64, objectives)
		for m := range points[i] {
			points[i][m] = float64(rng.IntN(levels))
		}
	}
	return points
}

// realPoints draws n points uniformly from the unit cube.
func realPoints(rng *rand.Rand, n, objectives int) [][]float64 {
	points := make([][]float64, n)
	for i := range points {
		points[i] = make([]float64, objectives)
		for m := range points[i] {
			points[i][m] = rng.Float64()
		}
	}
	return points
}

// shuffled returns the points in another order, and the index in points of each of them.
func shuffled(rng *rand.Rand, points [][]float64) ([][]float64, []int) {
	perm := rng.Perm(len(points))
	out := make([][]float64, len(points))
	for k, i := range perm {
		out[k] = points[i]
	}
	return out, perm
}
