package onnx_test

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// blocks returns every different block of the small space at a resolution with odd feature maps.
func blocks(t testing.TB) []supernet.Block {
	t.Helper()
	all, err := small(t).DistinctBlocks(45)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A block's model has the block's shapes, runs the block's operators and nothing else, and its
// output keeps a usable scale.
func TestBlocks(t *testing.T) {
	models := map[string][]byte{}
	for i, b := range blocks(t) {
		model, err := onnx.Block(b, 7, 1+i%2)
		if err != nil {
			t.Fatal(err)
		}
		models[b.String()] = model
		again, err := onnx.Block(b, 7, 1+i%2)
		if err != nil || !bytes.Equal(again, model) {
			t.Errorf("%v: the second copy differs (%v)", b, err)
		}
		info, err := onnx.Inspect(model)
		if err != nil {
			t.Fatal(err)
		}
		if name, _ := info.Property(onnx.BlockKey); name != b.String() {
			t.Errorf("%v: the model says %q", b, name)
		}
		in := array{shape: info.Inputs[0].Shape}
		for j := range info.Inputs[0].Elements() {
			in.data = append(in.data, math.Sin(float64(j)))
		}
		want := []int{1 + i%2, b.Out.Channels, b.Out.Size, b.Out.Size}
		if b.Op == supernet.OpClassifier {
			want = want[:2]
		}
		out := interpret(t, model, in)
		if !cmp.Equal(out.shape, want) || !cmp.Equal(info.Outputs[0].Shape, want) {
			t.Errorf("%v: output %v, declared %v, want %v", b, out.shape, info.Outputs[0].Shape, want)
		}
		peak := 0.
		for _, v := range out.data {
			peak = max(peak, math.Abs(v))
		}
		if !(peak > 1e-3 && peak < 1e3) {
			t.Errorf("%v: outputs reach %g", b, peak)
		}
	}
	checker(t, models)
}

// The nodes of a block's model are those of the same block in a network.
func TestBlockIsPartOfNetwork(t *testing.T) {
	space := small(t)
	arch := space.Uniform(5, 4, 4, 45)
	layers, err := space.Layers(arch)
	if err != nil {
		t.Fatal(err)
	}
	network := decode(t, write(t, space, arch, randomWeights(t, space, 1), onnx.Options{}))
	for _, l := range layers {
		var want []string
		for _, n := range network.Graph.Node {
			if rest, ok := strings.CutPrefix(n.GetName(), l.Name+"/"); ok {
				want = append(want, n.GetOpType()+" "+rest)
			}
		}
		model, err := onnx.Block(l.Block, 1, 1)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range decode(t, model).Graph.Node {
			got = append(got, n.GetOpType()+" "+strings.TrimPrefix(n.GetName(), "block/"))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", l.Name, d)
		}
	}
}

func TestBlockRefuses(t *testing.T) {
	valid := blocks(t)[0]
	unknown := valid
	unknown.Op = "attention"
	wide := supernet.Block{Op: supernet.OpClassifier, In: supernet.Shape{Size: 1, Channels: 1 << 16}, Out: supernet.Shape{Size: 1, Channels: 1 << 16}}
	large := supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 1 << 16, Channels: 1 << 16}, Out: supernet.Shape{Size: 1, Channels: 1 << 16}}
	for _, c := range []struct {
		name, message string
		block         supernet.Block
		batch         int
	}{
		{"zero", "dimension", supernet.Block{}, 1},
		{"operation", "unknown operation", unknown, 1},
		{"batch 0", "batch 0", valid, 0},
		{"batch too large", "batch 4097", valid, 4097},
		{"too many parameters", "parameters", wide, 1},
		{"too large an input", "elements", large, 4096},
	} {
		if _, err := onnx.Block(c.block, 1, c.batch); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.message)
		}
	}
}
