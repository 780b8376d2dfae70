package onnx_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb"
)

// msg builds protocol buffers by hand, so that bad ones can be built.
type msg []byte

func (m msg) varint(num protowire.Number, v uint64) msg {
	return protowire.AppendVarint(protowire.AppendTag(m, num, protowire.VarintType), v)
}

func (m msg) bytes(num protowire.Number, v []byte) msg {
	return protowire.AppendBytes(protowire.AppendTag(m, num, protowire.BytesType), v)
}

func (m msg) text(num protowire.Number, v string) msg { return m.bytes(num, []byte(v)) }

// valueInfo is a ValueInfoProto of element type float; a dimension below 0 has a name instead.
func valueInfo(name string, dims ...int) msg {
	var shape msg
	for _, d := range dims {
		if d < 0 {
			shape = shape.bytes(1, msg{}.text(2, "n"))
		} else {
			shape = shape.bytes(1, msg{}.varint(1, uint64(d)))
		}
	}
	return msg{}.text(1, name).bytes(2, msg{}.bytes(1, msg{}.varint(1, 1).bytes(2, shape)))
}

// head is a ModelProto up to the graph.
func head() msg { return msg{}.varint(1, 7).bytes(8, msg{}.text(1, "").varint(2, 13)) }

// plain is a graph with one node, one constant that is an input too, one input and one output.
func plain() msg {
	return msg{}.bytes(1, msg{}.text(1, "x").text(1, "w").text(2, "y").text(4, "Add")).text(2, "g").
		bytes(11, valueInfo("w", 4)).bytes(11, valueInfo("x", 1, 4)).bytes(12, valueInfo("y", -1, 4)).
		bytes(5, msg{}.text(8, "w").varint(1, 4).varint(2, 1).bytes(9, make([]byte, 16)))
}

func TestInspect(t *testing.T) {
	model := head().text(2, "me").bytes(8, msg{}.text(1, "com.example").varint(2, 3)).bytes(7, plain()).
		bytes(14, msg{}.text(1, "k").text(2, "v"))
	info, err := onnx.Inspect(model)
	if err != nil {
		t.Fatal(err)
	}
	want := &onnx.Info{
		IRVersion: 7, Opset: 13, Producer: "me", Graph: "g", Nodes: 1, Constants: 1,
		Inputs:   []onnx.Value{{Name: "x", Type: "float", Shape: []int{1, 4}}},
		Outputs:  []onnx.Value{{Name: "y", Type: "float", Shape: []int{-1, 4}}},
		Metadata: []onnx.Property{{Key: "k", Value: "v"}},
	}
	if d := cmp.Diff(want, info); d != "" {
		t.Error(d)
	}
	if n := info.Inputs[0].Elements(); n != 4 {
		t.Errorf("%d elements, want 4", n)
	}
	if n := info.Outputs[0].Elements(); n != -1 {
		t.Errorf("%d elements of an open shape, want -1", n)
	}
}

