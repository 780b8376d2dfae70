package onnx

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Block returns an ONNX model of one block alone, with random weights, to measure how long the
// block takes. batch is the number of pictures per inference, 1 to 4096. The input has the block's
// input shape, [batch, channels, size, size]; the output is called "output". The graph is the same
// as the block's part in a network. Equal arguments give equal bytes.
//
// It returns an error if b is not valid (supernet.Block.Validate) or too large to write.
func Block(b supernet.Block, seed uint64, batch int) ([]byte, error) {
	if err := b.Validate(); err != nil {
		return nil, fmt.Errorf("onnx: block %q: %w", b, err)
	}
	if batch < 1 || batch > maxBatch {
		return nil, fmt.Errorf("onnx: block %q: batch %d is outside [1, %d]", b, batch, maxBatch)
	}
	l := placed{Layer: supernet.Layer{Block: b, Name: "block", Module: "block", Position: -1}}
	var err error
	if l.convs, err = convs(l.Layer, b); err != nil {
		return nil, err
	}
	m := model{
		graphName: "block", output: "output",
		in:       []int{batch, b.In.Channels, b.In.Size, b.In.Size},
		out:      []int{batch, b.Out.Channels, b.Out.Size, b.Out.Size},
		metadata: []Property{{BlockKey, b.String()}, {WeightsKey, sourceOfRandom(seed)}},
	}
	if b.Op == supernet.OpClassifier {
		m.out = m.out[:2]
	}
	if err := m.check([]placed{l}); err != nil {
		return nil, err
	}
	f := &folder{
		space:   &supernet.Space{Kernels: []int{b.Kernel}, BNEps: blockBNEps},
		weights: newRandom(seed, nil, [][]conv{l.convs}),
	}
	g := &graph{}
	if _, err := g.fold(f, l, inputName); err != nil {
		return nil, err
	}
	return g.bytes(m)
}

// blockBNEps is the epsilon of OFA-MobileNetV3's batch normalisation; folded away, it costs nothing.
const blockBNEps = 1e-5
