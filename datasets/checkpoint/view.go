package checkpoint

import (
	"errors"
	"io"
	"math"
	"math/bits"
)

// view is a tensor that is not loaded yet: a strided window on elements stored in the file.
type view struct {
	name    string
	dtype   *dtype
	offset  int64   // of the first element, in elements from base
	shape   []int64 // each >= 0
	stride  []int64 // in elements, each >= 0
	numel   int64   // product of shape
	span    int64   // elements from the first to the last one, both included; 0 if numel is 0
	base    int64   // position in the file of the storage's first byte
	literal float32 // the value if dtype is nil: a number that stood in the pickle itself
	kind    string  // the literal's data type
	entry   string  // archive entry that described the tensor
	at      int64   // position in that entry, or in the file
}

// mul returns a*b for a, b >= 0, and false if that is beyond 2^62.
func mul(a, b int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	return int64(lo), hi == 0 && lo <= 1<<62
}

// newView checks a shape and a stride against a storage of n elements. A nil stride means
// contiguous.
func newView(d *dtype, n, offset int64, shape, stride []int64) (*view, error) {
	if len(shape) > maxDims {
		return nil, tooLarge("tensor has %d dimensions, more than the limit of %d", len(shape), maxDims)
	}
	if stride != nil && len(stride) != len(shape) {
		return nil, malformed("tensor has %d sizes and %d strides", len(shape), len(stride))
	}
	if offset < 0 {
		return nil, malformed("storage offset is negative: %d", offset)
	}
	numel := int64(1)
	for _, s := range shape {
		if s < 0 {
			return nil, malformed("size is negative: %v", shape)
		}
		if s > maxFile {
			return nil, tooLarge("size is implausible: %v", shape)
		}
		var ok bool
		if numel, ok = mul(numel, s); !ok || numel > math.MaxInt/4 {
			return nil, tooLarge("the product of the sizes %v overflows", shape)
		}
	}
	if stride == nil {
		stride = contiguous(shape)
	}
	v := &view{dtype: d, offset: offset, shape: shape, stride: stride, numel: numel}
	if numel > 0 {
		v.span = 1
		for i, s := range shape {
			if stride[i] < 0 {
				return nil, malformed("stride is negative: %v", stride)
			}
			reach, ok := mul(s-1, stride[i])
			if !ok || v.span+reach < 0 {
				return nil, tooLarge("sizes %v with strides %v overflow", shape, stride)
			}
			v.span += reach
		}
	}
	if v.span > n || offset > n-v.span {
		return nil, malformed("tensor of sizes %v, strides %v and offset %d goes beyond its storage of %d elements",
			shape, stride, offset, n)
	}
	return v, nil
}

// contiguous returns the row-major strides of a shape whose product does not overflow.
func contiguous(shape []int64) []int64 {
	stride := make([]int64, len(shape))
	step := int64(1)
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = step
		step *= max(shape[i], 1)
	}
	return stride
}

// load reads and converts all views of a file of size bytes. Views may overlap (tied weights,
// expanded tensors), but in a file that torch.save wrote they hardly do: what is read and what is
// allocated is bounded by a small multiple of the file's size.
func load(r io.ReaderAt, size int64, views []view) ([]Tensor, error) {
	const slack = 1 << 20
	elements, bytes := 2*size+slack, 16*size+slack // 1 element per 1..8 bytes, so 2 to 16 copies
	for i := range views {
		v := &views[i]
		elements -= v.numel
		if v.dtype != nil {
			bytes -= v.span * v.dtype.size
		}
		if elements < 0 || bytes < 0 {
			return nil, v.place(tooLarge("tensor %q: the tensors up to here overlap so much that they "+
				"hold several times what the file does", v.name))
		}
	}
	tensors := make([]Tensor, len(views))
	for i := range views {
		t, err := views[i].load(r)
		if err != nil {
			return nil, err
		}
		tensors[i] = t
	}
	return tensors, nil
}

// place says where the tensor was described.
func (v *view) place(err error) error { return within(v.entry, at(v.at, err)) }

func (v *view) load(r io.ReaderAt) (Tensor, error) {
	if v.dtype == nil {
		return Tensor{Name: v.name, DType: v.kind, Shape: []int{}, Data: []float32{v.literal}}, nil
	}
	t := Tensor{Name: v.name, DType: v.dtype.name, Shape: make([]int, len(v.shape)), Data: make([]float32, v.numel)}
	for i, s := range v.shape {
		t.Shape[i] = int(s)
	}
	if v.numel == 0 {
		return t, nil
	}
	if v.isContiguous() {
		return t, v.read(r, t.Data)
	}
	window := make([]float32, v.span)
	if err := v.read(r, window); err != nil {
		return Tensor{}, err
	}
	v.gather(t.Data, window)
	return t, nil
}

func (v *view) isContiguous() bool {
	step := int64(1)
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 && v.stride[i] != step {
			return false
		}
		step *= v.shape[i]
	}
	return true
}

// read converts the elements that follow the view's first one.
func (v *view) read(r io.ReaderAt, dst []float32) error {
	const chunk = 1 << 14 // elements at a time
	buf := make([]byte, min(int64(len(dst)), chunk)*v.dtype.size)
	pos := v.base + v.offset*v.dtype.size
	for len(dst) > 0 {
		n := min(len(dst), chunk)
		raw := buf[:int64(n)*v.dtype.size]
		if m, err := r.ReadAt(raw, pos); m < len(raw) {
			if err == nil || errors.Is(err, io.EOF) {
				err = truncated("the data of tensor %q ends early", v.name)
			}
			return v.place(err)
		}
		v.dtype.convert(dst[:n], raw)
		dst = dst[n:]
		pos += int64(len(raw))
	}
	return nil
}

// gather copies the strided elements of window to dst in row-major order. There is at least one.
func (v *view) gather(dst, window []float32) {
	count := make([]int64, len(v.shape))
	pos := int64(0)
	for i := range dst {
		dst[i] = window[pos]
		for d := len(count) - 1; d >= 0; d-- {
			count[d]++
			pos += v.stride[d]
			if count[d] < v.shape[d] {
				break
			}
			pos -= v.stride[d] * v.shape[d]
			count[d] = 0
		}
	}
}
