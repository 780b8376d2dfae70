package onnx

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// field is one field of a protocol buffers message.
type field struct {
	num    protowire.Number
	typ    protowire.Type
	varint uint64
	bytes  []byte // content of a bytes field, cut out of the file
	at     int    // offset of the field in the file
	inside int    // offset of the content in the file
}

func (f field) fail(format string, args ...any) error {
	return fmt.Errorf("byte %d: field %d: %s", f.at, f.num, fmt.Sprintf(format, args...))
}

// each calls do for the fields of the message b, which starts at offset at of the file.
func each(b []byte, at int, do func(field) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return fmt.Errorf("byte %d: %w", at, protowire.ParseError(n))
		}
		f := field{num: num, typ: typ, at: at}
		b, at = b[n:], at+n
		switch typ {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(b)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(b)
			f.inside = at + n - len(f.bytes)
		case protowire.Fixed32Type:
			_, n = protowire.ConsumeFixed32(b)
		case protowire.Fixed64Type:
			_, n = protowire.ConsumeFixed64(b)
		default:
			return f.fail("wire type %d does not occur in ONNX", typ)
		}
		if n < 0 {
			return f.fail("%v", protowire.ParseError(n))
		}
		b, at = b[n:], at+n
		if err := do(f); err != nil {
			return err
		}
	}
	return nil
}

// single keeps track of the singular fields of one message: protocol buffers take the last or
// merge them, and two readers that disagree are a hazard.
type single uint64

func (s *single) once(f field) error {
	bit := single(1) << f.num // the numbers asked about are below 32
	if *s&bit != 0 {
		return f.fail("stands twice")
	}
	*s |= bit
	return nil
}

// text returns a string field's content.
func (f field) text(s *single) (string, error) {
	if err := s.once(f); err != nil {
		return "", err
	}
	switch {
	case f.typ != protowire.BytesType:
		return "", f.fail("a string is expected")
	case len(f.bytes) > maxText:
		return "", f.fail("%d bytes of text are more than %d", len(f.bytes), maxText)
	case !utf8.Valid(f.bytes):
		return "", f.fail("text is not UTF-8")
	}
	text := string(f.bytes)
	if strings.ContainsRune(text, 0) {
		return "", f.fail("text contains a zero byte")
	}
	return text, nil
}

// number returns an integer field's value.
func (f field) number(s *single) (int64, error) {
	if err := s.once(f); err != nil {
		return 0, err
	}
	if f.typ != protowire.VarintType {
		return 0, f.fail("a number is expected")
	}
	return int64(f.varint), nil
}

// message calls do for the fields of a message field.
func (f field) message(do func(field) error) error {
	if f.typ != protowire.BytesType {
		return f.fail("a message is expected")
	}
	return each(f.bytes, f.inside, do)
}

// kind is a message type that may contain tensors, directly or not.
type kind int

const (
	kindModel kind = iota
	kindTraining
	kindFunction
	kindGraph
	kindNode
	kindAttribute
	kindSparse
	kindTensor
)

// child returns the kind of the message in a field of a message of kind k; ok is false where no
// tensor can be inside.
func child(k kind, num protowire.Number) (c kind, ok bool) {
	type edge struct {
		k   kind
		num protowire.Number
	}
	switch (edge{k, num}) {
	case edge{kindModel, 7}, edge{kindTraining, 1}, edge{kindTraining, 2}, edge{kindAttribute, 6}, edge{kindAttribute, 11}:
		return kindGraph, true
	case edge{kindModel, 20}:
		return kindTraining, true
	case edge{kindModel, 25}:
		return kindFunction, true
	case edge{kindGraph, 1}, edge{kindFunction, 7}:
		return kindNode, true
	case edge{kindNode, 5}, edge{kindFunction, 11}:
		return kindAttribute, true
	case edge{kindGraph, 15}, edge{kindAttribute, 22}, edge{kindAttribute, 23}:
		return kindSparse, true
	case edge{kindGraph, 5}, edge{kindAttribute, 5}, edge{kindAttribute, 10}, edge{kindSparse, 1}, edge{kindSparse, 2}:
		return kindTensor, true
	}
	return 0, false
}

// external visits every message below one of kind k and reports whether a tensor's data lies in
// another file.
func external(k kind, b []byte, at, depth int) (bool, error) {
	if depth > maxNesting {
		return false, fmt.Errorf("byte %d: messages are nested deeper than %d", at, maxNesting)
	}
	found := false
	err := each(b, at, func(f field) error {
		if k == kindTensor {
			const externalData, dataLocation = 13, 14
			found = found || f.num == externalData || f.num == dataLocation && f.varint != 0
			return nil
		}
		c, ok := child(k, f.num)
		if !ok {
			return nil
		}
		if f.typ != protowire.BytesType {
			return f.fail("a message is expected")
		}
		inside, err := external(c, f.bytes, f.inside, depth+1)
		found = found || inside
		return err
	})
	return found, err
}
