package fluid_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/sim/fluid"
)

// Cores, a GPU and memory in GB/s; the paces are worked out by hand.
func TestShare(t *testing.T) {
	for _, tt := range []struct {
		name     string
		capacity []float64
		uses     []fluid.Use
		paces    []float64
		limits   []fluid.Limit
	}{
		{"nobody", []float64{4}, nil, []float64{}, []fluid.Limit{}},
		{"alone", []float64{4}, []fluid.Use{{4}}, []float64{1}, []fluid.Limit{fluid.Free}},
		{"needs nothing", []float64{0}, []fluid.Use{{}}, []float64{1}, []fluid.Limit{fluid.Free}},
		{"more threads than cores", []float64{2}, []fluid.Use{{4}}, []float64{0.5}, []fluid.Limit{0}},
		{"two of four threads", []float64{4}, []fluid.Use{{4}, {4}}, []float64{0.5, 0.5}, []fluid.Limit{0, 0}},
		{"four threads and one", []float64{4}, []fluid.Use{{4}, {1}}, []float64{0.8, 0.8}, []fluid.Limit{0, 0}},
		{"apart", []float64{4, 1}, []fluid.Use{{4}, {0, 1}}, []float64{1, 1}, []fluid.Limit{fluid.Free, fluid.Free}},
		{"through memory", []float64{4, 1, 10}, []fluid.Use{{4, 0, 8}, {0, 1, 12}}, []float64{0.5, 0.5}, []fluid.Limit{2, 2}},
		// The two on the GPU get half of it each; the CPU's takes of the memory what they leave: 10 - 6 = 4 of 8.
		{"two rounds", []float64{4, 1, 10}, []fluid.Use{{4, 0, 8}, {0, 1, 6}, {0, 1, 6}}, []float64{0.5, 0.5, 0.5}, []fluid.Limit{1, 1, 1}},
		{"one goes on", []float64{4, 1, 12}, []fluid.Use{{4, 0, 8}, {0, 1, 6}, {0, 1, 6}}, []float64{0.75, 0.5, 0.5}, []fluid.Limit{2, 1, 1}},
		{"nothing there", []float64{0}, []fluid.Use{{1}, {0, 1}}, []float64{0, 1}, []fluid.Limit{0, fluid.Free}},
	} {
		paces, limits := make([]float64, len(tt.uses)), make([]fluid.Limit, len(tt.uses))
		fluid.Share(tt.capacity, tt.uses, paces, limits)
		if tt.name == "two rounds" { // both resources are exhausted at once; either may be named
			limits[0] = 1
		}
		if d := cmp.Diff(tt.paces, paces); d != "" {
			t.Errorf("%s: paces (-want +got):\n%s", tt.name, d)
		}
		if d := cmp.Diff(tt.limits, limits); d != "" {
			t.Errorf("%s: limits (-want +got):\n%s", tt.name, d)
		}
	}
}

// problem draws capacities and uses, some of them 0.
func problem(rng *rand.Rand) ([]float64, []fluid.Use) {
	capacity := make([]float64, 1+rng.IntN(fluid.MaxResources))
	for r := range capacity {
		capacity[r] = rng.Float64() * 4
	}
	uses := make([]fluid.Use, 1+rng.IntN(8))
	for i := range uses {
		for r := range capacity {
			if rng.IntN(2) == 0 {
				uses[i][r] = rng.Float64() * 3
			}
		}
	}
	return capacity, uses
}

func taken(uses []fluid.Use, paces []float64, r int) float64 {
	sum := 0.0
	for i := range uses {
		sum += uses[i][r] * paces[i]
	}
	return sum
}

// TestMaxMin checks random problems against the definition: no capacity is exceeded, and whoever is not
// at full pace takes of an exhausted resource at which nobody has a larger pace (which makes a feasible
// sharing the max-min fair one, Bertsekas and Gallager, section 6.5.2). So no resource that could be used is left.
func TestMaxMin(t *testing.T) {
	const eps = 1e-9
	rng := rand.New(rand.NewPCG(1, 1))
	limited := 0
	for range 20_000 {
		capacity, uses := problem(rng)
		paces, limits := make([]float64, len(uses)), make([]fluid.Limit, len(uses))
		fluid.Share(capacity, uses, paces, limits)
		for r, c := range capacity {
			if sum := taken(uses, paces, r); sum > c+eps {
				t.Fatalf("resource %d: %g taken of %g", r, sum, c)
			}
		}
		for i, p := range paces {
			if p < 0 || p > 1 {
				t.Fatalf("pace %g", p)
			}
			if limits[i] == fluid.Free {
				if p != 1 {
					t.Fatalf("pace %g without a limit", p)
				}
				continue
			}
			limited++
			r := int(limits[i])
			if uses[i][r] == 0 || taken(uses, paces, r) < capacity[r]-eps {
				t.Fatalf("activity %d is limited by resource %d, which has something left", i, r)
			}
			for j := range uses {
				if uses[j][r] > 0 && paces[j] > p+eps {
					t.Fatalf("activity %d gets %g of resource %d, which limits activity %d to %g", j, paces[j], r, i, p)
				}
			}
		}
	}
	if limited < 10_000 {
		t.Errorf("only %d activities were limited", limited)
	}
}

// TestLowerCapacity: less of a resource never makes the sorted paces lexicographically larger (the sharings that
// are feasible become fewer, and the max-min fair one is their lexicographic maximum), and where there is one
// resource only, it makes no pace larger.
func TestLowerCapacity(t *testing.T) {
	const eps = 1e-9
	rng := rand.New(rand.NewPCG(2, 1))
	for range 20_000 {
		capacity, uses := problem(rng)
		before, after := make([]float64, len(uses)), make([]float64, len(uses))
		fluid.Share(capacity, uses, before, nil)
		capacity[rng.IntN(len(capacity))] *= rng.Float64()
		fluid.Share(capacity, uses, after, nil)
		if len(capacity) == 1 {
			for i := range after {
				if after[i] > before[i]+eps {
					t.Fatalf("activity %d gets %g of less and %g of more", i, after[i], before[i])
				}
			}
		}
		slices.Sort(before)
		slices.Sort(after)
		for i := range after {
			if math.Abs(after[i]-before[i]) <= eps {
				continue
			}
			if after[i] > before[i] {
				t.Fatalf("sorted paces %v of less, %v of more", after, before)
			}
			break
		}
	}
}

func BenchmarkShare(b *testing.B) {
	capacity := []float64{6, 1, 51.2e9}
	uses := make([]fluid.Use, 8)
	for i := range uses {
		uses[i] = fluid.Use{float64(i % 3), float64(i%2) * 0.3, 5e9}
	}
	paces := make([]float64, len(uses))
	b.ReportAllocs()
	for b.Loop() {
		fluid.Share(capacity, uses, paces, nil)
	}
}
