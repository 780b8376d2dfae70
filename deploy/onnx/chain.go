package onnx

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// maxChain bounds a chain; the deepest sub-network of a known space has 26 layers.
const maxChain = 256

// Chain returns an ONNX model of blocks that run one after the other, with random weights, to
// measure what blocks cost together. The graph is that of Block for each of them, joined without
// anything between; batch is the number of pictures per inference, 1 to 4096. The input has the
// first block's input shape, [batch, channels, size, size]; the output is called "output". Equal
// arguments give equal bytes.
//
// It returns an error if there is no block or more than 256, if one is not valid
// (supernet.Block.Validate), does not start where the one before ends, or if the model would be too
// large to write.
func Chain(blocks []supernet.Block, seed uint64, batch int) ([]byte, error) {
	list, err := chain(blocks)
	if err != nil {
		return nil, fmt.Errorf("onnx: chain: %w", err)
	}
	if batch < 1 || batch > maxBatch {
		return nil, fmt.Errorf("onnx: chain: batch %d is outside [1, %d]", batch, maxBatch)
	}
	first, last := blocks[0], blocks[len(blocks)-1]
	m := model{
		graphName: "chain", output: "output",
		in:       []int{batch, first.In.Channels, first.In.Size, first.In.Size},
		out:      []int{batch, last.Out.Channels, last.Out.Size, last.Out.Size},
		metadata: []Property{{WeightsKey, sourceOfRandom(seed)}},
	}
	if last.Op == supernet.OpClassifier {
		m.out = m.out[:2]
	}
	if err := m.check(list); err != nil {
		return nil, err
	}
	all := make([][]conv, len(list))
	var kernels []int
	for i, l := range list {
		all[i] = l.convs
		kernels = append(kernels, l.Kernel)
	}
	f := &folder{space: &supernet.Space{Kernels: kernels, BNEps: blockBNEps}, weights: newRandom(seed, nil, all)}
	g := &graph{}
	at := inputName
	for _, l := range list {
		if at, err = g.fold(f, l, at); err != nil {
			return nil, err
		}
	}
	return g.bytes(m)
}

// chain gives blocks names and convolutions, and checks that they fit.
func chain(blocks []supernet.Block) ([]placed, error) {
	if len(blocks) == 0 || len(blocks) > maxChain {
		return nil, fmt.Errorf("%d blocks are outside [1, %d]", len(blocks), maxChain)
	}
	list := make([]placed, len(blocks))
	for i, b := range blocks {
		if err := b.Validate(); err != nil {
			return nil, fmt.Errorf("block %d, %q: %w", i, b, err)
		}
		if i > 0 && b.In != blocks[i-1].Out {
			return nil, fmt.Errorf("block %d starts with %v, the one before ends with %v", i, b.In, blocks[i-1].Out)
		}
		if b.Op == supernet.OpClassifier && i < len(blocks)-1 {
			return nil, errors.New("a classifier is not the last block")
		}
		name := fmt.Sprintf("block%d", i)
		l := placed{Layer: supernet.Layer{Block: b, Name: name, Module: name, Position: -1}}
		var err error
		if l.convs, err = convs(l.Layer, b); err != nil {
			return nil, err
		}
		list[i] = l
	}
	return list, nil
}
