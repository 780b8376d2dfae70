package onnx

import (
	"fmt"
	"path/filepath"
	"strconv"

	"google.golang.org/protobuf/proto"

	"github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb"
)

// External is a tensor whose data lies in another file: Length bytes from Offset on.
type External struct {
	Name           string // of the tensor
	File           string // beside the model, without folders
	Offset, Length int64  // bytes
	Type           int32  // of its elements, as in ONNX's TensorProto.DataType: 1 is float32
	Shape          []int64
}

// Externals lists the initialisers of a model's graph whose data lies in other files, in the model's
// order. It returns an error that wraps ErrMalformed for a model that cannot be read, for data that
// lies outside of the model's own folder, has no length or a negative place, and for external data
// anywhere else in the model.
func Externals(model []byte) ([]External, error) {
	var list []External
	_, err := visitExternals(model, func(e External) External {
		list = append(list, e)
		return e
	})
	return list, err
}

// Relocate returns the model with its external data in other places: place gets each of Externals and
// returns what is to stand there instead, its name excepted. Equal arguments give equal bytes.
func Relocate(model []byte, place func(External) External) ([]byte, error) {
	m, err := visitExternals(model, place)
	if err != nil {
		return nil, err
	}
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return b, nil
}

func visitExternals(model []byte, visit func(External) External) (*onnxpb.ModelProto, error) {
	if _, err := Inspect(model); err != nil {
		return nil, err
	}
	m := &onnxpb.ModelProto{}
	if err := proto.Unmarshal(model, m); err != nil {
		return nil, fmt.Errorf("onnx: %w: %w", ErrMalformed, err)
	}
	for _, t := range m.GetGraph().GetInitializer() {
		if t.GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
			continue
		}
		e, err := externalOf(t)
		if err != nil {
			return nil, fmt.Errorf("onnx: %w: tensor %.200q: %w", ErrMalformed, t.GetName(), err)
		}
		e = visit(e)
		t.DataType, t.Dims, t.ExternalData = proto.Int32(e.Type), e.Shape, nil
		for _, p := range []Property{{"location", e.File}, {"offset", strconv.FormatInt(e.Offset, 10)}, {"length", strconv.FormatInt(e.Length, 10)}} {
			t.ExternalData = append(t.ExternalData, &onnxpb.StringStringEntryProto{Key: proto.String(p.Key), Value: proto.String(p.Value)})
		}
	}
	return m, onlyInitialisers(m)
}

// externalOf reads where a tensor's data lies.
func externalOf(t *onnxpb.TensorProto) (External, error) {
	e := External{Name: t.GetName(), Length: -1, Type: t.GetDataType(), Shape: t.GetDims()}
	seen := map[string]bool{}
	for _, p := range t.GetExternalData() {
		key := p.GetKey()
		if seen[key] {
			return e, fmt.Errorf("%.40q stands twice", key)
		}
		seen[key] = true
		var err error
		switch key {
		case "location":
			e.File = p.GetValue()
		case "offset":
			e.Offset, err = strconv.ParseInt(p.GetValue(), 10, 64)
		case "length":
			e.Length, err = strconv.ParseInt(p.GetValue(), 10, 64)
		}
		if err != nil {
			return e, fmt.Errorf("%s %.40q", key, p.GetValue())
		}
	}
	if e.File == "" || e.File != filepath.Base(e.File) || e.File == "." || e.File == ".." || !filepath.IsLocal(e.File) {
		return e, fmt.Errorf("its data lies at %.200q, which is not a file beside the model", e.File)
	}
	if e.Offset < 0 || e.Length < 1 || e.Offset > maxModel-e.Length {
		return e, fmt.Errorf("its data are %d bytes from %d on", e.Length, e.Offset)
	}
	return e, nil
}

// onlyInitialisers returns an error if data lies in other files anywhere but in the graph's
// initialisers.
func onlyInitialisers(m *onnxpb.ModelProto) error {
	rest := proto.Clone(m).(*onnxpb.ModelProto)
	rest.Graph.Initializer = nil
	b, err := proto.Marshal(rest)
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	found, err := external(kindModel, b, 0, 0)
	if err == nil && found {
		err = fmt.Errorf("onnx: %w: data in other files that is no initialiser's", ErrMalformed)
	}
	return err
}
