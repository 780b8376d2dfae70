package checkpoint

import "math"

// Tensor is a dense float32 tensor in row-major order.
type Tensor struct {
	// Name is the key under which the file holds the tensor.
	Name string
	// DType is the data type in the file before the conversion to float32: see the package's table.
	DType string
	// Shape lists the dimensions, outermost first. It is empty for a scalar, which has one element.
	Shape []int
	// Data holds the elements; its length is the product of Shape. It belongs to the File, which
	// hands out the same memory each time: do not modify it.
	Data []float32
}

// Finite reports whether no element is NaN or infinite. The reader passes such elements on.
func (t Tensor) Finite() bool {
	for _, v := range t.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
	}
	return true
}
