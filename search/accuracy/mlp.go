package accuracy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy/internal/dense"
)

// MLP is OFA's accuracy predictor: linear layers with ReLU between them, 128 inputs (see active),
// one output, a fraction. It knows OFA-MobileNetV3 sub-networks of 20 positions, and resolutions
// from 112 to 239 only in steps of 16 pixels: 160 and 172 are the same to it.
//
// It computes in float32, as PyTorch does, but adds in another order, so that results agree to
// about 1e-6. There are two ways to compute, whose results differ by as much, and which one is used
// depends on the processor (Description.Arithmetic): with AVX2 and FMA a kernel in assembly takes
// batches, best of 48 or more, and makes ten times as many predictions; elsewhere, and in what Portable
// returns, one network follows another, with the same bits on all machines. Either way the prediction of
// a network depends on nothing else in its batch. It allocates nothing once the scratch memory of a
// goroutine's first one is there.
//
// Source: Cai et al., "Once-for-All", ICLR 2020, section 3.4 and the predictor published with it.
type MLP struct {
	layers      []layer
	width       int    // of the widest layer
	batch       *batch // nil: one network after another
	scratch     *sync.Pool
	description Description
}

var _ Predictor = (*MLP)(nil)

// layer is y = W x + b.
type layer struct {
	in, out int
	columns []float32 // in columns of out weights each: W transposed
	bias    []float32
}

// scratch is the working memory of one prediction.
type scratch struct {
	active [maxActive]int
	terms  [maxTerms]int32
	x, y   []float32
}

// The predictor that OFA's authors publish (han-cai/files, ofa/acc_predictor.pth), and what
// comparing it with top-1 accuracies measured on ImageNet showed: those of Dynamic-OFA's family and
// of 3,750 networks of width 1.0.
const (
	publishedSHA256 = "48685122a3540636b06699af66cd816456b25f29b69563e2fda9bed4018eeba0"
	publishedNote   = " This predictor overshoots measured top-1 by 4.5 to 11.5 points" +
		" and ranks networks with a Kendall tau of 0.67 to 0.88."
)

// LoadMLP reads the weights from a PyTorch or safetensors file. See NewMLP.
func LoadMLP(path string) (*MLP, error) {
	f, err := checkpoint.Open(path)
	if err != nil {
		return nil, fmt.Errorf("accuracy: %w", err)
	}
	return NewMLP(f)
}

// NewMLP makes a predictor from tensors named as torch.nn.Sequential names them: "0.weight" of
// shape [n, 128], "0.bias" of shape [n], then the next layers by ascending number, the last with
// one output. Layers may have any width. It returns an error that names the file and the tensor if
// a shape is wrong, a weight is not finite, or the file holds other tensors.
func NewMLP(f *checkpoint.File) (*MLP, error) {
	fail := func(format string, args ...any) (*MLP, error) {
		return nil, fmt.Errorf("accuracy: %s: %w", f.Name(), fmt.Errorf(format, args...))
	}
	numbers, err := layerNumbers(f)
	if err != nil {
		return fail("%w", err)
	}
	m := &MLP{}
	in := inputs
	for _, n := range numbers {
		l, err := readLayer(f, n, in)
		if err != nil {
			return fail("%w", err)
		}
		m.layers = append(m.layers, l)
		m.width = max(m.width, l.out)
		in = l.out
	}
	if in != 1 {
		return fail("the last layer has %d outputs, want 1: the accuracy", in)
	}
	m.description = Description{
		Name:   "ofa-mlp",
		Origin: Predicted,
		Source: filepath.Base(f.Name()),
		SHA256: f.SHA256(),
		Note:   "Accuracies are predicted, not measured; resolutions differ in steps of 16 pixels only.",
	}
	if f.SHA256() == publishedSHA256 {
		m.description.Note += publishedNote
	}
	if !dense.Available() {
		return m.Portable(), nil
	}
	m.batch = newBatch(m.layers)
	m.scratch = newScratch(kernelRows * m.batch.width)
	m.description.Arithmetic = dense.Kernel
	return m, nil
}

// Portable returns a predictor with the same weights that computes the same bits on all machines.
func (m *MLP) Portable() *MLP {
	p := &MLP{layers: m.layers, width: m.width, scratch: newScratch(m.width), description: m.description}
	p.description.Arithmetic = portable
	return p
}

func newScratch(n int) *sync.Pool {
	return &sync.Pool{New: func() any { return &scratch{x: make([]float32, n), y: make([]float32, n)} }}
}