// Tensors in other files are found wherever they can be: constants, attributes, inner graphs,
// functions, training graphs, sparse tensors.
func TestInspectFindsExternalData(t *testing.T) {
	tensor := msg{}.text(8, "t").varint(14, 1)
	node := func(attribute msg) msg { return msg{}.text(4, "Constant").bytes(5, attribute) }
	for name, model := range map[string]msg{
		"constant":     head().bytes(7, plain().bytes(5, tensor)),
		"location":     head().bytes(7, plain().bytes(5, msg{}.bytes(13, msg{}.text(1, "location").text(2, "../x")))),
		"attribute":    head().bytes(7, plain().bytes(1, node(msg{}.bytes(5, tensor)))),
		"attributes":   head().bytes(7, plain().bytes(1, node(msg{}.bytes(10, tensor)))),
		"inner graph":  head().bytes(7, plain().bytes(1, node(msg{}.bytes(6, msg{}.bytes(5, tensor))))),
		"inner graphs": head().bytes(7, plain().bytes(1, node(msg{}.bytes(11, msg{}.bytes(5, tensor))))),
		"sparse":       head().bytes(7, plain().bytes(15, msg{}.bytes(2, tensor))),
		"sparse attr.": head().bytes(7, plain().bytes(1, node(msg{}.bytes(22, msg{}.bytes(1, tensor))))),
		"function":     head().bytes(7, plain()).bytes(25, msg{}.bytes(7, node(msg{}.bytes(5, tensor)))),
		"training":     head().bytes(7, plain()).bytes(20, msg{}.bytes(2, msg{}.bytes(5, tensor))),
	} {
		info, err := onnx.Inspect(model)
		if err != nil || !info.External {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	if info, err := onnx.Inspect(head().bytes(7, plain())); err != nil || info.External {
		t.Errorf("plain model: %v, %v", info, err)
	}
}

func badModels() map[string]struct {
	model   []byte
	message string
} {
	nested := plain()
	for range 20 {
		nested = msg{}.bytes(1, msg{}.bytes(5, msg{}.bytes(6, nested)))
	}
	valid := head().bytes(7, plain())
	type bad = struct {
		model   []byte
		message string
	}
	return map[string]bad{
		"empty":              {nil, "IR version is 0"},
		"text":               {[]byte("<html>not a model</html>"), "byte 0"},
		"truncated":          {valid[:len(valid)-3], "byte 8: field 7"},
		"2 GB length":        {protowire.AppendVarint(protowire.AppendTag(head(), 7, protowire.BytesType), 1<<31), "byte 8: field 7"},
		"endless varint":     {append(msg{8}, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1), "byte 0: field 1"},
		"group":              {protowire.AppendTag(head(), 30, protowire.StartGroupType), "wire type 3"},
		"no graph":           {head(), "no graph"},
		"two graphs":         {head().bytes(7, plain()).bytes(7, plain()), "stands twice"},
		"two opsets":         {head().bytes(8, msg{}.varint(2, 9)).bytes(7, plain()), "stands twice"},
		"graph is a number":  {head().varint(7, 3), "message is expected"},
		"name is a number":   {head().bytes(7, plain().varint(2, 1)), "stands twice"},
		"producer a number":  {head().varint(2, 1).bytes(7, plain()), "string is expected"},
		"version a string":   {msg{}.text(1, "x").bytes(7, plain()), "number is expected"},
		"negative version":   {msg{}.varint(1, 1<<63).bytes(7, plain()), "IR version"},
		"not UTF-8":          {head().text(2, "\xff").bytes(7, plain()), "UTF-8"},
		"zero byte":          {head().text(2, "a\x00b").bytes(7, plain()), "zero byte"},
		"long text":          {head().text(2, strings.Repeat("x", 1<<20+1)).bytes(7, plain()), "bytes of text"},
		"negative dimension": {head().bytes(7, plain().bytes(11, msg{}.text(1, "z").bytes(2, msg{}.bytes(1, msg{}.bytes(2, msg{}.bytes(1, msg{}.varint(1, 1<<64-1))))))), "dimension -1"},
		"huge dimension":     {head().bytes(7, plain().bytes(11, valueInfo("z", 1<<40))), "dimension 1099511627776"},
		"huge product":       {head().bytes(7, plain().bytes(11, valueInfo("z", 1<<20, 1<<20))), "elements"},
		"nine dimensions":    {head().bytes(7, plain().bytes(11, valueInfo("z", 1, 1, 1, 1, 1, 1, 1, 1, 1))), "8 dimensions"},
		"value and name":     {head().bytes(7, plain().bytes(11, msg{}.bytes(2, msg{}.bytes(1, msg{}.bytes(2, msg{}.bytes(1, msg{}.varint(1, 1).text(2, "n"))))))), "a value and a name"},
		"two types":          {head().bytes(7, plain().bytes(11, msg{}.bytes(2, msg{}.bytes(4, nil).bytes(1, nil)))), "second type"},
		"deep graphs":        {head().bytes(7, nested), "nested deeper"},
		"attribute a number": {head().bytes(7, plain().bytes(1, msg{}.varint(5, 1))), "message is expected"},
	}
}

func TestInspectRefuses(t *testing.T) {
	for name, bad := range badModels() {
		info, err := onnx.Inspect(bad.model)
		if !errors.Is(err, onnx.ErrMalformed) || !strings.Contains(err.Error(), bad.message) {
			t.Errorf("%s: %v, error %v, want one with %q", name, info, err, bad.message)
		}
	}
}

// The oracle is the decoder generated from onnx.proto: where both accept, both read the same. (The
// decoder also refuses flaws in messages that Inspect skips.)
func FuzzInspect(f *testing.F) {
	f.Add([]byte(head().bytes(7, plain())))
	f.Add([]byte(head().text(2, "me").text(3, "v1").bytes(7, plain()).bytes(14, msg{}.text(1, "k").text(2, "v"))))
	for _, bad := range badModels() {
		if len(bad.model) < 1<<12 {
			f.Add(bad.model)
		}
	}
	for _, b := range blocks(f)[1:4] {
		model, err := onnx.Block(b, 1, 1)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(model)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		info, err := onnx.Inspect(b)
		if err != nil {
			if !errors.Is(err, onnx.ErrMalformed) {
				t.Errorf("error %v", err)
			}
			return
		}
		m := &onnxpb.ModelProto{}
		if proto.Unmarshal(b, m) != nil {
			return
		}
		got := &onnx.Info{
			IRVersion: m.GetIrVersion(), Opset: info.Opset, Producer: m.GetProducerName(), ProducerVersion: m.GetProducerVersion(),
			Graph: m.GetGraph().GetName(), Nodes: len(m.GetGraph().GetNode()), Constants: len(m.GetGraph().GetInitializer()),
			External: info.External,
		}
		for _, p := range m.MetadataProps {
			got.Metadata = append(got.Metadata, onnx.Property{Key: p.GetKey(), Value: p.GetValue()})
		}
		constant := map[string]bool{}
		for _, c := range m.GetGraph().GetInitializer() {
			if c.Name != nil {
				constant[c.GetName()] = true
			}
		}
		for _, v := range m.GetGraph().GetInput() {
			if !constant[v.GetName()] {
				got.Inputs = append(got.Inputs, describe(v, info.Inputs, len(got.Inputs)))
			}
		}
		for _, v := range m.GetGraph().GetOutput() {
			got.Outputs = append(got.Outputs, describe(v, info.Outputs, len(got.Outputs)))
		}
		if d := cmp.Diff(got, info); d != "" {
			t.Error(d)
		}
	})
}

// describe turns the generated decoder's value into a Value; the type's name is taken over.
func describe(v *onnxpb.ValueInfoProto, from []onnx.Value, i int) onnx.Value {
	out := onnx.Value{Name: v.GetName()}
	tensor := v.GetType().GetTensorType()
	if tensor == nil {
		return out
	}
	if i < len(from) {
		out.Type = from[i].Type
	}
	if (out.Type == "float") != (tensor.GetElemType() == int32(onnxpb.TensorProto_FLOAT)) {
		out.Type = "not " + out.Type
	}
	if tensor.Shape == nil {
		return out
	}
	out.Shape = []int{}
	for _, d := range tensor.Shape.Dim {
		n := -1
		if value, ok := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue); ok {
			n = int(value.DimValue)
		}
		out.Shape = append(out.Shape, n)
	}
	return out
}
