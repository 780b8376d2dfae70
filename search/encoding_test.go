package search_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search"
)

func encoding(t testing.TB, s *supernet.Space) *search.Encoding {
	t.Helper()
	e, err := search.NewEncoding(s, s.Resolutions)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// The published count for each resolution: (9^2+9^3+9^4)^5 = 2.176e19.
func TestSize(t *testing.T) {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	e := encoding(t, space.WithResolutions(160, 176, 192, 208, 224))
	if want := 5 * math.Pow(81+729+6561, 5); e.Size() != want || e.Genes() != 5+20+20+1 {
		t.Errorf("%g networks of %d genes, want %g of 46", e.Size(), e.Genes(), want)
	}
	toy := toySpace(2, []int{1, 3}, []int{3, 5}, []float64{3, 6}, 32, 64)
	if n := len(enumerate(t, toy)); encoding(t, toy).Size() != float64(n) {
		t.Errorf("size %g, enumeration has %d", encoding(t, toy).Size(), n)
	}
}

// Any genome decodes to a canonical network, which encodes to the canonical genome, which decodes to the
// same network.
func TestEncodingRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, space := range []*supernet.Space{
		toySpace(2, []int{1, 3}, []int{3, 5}, []float64{3, 6}, 32, 64), toySpace(3, []int{2, 3, 4}, []int{3, 5, 7}, []float64{3, 4, 6}, 96),
	} {
		e := encoding(t, space)
		g := make(search.Genome, e.Genes())
		var a, b supernet.Arch
		for range 500 {
			search.UniformSampling(e, g, rng)
			e.Decode(g, &a)
			canonical, err := space.Canonical(a)
			if err != nil || !canonical.Equal(a) {
				t.Fatalf("%v decodes to %v, which is not canonical, error %v", g, a, err)
			}
			back, err := e.Encode(a)
			if err != nil {
				t.Fatal(err)
			}
			e.Canonical(g)
			if !slices.Equal(g, back) {
				t.Fatalf("canonical genome %v, encoded %v", g, back)
			}
			e.Decode(back, &b)
			if !a.Equal(b) {
				t.Fatalf("%v comes back as %v", a, b)
			}
			for gene := range g {
				if !e.Active(g, gene) && g[gene] != 0 {
					t.Fatalf("gene %d of %v is inactive and not zero", gene, g)
				}
			}
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	space := toySpace(1, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)
	e := encoding(t, space)
	for _, a := range []supernet.Arch{space.Uniform(7, 3, 1, 32), space.Uniform(3, 3, 1, 48), {}} {
		if g, err := e.Encode(a); err == nil {
			t.Errorf("%v is encoded as %v", a, g)
		}
	}
}

// What every crossover must keep to: genes come from one of the parents, which stay as they are, and the
// same random numbers give the same child.
func TestCrossovers(t *testing.T) {
	e := encoding(t, toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4, 6}, 32, 64))
	for name, cross := range map[string]search.Crossover{
		"uniform": search.UniformCrossover(0.9), "stage": search.StageCrossover(0.9),
		"uniform, always": search.UniformCrossover(1), "stage, always": search.StageCrossover(1),
	} {
		rng := rand.New(rand.NewPCG(1, 2))
		a, b, child, again := make(search.Genome, e.Genes()), make(search.Genome, e.Genes()), make(search.Genome, e.Genes()), make(search.Genome, e.Genes())
		fromB, differ := 0, 0
		for i := range uint64(1000) {
			search.UniformSampling(e, a, rng)
			search.UniformSampling(e, b, rng)
			before := fmt.Sprint(a, b)
			cross(e, a, b, child, rand.New(rand.NewPCG(i, 3)))
			cross(e, a, b, again, rand.New(rand.NewPCG(i, 3)))
			if fmt.Sprint(a, b) != before || !slices.Equal(child, again) {
				t.Fatalf("%s: parents %v, %v, children %v, %v", name, a, b, child, again)
			}
			for gene, v := range child {
				if v != a[gene] && v != b[gene] {
					t.Fatalf("%s: gene %d is %d, parents have %d and %d", name, gene, v, a[gene], b[gene])
				}
				if a[gene] != b[gene] {
					differ++
					if v == b[gene] {
						fromB++
					}
				}
			}
		}
		want := 0.45 // half of the genes in 0.9 of the children
		if name == "uniform, always" || name == "stage, always" {
			want = 0.5
		}
		if got := float64(fromB) / float64(differ); math.Abs(got-want) > 0.03 {
			t.Errorf("%s: share %.3f of the genes comes from the second parent, want %.2f", name, got, want)
		}
	}
}

