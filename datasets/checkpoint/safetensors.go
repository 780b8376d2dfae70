package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

// readSafetensors finds the tensors of a safetensors file: 8 bytes that give the length of a
// header, the header as a JSON object of {"dtype", "shape", "data_offsets"} by name, and the data,
// contiguous and little-endian. The names come in the header's order. As the format demands, names
// are unique and the tensors cover the data without gaps and overlaps.
func readSafetensors(r io.ReaderAt, size int64) ([]view, error) {
	var length [8]byte
	if _, err := r.ReadAt(length[:], 0); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(length[:])
	if left := size - 8; n > uint64(left) {
		return nil, at(0, truncated("a header of %d bytes, but %d are left", n, left))
	}
	if n > maxHeader {
		return nil, at(0, tooLarge("a header of %d bytes, more than the limit of %d", n, maxHeader))
	}
	h := &header{dec: json.NewDecoder(io.NewSectionReader(r, 8, int64(n))), data: 8 + int64(n), size: size}
	if err := h.parse(); err != nil {
		var bad *reason
		if !errors.As(err, &bad) {
			err = malformed("the header is not the JSON of safetensors: %v", err)
		}
		return nil, at(8+h.dec.InputOffset(), err)
	}
	return h.views, h.covered()
}

// header parses the header of a safetensors file.
type header struct {
	dec   *json.Decoder
	data  int64 // position of the data
	size  int64 // of the file
	views []view
}

// members calls member for each member of a JSON object, whose value it must consume.
func (h *header) members(member func(key string) error) error {
	start, err := h.dec.Token()
	if err != nil {
		return err
	}
	if start != json.Delim('{') {
		return malformed("an object is expected, not %.40v", start)
	}
	seen := make(map[string]bool)
	for h.dec.More() {
		token, err := h.dec.Token()
		if err != nil {
			return err
		}
		key, _ := token.(string)
		if seen[key] {
			return malformed("key %.200q occurs twice", key)
		}
		seen[key] = true
		if err := member(key); err != nil {
			return err
		}
	}
	_, err = h.dec.Token()
	return err
}

func (h *header) parse() error {
	err := h.members(func(key string) error {
		if key == "__metadata__" {
			return h.members(func(string) error {
				var text string
				return h.dec.Decode(&text)
			})
		}
		return h.tensor(key)
	})
	if err != nil {
		return err
	}
	if token, err := h.dec.Token(); err != io.EOF {
		return malformed("something follows the header's object: %.40v", token)
	}
	return nil
}

// tensor parses the description of one tensor.
func (h *header) tensor(name string) error {
	pos := 8 + h.dec.InputOffset()
	var class string
	var shape, offsets []int64
	err := h.members(func(key string) error {
		switch key {
		case "dtype":
			return h.dec.Decode(&class)
		case "shape":
			return h.dec.Decode(&shape)
		case "data_offsets":
			return h.dec.Decode(&offsets)
		}
		return malformed("tensor %.200q has an unknown member %.40q", name, key)
	})
	if err != nil {
		return err
	}
	d := dtypeBy(func(d *dtype) bool { return d.safetensors == class })
	if d == nil {
		return refused("tensor %.200q has the data type %.40q, which is not read", name, class)
	}
	if shape == nil || len(offsets) != 2 {
		return malformed("tensor %.200q lacks its shape or its two data_offsets", name)
	}
	begin, end := offsets[0], offsets[1]
	if begin < 0 || end < begin {
		return malformed("tensor %.200q has data_offsets %v", name, offsets)
	}
	if left := h.size - h.data; end > left {
		return truncated("tensor %.200q ends at byte %d of the data, which has %d", name, end, left)
	}
	v, err := newView(d, (end-begin)/d.size, 0, shape, nil)
	if err != nil {
		return err
	}
	if v.numel*d.size != end-begin {
		return malformed("tensor %.200q of shape %v takes %d bytes", name, shape, end-begin)
	}
	v.name, v.base, v.at = name, h.data+begin, pos
	h.views = append(h.views, *v)
	return nil
}

// covered checks that the tensors cover the data exactly.
func (h *header) covered() error {
	order := make([]*view, len(h.views))
	for i := range h.views {
		order[i] = &h.views[i]
	}
	slices.SortStableFunc(order, func(a, b *view) int {
		if a.base != b.base {
			return int(min(max(a.base-b.base, -1), 1))
		}
		return int(min(max(a.numel-b.numel, -1), 1)) // empty tensors first
	})
	pos := h.data
	for _, v := range order {
		if v.base != pos {
			return v.place(malformed("tensor %.200q starts at byte %d of the file, the one before it ends at %d",
				v.name, v.base, pos))
		}
		pos += v.numel * v.dtype.size
	}
	if pos != h.size {
		return at(pos, malformed("%d bytes belong to no tensor", h.size-pos))
	}
	return nil
}
