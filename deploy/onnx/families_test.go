package onnx_test

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// familyGoldens is testdata/families.json, which testdata/families.py computed with PyTorch.
type familyGoldens struct {
	Seed     uint64
	Families []struct {
		Space string
		Cases []struct {
			Arch         supernet.Arch
			Logits       [][]float64
			MACs, Params int64
		}
		Recalibrated struct {
			Arch       supernet.Arch
			Batches    []int
			Logits     [][]float64
			Statistics map[string][2][3]float64 // means, variances: first, last, mean over channels
		}
	}
}

func readFamilyGoldens(t testing.TB) familyGoldens {
	t.Helper()
	text, err := os.ReadFile("testdata/families.json")
	if err != nil {
		t.Fatal(err)
	}
	var g familyGoldens
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Families) != 3 {
		t.Fatalf("%d families", len(g.Families))
	}
	return g
}

func byName(t testing.TB, name string) *supernet.Space {
	t.Helper()
	s, err := supernet.ByName(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// deviation returns the largest difference as a share of the largest number wanted.
func deviation(got array, want [][]float64) float64 {
	worst, largest, i := 0., 0., 0
	for _, row := range want {
		for _, v := range row {
			if d := math.Abs(got.data[i] - v); !(d <= worst) {
				worst = d
			}
			largest = max(largest, math.Abs(v))
			i++
		}
	}
	return worst / largest
}

// Expected values: testdata/families.py. Both sides work in float64; what differs is that the model
// holds folded tensors rounded to float32.
func TestGoldenLogitsOfFamilies(t *testing.T) {
	g := readFamilyGoldens(t)
	for _, f := range g.Families {
		space := byName(t, f.Space)
		w := randomWeights(t, space, g.Seed)
		overall := 0.
		for i, c := range f.Cases {
			got := interpret(t, write(t, space, c.Arch, w, onnx.Options{Batch: 2}), images(2, c.Arch.R))
			d := deviation(got, c.Logits)
			overall = max(overall, d)
			if !(d <= 1e-6) {
				t.Errorf("%s, case %d: logits deviate by %.2g of the largest", f.Space, i, d)
			}
			macs, err := space.MACs(c.Arch)
			if err != nil {
				t.Fatal(err)
			}
			params, _ := space.Params(c.Arch)
			if macs != c.MACs || params != c.Params {
				t.Errorf("%s, case %d: %d MACs, %d parameters; want %d, %d", f.Space, i, macs, params, c.MACs, c.Params)
			}
		}
		t.Logf("%s: %d cases, largest deviation %.2g of the largest logit", f.Space, len(f.Cases), overall)
	}
}