// layerNumbers returns the numbers of the layers in ascending order; it refuses names that belong
// to no layer.
func layerNumbers(f *checkpoint.File) ([]int, error) {
	var numbers []int
	for _, name := range f.Names() {
		number, part, _ := strings.Cut(name, ".")
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || strconv.Itoa(n) != number || part != "weight" && part != "bias" {
			return nil, fmt.Errorf("tensor %.100q is no part of the predictor, which has 0.weight, 0.bias and so on", name)
		}
		if part == "weight" {
			numbers = append(numbers, n)
		} else if _, ok := f.Tensor(number + ".weight"); !ok {
			return nil, fmt.Errorf("tensor %s.weight is missing", number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// readLayer reads layer n, which has in inputs.
func readLayer(f *checkpoint.File, n, in int) (layer, error) {
	weight, bias := fmt.Sprintf("%d.weight", n), fmt.Sprintf("%d.bias", n)
	w, _ := f.Tensor(weight)
	b, ok := f.Tensor(bias)
	if !ok {
		return layer{}, fmt.Errorf("tensor %s is missing", bias)
	}
	if len(w.Shape) != 2 || w.Shape[1] != in || w.Shape[0] < 1 {
		return layer{}, fmt.Errorf("%s has shape %v, want [n %d]", weight, w.Shape, in)
	}
	l := layer{in: in, out: w.Shape[0], columns: make([]float32, len(w.Data)), bias: b.Data}
	if !slices.Equal(b.Shape, []int{l.out}) {
		return layer{}, fmt.Errorf("%s has shape %v, want [%d]", bias, b.Shape, l.out)
	}
	for _, t := range []checkpoint.Tensor{w, b} {
		if !t.Finite() {
			return layer{}, fmt.Errorf("%s holds NaN or infinity", t.Name)
		}
	}
	for i := range l.out {
		for j := range l.in {
			l.columns[j*l.out+i] = w.Data[i*l.in+j]
		}
	}
	return l, nil
}

// Describe names the file and its digest.
func (m *MLP) Describe() Description { return m.description }

// Predict implements Predictor. An *Error names an architecture that the predictor has no inputs
// for, or whose prediction is not in [0, 1].
func (m *MLP) Predict(archs []supernet.Arch, out []unit.Accuracy) error {
	checkLengths(archs, out)
	s := m.scratch.Get().(*scratch)
	defer m.scratch.Put(s)
	if m.batch != nil {
		return m.predictBatch(archs, out, s)
	}
	for i, a := range archs {
		p, err := m.predict(a, s)
		if err != nil {
			return &Error{i, a, err}
		}
		out[i] = p
	}
	return nil
}

func (m *MLP) predict(a supernet.Arch, s *scratch) (unit.Accuracy, error) {
	idx, err := active(a, s.active[:0])
	if err != nil {
		return 0, err
	}
	// The inputs are 0 or 1: the first layer is the bias and the columns of those that are 1.
	first := &m.layers[0]
	x, y := s.x[:first.out], s.y
	copy(x, first.bias)
	for _, i := range idx {
		for j, w := range first.columns[i*first.out : (i+1)*first.out] {
			x[j] += w
		}
	}
	for i := 1; i < len(m.layers); i++ {
		l := &m.layers[i]
		y = y[:l.out]
		l.apply(x, y)
		x, y = y, x[:cap(x)]
	}
	p := unit.Accuracy(x[0])
	if err := p.Validate(); err != nil {
		return 0, fmt.Errorf("the prediction is no accuracy: %w", err)
	}
	return p, nil
}

// apply sets y to W relu(x) + b, adding the columns in ascending order. Inputs that ReLU sets to 0
// add nothing, as weights are finite. Four columns at a time save loads and stores of y, which
// halves the time. The conversions forbid fused multiply-adds: same bits on every machine.
func (l *layer) apply(x, y []float32) {
	copy(y, l.bias)
	var v [4]float32
	var c [4][]float32
	n := 0
	for i, xi := range x {
		if xi <= 0 { // false for NaN, which goes on to the result
			continue
		}
		v[n], c[n] = xi, l.columns[i*l.out:][:len(y)]
		if n++; n < len(v) {
			continue
		}
		n = 0
		c0, c1, c2, c3 := c[0][:len(y)], c[1][:len(y)], c[2][:len(y)], c[3][:len(y)]
		v0, v1, v2, v3 := v[0], v[1], v[2], v[3]
		for j := range y {
			y[j] = y[j] + float32(v0*c0[j]) + float32(v1*c1[j]) + float32(v2*c2[j]) + float32(v3*c3[j])
		}
	}
	for k := range n {
		column := c[k][:len(y)]
		for j := range y {
			y[j] += float32(v[k] * column[j])
		}
	}
}
