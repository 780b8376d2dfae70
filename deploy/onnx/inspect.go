package onnx

import (
	"errors"
	"fmt"
	"strings"

	"github.com/dynofa/dynofa/deploy/onnx/internal/onnxpb"
)

// Info is what a model says about itself.
type Info struct {
	IRVersion       int64
	Opset           int64 // version of the default operator set, 0 if the model names none
	Producer        string
	ProducerVersion string
	Graph           string  // the graph's name
	Inputs          []Value // without those that are constants
	Outputs         []Value
	Nodes           int  // of the graph, not of graphs within
	Constants       int  // initialisers of the graph
	External        bool // some tensor's data lies in another file
	Metadata        []Property
}

// Value is an input or output of a graph.
type Value struct {
	Name string
	Type string // "float", "int64", ... as in onnx.proto; "type 99" if unknown; "" if it is no tensor
	// Shape lists the dimensions; -1 stands for one that is not fixed. It is nil if the model does
	// not declare a shape, and empty for a scalar.
	Shape []int
}

// Elements returns the number of elements, or -1 unless every dimension is fixed.
func (v Value) Elements() int {
	if v.Shape == nil {
		return -1
	}
	n := 1
	for _, d := range v.Shape {
		if d < 0 {
			return -1
		}
		n *= d
	}
	return n
}

