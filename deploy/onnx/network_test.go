package onnx_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

func small(t testing.TB) *supernet.Space {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func write(t testing.TB, space *supernet.Space, arch supernet.Arch, w onnx.Weights, o onnx.Options) []byte {
	t.Helper()
	model, err := onnx.Network(space, arch, w, o)
	if err != nil {
		t.Fatal(err)
	}
	return model
}

func TestNetworkTwiceIsEqual(t *testing.T) {
	space := small(t)
	w := randomWeights(t, space, 1)
	arch := space.Uniform(5, 4, 3, 64)
	o := onnx.Options{Batch: 2, Statistics: randomStatistics(t, space, arch, 2), Source: "test", Version: "v1"}
	first := write(t, space, arch, w, o)
	models := make([][]byte, 4)
	var wait sync.WaitGroup
	for i := range models {
		wait.Go(func() { models[i], _ = onnx.Network(space, arch, w, o) })
	}
	wait.Wait()
	for i, m := range models {
		if !bytes.Equal(m, first) {
			t.Errorf("concurrent copy %d differs", i)
		}
	}
	// Entries of inactive positions mean nothing.
	same := space.Uniform(5, 4, 3, 64)
	same.KS[3], same.E[19] = 7, 6
	if !bytes.Equal(write(t, space, same, w, o), first) {
		t.Error("inactive entries change the model")
	}
	if bytes.Equal(write(t, space, space.Uniform(3, 4, 3, 64), w, onnx.Options{Batch: 2}), first) {
		t.Error("another sub-network gives the same model")
	}
}

func TestNetworkDescribesItself(t *testing.T) {
	space := small(t)
	w := randomWeights(t, space, 3)
	arch := space.Uniform(3, 3, 2, 40)
	model := write(t, space, arch, w, onnx.Options{Batch: 4, Source: w.Source(), Version: "v9"})
	info, err := onnx.Inspect(model)
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := space.Canonical(arch)
	if err != nil {
		t.Fatal(err)
	}
	want := &onnx.Info{
		IRVersion: 7, Opset: 13, Producer: "dynofa", ProducerVersion: "v9", Graph: "ofa-mbv3-w0.25-c10",
		Inputs:  []onnx.Value{{Name: "input", Type: "float", Shape: []int{4, 3, 40, 40}}},
		Outputs: []onnx.Value{{Name: "logits", Type: "float", Shape: []int{4, 10}}},
		// 10 mbconvs of 3 convolutions and 6 with 2 more for SE, 2 of the first block, stem, expand
		// and classifier have a weight and a bias each; the mix has no bias.
		Constants: 2*(10*3+6*2+2+1+1+1) + 1,
		// stem 3; first block 4; stages 1 and 2: 5 nodes a block (3 convolutions, 2 ReLU) and 6 more
		// with SE; stages 3 to 5: 7 (h-swish takes 2) and 6 with SE; one Add in the second block of
		// each stage and in stage 4's neither first; expand 3, pool 1, mix 3, classifier 2.
		Nodes:    3 + 4 + 2*5 + 2*(5+6) + 2*7 + 4*(7+6) + 5 + 3 + 1 + 3 + 2,
		Metadata: []onnx.Property{{Key: "dynofa.space", Value: "ofa-mbv3-w0.25-c10"}, {Key: "dynofa.arch", Value: canonical.String()}, {Key: "dynofa.weights", Value: "random, seed 3"}},
	}
	if d := cmp.Diff(want, info); d != "" {
		t.Error(d)
	}
	if v, ok := info.Property(onnx.ArchKey); !ok || v != canonical.String() {
		t.Errorf("property %s is %q", onnx.ArchKey, v)
	}
}

// Every node belongs to a layer by name, layers come in order, and no name occurs twice.
func TestNodeNames(t *testing.T) {
	space := small(t)
	arch := space.Uniform(7, 6, 3, 32)
	layers, err := space.Layers(arch)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	seen := map[string]bool{}
	for _, n := range decode(t, write(t, space, arch, randomWeights(t, space, 1), onnx.Options{})).Graph.Node {
		prefix, _, ok := strings.Cut(n.GetName(), "/")
		for at < len(layers) && layers[at].Name != prefix {
			at++
		}
		if !ok || at == len(layers) || seen[n.GetName()] {
			t.Fatalf("node %q is out of place or repeated", n.GetName())
		}
		seen[n.GetName()] = true
	}
	for _, name := range []string{"stem/conv", "b03/expand", "b03/depthwise", "b05/se/gate", "b07/add", "expand/conv", "pool/mean", "mix/conv", "classifier/linear"} {
		if !seen[name] {
			t.Errorf("there is no node %q", name)
		}
	}
}

// checker asks the stock ONNX checker, with shape inference, about models.
func checker(t *testing.T, models map[string][]byte) {
	t.Helper()
	python := ""
	for _, name := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(name, "-c", "import onnx").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no Python with the onnx package (Debian: python3-onnx)")
	}
	args := []string{"-c", `
import sys, onnx
for path in sys.argv[1:]:
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    shapes = {v.name: v for v in inferred.graph.value_info}
    for node in model.graph.node[:-1]:
        dims = shapes[node.output[0]].type.tensor_type.shape.dim
        assert dims and all(d.dim_value > 0 for d in dims), (path, node.name)
`}
	dir := t.TempDir()
	i := 0
	for name, model := range models {
		path := filepath.Join(dir, fmt.Sprintf("%d.onnx", i))
		i++
		if err := os.WriteFile(path, model, 0o600); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		args = append(args, path)
	}
	if out, err := exec.Command(python, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNetworkPassesStockChecker(t *testing.T) {
	g, space := readGoldens(t)
	w := randomWeights(t, space, g.Seed)
	models := map[string][]byte{}
	for i, c := range g.Cases {
		models[fmt.Sprint(i)] = write(t, space, c.Arch, w, onnx.Options{Batch: 1 + i})
	}
	checker(t, models)
}

// edited is a supernet with some tensors changed.
type edited struct {
	onnx.Weights
	name string
	edit func(*checkpoint.Tensor) bool // false: the tensor is missing
}

func (e edited) Tensor(name string) (checkpoint.Tensor, bool) {
	t, ok := e.Weights.Tensor(name)
	if ok && name == e.name {
		ok = e.edit(&t)
	}
	return t, ok
}

func TestNetworkRefusesTensors(t *testing.T) {
	space := small(t)
	w := randomWeights(t, space, 1)
	arch := space.Uniform(3, 4, 2, 32)
	missing := func(*checkpoint.Tensor) bool { return false }
	set := func(v float32) func(*checkpoint.Tensor) bool {
		return func(t *checkpoint.Tensor) bool { t.Data[len(t.Data)-1] = v; return true }
	}
	shape := func(s ...int) func(*checkpoint.Tensor) bool {
		return func(t *checkpoint.Tensor) bool { t.Shape = s; return true }
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name, tensor string
		edit         func(*checkpoint.Tensor) bool
		want         error
	}{
		{"stem missing", "first_conv.conv.weight", missing, onnx.ErrMissing},
		{"matrix missing", "blocks.1.conv.depth_conv.conv.5to3_matrix", missing, onnx.ErrMissing},
		{"matrix shape", "blocks.1.conv.depth_conv.conv.7to5_matrix", shape(5, 125), onnx.ErrShape},
		{"matrix NaN", "blocks.1.conv.depth_conv.conv.7to5_matrix", set(nan), onnx.ErrNumber},
		{"variance missing", "blocks.2.conv.point_linear.bn.bn.running_var", missing, onnx.ErrMissing},
		{"variance negative", "blocks.2.conv.point_linear.bn.bn.running_var", set(-1), onnx.ErrNumber},
		{"mean infinite", "blocks.2.conv.point_linear.bn.bn.running_mean", set(inf), onnx.ErrNumber},
		{"scale missing", "blocks.0.conv.depth_conv.bn.weight", missing, onnx.ErrMissing},
		{"shift missing", "blocks.0.conv.depth_conv.bn.bias", missing, onnx.ErrMissing},
		{"SE missing", "blocks.5.conv.depth_conv.se.fc.reduce.bias", missing, onnx.ErrMissing},
		{"SE shape", "blocks.5.conv.depth_conv.se.fc.expand.weight", shape(96, 24), onnx.ErrShape},
		{"NaN in a channel that is not used", "blocks.1.conv.inverted_bottleneck.conv.conv.weight", set(nan), onnx.ErrNumber},
		{"other classes", "classifier.linear.weight", shape(1000, 320), onnx.ErrShape},
		{"short data", "feature_mix_layer.conv.weight", func(t *checkpoint.Tensor) bool { t.Data = t.Data[1:]; return true }, onnx.ErrShape},
	} {
		_, err := onnx.Network(space, arch, edited{w, c.tensor, c.edit}, onnx.Options{})
		var te *onnx.TensorError
		if !errors.As(err, &te) || !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", c.name, err, c.want)
			continue
		}
		if te.Name != c.tensor {
			t.Errorf("%s: the error names %q, want %q", c.name, te.Name, c.tensor)
		}
	}
	// Finite numbers whose product is not: gamma / sqrt(0 + 1e-5) is 316 gamma.
	flat := edited{w, "final_expand_layer.bn.running_var", set(0)}
	if _, err := onnx.Network(space, arch, edited{flat, "final_expand_layer.bn.weight", set(math.MaxFloat32)}, onnx.Options{}); !errors.Is(err, onnx.ErrNumber) {
		t.Errorf("overflow in folding: %v", err)
	}
	// Tensors of blocks and kernels that are not part of the sub-network may lack.
	for _, name := range []string{"blocks.3.conv.point_linear.conv.conv.weight", "blocks.3.conv.depth_conv.conv.7to5_matrix"} {
		if _, err := onnx.Network(space, arch, edited{w, name, missing}, onnx.Options{}); err != nil {
			t.Errorf("%s is not needed: %v", name, err)
		}
	}
}

func TestNetworkRefusesOptions(t *testing.T) {
	space := small(t)
	w := randomWeights(t, space, 1)
	arch := space.Uniform(3, 3, 2, 32)
	change := func(edit func(map[string]onnx.Moments)) onnx.Options {
		s := randomStatistics(t, space, arch, 1)
		edit(s)
		return onnx.Options{Statistics: s}
	}
	const bn = "blocks.1.conv.depth_conv.bn.bn"
	for _, c := range []struct {
		name, message string
		arch          supernet.Arch
		o             onnx.Options
	}{
		{"negative batch", "batch -1", arch, onnx.Options{Batch: -1}},
		{"huge batch", "batch 5000", arch, onnx.Options{Batch: 5000}},
		{"huge input", "elements", space.Uniform(3, 3, 2, 4096), onnx.Options{Batch: 4096}},
		{"no such sub-network", "ks[0] is 9", space.Uniform(9, 3, 2, 32), onnx.Options{}},
		{"statistics missing", bn, arch, change(func(s map[string]onnx.Moments) { delete(s, bn) })},
		{"statistics of another width", bn, arch, change(func(s map[string]onnx.Moments) { s[bn] = onnx.Moments{Mean: []float32{0}, Var: []float32{1}} })},
		{"statistics of an inactive block", "blocks.3.", arch, change(func(s map[string]onnx.Moments) { s["blocks.3.conv.depth_conv.bn.bn"] = onnx.Moments{} })},
		{"statistics without name", `""`, arch, change(func(s map[string]onnx.Moments) { s[""] = onnx.Moments{} })},
		{"statistics not finite", bn, arch, change(func(s map[string]onnx.Moments) { s[bn].Mean[2] = float32(math.NaN()) })},
		{"negative variance", bn, arch, change(func(s map[string]onnx.Moments) { s[bn].Var[2] = -1 })},
	} {
		if _, err := onnx.Network(space, c.arch, w, c.o); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.message)
		}
	}
}

