package onnx_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
)

// The values of the streams are pinned by testdata/golden.py, which implements PCG itself; here:
// each tensor is the same in any order, and tensors, seeds and elements differ.
func TestRandomWeights(t *testing.T) {
	w := randomWeights(t, small(t), 1)
	names := w.Names()
	before := map[string]checkpoint.Tensor{}
	for _, name := range names {
		tensor, ok := w.Tensor(name)
		if !ok || tensor.Name != name || !tensor.Finite() || len(tensor.Data) == 0 {
			t.Fatalf("%s: %v, %d elements", name, ok, len(tensor.Data))
		}
		before[name] = tensor
	}
	slices.Reverse(names)
	again, other := randomWeights(t, small(t), 1), randomWeights(t, small(t), 2)
	for _, name := range names {
		tensor, _ := again.Tensor(name)
		if !slices.Equal(tensor.Data, before[name].Data) {
			t.Errorf("%s depends on the order", name)
		}
		if tensor, _ := other.Tensor(name); slices.Equal(tensor.Data, before[name].Data) {
			t.Errorf("%s does not depend on the seed", name)
		}
	}
	if _, ok := w.Tensor("blocks.99.conv.point_linear.conv.conv.weight"); ok {
		t.Error("a tensor that is not there was found")
	}
	variance := before["blocks.20.conv.depth_conv.bn.bn.running_var"]
	if slices.Min(variance.Data) < .5 || slices.Max(variance.Data) >= 1.5 {
		t.Error("variances are outside [0.5, 1.5)")
	}
	matrix := before["blocks.7.conv.depth_conv.conv.5to3_matrix"]
	for i := range 9 {
		for j := range 9 {
			want := 0.
			if i == j {
				want = 1
			}
			if got := float64(matrix.Data[9*i+j]); math.Abs(got-want) > .1 {
				t.Errorf("matrix entry %d,%d is %g", i, j, got)
			}
		}
	}
	// sqrt(6/n) has variance 2/n: He's initialisation. n = 24 for the 1x1 expansion of block 9.
	weight := before["blocks.10.conv.inverted_bottleneck.conv.conv.weight"]
	sum := 0.
	for _, v := range weight.Data {
		sum += float64(v) * float64(v)
	}
	if got := sum / float64(len(weight.Data)) * float64(weight.Shape[1]); math.Abs(got-2) > .1 {
		t.Errorf("fan-in times variance is %.2f, want 2", got)
	}
}

// Random weights have the names and shapes of a checkpoint that the once-for-all code wrote.
func TestRandomWeightsHaveReferenceShapes(t *testing.T) {
	file, err := checkpoint.Open(reftest.Path(t, "ofa", "supernet", "supernet_zip.pth"))
	if err != nil {
		t.Fatal(err)
	}
	space, err := supernet.OFAMobileNetV3(.5, 10)
	if err != nil {
		t.Fatal(err)
	}
	w := randomWeights(t, space, 1)
	left := map[string]bool{}
	for _, name := range file.Names() {
		left[name] = true
	}
	for _, name := range w.Names() {
		mine, _ := w.Tensor(name)
		theirs, ok := file.Tensor(name)
		if !ok || !slices.Equal(mine.Shape, theirs.Shape) {
			t.Errorf("%s has shape %v here, %v there", name, mine.Shape, theirs.Shape)
		}
		delete(left, name)
	}
	for name := range left {
		if !strings.HasSuffix(name, ".num_batches_tracked") {
			t.Errorf("%s is in the checkpoint only", name)
		}
	}
}
