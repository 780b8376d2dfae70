//go:build cgo

package ort_test

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
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// tolerance is the largest deviation of a logit allowed, as a share of the largest |logit|.
const tolerance = 2e-5

// goldens is the form of the reference's and of our own golden files.
type goldens struct {
	Seed         uint64
	WidthMult    float64 `json:"width_mult"`
	Classes      int     `json:"n_classes"`
	Cases        []goldenCase
	Recalibrated struct {
		goldenCase
		BN map[string]struct{ Mean, Var []float32 }
	}
}

type goldenCase struct {
	Arch   supernet.Arch
	Logits [][]float64
	Params int64
	Seed   *uint64 `json:"statistics_seed"` // of our own: statistics other than the checkpoint's
}

func readGoldens(t testing.TB, path string) goldens {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g goldens
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return g
}

// image sets x, [3, r, r], to picture i of the golden cases: the formula of the reference data.
func image(x []float32, i, r int) {
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

// deviation runs a model on the pictures of a case and returns the largest difference to the golden
// logits as a share of the largest |logit|.
func deviation(t testing.TB, r *ort.Runtime, model []byte, c goldenCase) float64 {
	t.Helper()
	s, err := r.NewSession(model, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	per := 3 * c.Arch.R * c.Arch.R
	for i := range c.Logits {
		image(s.Input()[i*per:][:per], i, c.Arch.R)
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	var worst, largest float64
	for i, logits := range c.Logits {
		for j, want := range logits {
			worst = max(worst, math.Abs(float64(s.Output()[i*len(logits)+j])-want))
			largest = max(largest, math.Abs(want))
		}
	}
	if math.IsNaN(worst) || largest == 0 {
		t.Fatalf("logits %v", s.Output())
	}
	return worst / largest
}

// Expected values: deploy/onnx/testdata/golden.py, computed with PyTorch.
func TestGoldenLogits(t *testing.T) {
	r := load(t)
	g := readGoldens(t, "../onnx/testdata/golden.json")
	space, err := supernet.OFAMobileNetV3(g.WidthMult, g.Classes)
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(space, g.Seed)
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.
	for i, c := range g.Cases {
		if c.Seed != nil {
			continue // deploy/onnx's own test has it
		}
		model, err := onnx.Network(space, c.Arch, w, onnx.Options{Batch: len(c.Logits)})
		if err != nil {
			t.Fatal(err)
		}
		d := deviation(t, r, model, c)
		worst = max(worst, d)
		if !(d <= tolerance) {
			t.Errorf("case %d: logits deviate by %.2g of the largest", i, d)
		}
	}
	t.Logf("largest deviation %.2g of the largest logit", worst)
}

// Expected values: the once-for-all code's logits for its random w0.5 supernet.
func TestReferenceLogits(t *testing.T) {
	r := load(t)
	compared, worst := 0, 0.
	for _, file := range []string{"golden.json", "golden_odd.json"} {
		g := readGoldens(t, reftest.Path(t, "ofa", "supernet", file))
		space, err := supernet.OFAMobileNetV3(g.WidthMult, g.Classes)
		if err != nil {
			t.Fatal(err)
		}
		for _, weights := range []string{"supernet_zip.pth", "supernet_legacy.pth"} {
			w, err := checkpoint.Open(reftest.Path(t, "ofa", "supernet", weights))
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range g.Cases {
				model, err := onnx.Network(space, c.Arch, w, onnx.Options{Batch: len(c.Logits)})
				if err != nil {
					t.Fatal(err)
				}
				d := deviation(t, r, model, c)
				worst = max(worst, d)
				compared++
				if !(d <= tolerance) {
					t.Errorf("%s, case %d, %s: logits deviate by %.2g of the largest", file, i, weights, d)
				}
				if params, err := space.Params(c.Arch); c.Params != 0 && (params != c.Params || err != nil) {
					t.Errorf("%s, case %d: %d parameters, %v; want %d", file, i, params, err, c.Params)
				}
			}
		}
	}
	if compared != 22 {
		t.Errorf("%d comparisons, want 11 sub-networks from 2 files", compared)
	}
	t.Logf("largest deviation %.2g of the largest logit", worst)
}

// Expected values: the once-for-all code's logits after it re-estimated the statistics of every
// batch normalisation; the reference names them by active block.
func TestReferenceRecalibratedStatistics(t *testing.T) {
	r := load(t)
	g := readGoldens(t, reftest.Path(t, "ofa", "supernet", "golden.json"))
	space, err := supernet.OFAMobileNetV3(g.WidthMult, g.Classes)
	if err != nil {
		t.Fatal(err)
	}
	w, err := checkpoint.Open(reftest.Path(t, "ofa", "supernet", "supernet_zip.pth"))
	if err != nil {
		t.Fatal(err)
	}
	c := g.Recalibrated.goldenCase
	norms, err := onnx.BatchNorms(space, c.Arch)
	if err != nil {
		t.Fatal(err)
	}
	statistics := map[string]onnx.Moments{}
	block, before := -1, ""
	for _, n := range norms {
		name := strings.TrimSuffix(n.Name, ".bn")
		if rest, ok := strings.CutPrefix(n.Name, "blocks."); ok {
			position, rest, _ := strings.Cut(rest, ".")
			if position != before {
				block, before = block+1, position
			}
			name = fmt.Sprintf("blocks.%d.%s", block, strings.TrimSuffix(strings.TrimSuffix(rest, ".bn"), ".bn"))
		}
		s, ok := g.Recalibrated.BN[name+".bn"]
		if !ok {
			t.Fatalf("the reference has no %s.bn, for %s", name, n.Name)
		}
		statistics[n.Name] = onnx.Moments{Mean: s.Mean, Var: s.Var}
	}
	model, err := onnx.Network(space, c.Arch, w, onnx.Options{Batch: 2, Statistics: statistics})
	if err != nil {
		t.Fatal(err)
	}
	d := deviation(t, r, model, c)
	// 1e-4 and not tolerance: the statistics are printed with seven digits.
	if !(d <= 1e-4) {
		t.Errorf("logits deviate by %.2g of the largest", d)
	}
	t.Logf("deviation %.2g of the largest logit", d)
}
