package images

import (
	"bufio"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
)

// The first four bytes of an IDX file: two zeros, 8 for unsigned bytes, the number of dimensions.
//
// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits", file formats.
const (
	idxLabels   = 0x00000801
	idxPictures = 0x00000803
)

const maxSetSide = 4096

// OpenIDX reads pictures and labels of MNIST's family (MNIST, Fashion-MNIST, KMNIST, ...), each
// compressed with gzip or not. An empty labels path leaves them unlabelled. Picture and label files of
// different counts are refused.
func OpenIDX(pictures, labels string, limits Limits) (*Set, error) {
	s, err := readFile(pictures, limits, ReadIDXPictures)
	if err != nil || labels == "" {
		return s, err
	}
	l, err := readFile(labels, limits, ReadIDXLabels)
	if err != nil {
		return nil, err
	}
	if len(l) != s.Len() {
		return nil, &FormatError{File: labels, Offset: 4, Reason: fmt.Sprintf("%d labels for the %d pictures of %s", len(l), s.Len(), pictures)}
	}
	s.Labels = l
	return s, nil
}

// ReadIDXPictures reads an IDX file of grey pictures, compressed with gzip or not. The name stands in
// errors, which are [*FormatError]s: another type or number of dimensions, sizes out of range or over
// the limit, too few or too many bytes.
func ReadIDXPictures(name string, r io.Reader, limits Limits) (*Set, error) {
	d, err := openData(name, r)
	if err != nil {
		return nil, err
	}
	dims, err := d.header(idxPictures, 3)
	if err != nil {
		return nil, err
	}
	n, h, w := int64(dims[0]), int64(dims[1]), int64(dims[2])
	switch {
	case n == 0:
		return nil, d.fail(4, "no picture", nil)
	case h < 1 || h > maxSetSide || w < 1 || w > maxSetSide:
		return nil, d.fail(8, fmt.Sprintf("pictures of %d x %d pixels, sides must be in 1..%d", w, h, maxSetSide), nil)
	}
	pix, err := d.body(n, h*w, limits) // n < 2^32 and h*w <= 2^24
	if err != nil {
		return nil, err
	}
	return &Set{File: name, Height: int(h), Width: int(w), Channels: 1, Pix: pix}, nil
}

// ReadIDXLabels reads an IDX file of labels, compressed with gzip or not; errors as in ReadIDXPictures.
func ReadIDXLabels(name string, r io.Reader, limits Limits) ([]uint8, error) {
	d, err := openData(name, r)
	if err != nil {
		return nil, err
	}
	dims, err := d.header(idxLabels, 1)
	if err != nil {
		return nil, err
	}
	if dims[0] == 0 {
		return nil, d.fail(4, "no label", nil)
	}
	return d.body(int64(dims[0]), 1, limits)
}

// data is a data file being read, uncompressed if need be.
type data struct {
	name   string
	r      io.Reader
	offset int64
}

func openData(name string, r io.Reader) (*data, error) {
	b := bufio.NewReader(r)
	d := &data{name: name, r: b}
	if magic, _ := b.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, d.fail(0, "gzip", err)
		}
		d.r = z
	}
	return d, nil
}

func (d *data) fail(offset int64, reason string, err error) error {
	return &FormatError{File: d.name, Offset: offset, Reason: reason, Err: err}
}

// header reads the magic number and n dimensions.
func (d *data) header(magic uint32, n int) ([]uint32, error) {
	b, err := readBytes(d.r, int64(4+4*n))
	if err != nil {
		return nil, d.fail(0, "header", err)
	}
	if got := binary.BigEndian.Uint32(b); got != magic {
		return nil, d.fail(0, fmt.Sprintf("magic number is %#08x, not %#08x", got, magic), nil)
	}
	dims := make([]uint32, n)
	for i := range dims {
		dims[i] = binary.BigEndian.Uint32(b[4+4*i:])
	}
	d.offset = int64(len(b))
	return dims, nil
}

// body reads n entries of the given size, to the end of the file.
func (d *data) body(n, size int64, limits Limits) ([]byte, error) {
	if limit := limits.bytes(); n*size > limit {
		return nil, d.fail(4, fmt.Sprintf("%d entries of %d bytes, the limit is %d", n, size, limit), ErrTooLarge)
	}
	b, err := readBytes(d.r, n*size)
	if err != nil {
		return nil, d.fail(d.offset+int64(len(b)), fmt.Sprintf("%d entries of %d bytes are announced", n, size), err)
	}
	d.offset += int64(len(b))
	return b, d.end()
}

// end makes sure that nothing follows. It also lets gzip compare its checksum.
func (d *data) end() error {
	var one [1]byte
	switch _, err := io.ReadFull(d.r, one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return d.fail(d.offset, "more bytes than are announced", nil)
	default:
		return d.fail(d.offset, "unreadable", err)
	}
}
