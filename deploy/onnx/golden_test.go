package onnx_test

import (
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// goldens is testdata/golden.json, which testdata/golden.py computed with PyTorch.
type goldens struct {
	Space string
	Seed  uint64
	Cases []struct {
		Arch         supernet.Arch
		Logits       [][]float64
		MACs, Params int64
		Statistics   *uint64 `json:"statistics_seed"`
	}
}

func readGoldens(t testing.TB) (goldens, *supernet.Space) {
	t.Helper()
	text, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g goldens
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	space, err := supernet.ByName(g.Space)
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) < 6 {
		t.Fatalf("%d golden cases", len(g.Cases))
	}
	return g, space
}

func randomWeights(t testing.TB, space *supernet.Space, seed uint64) *onnx.Random {
	t.Helper()
	w, err := onnx.RandomWeights(space, seed)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// randomStatistics makes statistics of a sub-network's own: golden.py draws them like the
// checkpoint's running statistics, with another seed and the active number of channels. The first
// draws of a stream do not depend on how many follow, so they are a prefix of the supernet's.
func randomStatistics(t testing.TB, space *supernet.Space, arch supernet.Arch, seed uint64) map[string]onnx.Moments {
	t.Helper()
	norms, err := onnx.BatchNorms(space, arch)
	if err != nil {
		t.Fatal(err)
	}
	w := randomWeights(t, space, seed)
	statistics := map[string]onnx.Moments{}
	for _, n := range norms {
		mean, ok := w.Tensor(n.Name + ".running_mean")
		variance, ok2 := w.Tensor(n.Name + ".running_var")
		if !ok || !ok2 {
			t.Fatalf("no statistics of %s", n.Name)
		}
		statistics[n.Name] = onnx.Moments{Mean: mean.Data[:n.Channels], Var: variance.Data[:n.Channels]}
	}
	return statistics
}

// images returns n pictures by the formula of the golden cases.
func images(n, r int) array {
	x := array{shape: []int{n, 3, r, r}}
	for i := range n {
		for c := range 3 {
			for h := range r {
				for w := range r {
					fc, fh, fw, fi := float64(c), float64(h), float64(w), float64(i)
					v := math.Sin(.37*(fc+1)*(fh+1)/(1+.1*fi)+.23*(fw+1)*(fi+1)/(1+fc)) + .5*math.Cos(.05*(fh*fw+1)*(fc+1)+fi)
					x.data = append(x.data, float64(float32(v)))
				}
			}
		}
	}
	return x
}

// Expected values: testdata/golden.py. Both sides work in float64; what differs is that the model
// holds folded tensors rounded to float32.
func TestGoldenLogits(t *testing.T) {
	g, space := readGoldens(t)
	w := randomWeights(t, space, g.Seed)
	overall := 0.
	for i, c := range g.Cases {
		o := onnx.Options{Batch: len(c.Logits)}
		if c.Statistics != nil {
			o.Statistics = randomStatistics(t, space, c.Arch, *c.Statistics)
		}
		model, err := onnx.Network(space, c.Arch, w, o)
		if err != nil {
			t.Fatal(err)
		}
		got := interpret(t, model, images(len(c.Logits), c.Arch.R))
		worst, largest := 0., 0.
		for j, row := range c.Logits {
			for k, want := range row {
				worst = max(worst, math.Abs(got.data[j*len(row)+k]-want))
				largest = max(largest, math.Abs(want))
			}
		}
		if !(worst <= 1e-6*largest) {
			t.Errorf("case %d: logits deviate by %.2g of the largest", i, worst/largest)
		}
		overall = max(overall, worst/largest)
		macs, err := space.MACs(c.Arch)
		if err != nil {
			t.Fatal(err)
		}
		params, _ := space.Params(c.Arch)
		if macs != c.MACs || params != c.Params {
			t.Errorf("case %d: %d MACs, %d parameters; want %d, %d", i, macs, params, c.MACs, c.Params)
		}
	}
	t.Logf("largest deviation %.2g of the largest logit", overall)
}

// The golden cases must be able to fail: they visit every kernel size, expand ratio and depth, and
// their logits depend on the picture and on the sub-network.
func TestGoldenCasesDistinguish(t *testing.T) {
	g, _ := readGoldens(t)
	seen := map[string]bool{}
	for i, c := range g.Cases {
		for stage, d := range c.Arch.D {
			for p := 4 * stage; p < 4*stage+d; p++ {
				seen["k"+string(rune('0'+c.Arch.KS[p]))] = true
				seen["e"+string(rune('0'+int(c.Arch.E[p])))] = true
			}
			seen["d"+string(rune('0'+d))] = true
		}
		difference := func(a, b []float64) float64 {
			d := 0.
			for k := range a {
				d = max(d, math.Abs(a[k]-b[k]))
			}
			return d
		}
		if d := difference(c.Logits[0], c.Logits[1]); d < 1e-4 {
			t.Errorf("case %d: the two pictures differ by %.2g only", i, d)
		}
		for j := range i {
			if d := difference(c.Logits[0], g.Cases[j].Logits[0]); d < 1e-3 {
				t.Errorf("cases %d and %d differ by %.2g only", i, j, d)
			}
		}
	}
	for name := range strings.FieldsSeq("k3 k5 k7 e3 e4 e6 d2 d3 d4") {
		if !seen[name] {
			t.Errorf("no golden case has %s", name)
		}
	}
}
