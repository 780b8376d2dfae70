package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb"
)

// Versions of the written models. IR version 7 and opset 13 belong to ONNX 1.8 (2020): every
// operator used here has the same meaning since, so older runtimes on boards read the models too.
const (
	irVersion = 7
	opset     = 13
)

// Property is an entry of a model's metadata.
type Property struct{ Key, Value string }

// graph collects the nodes and constants of a model in the order in which they run.
type graph struct {
	nodes     []*onnxpb.NodeProto
	constants []*onnxpb.TensorProto
}

// node appends a node with one output, which has the node's name and is returned.
func (g *graph) node(op, name string, inputs []string, attributes ...*onnxpb.AttributeProto) string {
	g.nodes = append(g.nodes, &onnxpb.NodeProto{
		OpType: proto.String(op), Name: proto.String(name), Input: inputs, Output: []string{name}, Attribute: attributes,
	})
	return name
}

// constant appends a float32 tensor and returns its name.
func (g *graph) constant(name string, data []float32, shape ...int) string {
	raw := make([]byte, 0, 4*len(data))
	for _, v := range data {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
	}
	g.constants = append(g.constants, &onnxpb.TensorProto{
		Name: proto.String(name), Dims: int64s(shape), RawData: raw,
		DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)),
	})
	return name
}

// conv appends a convolution, or the fully connected layer for a linear one.
func (g *graph) conv(layer, in string, c conv, p params) string {
	name := layer + "/" + c.part
	shape := []int{c.use.out, c.use.in, c.use.k, c.use.k}
	if c.linear {
		shape = shape[:2]
	}
	inputs := []string{in, g.constant(name+"/weight", p.weight, shape...)}
	if p.bias != nil {
		inputs = append(inputs, g.constant(name+"/bias", p.bias, c.use.out))
	}
	if c.linear {
		return g.node("Gemm", name, inputs, integer("transB", 1))
	}
	pad := c.use.k / 2
	return g.node("Conv", name, inputs,
		integer("group", c.groups),
		integers("kernel_shape", c.use.k, c.use.k),
		integers("pads", pad, pad, pad, pad),
		integers("strides", c.stride, c.stride))
}

// activate appends an activation to the node called at.
func (g *graph) activate(at string, act supernet.Activation) (string, error) {
	switch act {
	case supernet.None:
		return at, nil
	case supernet.ReLU:
		return g.node("Relu", at+"/relu", []string{at}), nil
	case supernet.HSwish:
		return g.node("Mul", at+"/hswish", []string{at, g.hardSigmoid(at+"/hsigmoid", at)}), nil
	}
	return "", fmt.Errorf("onnx: %s: activation %q has no graph", at, act)
}

// hardSigmoid appends relu6(x+3)/6.
func (g *graph) hardSigmoid(name, in string) string {
	return g.node("HardSigmoid", name, []string{in}, float("alpha", 1./6), float("beta", .5))
}

// layer appends a layer behind the value in and returns its output. all are the layer's
// convolutions and folded their tensors in the same order.
func (g *graph) layer(l supernet.Layer, in string, all []conv, folded []params) (out string, err error) {
	next := 0
	conv := func(in string) string {
		next++
		return g.conv(l.Name, in, all[next-1], folded[next-1])
	}
	switch l.Op {
	case supernet.OpStem, supernet.OpExpand, supernet.OpMix:
		return g.activate(conv(in), l.Act)
	case supernet.OpPool:
		return g.node("GlobalAveragePool", l.Name+"/mean", []string{in}), nil
	case supernet.OpClassifier:
		return conv(g.node("Flatten", l.Name+"/flatten", []string{in})), nil
	case supernet.OpSepConv, supernet.OpMBConv:
	default:
		return "", fmt.Errorf("onnx: layer %q: operation %q has no graph", l.Name, l.Op)
	}
	x := in
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

// model is what a file says beside its graph.
type model struct {
	graphName string
	version   string // of the producer
	output    string
	in, out   []int
	metadata  []Property
}

// bytes renames the last value to m.output and serialises the model. The bytes depend on nothing
// but g and m.
func (g *graph) bytes(m model) ([]byte, error) {
	last := g.nodes[len(g.nodes)-1]
	last.Output[0] = m.output
	pb := &onnxpb.ModelProto{
		IrVersion:    proto.Int64(irVersion),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(opset)}},
		ProducerName: proto.String("dynofa"),
		Graph: &onnxpb.GraphProto{
			Name: proto.String(m.graphName), Node: g.nodes, Initializer: g.constants,
			Input:  []*onnxpb.ValueInfoProto{value(inputName, m.in)},
			Output: []*onnxpb.ValueInfoProto{value(m.output, m.out)},
		},
	}
	if m.version != "" {
		pb.ProducerVersion = proto.String(m.version)
	}
	for _, p := range m.metadata {
		pb.MetadataProps = append(pb.MetadataProps, &onnxpb.StringStringEntryProto{Key: proto.String(p.Key), Value: proto.String(p.Value)})
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(pb)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return b, nil
}

const inputName = "input"

// value describes a float32 tensor.
func value(name string, shape []int) *onnxpb.ValueInfoProto {
	var d []*onnxpb.TensorShapeProto_Dimension
	for _, n := range shape {
		d = append(d, &onnxpb.TensorShapeProto_Dimension{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}})
	}
	return &onnxpb.ValueInfoProto{Name: proto.String(name), Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{
			ElemType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)),
			Shape:    &onnxpb.TensorShapeProto{Dim: d},
		},
	}}}
}

func integer(name string, v int) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), I: proto.Int64(int64(v)), Type: onnxpb.AttributeProto_INT.Enum()}
}

func integers(name string, v ...int) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), Ints: int64s(v), Type: onnxpb.AttributeProto_INTS.Enum()}
}

func float(name string, v float32) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: proto.String(name), F: proto.Float32(v), Type: onnxpb.AttributeProto_FLOAT.Enum()}
}

func int64s(v []int) []int64 {
	out := make([]int64, len(v))
	for i, n := range v {
		out[i] = int64(n)
	}
	return out
}
