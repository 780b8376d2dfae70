package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Calibration returns the ONNX model that re-estimates a sub-network's batch normalisation statistics:
// every batch normalisation works with the mean and the biased variance of the batch at hand, and the
// model's output, "statistics", is those of all of them. SplitStatistics takes it apart; averaged over
// batches, weighted by images, it is what Options.Statistics wants. o.Statistics must be nil and
// o.Batch matters: the statistics are those of so many pictures together. Equal arguments give equal
// bytes; errors are those of Network.
//
// The graph ends with the last convolution that a batch normalisation follows. 1x1 convolutions are
// matrix products, because ONNX Runtime's blocked layout for convolutions does not know batch
// normalisation, and changing layouts around every one of them costs a sixth of the time. Opset 14.
//
// Source: set_running_statistics in the authors' code of Cai et al., "Once-for-All", ICLR 2020.
func Calibration(space *supernet.Space, arch supernet.Arch, w Weights, o Options) ([]byte, error) {
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Batch < 1 || o.Batch > maxBatch {
		return nil, fmt.Errorf("onnx: batch %d is outside [1, %d]", o.Batch, maxBatch)
	}
	if o.Statistics != nil {
		return nil, errors.New("onnx: statistics are given to a model that estimates them")
	}
	list, err := network(space, arch)
	if err != nil {
		return nil, err
	}
	norms, err := BatchNorms(space, arch)
	if err != nil {
		return nil, err
	}
	if arch, err = space.Canonical(arch); err != nil {
		return nil, err
	}
	m := model{
		graphName: space.Name, version: o.Version, output: "statistics", opset: opsetCalibration,
		in: []int{o.Batch, space.InChannels, arch.R, arch.R}, out: []int{statisticsLen(norms)},
		metadata: []Property{{SpaceKey, space.Name}, {ArchKey, arch.String()}},
	}
	if o.Source != "" {
		m.metadata = append(m.metadata, Property{WeightsKey, o.Source})
	}
	if err := m.check(list); err != nil {
		return nil, err
	}
	c := &calibration{graph: &graph{}, folder: &folder{space, w, nil}, left: len(norms)}
	at := inputName
	for i := 0; i < len(list) && c.left > 0; i++ {
		if at, err = c.layer(list[i], at); err != nil {
			return nil, err
		}
	}
	c.node("Concat", "statistics", c.statistics, integer("axis", 0))
	return c.bytes(m)
}

// statisticsLen is the number of values that a Calibration model gives.
func statisticsLen(norms []BatchNorm) int {
	n := 0
	for _, norm := range norms {
		n += 2 * norm.Channels
	}
	return n
}

// SplitStatistics takes the output of a Calibration model apart, given the sub-network's BatchNorms. The
// result shares the values' memory. It returns an error if there are too few or too many values.
func SplitStatistics(norms []BatchNorm, values []float32) (map[string]Moments, error) {
	if n := statisticsLen(norms); n != len(values) {
		return nil, fmt.Errorf("onnx: %d statistics for batch normalisations that have %d", len(values), n)
	}
	out := make(map[string]Moments, len(norms))
	for _, norm := range norms {
		c := norm.Channels
		out[norm.Name] = Moments{Mean: values[:c:c], Var: values[c : 2*c : 2*c]}
		values = values[2*c:]
	}
	return out, nil
}

// calibration is a graph whose batch normalisations are not folded.
type calibration struct {
	*graph
	folder     *folder
	left       int      // batch normalisations to come
	statistics []string // the values so far, in order
	err        error    // the first of a convolution
}

func (c *calibration) layer(l placed, in string) (string, error) {
	next, side := 0, l.In.Size
	out, err := c.graph.layer(l.Layer, in, func(in string) string {
		v := l.convs[next]
		next++
		if c.left == 0 || c.err != nil {
			return in // nothing behind the last statistics matters
		}
		side = (side-1)/v.stride + 1
		if v.part == shortcutPart { // behind a pooling of its own
			side = l.Out.Size
		}
		var at string
		at, c.err = c.conv(l.Name, in, v, side)
		return at
	})
	return out, errors.Join(c.err, err)
}

// conv appends a convolution with the batch normalisation behind it, if there is one. side is that of
// its output.
func (c *calibration) conv(layer, in string, v conv, side int) (string, error) {
	bn := v.bn
	v.bn = "" // not folded
	p, err := c.folder.fold(v)
	if err != nil {
		return "", err
	}
	if bn == "" {
		return c.graph.conv(layer, in, v, p), nil
	}
	gamma, err := load(c.folder.weights, bn+".weight", v.full.out)
	if err != nil {
		return "", err
	}
	beta, err := load(c.folder.weights, bn+".bias", v.full.out)
	if err != nil {
		return "", err
	}
	at := layer + "/" + v.part
	if v.use.k == 1 && v.stride == 1 && v.groups == 1 {
		flat := c.node("Reshape", at+"/flat", []string{in, c.shape(0, v.use.in, -1)})
		weight := c.constant(at+"/weight", p.weight, v.use.out, v.use.in)
		product := c.node("MatMul", at, []string{weight, flat})
		at = c.node("Reshape", at+"/map", []string{product, c.shape(0, v.use.out, side, side)})
	} else {
		at = c.graph.conv(layer, in, v, p)
	}
	return c.normalise(layer+"/"+v.part+"/bn", at, gamma[:v.use.out], beta[:v.use.out]), nil
}

// normalise appends a batch normalisation in training mode. Momentum 0 makes the new running statistics
// those of the batch. The old ones do not count, but ONNX Runtime writes the new ones over them, and it
// keeps equal constants once: so they have a different value each.
func (c *calibration) normalise(name, in string, gamma, beta []float32) string {
	n := len(gamma)
	old := func(value int) []float32 { return slices.Repeat([]float32{float32(value)}, n) }
	inputs := []string{in, c.constant(name+"/gamma", gamma, n), c.constant(name+"/beta", beta, n),
		c.constant(name+"/no_mean", old(len(c.statistics)), n), c.constant(name+"/no_var", old(len(c.statistics)+1), n)}
	c.node("BatchNormalization", name, inputs, integer("training_mode", 1), float("momentum", 0),
		float("epsilon", float32(c.folder.space.BNEps)))
	last := c.nodes[len(c.nodes)-1]
	last.Output = append(last.Output, name+"/mean", name+"/var")
	c.statistics = append(c.statistics, last.Output[1:]...)
	c.left--
	return name
}
