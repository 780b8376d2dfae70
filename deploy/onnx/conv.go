package onnx

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// conv is one convolution, or the fully connected layer, of a layer: where its tensors are in a
// checkpoint, their shapes there, and which part of them a sub-network uses.
type conv struct {
	part      string // what its node is called behind the layer's name
	weight    string // name of the weight tensor
	bias      string // name of the bias tensor, "" without one
	bn        string // prefix of the batch normalisation's four tensors, "" without one
	matrices  string // prefix of the kernel-transform matrices, "" where the kernel is not elastic
	full, use dims   // in the supernet and in the sub-network
	stride    int
	groups    int  // 1, or use.out of a depthwise convolution
	linear    bool // fully connected: two dimensions in the checkpoint
	act       bool // an activation follows; decides the scale of random weights only
}

// dims are the dimensions of a convolution's weight: [out, in, k, k].
type dims struct{ out, in, k int }

// shape returns the weight's shape in the checkpoint.
func (c conv) shape() []int {
	if c.linear {
		return []int{c.full.out, c.full.in}
	}
	return []int{c.full.out, c.full.in, c.full.k, c.full.k}
}

// convs lists a layer's convolutions in the order in which they run. full is the block at the same
// place in the largest sub-network, whose shapes are those of the checkpoint.
//
// Source: the key names of mit-han-lab/once-for-all, OFAMobileNetV3, OFAProxylessNASNets and
// OFAResNets. Layers that are elastic there wrap the module of the static one, hence "conv.conv" and
// "bn.bn".
func convs(l supernet.Layer, full supernet.Block) ([]conv, error) {
	m, b := l.Module, l.Block
	switch b.Op {
	case supernet.OpStem:
		weight, bn := m+".conv.weight", m+".bn"
		if l.Resizable {
			weight, bn = m+".conv.conv.weight", m+".bn.bn"
		}
		return []conv{{
			part: "conv", weight: weight, bn: bn, stride: b.Stride, groups: 1, act: true,
			full: dims{full.Out.Channels, full.In.Channels, full.Kernel},
			use:  dims{b.Out.Channels, b.In.Channels, b.Kernel},
		}}, nil
	case supernet.OpSepConv:
		return []conv{
			depthwise(b, full.In.Channels, full.Kernel, b.In.Channels, m+".conv.depth_conv.conv.weight", m+".conv.depth_conv.bn"),
			pointwise("project", full.In.Channels, full.Out.Channels, b.In.Channels, b.Out.Channels,
				m+".conv.point_linear.conv.weight", m+".conv.point_linear.bn"),
		}, nil
	case supernet.OpMBConv:
		return mbconv(m+".conv.", b, full), nil
	case supernet.OpExpand:
		c := pointwise("conv", full.In.Channels, full.Out.Channels, b.In.Channels, b.Out.Channels, m+".conv.weight", m+".bn")
		c.act = true
		return []conv{c}, nil
	case supernet.OpPool, supernet.OpMaxPool:
		return nil, nil
	case supernet.OpBottleneck:
		return bottleneck(m, b, full), nil
	case supernet.OpMix:
		c := pointwise("conv", full.In.Channels, full.Out.Channels, b.In.Channels, b.Out.Channels, m+".conv.weight", "")
		c.act = true
		return []conv{c}, nil
	case supernet.OpClassifier:
		c := pointwise("linear", full.In.Channels, full.Out.Channels, b.In.Channels, b.Out.Channels, m+".linear.weight", "")
		c.bias, c.linear = m+".linear.bias", true
		return []conv{c}, nil
	}
	return nil, fmt.Errorf("onnx: layer %q: operation %q has no graph", l.Name, b.Op)
}

func mbconv(m string, b, full supernet.Block) []conv {
	expand := pointwise("expand", full.In.Channels, full.Mid, b.In.Channels, b.Mid,
		m+"inverted_bottleneck.conv.conv.weight", m+"inverted_bottleneck.bn.bn")
	expand.act = true
	dw := depthwise(b, full.Mid, full.Kernel, b.Mid, m+"depth_conv.conv.conv.weight", m+"depth_conv.bn.bn")
	dw.matrices = m + "depth_conv.conv."
	list := []conv{expand, dw}
	if b.SE {
		reduce := pointwise("se/reduce", full.Mid, full.SEMid(), b.Mid, b.SEMid(), m+"depth_conv.se.fc.reduce.weight", "")
		reduce.bias, reduce.act = m+"depth_conv.se.fc.reduce.bias", true
		gate := pointwise("se/expand", full.SEMid(), full.Mid, b.SEMid(), b.Mid, m+"depth_conv.se.fc.expand.weight", "")
		gate.bias = m + "depth_conv.se.fc.expand.bias"
		list = append(list, reduce, gate)
	}
	return append(list, pointwise("project", full.Mid, full.Out.Channels, b.Mid, b.Out.Channels,
		m+"point_linear.conv.conv.weight", m+"point_linear.bn.bn"))
}

// shortcutPart is the part of a bottleneck's convolution beside the others.
const shortcutPart = "shortcut/conv"

func bottleneck(m string, b, full supernet.Block) []conv {
	one := pointwise("conv1", full.In.Channels, full.Mid, b.In.Channels, b.Mid, m+".conv1.conv.conv.weight", m+".conv1.bn.bn")
	two := conv{
		part: "conv2", weight: m + ".conv2.conv.conv.weight", bn: m + ".conv2.bn.bn", stride: b.Stride, groups: 1,
		full: dims{full.Mid, full.Mid, full.Kernel}, use: dims{b.Mid, b.Mid, b.Kernel},
	}
	one.act, two.act = true, true
	list := []conv{one, two, pointwise("conv3", full.Mid, full.Out.Channels, b.Mid, b.Out.Channels,
		m+".conv3.conv.conv.weight", m+".conv3.bn.bn")}
	if !b.Residual {
		list = append(list, pointwise(shortcutPart, full.In.Channels, full.Out.Channels, b.In.Channels, b.Out.Channels,
			m+".downsample.conv.conv.weight", m+".downsample.bn.bn"))
	}
	return list
}

func depthwise(b supernet.Block, fullWidth, fullKernel, width int, weight, bn string) conv {
	return conv{
		part: "depthwise", weight: weight, bn: bn, stride: b.Stride, groups: width, act: true,
		full: dims{fullWidth, 1, fullKernel}, use: dims{width, 1, b.Kernel},
	}
}

func pointwise(part string, fullIn, fullOut, in, out int, weight, bn string) conv {
	return conv{part: part, weight: weight, bn: bn, stride: 1, groups: 1, full: dims{fullOut, fullIn, 1}, use: dims{out, in, 1}}
}
