package accuracy

import (
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy/internal/dense"
)

// kernelRows is the number of architectures that the kernel's layers take at once: a multiple of the
// tile's rows, with activations that fit a level-2 cache beside the weights in use.
const kernelRows = 8 * dense.TileRows

// batch is an MLP in the form that the kernel of package dense takes. The inputs are 0 or 1, so that the
// first layer is a sum of columns: one of each resolution step, which includes the bias, and one per
// active block, for both its kernel size and its expand ratio. An incremental update from a parent that
// differs in few blocks would save at most that sum, less than a tenth of the time.
type batch struct {
	first  *dense.Table // resolutions, then positions x kernel sizes x expand ratios
	layers []*dense.Layer
	width  int // of the widest layer, padded
}

// The rows of batch.first.
const (
	resolutions = inputs - resolutionAt
	blocksAt    = resolutions
	maxTerms    = 1 + positions
)

func newBatch(layers []layer) *batch {
	first := &layers[0]
	column := func(i int) []float32 { return first.columns[i*first.out : (i+1)*first.out] }
	var rows [][]float32
	for r := range resolutions {
		rows = append(rows, added(column(resolutionAt+r), first.bias))
	}
	for p := range positions {
		for k := range 3 {
			for e := range 3 {
				rows = append(rows, added(column(3*p+k), column(expandAt+3*p+e)))
			}
		}
	}
	b := &batch{first: dense.NewTable(first.out, rows), width: dense.Padded(first.out)}
	for i := 1; i < len(layers); i++ {
		l := dense.NewLayer(layers[i].columns, layers[i].bias, layers[i].in)
		b.layers = append(b.layers, l)
		b.width = max(b.width, dense.Padded(l.Out()))
	}
	return b
}

func added(x, y []float32) []float32 {
	out := make([]float32, len(x))
	for i := range out {
		out[i] = x[i] + y[i]
	}
	return out
}

// terms appends to idx the rows of batch.first whose sum is the first layer, from the inputs that are 1.
func terms(active []int, idx []int32) []int32 {
	blocks := (len(active) - 1) / 2
	idx = append(idx, int32(active[2*blocks]-resolutionAt))
	for i, k := range active[:blocks] {
		e := active[blocks+i] - expandAt
		idx = append(idx, int32(blocksAt+k/3*9+k%3*3+e%3))
	}
	return idx
}

// predictBatch predicts any number of architectures, kernelRows at a time.
func (m *MLP) predictBatch(archs []supernet.Arch, out []unit.Accuracy, s *scratch) error {
	for from := 0; from < len(archs); from += kernelRows {
		to := min(from+kernelRows, len(archs))
		if n, err := m.predictChunk(archs[from:to], out[from:to], s); err != nil {
			return &Error{from + n, archs[from+n], err}
		}
	}
	return nil
}

// predictChunk predicts up to kernelRows architectures. With an error it returns the index of the
// first that could not be predicted.
func (m *MLP) predictChunk(archs []supernet.Arch, out []unit.Accuracy, s *scratch) (int, error) {
	n, encoding := m.encode(archs, s)
	if n > 0 {
		y, stride := m.forward(n, s)
		for i := range n {
			p := unit.Accuracy(y[i*stride])
			if err := p.Validate(); err != nil {
				return i, fmt.Errorf("the prediction is no accuracy: %w", err)
			}
			out[i] = p
		}
	}
	return n, encoding
}

// encode computes the first layer of the architectures, or of those before the first that has no
// encoding, and returns how many.
func (m *MLP) encode(archs []supernet.Arch, s *scratch) (int, error) {
	b := m.batch
	floor := floorOf(len(b.layers) == 0)
	width := dense.Padded(m.layers[0].out)
	for i := range archs {
		idx, err := active(archs[i], s.active[:0])
		if err != nil {
			return i, err
		}
		b.first.Sum(terms(idx, s.terms[:0]), s.x[i*width:(i+1)*width], floor)
	}
	return len(archs), nil
}

// forward computes the other layers of n rows of s.x and returns the outputs and how far they are apart.
func (m *MLP) forward(n int, s *scratch) ([]float32, int) {
	x, y := s.x, s.y
	stride := dense.Padded(m.layers[0].out)
	for i, l := range m.batch.layers {
		l.Apply(n, x, stride, y, floorOf(i == len(m.batch.layers)-1))
		x, y = y, x
		stride = dense.Padded(l.Out())
	}
	return x, stride
}

// floorOf returns what the elements of a layer are at least: ReLU follows all but the last.
func floorOf(last bool) float32 {
	if last {
		return float32(math.Inf(-1))
	}
	return 0
}