// Property returns the value of a metadata entry, the first of its key.
func (i *Info) Property(key string) (string, bool) {
	for _, p := range i.Metadata {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}

// ErrMalformed is wrapped by every error of Inspect.
var ErrMalformed = errors.New("malformed model")

// Limits of what Inspect accepts.
const (
	maxModel    = 1<<31 - 1 // bytes, the limit of protocol buffers
	maxEntries  = 1 << 12   // inputs; outputs; metadata entries
	maxText     = 1 << 20   // bytes of a name or metadata value
	maxRank     = 8
	maxElements = 1 << 28 // of an input or output, 1 GiB of float32
	maxNesting  = 32      // messages within messages; a graph takes 1, a graph within it 3 more
)

// Inspect reads a model's interface and metadata without decoding its weights: it takes memory for
// the descriptions only. It visits every message that may hold tensors, at any depth, but does not
// look at what operators do: an accepted model may still be one that no runtime takes.
//
// It returns an error that wraps ErrMalformed and names the byte if b is no ONNX model, if a field
// that it reads stands twice, or if a size is beyond its limit: 2 GiB for a model, 2^28 elements and
// 8 dimensions for an input or output.
func Inspect(b []byte) (*Info, error) {
	info, err := inspect(b)
	if err != nil {
		return nil, fmt.Errorf("onnx: %w: %w", ErrMalformed, err)
	}
	return info, nil
}

func inspect(b []byte) (*Info, error) {
	if len(b) > maxModel {
		return nil, fmt.Errorf("%d bytes are more than the %d of protocol buffers", len(b), maxModel)
	}
	info := &Info{}
	var graph *field
	var seen, opset single
	err := each(b, 0, func(f field) (err error) {
		switch f.num {
		case 1:
			info.IRVersion, err = f.number(&seen)
		case 2:
			info.Producer, err = f.text(&seen)
		case 3:
			info.ProducerVersion, err = f.text(&seen)
		case 7:
			graph, err = &f, seen.once(f)
		case 8:
			err = info.addOpset(f, &opset)
		case 14:
			err = info.addProperty(f)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case info.IRVersion <= 0:
		return nil, fmt.Errorf("IR version is %d", info.IRVersion)
	case graph == nil:
		return nil, errors.New("there is no graph")
	}
	if err := info.readGraph(*graph); err != nil {
		return nil, err
	}
	info.External, err = external(kindModel, b, 0, 0)
	return info, err
}

func (i *Info) addOpset(f field, known *single) error {
	var domain string
	var version int64
	var seen single
	err := f.message(func(g field) (err error) {
		switch g.num {
		case 1:
			domain, err = g.text(&seen)
		case 2:
			version, err = g.number(&seen)
		}
		return err
	})
	if err != nil || domain != "" && domain != "ai.onnx" {
		return err
	}
	i.Opset = version
	return known.once(f)
}

func (i *Info) addProperty(f field) error {
	if len(i.Metadata) == maxEntries {
		return f.fail("more than %d metadata entries", maxEntries)
	}
	var p Property
	var seen single
	err := f.message(func(g field) (err error) {
		switch g.num {
		case 1:
			p.Key, err = g.text(&seen)
		case 2:
			p.Value, err = g.text(&seen)
		}
		return err
	})
	i.Metadata = append(i.Metadata, p)
	return err
}

// readGraph reads the inputs first: a model may hold any number of constants, and only their names
// that are inputs too matter.
func (i *Info) readGraph(f field) error {
	var inputs []Value
	var seen single
	err := f.message(func(g field) (err error) {
		switch g.num {
		case 1:
			i.Nodes++
		case 2:
			i.Graph, err = g.text(&seen)
		case 5:
			i.Constants++
		case 11:
			inputs, err = appendValue(inputs, g)
		case 12:
			i.Outputs, err = appendValue(i.Outputs, g)
		}
		return err
	})
	if err != nil {
		return err
	}
	constant := make(map[string]bool, len(inputs))
	for _, v := range inputs {
		constant[v.Name] = false
	}
	err = f.message(func(g field) error {
		if g.num != 5 {
			return nil
		}
		var seen single
		return g.message(func(h field) error {
			if h.num != 8 {
				return nil
			}
			name, err := h.text(&seen)
			if _, ok := constant[name]; ok {
				constant[name] = true
			}
			return err
		})
	})
	for _, v := range inputs {
		if !constant[v.Name] {
			i.Inputs = append(i.Inputs, v)
		}
	}
	return err
}

func appendValue(list []Value, f field) ([]Value, error) {
	if len(list) == maxEntries {
		return nil, f.fail("more than %d values", maxEntries)
	}
	var v Value
	var seen single
	err := f.message(func(g field) (err error) {
		switch g.num {
		case 1:
			v.Name, err = g.text(&seen)
		case 2:
			if err = seen.once(g); err == nil {
				err = v.readType(g)
			}
		}
		return err
	})
	return append(list, v), err
}

// readType reads a TypeProto; of its alternatives only dense tensors are of interest.
func (v *Value) readType(f field) error {
	given := false
	return f.message(func(g field) error {
		switch g.num {
		case 1, 4, 5, 8, 9: // the alternatives
			if given {
				return g.fail("a second type")
			}
			given = true
		}
		if g.num != 1 {
			return nil
		}
		v.Type = typeName(0)
		var inner single
		return g.message(func(h field) error {
			switch h.num {
			case 1:
				n, err := h.number(&inner)
				v.Type = typeName(n)
				return err
			case 2:
				if err := inner.once(h); err != nil {
					return err
				}
				return v.readShape(h)
			}
			return nil
		})
	})
}

func (v *Value) readShape(f field) error {
	v.Shape = []int{}
	err := f.message(func(g field) error {
		if g.num != 1 {
			return nil
		}
		if len(v.Shape) == maxRank {
			return g.fail("more than %d dimensions", maxRank)
		}
		d := -1
		var seen single
		err := g.message(func(h field) (err error) {
			var n int64
			switch h.num {
			case 1:
				n, err = h.number(&seen)
				d = int(n)
			case 2:
				_, err = h.text(&seen)
			}
			if err == nil && (n < 0 || n > maxElements) {
				err = h.fail("dimension %d is outside [0, %d]", n, maxElements)
			}
			return err
		})
		if err == nil && seen == 1<<1|1<<2 {
			err = g.fail("a dimension with a value and a name")
		}
		v.Shape = append(v.Shape, d)
		return err
	})
	if err != nil {
		return err
	}
	n := 1
	for _, d := range v.Shape {
		if n *= max(d, 1); n > maxElements {
			return f.fail("shape %v has more than %d elements", v.Shape, maxElements)
		}
	}
	return nil
}

// typeName returns the name of an element type in lower case, as in onnx.proto.
func typeName(n int64) string {
	if name, ok := onnxpb.TensorProto_DataType_name[int32(n)]; ok && n == int64(int32(n)) {
		return strings.ToLower(name)
	}
	return fmt.Sprintf("type %d", n)
}
