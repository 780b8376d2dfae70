package pareto_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/search/pareto"
)

func ExampleHypervolume() {
	// Boxes to (4, 4) of width x height 3x1, 2x2 and 1x3, overlapping in steps: 3 + 2 + 1 = 6.
	fmt.Println(pareto.Hypervolume([][]float64{{1, 3}, {2, 2}, {3, 1}}, []float64{4, 4}))
	// Output: 6
}

func ExampleIGDPlus() {
	// (1, 3) is reached; (3, 1) is missed by 2 in the second objective: (0 + 2) / 2.
	fmt.Println(pareto.IGDPlus([][]float64{{1, 3}}, [][]float64{{1, 3}, {3, 1}}))
	// Output: 1
}

func ExampleCrowding() {
	points := [][]float64{{0, 4}, {1, 2}, {4, 0}, {1, 2}}
	// The middle point's neighbours span the whole range twice; its copy adds nothing to the front.
	fmt.Println(pareto.Crowding(points, []int{0, 1, 2, 3}))
	// Output: [+Inf 2 +Inf 0]
}

// On whole coordinates every product and sum is exact, so the result must be too.
func TestHypervolumeExactOnWholeNumbers(t *testing.T) {
	for objectives := 1; objectives <= 4; objectives++ {
		for n := range 30 {
			rng := rand.New(rand.NewPCG(uint64(objectives), uint64(n)))
			points := wholePoints(rng, n, objectives, 9) // some lie on or beyond the reference
			reference := slices.Repeat([]float64{7}, objectives)
			want := volumeByCells(points, reference)
			if got := pareto.Hypervolume(points, reference); got != want {
				t.Fatalf("%d objectives: volume of %v = %v, want %v", objectives, points, got, want)
			}
		}
	}
}

func TestHypervolumeAgainstInclusionExclusion(t *testing.T) {
	for objectives := 1; objectives <= 6; objectives++ {
		for n := range 11 {
			rng := rand.New(rand.NewPCG(uint64(objectives), uint64(n)))
			points := realPoints(rng, n, objectives)
			reference := slices.Repeat([]float64{0.9}, objectives)
			want := volumeByInclusionExclusion(points, reference)
			got := pareto.Hypervolume(points, reference)
			if math.Abs(got-want) > 1e-12 { // the oracle's cancellation over 2^10 terms <= 1
				t.Fatalf("%d objectives: volume of %v = %v, want %v", objectives, points, got, want)
			}
			mixed, _ := shuffled(rng, points)
			if again := pareto.Hypervolume(mixed, reference); again != got {
				t.Fatalf("volume %v becomes %v in another order", got, again)
			}
		}
	}
}

// TestHypervolumeAgainstMonteCarlo uses sets too large for inclusion-exclusion. With fixed seeds the bound of 4
// standard errors is no matter of luck.
func TestHypervolumeAgainstMonteCarlo(t *testing.T) {
	for objectives := 2; objectives <= 5; objectives++ {
		n := 200
		if objectives == 5 {
			n = 40
		}
		rng := rand.New(rand.NewPCG(uint64(objectives), 5))
		points := realPoints(rng, n, objectives)
		for _, p := range points { // near the front x1+...+xM = M/2, so that no few points dominate all
			var sum float64
			for _, v := range p {
				sum += v
			}
			for m := range p {
				p[m] *= float64(objectives) / 2 / sum
			}
		}
		reference := slices.Repeat([]float64{1.1}, objectives)
		want, stdErr := volumeByMonteCarlo(rng, points, reference, 20_000)
		got := pareto.Hypervolume(points, reference)
		t.Logf("%d objectives: %.5f, Monte Carlo %.5f +- %.5f", objectives, got, want, stdErr)
		if math.Abs(got-want) > 4*stdErr {
			t.Errorf("%d objectives: volume %v, Monte Carlo %v +- %v", objectives, got, want, stdErr)
		}
	}
}

func TestHypervolumeProperties(t *testing.T) {
	sets(t, func(t *testing.T, rng *rand.Rand, points [][]float64) {
		if len(points) == 0 || len(points) > 25 {
			return
		}
		reference := slices.Repeat([]float64{3.5}, len(points[0]))
		all := pareto.Hypervolume(points, reference)
		var front [][]float64
		for _, i := range pareto.Front(points) {
			front = append(front, points[i])
		}
		if onFront := pareto.Hypervolume(front, reference); math.Abs(onFront-all) > 1e-12*all {
			t.Errorf("the front has volume %v, all points %v", onFront, all)
		}
		fewer := pareto.Hypervolume(points[1:], reference)
		if fewer > all*(1+1e-12) {
			t.Errorf("volume falls from %v to %v when a point is added", fewer, all)
		}
	})
}

