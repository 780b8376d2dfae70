package pareto_test

import (
	"math"
	"testing"

	"github.com/dynofa/dynofa/search/pareto"
)

func TestCoverage(t *testing.T) {
	a, b := [][]float64{{1, 3}, {3, 1}}, [][]float64{{1, 3}, {2, 2}, {3, 2}, {4, 4}}
	for name, c := range map[string]struct {
		a, b [][]float64
		want float64
	}{
		"a over b":  {a, b, 0.75}, // all but {2, 2}
		"b over a":  {b, a, 0.5},  // {1, 3} is equalled
		"itself":    {a, a, 1},
		"nothing":   {a, nil, 0},
		"by nobody": {nil, a, 0},
	} {
		if got := pareto.Coverage(c.a, c.b); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// By hand from the definition.
func TestSpread(t *testing.T) {
	line := [][]float64{{0, 4}, {1, 3}, {2, 2}, {3, 1}, {4, 0}}
	for name, c := range map[string]struct {
		points [][]float64
		want   float64
	}{
		"even": {line, 0},
		// Distances to the nearest 1, 1, 1, 3 in steps of sqrt 2: mean 1.5, deviations .5+.5+.5+1.5 = 3, of 4*1.5.
		"uneven": {[][]float64{{-1, 5}, {0, 4}, {1, 3}, {4, 0}}, 3.0 / 6},
		// The end {4, 0} is one step off: (1 + 0) / (1 + 4).
		"short":  {line[:4], 1.0 / 5},
		"one":    {line[:1], 1},
		"copies": {[][]float64{{0, 4}, {0, 4}}, 1},
	} {
		reference := line
		if name == "uneven" {
			reference = c.points
		}
		if got := pareto.Spread(c.points, reference); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
