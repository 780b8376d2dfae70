package checkpoint

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// WriteSafetensors writes tensors as a safetensors file, all as float32 whatever their DType was, in
// the order given. Metadata is optional. Equal arguments give equal bytes, and Read returns the same
// names, shapes and elements.
//
// It returns an error for a tensor without a name, a name that stands twice (CanonicalName counts),
// and a shape that does not fit its data; nothing is written then.
func WriteSafetensors(w io.Writer, tensors []Tensor, metadata map[string]string) error {
	head, err := safetensorsHeader(tensors, metadata)
	if err != nil {
		return fmt.Errorf("checkpoint: write: %w", err)
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	buf := make([]byte, 0, 1<<16)
	for _, t := range tensors {
		for part := range slices.Chunk(t.Data, cap(buf)/4) {
			buf = buf[:0]
			for _, v := range part {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(v))
			}
			if _, err := w.Write(buf); err != nil {
				return err
			}
		}
	}
	return nil
}

// safetensorsHeader returns the length and the JSON of the header, padded so that the data starts at
// a multiple of 64 bytes: a reader that maps the file finds it aligned.
func safetensorsHeader(tensors []Tensor, metadata map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.Write(make([]byte, 8))
	b.WriteByte('{')
	if len(metadata) > 0 {
		text, err := json.Marshal(metadata) // keys sorted
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, `"__metadata__":%s,`, text)
	}
	seen, at := map[string]bool{}, int64(0)
	for i, t := range tensors {
		name := CanonicalName(t.Name)
		if name == "" || name == "__metadata__" || seen[name] {
			return nil, fmt.Errorf("tensor %d: the name %.200q is empty, reserved or stands twice", i, t.Name)
		}
		seen[name] = true
		n := int64(1)
		for _, d := range t.Shape {
			if d < 0 || d > math.MaxInt32 || n > math.MaxInt32 {
				return nil, fmt.Errorf("tensor %.200q: shape %v", t.Name, t.Shape)
			}
			n *= int64(d)
		}
		if n != int64(len(t.Data)) {
			return nil, fmt.Errorf("tensor %.200q: shape %v and %d elements", t.Name, t.Shape, len(t.Data))
		}
		text, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		shape, err := json.Marshal(append([]int{}, t.Shape...))
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `%s:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, text, shape, at, at+4*n)
		at += 4 * n
	}
	if len(tensors) == 0 {
		return nil, fmt.Errorf("there are no tensors")
	}
	b.WriteByte('}')
	for b.Len()%64 != 0 {
		b.WriteByte(' ')
	}
	if b.Len() > maxHeader {
		return nil, fmt.Errorf("a header of %d bytes is more than %d", b.Len(), maxHeader)
	}
	head := b.Bytes()
	binary.LittleEndian.PutUint64(head, uint64(len(head)-8))
	return head, nil
}
