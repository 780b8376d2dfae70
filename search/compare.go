package search

import (
	"math"

	"github.com/dynofa/dynofa/search/pareto"
)

// Comparison is how one of two fronts does, judged by accuracy and latency alone.
type Comparison struct {
	// Hypervolume is in milliseconds times accuracy, from the highest latency and the lowest accuracy of the
	// two fronts together.
	Hypervolume float64
	// IGDPlus is the mean distance of the joint front from this one, with both axes scaled to the joint
	// front's range; see pareto.IGDPlus.
	IGDPlus float64
	// Coverage is the part of the other front that this one equals or dominates, 0 to 1. Source: the C
	// metric of E. Zitzler and L. Thiele, IEEE Trans. Evolutionary Computation 3(4), 1999.
	Coverage float64
	// Spread says how unevenly the front lies, on the same scales; see pareto.Spread.
	Spread float64
}

// Compare compares two fronts. An empty one covers nothing and has an infinite IGDPlus, unless both are.
func Compare(a, b []Candidate) [2]Comparison {
	fronts := [2][][]float64{plane(a), plane(b)}
	var out [2]Comparison
	all := append(append([][]float64(nil), fronts[0]...), fronts[1]...)
	if len(all) == 0 {
		return out
	}
	corner := []float64{math.Inf(-1), math.Inf(-1)}
	for _, p := range all {
		corner[0], corner[1] = max(corner[0], p[0]), max(corner[1], p[1])
	}
	var joint pareto.ArchiveN
	for i, p := range all {
		joint.Insert(p, i)
	}
	reference := joint.Points()
	low := []float64{math.Inf(1), math.Inf(1)}
	high := []float64{math.Inf(-1), math.Inf(-1)}
	for _, p := range reference {
		for m := range p {
			low[m], high[m] = min(low[m], p[m]), max(high[m], p[m])
		}
	}
	scaledReference := scaled(reference, low, high)
	for i, f := range fronts {
		s := scaled(f, low, high)
		out[i] = Comparison{Hypervolume: pareto.Hypervolume(f, corner) / 1e6, IGDPlus: pareto.IGDPlus(s, scaledReference), Coverage: pareto.Coverage(f, fronts[1-i])}
		if len(s) > 0 {
			out[i].Spread = pareto.Spread(s, scaledReference)
		}
	}
	return out
}

// plane returns latency and accuracy, both to be minimised.
func plane(front []Candidate) [][]float64 {
	points := make([][]float64, len(front))
	for i, c := range front {
		points[i] = []float64{float64(c.Latency), -float64(c.Accuracy)}
	}
	return points
}

// scaled maps low to 0 and high to 1 on each axis.
func scaled(points [][]float64, low, high []float64) [][]float64 {
	out := make([][]float64, len(points))
	for i, p := range points {
		out[i] = make([]float64, len(p))
		for m := range p {
			out[i][m] = p[m] - low[m]
			if span := high[m] - low[m]; span > 0 {
				out[i][m] /= span
			}
		}
	}
	return out
}
