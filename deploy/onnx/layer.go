package onnx

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// convolve appends a layer's next convolution behind a value and returns its output.
type convolve func(in string) string

// layer appends a layer behind the value in and returns its output.
func (g *graph) layer(l supernet.Layer, in string, conv convolve) (string, error) {
	switch l.Op {
	case supernet.OpStem, supernet.OpExpand, supernet.OpMix:
		x, err := g.activate(conv(in), l.Act)
		if err == nil && l.Residual {
			x = g.node("Add", l.Name+"/add", []string{x, in})
		}
		return x, err
	case supernet.OpMaxPool:
		return g.window("MaxPool", l.Name+"/max", in, l.Kernel, l.Stride, l.Kernel/2, l.Kernel/2), nil
	case supernet.OpPool:
		return g.node("GlobalAveragePool", l.Name+"/mean", []string{in}), nil
	case supernet.OpClassifier:
		return conv(g.node("Flatten", l.Name+"/flatten", []string{in})), nil
	case supernet.OpSepConv, supernet.OpMBConv:
		return g.inverted(l, in, conv)
	case supernet.OpBottleneck:
		return g.bottleneck(l, in, conv)
	}
	return "", fmt.Errorf("onnx: layer %q: operation %q has no graph", l.Name, l.Op)
}

// inverted appends an inverted residual, or a depthwise separable convolution, which does not
// expand.
func (g *graph) inverted(l supernet.Layer, in string, conv convolve) (x string, err error) {
	x = in
	if l.Op == supernet.OpMBConv {
		if x, err = g.activate(conv(x), l.Act); err != nil {
			return "", err
		}
	}
	if x, err = g.activate(conv(x), l.Act); err != nil {
		return "", err
	}
	if l.SE {
		pooled := g.node("GlobalAveragePool", l.Name+"/se/pool", []string{x})
		reduced := conv(pooled)
		reduced = g.node("Relu", reduced+"/relu", []string{reduced})
		gate := g.hardSigmoid(l.Name+"/se/gate", conv(reduced))
		x = g.node("Mul", l.Name+"/se/scale", []string{x, gate})
	}
	x = conv(x)
	if l.Residual {
		x = g.node("Add", l.Name+"/add", []string{x, in})
	}
	return x, nil
}

// bottleneck appends a bottleneck with its shortcut.
func (g *graph) bottleneck(l supernet.Layer, in string, conv convolve) (x string, err error) {
	if x, err = g.activate(conv(in), l.Act); err != nil {
		return "", err
	}
	if x, err = g.activate(conv(x), l.Act); err != nil {
		return "", err
	}
	x = conv(x)
	if !l.Residual {
		if l.Stride > 1 {
			// Padding at the end does not count and is there only where the last window is cut off.
			in = g.window("AveragePool", l.Name+"/shortcut/pool", in, 2, 2, 0, l.In.Size%2)
		}
		in = conv(in)
	}
	return g.activate(g.node("Add", l.Name+"/add", []string{x, in}), l.Act)
}

// window appends a pooling with padding at the begin and end of both axes; padding does not count.
func (g *graph) window(op, name, in string, side, stride, begin, end int) string {
	return g.node(op, name, []string{in},
		integers("kernel_shape", side, side),
		integers("pads", begin, begin, end, end),
		integers("strides", stride, stride))
}

// activate appends an activation to the node called at.
func (g *graph) activate(at string, act supernet.Activation) (string, error) {
	switch act {
	case supernet.None:
		return at, nil
	case supernet.ReLU:
		return g.node("Relu", at+"/relu", []string{at}), nil
	case supernet.ReLU6:
		return g.node("Clip", at+"/relu6", []string{at, g.shared("relu6/min", 0), g.shared("relu6/max", 6)}), nil
	case supernet.HSwish:
		return g.node("Mul", at+"/hswish", []string{at, g.hardSigmoid(at+"/hsigmoid", at)}), nil
	}
	return "", fmt.Errorf("onnx: %s: activation %q has no graph", at, act)
}

// hardSigmoid appends relu6(x+3)/6.
func (g *graph) hardSigmoid(name, in string) string {
	return g.node("HardSigmoid", name, []string{in}, float("alpha", 1./6), float("beta", .5))
}
