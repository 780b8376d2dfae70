package onnx

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Keys of the metadata that the models carry.
const (
	SpaceKey   = "dynofa.space"   // Space.Name
	ArchKey    = "dynofa.arch"    // the canonical architecture in OFA's JSON form
	WeightsKey = "dynofa.weights" // Options.Source
	BlockKey   = "dynofa.block"   // the text form of a Block model's block
)

// Bounds on what is written. A model has to stay below protocol buffers' 2 GiB.
const (
	maxBatch  = 1 << 12
	maxParams = 1 << 28 // parameters of a model, 1 GiB of float32; OFA's largest sub-network has 1.1e7
	maxValues = 1 << 28 // elements of the input
)

// Options are the choices that a sub-network leaves open. The zero value works.
type Options struct {
	// Batch is the number of pictures per inference, 1 to 4096; 0 means 1.
	Batch int
	// Statistics replaces the checkpoint's running statistics of every batch normalisation, because
	// a sub-network's must be re-estimated. Keys are the names that BatchNorms returns: all of the
	// sub-network's, and no others. nil means the checkpoint's own.
	Statistics map[string]Moments
	// Source says where the weights come from, for instance a checkpoint's digest or "random,
	// seed 1". It becomes the metadata entry WeightsKey unless empty.
	Source string
	// Version is the version of the program that writes the model; empty leaves it out.
	Version string
}

// Network returns the ONNX model of one sub-network of space: the used part of the supernet's
// weights, depthwise kernels transformed to their size, batch normalisation folded. The package
// comment describes the graph. Equal arguments give equal bytes.
//
// It returns an error if arch is no sub-network of space or an option is out of range, and a
// *TensorError if w lacks a tensor or holds one of another shape or with a number that is not
// finite. Tensors that the sub-network does not use are not looked at.
func Network(space *supernet.Space, arch supernet.Arch, w Weights, o Options) ([]byte, error) {
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Batch < 1 || o.Batch > maxBatch {
		return nil, fmt.Errorf("onnx: batch %d is outside [1, %d]", o.Batch, maxBatch)
	}
	list, err := network(space, arch)
	if err != nil {
		return nil, err
	}
	if err := checkStatistics(list, o.Statistics); err != nil {
		return nil, err
	}
	if arch, err = space.Canonical(arch); err != nil {
		return nil, err
	}
	m := model{
		graphName: space.Name, version: o.Version, output: "logits",
		in: []int{o.Batch, space.InChannels, arch.R, arch.R}, out: []int{o.Batch, space.Classes},
		metadata: []Property{{SpaceKey, space.Name}, {ArchKey, arch.String()}},
	}
	if o.Source != "" {
		m.metadata = append(m.metadata, Property{WeightsKey, o.Source})
	}
	if err := m.check(list); err != nil {
		return nil, err
	}
	f := &folder{space, w, o.Statistics}
	g := &graph{}
	at := inputName
	for _, l := range list {
		if at, err = g.fold(f, l, at); err != nil {
			return nil, err
		}
	}
	return g.bytes(m)
}

// placed is a layer with its convolutions.
type placed struct {
	supernet.Layer
	convs []conv
}

// network lists a sub-network's layers.
func network(space *supernet.Space, arch supernet.Arch) ([]placed, error) {
	layers, err := space.Layers(arch)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	full, err := fullBlocks(space)
	if err != nil {
		return nil, err
	}
	list := make([]placed, len(layers))
	for i, l := range layers {
		all, err := convs(l, full[l.Name])
		if err != nil {
			return nil, err
		}
		list[i] = placed{l, all}
	}
	return list, nil
}

// fullBlocks returns the blocks of the largest sub-network by layer name: the checkpoint's shapes.
func fullBlocks(space *supernet.Space) (map[string]supernet.Block, error) {
	layers, err := space.Layers(largest(space))
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	full := make(map[string]supernet.Block, len(layers))
	for _, l := range layers {
		full[l.Name] = l.Block
	}
	return full, nil
}

func largest(space *supernet.Space) supernet.Arch {
	const anyResolution = 224 // decides no tensor's shape
	return space.Uniform(slices.Max(space.Kernels), slices.Max(space.Expands), space.MaxDepth(), anyResolution)
}

// fold appends a layer with its weights taken from f.
func (g *graph) fold(f *folder, l placed, in string) (string, error) {
	folded := make([]params, len(l.convs))
	for i, c := range l.convs {
		var err error
		if folded[i], err = f.fold(c); err != nil {
			return "", err
		}
	}
	next := 0
	return g.layer(l.Layer, in, func(in string) string {
		next++
		return g.conv(l.Name, in, l.convs[next-1], folded[next-1])
	})
}

// check refuses models that would be too large to write.
func (m model) check(list []placed) error {
	var n int64
	for _, l := range list {
		n += l.Params()
	}
	if n > maxParams {
		return fmt.Errorf("onnx: %d parameters are more than the %d a model may have", n, maxParams)
	}
	values := 1
	for _, d := range m.in {
		values *= d
	}
	if values > maxValues {
		return fmt.Errorf("onnx: an input of %v has more than %d elements", m.in, maxValues)
	}
	return nil
}

// BatchNorm names one batch normalisation of a sub-network.
type BatchNorm struct {
	// Name is the prefix of its tensors in a checkpoint with OFA's newer key names, by position in
	// the supernet: "blocks.5.conv.depth_conv.bn.bn" is position 4's at every depth.
	Name     string
	Channels int // channels that the sub-network uses
}

// BatchNorms returns the batch normalisations of a sub-network in network order. It returns an
// error if arch is no sub-network of space.
func BatchNorms(space *supernet.Space, arch supernet.Arch) ([]BatchNorm, error) {
	list, err := network(space, arch)
	if err != nil {
		return nil, err
	}
	var all []BatchNorm
	for _, l := range list {
		for _, c := range l.convs {
			if c.bn != "" {
				all = append(all, BatchNorm{c.bn, c.use.out})
			}
		}
	}
	return all, nil
}

// checkStatistics refuses statistics of batch normalisations that the sub-network does not have:
// they belong to another one. Missing ones are found when they are used.
func checkStatistics(list []placed, statistics map[string]Moments) error {
	known := map[string]bool{}
	for _, l := range list {
		for _, c := range l.convs {
			known[c.bn] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(statistics)) {
		if !known[name] || name == "" {
			return &TensorError{name, fmt.Errorf("statistics given: %w", ErrNotAsked)}
		}
	}
	return nil
}