// The names are those of the published checkpoints, by position and not by active block.
func TestBatchNorms(t *testing.T) {
	space := small(t)
	norms, err := onnx.BatchNorms(space, space.Uniform(3, 3, 2, 32))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range norms {
		names = append(names, n.Name)
	}
	// stem, 2 of the first block, 3 of each of 10 blocks, expand
	if len(norms) != 1+2+30+1 {
		t.Errorf("%d batch normalisations", len(norms))
	}
	head := []string{"first_conv.bn", "blocks.0.conv.depth_conv.bn", "blocks.0.conv.point_linear.bn", "blocks.1.conv.inverted_bottleneck.bn.bn"}
	if d := cmp.Diff(head, names[:4]); d != "" {
		t.Error(d)
	}
	// The third block of the sub-network is at position 4, the first of stage 2.
	if want := "blocks.5.conv.inverted_bottleneck.bn.bn"; names[9] != want {
		t.Errorf("name 9 is %s, want %s", names[9], want)
	}
	// First block of the first stage: 8 channels times 3.
	if norms[3].Channels != 24 {
		t.Errorf("%d channels, want 24", norms[3].Channels)
	}
}

func BenchmarkNetwork(b *testing.B) {
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		b.Fatal(err)
	}
	w := randomWeights(b, space, 1)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(len(write(b, space, space.Largest(), w, onnx.Options{}))))
	}
}
