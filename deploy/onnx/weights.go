package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/checkpoint"
)

// Weights holds a supernet's tensors under OFA's newer key names ("blocks.3.conv.depth_conv...").
// *checkpoint.File and *Random implement it. The returned data is not modified.
type Weights interface {
	Tensor(name string) (checkpoint.Tensor, bool)
}

var (
	_ Weights = (*checkpoint.File)(nil)
	_ Weights = (*Random)(nil)
)

// What can be wrong with a tensor. A *TensorError wraps one of these.
var (
	ErrMissing  = errors.New("missing")
	ErrShape    = errors.New("wrong shape")
	ErrNumber   = errors.New("not a usable number")
	ErrNotAsked = errors.New("not part of the sub-network")
)

// TensorError says which tensor (or, for replaced statistics, which batch normalisation) keeps a
// sub-network from being written, and why.
type TensorError struct {
	Name string // as asked for
	Err  error  // wraps ErrMissing, ErrShape, ErrNumber or ErrNotAsked
}

// Error formats as `onnx: tensor "blocks.3...": reason`.
func (e *TensorError) Error() string { return fmt.Sprintf("onnx: tensor %q: %v", e.Name, e.Err) }

// Unwrap returns the reason.
func (e *TensorError) Unwrap() error { return e.Err }

// load returns the data of the tensor of a name. It returns a *TensorError unless the tensor
// exists, has exactly the wanted shape, and all its elements are finite.
func load(w Weights, name string, shape ...int) ([]float32, error) {
	t, ok := w.Tensor(name)
	if !ok {
		return nil, &TensorError{name, ErrMissing}
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	if !slices.Equal(t.Shape, shape) || len(t.Data) != n {
		return nil, &TensorError{name, fmt.Errorf("%w: %v with %d elements, want %v", ErrShape, t.Shape, len(t.Data), shape)}
	}
	for i, v := range t.Data {
		if !finite(float64(v)) {
			return nil, &TensorError{name, fmt.Errorf("%w: element %d is %g", ErrNumber, i, v)}
		}
	}
	return t.Data, nil
}

// finite reports whether v is a number that float32 can hold.
func finite(v float64) bool { return math.Abs(v) <= math.MaxFloat32 }
