//go:build cgo

package eval_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/eval"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// load returns ONNX Runtime. It skips the test where the library is absent, or fails it with
// DYNOFA_REQUIRE_RUNTIME=1.
func load(t testing.TB) *ort.Runtime {
	t.Helper()
	path, err := ort.FindLibrary("")
	if err != nil {
		if os.Getenv("DYNOFA_REQUIRE_RUNTIME") == "1" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	r, err := ort.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// golden sets x, [3, r, r], to picture i of the golden cases: the formula of the reference data.
func golden(x []float32, i, r int) {
	for c := range 3 {
		for h := range r {
			for w := range r {
				fc, fh, fw, fi := float64(c), float64(h), float64(w), float64(i)
				v := math.Sin(.37*(fc+1)*(fh+1)/(1+.1*fi)+.23*(fw+1)*(fi+1)/(1+fc)) + .5*math.Cos(.05*(fh*fw+1)*(fc+1)+fi)
				x[(c*r+h)*r+w] = float32(v)
			}
		}
	}
}

// logitsWith runs a sub-network with statistics on the first golden pictures and returns the largest
// deviation from logits as a share of the largest.
func logitsWith(t *testing.T, r *ort.Runtime, space *supernet.Space, a supernet.Arch, w onnx.Weights, statistics map[string]onnx.Moments, want [][]float64) float64 {
	t.Helper()
	model, err := onnx.Network(space, a, w, onnx.Options{Batch: len(want), Statistics: statistics})
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.NewSession(model, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	per := 3 * a.R * a.R
	for i := range want {
		golden(s.Input()[i*per:][:per], i, a.R)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	worst, largest := 0., 0.
	for i, row := range want {
		for j, v := range row {
			d := math.Abs(float64(s.Output()[i*len(row)+j]) - v)
			if !(d <= worst) {
				worst = d
			}
			largest = max(largest, math.Abs(v))
		}
	}
	return worst / largest
}

// Expected values: the once-for-all code's re-estimated statistics of its random w0.5 supernet and the
// logits with them, over 24 pictures in batches of 8, and of 10, 10 and 4 with odd feature maps.
func TestReferenceRecalibration(t *testing.T) {
	r := load(t)
	for _, file := range []string{"golden.json", "golden_odd.json"} {
		text, err := os.ReadFile(reftest.Path(t, "ofa", "supernet", file))
		if err != nil {
			t.Fatal(err)
		}
		var g struct {
			Width        float64 `json:"width_mult"`
			Classes      int     `json:"n_classes"`
			Recalibrated struct {
				Arch    supernet.Arch
				Images  int
				Batch   int
				Batches []int
				Logits  [][]float64
				BN      map[string]struct{ Mean, Var []float64 }
			}
		}
		if err := json.Unmarshal(text, &g); err != nil {
			t.Fatal(err)
		}
		space, err := supernet.OFAMobileNetV3(g.Width, g.Classes)
		if err != nil {
			t.Fatal(err)
		}
		c := g.Recalibrated
		if len(c.Batches) > 0 { // all but the last are equal
			c.Batch = c.Batches[0]
			for _, n := range c.Batches {
				c.Images += n
			}
		}
		for _, weights := range []string{"supernet_zip.pth", "supernet_legacy.pth"} {
			w, err := checkpoint.Open(reftest.Path(t, "ofa", "supernet", weights))
			if err != nil {
				t.Fatal(err)
			}
			moments, err := eval.CalibrateTensors(r, space, c.Arch, w, golden, c.Images, c.Batch)
			if err != nil {
				t.Fatal(err)
			}
			norms, err := onnx.BatchNorms(space, c.Arch)
			if err != nil {
				t.Fatal(err)
			}
			worst, block, before := 0., -1, ""
			for _, n := range norms {
				if c.BN == nil {
					break
				}
				// The reference counts active blocks.
				name := strings.TrimSuffix(n.Name, ".bn")
				if rest, ok := strings.CutPrefix(n.Name, "blocks."); ok {
					position, rest, _ := strings.Cut(rest, ".")
					if position != before {
						block, before = block+1, position
					}
					name = fmt.Sprintf("blocks.%d.%s", block, strings.TrimSuffix(strings.TrimSuffix(rest, ".bn"), ".bn"))
				}
				want, ok := c.BN[name+".bn"]
				if !ok || len(want.Mean) != n.Channels {
					t.Fatalf("the reference has %d channels of %s", len(want.Mean), name)
				}
				m := moments[n.Name]
				for i := range want.Mean {
					for _, d := range []float64{
						math.Abs(float64(m.Mean[i])-want.Mean[i]) / max(1, math.Abs(want.Mean[i])),
						math.Abs(float64(m.Var[i])-want.Var[i]) / max(1, math.Abs(want.Var[i])),
					} {
						if worst = max(worst, d); !(d <= 1e-4) {
							t.Fatalf("%s, %s: channel %d of %s has mean %g, variance %g; want %g, %g", file, weights, i, n.Name, m.Mean[i], m.Var[i], want.Mean[i], want.Var[i])
						}
					}
				}
			}
			if file == "golden.json" && len(c.BN) != len(norms) {
				t.Errorf("%d batch normalisations, want %d", len(norms), len(c.BN))
			}
			d := logitsWith(t, r, space, c.Arch, w, moments, c.Logits)
			if !(d <= 1e-4) {
				t.Errorf("%s, %s: logits deviate by %.2g of the largest", file, weights, d)
			}
			t.Logf("%s, %s: statistics deviate by %.2g, logits by %.2g of the largest", file, weights, worst, d)
		}
	}
}

// Expected values: deploy/onnx/testdata/families.py, for all three families, with weights from a seed, so
// that a checkout alone proves recalibration.
func TestGoldenRecalibration(t *testing.T) {
	r := load(t)
	text, err := os.ReadFile("../onnx/testdata/families.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		Seed     uint64
		Families []struct {
			Space        string
			Recalibrated struct {
				Arch       supernet.Arch
				Batches    []int
				Logits     [][]float64
				Statistics map[string][2][3]float64
			}
		}
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Families) != 3 {
		t.Fatalf("%d families", len(g.Families))
	}
	for _, f := range g.Families {
		space, err := supernet.ByName(f.Space)
		if err != nil {
			t.Fatal(err)
		}
		w, err := onnx.RandomWeights(space, g.Seed)
		if err != nil {
			t.Fatal(err)
		}
		c, images := f.Recalibrated, 0
		for _, n := range c.Batches {
			images += n
		}
		moments, err := eval.CalibrateTensors(r, space, c.Arch, w, golden, images, c.Batches[0])
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.
		for name, want := range c.Statistics {
			m := moments[name]
			for i, v := range [2][]float32{m.Mean, m.Var} {
				if len(v) == 0 {
					t.Fatalf("no statistics of %s", name)
				}
				for j, got := range []float32{v[0], v[len(v)-1]} {
					d := math.Abs(float64(got)-want[i][j]) / max(1, math.Abs(want[i][j]))
					if worst = max(worst, d); !(d <= 1e-4) {
						t.Errorf("%s: %s, %d, %d: %g, want %g", f.Space, name, i, j, got, want[i][j])
					}
				}
			}
		}
		d := logitsWith(t, r, space, c.Arch, w, moments, c.Logits)
		if !(d <= 1e-4) {
			t.Errorf("%s: logits deviate by %.2g of the largest", f.Space, d)
		}
		// Without recalibration they are other logits: the statistics matter here.
		if plain := logitsWith(t, r, space, c.Arch, w, nil, c.Logits); plain < 1e-2 {
			t.Errorf("%s: the checkpoint's own statistics give the same logits", f.Space)
		}
		t.Logf("%s: statistics deviate by %.2g, logits by %.2g of the largest", f.Space, worst, d)
	}
}
