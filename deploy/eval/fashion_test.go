//go:build cgo

package eval_test

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	weights "github.com/dynofa/dynofa/datasets/checkpoint/fashion"
	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/images/fashion"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/eval"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// trained returns the weights of the supernet for Fashion-MNIST.
func trained(t *testing.T) *checkpoint.File {
	t.Helper()
	w, err := weights.Weights()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func subset(t *testing.T, split fashion.Split) *images.Set {
	t.Helper()
	s, err := fashion.Open(split)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Expected values: what PyTorch computed for the trained supernet, its pictures resized and its
// sub-networks cut out by code of its own (datasets/supernet/train/golden.py).
func TestTrainedSupernetAgreesWithPyTorch(t *testing.T) {
	r, w, space := load(t), trained(t), supernet.FashionMobileNetV3()
	text, err := os.ReadFile("testdata/fashion_golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct {
		SHA256      string `json:"checkpoint_sha256"`
		Images      int
		Calibration int
		Batch       int
		Cases       []struct {
			Arch                 supernet.Arch
			Logits, Recalibrated [][]float64
		}
	}
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	if w.SHA256() != g.SHA256 {
		t.Fatalf("the checkpoint has digest %s, the golden values are of %s", w.SHA256(), g.SHA256)
	}
	if len(g.Cases) < 5 {
		t.Fatalf("%d cases", len(g.Cases))
	}
	pictures := subset(t, fashion.Test)
	list := make([]int, g.Calibration)
	for i := range list {
		list[i] = i
	}
	e := &eval.Evaluator{Runtime: r, Space: space, Weights: w, Transform: fashion.Transform()}
	calibration := eval.Calibration{Pictures: subset(t, fashion.Calibration), List: list, Batch: g.Batch}
	worst := 0.
	for i, c := range g.Cases {
		s, err := e.Calibrate(context.Background(), c.Arch, calibration)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []struct {
			name       string
			statistics map[string]onnx.Moments
			want       [][]float64
		}{{"the checkpoint's", nil, c.Logits}, {"recalibrated", s.Moments, c.Recalibrated}} {
			d := offLogits(t, r, space, c.Arch, w, version.statistics, pictures, version.want)
			worst = max(worst, d)
			if !(d <= 1e-4) {
				t.Errorf("case %d, %s statistics: logits deviate by %.2g of the largest", i, version.name, d)
			}
		}
	}
	t.Logf("largest deviation %.2g of the largest logit", worst)
}

// offLogits returns how far a sub-network's answers to the first pictures are from those wanted, as
// a share of the largest.
func offLogits(t *testing.T, r *ort.Runtime, space *supernet.Space, a supernet.Arch, w onnx.Weights, statistics map[string]onnx.Moments, pictures *images.Set, want [][]float64) float64 {
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
	p, err := images.NewPreprocessor(fashion.Transform().At(a.R))
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		m, err := pictures.Image(i)
		if err == nil {
			err = p.Into(s.Input()[i*p.Len():][:p.Len()], m)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	worst, largest := 0., 0.
	for i, row := range want {
		for j, v := range row {
			worst = max(worst, math.Abs(float64(s.Output()[i*len(row)+j])-v))
			largest = max(largest, math.Abs(v))
		}
	}
	return worst / largest
}
