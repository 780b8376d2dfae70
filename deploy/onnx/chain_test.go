package onnx_test

import (
	"bytes"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

func chainBlocks(t *testing.T) []supernet.Block {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := s.Blocks(s.Uniform(5, 4, 2, 64))
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// A chain of a network's blocks has the nodes of the blocks' own models one after the other and the
// network's interface.
func TestChainJoinsBlocks(t *testing.T) {
	blocks := chainBlocks(t)
	for _, part := range [][]supernet.Block{blocks[:1], blocks[2:4], blocks} {
		model, err := onnx.Chain(part, 1, 2)
		if err != nil {
			t.Fatal(err)
		}
		info, err := onnx.Inspect(model)
		if err != nil {
			t.Fatal(err)
		}
		nodes := 0
		for _, b := range part {
			one, err := onnx.Block(b, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			i, err := onnx.Inspect(one)
			if err != nil {
				t.Fatal(err)
			}
			nodes += i.Nodes
		}
		if info.Nodes != nodes {
			t.Errorf("%d blocks: %d nodes, want %d", len(part), info.Nodes, nodes)
		}
		in, last := part[0].In, part[len(part)-1]
		if got := info.Inputs[0].Shape; got[0] != 2 || got[1] != in.Channels || got[2] != in.Size {
			t.Errorf("input %v, want %v", got, in)
		}
		if got := info.Outputs[0].Shape; got[1] != last.Out.Channels {
			t.Errorf("output %v, want %v", got, last.Out)
		}
		again, err := onnx.Chain(part, 1, 2)
		if err != nil || !bytes.Equal(model, again) {
			t.Errorf("not repeatable: %v", err)
		}
	}
}

func TestChainRefuses(t *testing.T) {
	blocks := chainBlocks(t)
	long := make([]supernet.Block, 257)
	for i := range long {
		long[i] = supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 1, Channels: 1}, Out: supernet.Shape{Size: 1, Channels: 1}}
	}
	for name, c := range map[string]struct {
		blocks []supernet.Block
		batch  int
	}{
		"nothing":      {nil, 1},
		"a gap":        {[]supernet.Block{blocks[0], blocks[3]}, 1},
		"not a block":  {[]supernet.Block{{Op: "teapot"}}, 1},
		"too long":     {long, 1},
		"batch 0":      {blocks[:1], 0},
		"endless":      {append(blocks[:len(blocks):len(blocks)], blocks[0]), 1},
		"too many par": {long, 1 << 20},
	} {
		if _, err := onnx.Chain(c.blocks, 1, c.batch); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