// A stage comes from one parent as a whole.
func TestStageCrossover(t *testing.T) {
	space := toySpace(3, []int{2, 3}, []int{3, 5}, []float64{3, 6}, 32, 64)
	e := encoding(t, space)
	smallest, largest := make(search.Genome, e.Genes()), make(search.Genome, e.Genes())
	for i := range largest {
		largest[i] = 1
	}
	rng := rand.New(rand.NewPCG(4, 4))
	cross := search.StageCrossover(1)
	kinds := map[string]bool{}
	for range 200 {
		child := make(search.Genome, e.Genes())
		cross(e, smallest, largest, child, rng)
		var a supernet.Arch
		e.Decode(child, &a)
		kind := fmt.Sprint(a.R)
		for stage, d := range a.D {
			k, ratio := 3, 3.0
			if d == 3 {
				k, ratio = 5, 6
			}
			for p := stage * 3; p < stage*3+d; p++ {
				if a.KS[p] != k || a.E[p] != ratio {
					t.Fatalf("stage %d is mixed in %v", stage, a)
				}
			}
			kind += fmt.Sprint(d)
		}
		kinds[kind] = true
	}
	if len(kinds) != 16 { // three stages and the resolution
		t.Errorf("%d kinds of children, want 16", len(kinds))
	}
}

func TestResetMutation(t *testing.T) {
	e := encoding(t, toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4, 6}, 32)) // 22 genes, the resolution has one choice
	rng := rand.New(rand.NewPCG(5, 5))
	mutate := search.ResetMutation(2)
	changed, n := 0, 20000
	for range n {
		g := make(search.Genome, e.Genes())
		search.UniformSampling(e, g, rng)
		before := slices.Clone(g)
		mutate(e, g, rng)
		for gene := range g {
			if int(g[gene]) >= e.Choices(gene) {
				t.Fatalf("gene %d is %d of %d choices", gene, g[gene], e.Choices(gene))
			}
			if g[gene] != before[gene] {
				changed++
			}
		}
	}
	want := 2.0 * 21 / 22 // the resolution cannot change
	if got := float64(changed) / float64(n); math.Abs(got-want) > 0.05 {
		t.Errorf("%.3f genes change, want %.3f", got, want)
	}
}

// The survivors of a generation, by the definition: peel off the points that no other dominates until
// enough are there; of the last layer keep both ends.
func TestRankAndCrowding(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 6))
		points := make([]search.Objectives, 30)
		for i := range points {
			points[i] = search.Objectives{Accuracy: 0.5 + 0.001*accuracyOf(rng), Latency: 1e6 * latencyOf(rng)}
		}
		keep := 1 + rng.IntN(len(points))
		kept := search.RankAndCrowding(scored(points), keep)
		if len(kept) != keep {
			t.Fatalf("seed %d: %d kept, want %d", seed, len(kept), keep)
		}
		layer := layers(points)
		for i := 1; i < keep; i++ {
			if layer[kept[i]] < layer[kept[i-1]] {
				t.Errorf("seed %d: layer %d after layer %d", seed, layer[kept[i]], layer[kept[i-1]])
			}
		}
		last := layer[kept[keep-1]]
		for i, l := range layer {
			if l < last && !slices.Contains(kept, i) {
				t.Errorf("seed %d: point %d of layer %d is lost", seed, i, l)
			}
		}
	}
}
