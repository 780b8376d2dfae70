package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/proto"

	"github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb"
)

// Versions of the written models. IR version 7 and opset 13 belong to ONNX 1.8 (2020): every
// operator used here has the same meaning since, so older runtimes on boards read the models too.
const (
	irVersion = 7
	opset     = 13
	// opsetCalibration is of the models that Calibration writes: since 14 (ONNX 1.9, 2021) batch
	// normalisation can give its batch's statistics.
	opsetCalibration = 14
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

// shared returns the name of a scalar, which is appended where it is first asked for.
func (g *graph) shared(name string, value float32) string {
	for _, c := range g.constants {
		if c.GetName() == name {
			return name
		}
	}
	return g.constant(name, []float32{value})
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

// shape returns the name of a constant list of integers, for Reshape, which is appended where it is first
// asked for.
func (g *graph) shape(dims ...int) string {
	name := "shape"
	var raw []byte
	for _, d := range dims {
		name += fmt.Sprintf("/%d", d)
		raw = binary.LittleEndian.AppendUint64(raw, uint64(d))
	}
	for _, c := range g.constants {
		if c.GetName() == name {
			return name
		}
	}
	g.constants = append(g.constants, &onnxpb.TensorProto{
		Name: proto.String(name), Dims: []int64{int64(len(dims))}, RawData: raw,
		DataType: proto.Int32(int32(onnxpb.TensorProto_INT64)),
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

// model is what a file says beside its graph.
type model struct {
	graphName string
	version   string // of the producer
	opset     int64  // 0 means opset
	output    string
	in, out   []int
	metadata  []Property
}

// bytes renames the last value to m.output and serialises the model. The bytes depend on nothing
// but g and m.
func (g *graph) bytes(m model) ([]byte, error) {
	last := g.nodes[len(g.nodes)-1]
	last.Output[0] = m.output
	if m.opset == 0 {
		m.opset = opset
	}
	pb := &onnxpb.ModelProto{
		IrVersion:    proto.Int64(irVersion),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: proto.String(""), Version: proto.Int64(m.opset)}},
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
