package search

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

func familySpaces(t testing.TB) []*supernet.Space {
	var all []*supernet.Space
	for _, name := range []string{"ofa-proxyless-w1.3", "ofa-resnet50", "ofa-resnet50-w0.1,0.125,0.15"} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// In spaces of every kind, any genome decodes to a canonical network and back, and neighbours are
// different canonical networks.
func TestEncodingOfFamilies(t *testing.T) {
	for _, s := range familySpaces(t) {
		e, err := NewEncoding(s, []int{128, 224})
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(1, 1))
		g := make(Genome, e.Genes())
		var a, b supernet.Arch
		for i := range 100 {
			UniformSampling(e, g, rng)
			e.Decode(g, &a)
			c, err := s.Canonical(a)
			if err != nil || !c.Equal(a) {
				t.Fatalf("%s: %v decodes to %v, which is not canonical, error %v", s.Name, g, a, err)
			}
			back, err := e.Encode(a)
			e.Canonical(g)
			if err != nil || string(back) != string(g) {
				t.Fatalf("%s: %v comes back as %v, %v", s.Name, g, back, err)
			}
			if i%10 > 0 {
				continue
			}
			seen := map[string]bool{a.String(): true}
			e.neighbours(g, func(n Genome) {
				e.Decode(n, &b)
				c, err := s.Canonical(b)
				if err != nil || !c.Equal(b) || seen[b.String()] {
					t.Fatalf("%s: neighbour %v of %v is not canonical or comes twice, %v", s.Name, b, a, err)
				}
				seen[b.String()] = true
				back, err := e.Encode(b)
				if err != nil || string(back) != string(n) {
					t.Fatalf("%s: neighbour %v is %v, %v", s.Name, n, back, err)
				}
			})
			// At least every width, the stem's depth and the other resolution have a neighbour of their own.
			if want := len(e.widths) + 2; len(seen) < want {
				t.Errorf("%s: %d neighbours", s.Name, len(seen)-1)
			}
		}
	}
}

// Enumeration visits as many networks as Size says, each once: 2 stems, 2 x 2 x 2 choices of W (0.1 and
// 0.125 agree in the first two entries), stages of 1 or 2 blocks with 2 expand ratios each and one fixed
// block, two resolutions.
func TestSizeWithWidths(t *testing.T) {
	s := *familySpaces(t)[2]
	s.Widths, s.Expands, s.Depths = []float64{0.1, 0.125, 0.25}, []float64{0.2, 0.35}, []int{0, 1}
	s.Stages = []supernet.Stage{{Width: 256, Stride: 1, Base: 1}, {Width: 128, Stride: 2, Base: 1, Fixed: true}}
	e, err := NewEncoding(&s, []int{32, 64})
	if err != nil {
		t.Fatal(err)
	}
	// W: 64 x 0.1, 0.125, 0.25 give 8, 8, 16 and half of that 8, 8, 8; 256: 24, 32, 64; 128: 16, 16, 32.
	want := 2 * (1 * 2 * 3 * 2) * (2 + 4) * 2 * 2
	seen := map[string]bool{}
	for g := make(Genome, e.Genes()); ; {
		var a supernet.Arch
		e.Decode(g, &a)
		if c, err := s.Canonical(a); err != nil || !c.Equal(a) || seen[a.String()] {
			t.Fatalf("%v is not canonical or comes twice, %v", a, err)
		}
		seen[a.String()] = true
		if !e.next(g) {
			break
		}
	}
	if len(seen) != want || e.Size() != float64(want) {
		t.Errorf("%d networks, size %g, want %d", len(seen), e.Size(), want)
	}
}

// counted judges networks by multiply-accumulates and, for accuracy, parameters.
type counted struct{ *supernet.Space }

func (c counted) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	n, err := c.MACs(a)
	return unit.Nanoseconds(n), err
}

func (c counted) Predict(archs []supernet.Arch, out []unit.Accuracy) error {
	for i, a := range archs {
		n, err := c.Params(a)
		if err != nil {
			return err
		}
		out[i] = unit.Accuracy(float64(n) / (float64(n) + 1e7))
	}
	return nil
}

func (c counted) Describe() accuracy.Description {
	return accuracy.Description{Name: "parameters", Origin: accuracy.Standin, Source: "test"}
}

// Searches run on every kind of space and find better networks than their first ones.
func TestSearchFamilies(t *testing.T) {
	for _, s := range familySpaces(t)[:2] {
		for _, m := range []Method{NSGA2{Crossover: StageCrossover(0.9)}, Memetic{}} {
			p := Problem{Space: s.WithResolutions(128, 160), Latency: counted{s}, Accuracy: counted{s}}
			r, err := Run(context.Background(), p, Settings{Method: m, Population: 20, Evaluations: 400, Seed: 1})
			if err != nil {
				t.Fatalf("%s, %v: %v", s.Name, m, err)
			}
			if len(r.Front) < 5 {
				t.Errorf("%s, %v: a front of %d", s.Name, m, len(r.Front))
			}
			for _, c := range r.Front {
				if a, err := s.Canonical(c.Arch); err != nil || !a.Equal(c.Arch) || len(a.W) != s.WidthEntries() {
					t.Errorf("%s, %v: %v, %v", s.Name, m, c.Arch, err)
				}
			}
		}
	}
}
