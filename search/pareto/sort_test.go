package pareto_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/search/pareto"
)

func ExampleSort() {
	// Latency in ms and error in percent, both minimised.
	points := [][]float64{{41, 25.8}, {62, 21.0}, {49, 23.9}, {51, 25.0}, {70, 21.0}}
	fmt.Println(pareto.Sort(points))
	fmt.Println(pareto.Front(points))
	fmt.Println(pareto.StrictFront(points)) // point 4 only ties with point 1 in error
	// Output:
	// [[0 1 2] [3 4]]
	// [0 1 2]
	// [0 1 2 4]
}

func ExampleDominates() {
	fmt.Println(pareto.Dominates([]float64{1, 2}, []float64{1, 3}), pareto.StrictlyDominates([]float64{1, 2}, []float64{1, 3}))
	// Output: true false
}

func TestDominance(t *testing.T) {
	tests := []struct {
		a, b         []float64
		weak, strict bool
	}{
		{[]float64{1}, []float64{2}, true, true},
		{[]float64{1}, []float64{1}, false, false},
		{[]float64{1, 1}, []float64{2, 2}, true, true},
		{[]float64{1, 2}, []float64{2, 2}, true, false},
		{[]float64{2, 2}, []float64{2, 2}, false, false},
		{[]float64{1, 3}, []float64{2, 2}, false, false},
		{[]float64{0, 0, 0}, []float64{0, 0, 1e-300}, true, false},
		{[]float64{0}, []float64{-1}, false, false},
	}
	for _, tt := range tests {
		if got := pareto.Dominates(tt.a, tt.b); got != tt.weak {
			t.Errorf("Dominates(%v, %v) = %v", tt.a, tt.b, got)
		}
		if got := pareto.StrictlyDominates(tt.a, tt.b); got != tt.strict {
			t.Errorf("StrictlyDominates(%v, %v) = %v", tt.a, tt.b, got)
		}
	}
}

// sets calls f with random sets of all sizes and kinds.
func sets(t *testing.T, f func(t *testing.T, rng *rand.Rand, points [][]float64)) {
	for objectives := 1; objectives <= 5; objectives++ {
		for _, levels := range []int{1, 2, 4, 30, 0} {
			for n := range 40 {
				rng := rand.New(rand.NewPCG(uint64(objectives*1000+levels), uint64(n)))
				points := realPoints(rng, n, objectives)
				if levels > 0 {
					points = wholePoints(rng, n, objectives, levels)
				}
				f(t, rng, points)
				if t.Failed() {
					t.Fatalf("%d objectives, %d levels: %v", objectives, levels, points)
				}
			}
		}
	}
}

func TestSortAgainstDefinition(t *testing.T) {
	sets(t, func(t *testing.T, _ *rand.Rand, points [][]float64) {
		if d := cmp.Diff(sortByPeeling(points), pareto.Sort(points)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff(notBeaten(points, dominates), pareto.Front(points)); d != "" {
			t.Errorf("Front: %s", d)
		}
		if d := cmp.Diff(notBeaten(points, betterInAll), pareto.StrictFront(points)); d != "" {
			t.Errorf("StrictFront: %s", d)
		}
	})
}

func TestSortDoesNotDependOnOrder(t *testing.T) {
	sets(t, func(t *testing.T, rng *rand.Rand, points [][]float64) {
		mixed, perm := shuffled(rng, points)
		want, _ := pareto.Ranks(points)
		got, _ := pareto.Ranks(mixed)
		for k, i := range perm {
			if got[k] != want[i] {
				t.Errorf("point %v has rank %d, and %d in another order", mixed[k], want[i], got[k])
			}
		}
	})
}

// TestSortLarge compares the special case for two objectives with the general one, which a constant third
// objective selects, on a set too large for the definition.
func TestSortLarge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	points := wholePoints(rng, 3000, 2, 500)
	with3 := make([][]float64, len(points))
	for i, p := range points {
		with3[i] = []float64{p[0], 7, p[1]}
	}
	if d := cmp.Diff(pareto.Sort(with3), pareto.Sort(points)); d != "" {
		t.Error(d)
	}
}

// TestPaperStrictRule turns the 63 networks of the authors' FLOPs notebook into the 27 that they kept before
// thinning by hand (reference/paper/families.json, flop_search_63 and flop_pareto_27).
func TestPaperStrictRule(t *testing.T) {
	data, err := os.ReadFile(reftest.Path(t, "paper", "families.json"))
	if err != nil {
		t.Fatal(err)
	}
	type network struct {
		Top1  float64 `json:"top1"`
		Flops float64 `json:"flops_M"`
	}
	var published struct {
		All  []network `json:"flop_search_63"`
		Kept []network `json:"flop_pareto_27"`
	}
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	if len(published.All) != 63 || len(published.Kept) != 27 {
		t.Fatalf("%d networks and %d kept, want 63 and 27", len(published.All), len(published.Kept))
	}
	points := make([][]float64, 63)
	for i, n := range published.All {
		points[i] = []float64{n.Flops, -n.Top1}
	}
	var got []network
	for _, i := range pareto.StrictFront(points) {
		got = append(got, published.All[i])
	}
	byFlops := func(a, b network) int { return slices.Compare([]float64{a.Flops, a.Top1}, []float64{b.Flops, b.Top1}) }
	slices.SortFunc(got, byFlops)
	slices.SortFunc(published.Kept, byFlops)
	if d := cmp.Diff(published.Kept, got); d != "" {
		t.Error(d)
	}
}

func BenchmarkSort(b *testing.B) {
	for _, objectives := range []int{2, 3} {
		for _, n := range []int{200, 1000, 10000} {
			b.Run(fmt.Sprintf("objectives=%d/points=%d", objectives, n), func(b *testing.B) {
				points := realPoints(rand.New(rand.NewPCG(1, 1)), n, objectives)
				b.ReportAllocs()
				for b.Loop() {
					pareto.Sort(points)
				}
			})
		}
	}
}
