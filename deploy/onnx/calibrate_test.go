package onnx_test

import (
	"errors"
	"math"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// Expected values: testdata/families.py, which averages each batch's statistics weighted by images. Both
// sides work in float64, with weights in float32; the logits are those of statistics rounded to float32.
func TestGoldenStatistics(t *testing.T) {
	g := readFamilyGoldens(t)
	for _, f := range g.Families {
		space := byName(t, f.Space)
		w := randomWeights(t, space, g.Seed)
		c := f.Recalibrated
		norms, err := onnx.BatchNorms(space, c.Arch)
		if err != nil {
			t.Fatal(err)
		}
		var sum []float64
		total, first := 0, 0
		for _, n := range c.Batches {
			total += n
		}
		for _, n := range c.Batches {
			model, err := onnx.Calibration(space, c.Arch, w, onnx.Options{Batch: n})
			if err != nil {
				t.Fatal(err)
			}
			got := interpret(t, model, imagesFrom(first, n, c.Arch.R))
			first += n
			if sum == nil {
				sum = make([]float64, len(got.data))
			}
			for i, v := range got.data {
				sum[i] += v * float64(n) / float64(total)
			}
		}
		values := make([]float32, len(sum))
		for i, v := range sum {
			values[i] = float32(v)
		}
		statistics, err := onnx.SplitStatistics(norms, values)
		if err != nil {
			t.Fatal(err)
		}
		if len(statistics) != len(c.Statistics) {
			t.Errorf("%s: statistics of %d batch normalisations, want %d", f.Space, len(statistics), len(c.Statistics))
		}
		worst := 0.
		for name, want := range c.Statistics {
			m := statistics[name]
			for i, v := range [2][]float32{m.Mean, m.Var} {
				mean := 0.
				for _, x := range v {
					mean += float64(x) / float64(len(v))
				}
				for j, got := range []float64{float64(v[0]), float64(v[len(v)-1]), mean} {
					d := math.Abs(got-want[i][j]) / max(1, math.Abs(want[i][j]))
					worst = max(worst, d)
					if !(d <= 1e-6) {
						t.Errorf("%s: %s, %d, %d: %g, want %g", f.Space, name, i, j, got, want[i][j])
					}
				}
			}
		}
		got := interpret(t, write(t, space, c.Arch, w, onnx.Options{Batch: 2, Statistics: statistics}), images(2, c.Arch.R))
		d := deviation(got, c.Logits)
		if !(d <= 1e-5) {
			t.Errorf("%s: logits deviate by %.2g of the largest", f.Space, d)
		}
		t.Logf("%s: statistics deviate by %.2g, logits by %.2g of the largest", f.Space, worst, d)
	}
}

// imagesFrom returns n pictures by the formula of the golden cases, from picture first on.
func imagesFrom(first, n, r int) array {
	all := images(first+n, r)
	per := 3 * r * r
	return array{[]int{n, 3, r, r}, all.data[first*per:]}
}

func TestCalibrationRefuses(t *testing.T) {
	space := byName(t, "ofa-mbv3-w0.25-c10")
	w := randomWeights(t, space, 1)
	a := space.Uniform(3, 3, 2, 32)
	if _, err := onnx.Calibration(space, a, w, onnx.Options{Batch: 5000}); err == nil {
		t.Error("a batch of 5000 is accepted")
	}
	if _, err := onnx.Calibration(space, a, w, onnx.Options{Statistics: map[string]onnx.Moments{}}); err == nil {
		t.Error("statistics are accepted")
	}
	if _, err := onnx.Calibration(space, supernet.Arch{R: 32}, w, onnx.Options{}); err == nil {
		t.Error("no sub-network is accepted")
	}
	missing := func(*checkpoint.Tensor) bool { return false }
	nan := func(t *checkpoint.Tensor) bool { t.Data[0] = float32(math.NaN()); return true }
	for _, c := range []struct {
		name string
		edit func(*checkpoint.Tensor) bool
		want error
	}{
		{"first_conv.bn.weight", missing, onnx.ErrMissing},
		{"blocks.1.conv.point_linear.bn.bn.bias", missing, onnx.ErrMissing},
		{"blocks.1.conv.point_linear.conv.conv.weight", nan, onnx.ErrNumber},
		{"first_conv.bn.running_mean", missing, nil}, // what is re-estimated is not asked for
		{"classifier.linear.weight", missing, nil},
	} {
		var tensor *onnx.TensorError
		_, err := onnx.Calibration(space, a, edited{w, c.name, c.edit}, onnx.Options{})
		if !errors.Is(err, c.want) || c.want != nil && (!errors.As(err, &tensor) || tensor.Name != c.name) {
			t.Errorf("without %s: %v, want %v", c.name, err, c.want)
		}
	}
	norms, err := onnx.BatchNorms(space, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := onnx.SplitStatistics(norms, make([]float32, 3)); err == nil {
		t.Error("three statistics are accepted")
	}
}