func TestHypervolumeEdges(t *testing.T) {
	tests := []struct {
		name      string
		points    [][]float64
		reference []float64
		want      float64
	}{
		{"empty", nil, []float64{1, 1}, 0},
		{"on the reference", [][]float64{{1, 0}, {0, 1}, {1, 1}}, []float64{1, 1}, 0},
		{"beyond in one", [][]float64{{0, 2}}, []float64{1, 1}, 0},
		{"negative", [][]float64{{-2, -3}}, []float64{-1, -1}, 2},
		{"one objective", [][]float64{{3}, {2}, {5}}, []float64{4}, 2},
		{"overflow", [][]float64{{-1e300, -1e300, 0}, {-1e300, -1e300, 0}}, []float64{1e300, 1e300, 1}, math.Inf(1)},
	}
	for _, tt := range tests {
		if got := pareto.Hypervolume(tt.points, tt.reference); got != tt.want {
			t.Errorf("%s: volume = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestIGDPlus(t *testing.T) {
	front := [][]float64{{0, 2}, {1, 1}, {2, 0}}
	tests := []struct {
		name   string
		points [][]float64
		want   float64
	}{
		{"the front itself", front, 0},
		{"beyond the front", [][]float64{{-1, -1}}, 0},
		{"one point of it", [][]float64{{1, 1}}, 2.0 / 3}, // worse by 1 in one objective than either end
		{"shifted", [][]float64{{3, 4}}, (math.Hypot(3, 2) + math.Hypot(2, 3) + math.Hypot(1, 4)) / 3},
		{"nothing", nil, math.Inf(1)},
	}
	for _, tt := range tests {
		if got := pareto.IGDPlus(tt.points, front); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("%s: IGD+ = %v, want %v", tt.name, got, tt.want)
		}
	}
	// Weakly Pareto compliant: a dominated set is never better.
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		points := realPoints(rng, 5, 3)
		worse := make([][]float64, len(points))
		for i, p := range points {
			worse[i] = []float64{p[0] + rng.Float64(), p[1], p[2] + rng.Float64()}
		}
		reference := realPoints(rng, 5, 3)
		if a, b := pareto.IGDPlus(points, reference), pareto.IGDPlus(worse, reference); a > b {
			t.Fatalf("IGD+ %v of %v, and %v of a set that it dominates", a, points, b)
		}
	}
}

func TestCrowding(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name   string
		points [][]float64
		front  []int
		want   []float64
	}{
		{"none", [][]float64{{1, 1}}, nil, []float64{}},
		{"one", [][]float64{{9, 9}, {1, 1}}, []int{1}, []float64{inf}},
		{"two and copies", [][]float64{{1, 2}, {2, 1}, {1, 2}, {2, 1}}, []int{0, 1, 2, 3}, []float64{inf, inf, 0, 0}},
		// Ranges 10 and 10: (4-0)/10 + (10-5)/10 = 0.9 and (10-1)/10 + (6-0)/10 = 1.5.
		{"four", [][]float64{{0, 10}, {10, 0}, {1, 6}, {4, 5}}, []int{0, 1, 2, 3}, []float64{inf, inf, 0.9, 1.5}},
		{"order of the front", [][]float64{{0, 10}, {10, 0}, {1, 6}, {4, 5}}, []int{3, 1, 0, 2}, []float64{1.5, inf, inf, 0.9}},
		{"a constant objective adds nothing", [][]float64{{0, 2, 5}, {2, 0, 5}, {1, 1, 5}}, []int{0, 1, 2}, []float64{inf, inf, 2}},
		{"huge", [][]float64{{-1.7e308, 1.7e308}, {0, 0}, {1.7e308, -1.7e308}}, []int{0, 1, 2}, []float64{inf, 2, inf}},
		{"tiny", [][]float64{{5e-324, 10e-324}, {10e-324, 5e-324}, {5e-324, 10e-324}}, []int{0, 1, 2}, []float64{inf, inf, 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, pareto.Crowding(tt.points, tt.front)); d != "" {
				t.Error(d)
			}
		})
	}
	sets(t, func(t *testing.T, rng *rand.Rand, points [][]float64) {
		points = slices.CompactFunc(points, slices.Equal[[]float64])
		front := pareto.Front(points)
		want := map[string]float64{} // by point: the largest, since copies get 0
		for k, d := range pareto.Crowding(points, front) {
			key := fmt.Sprint(points[front[k]])
			want[key] = max(want[key], d)
		}
		mixed, _ := shuffled(rng, points)
		again := map[string]float64{}
		front = pareto.Front(mixed)
		for k, d := range pareto.Crowding(mixed, front) {
			key := fmt.Sprint(mixed[front[k]])
			again[key] = max(again[key], d)
		}
		if d := cmp.Diff(want, again); d != "" {
			t.Errorf("crowding depends on the order: %s", d)
		}
	})
}

func BenchmarkHypervolume(b *testing.B) {
	for objectives := 2; objectives <= 4; objectives++ {
		b.Run(fmt.Sprintf("objectives=%d/points=300", objectives), func(b *testing.B) {
			points := realPoints(rand.New(rand.NewPCG(1, 1)), 300, objectives)
			for _, p := range points {
				var sum float64
				for _, v := range p {
					sum += v
				}
				for m := range p {
					p[m] /= sum
				}
			}
			reference := slices.Repeat([]float64{1.1}, objectives)
			for b.Loop() {
				pareto.Hypervolume(points, reference)
			}
		})
	}
}
