package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Moments are the statistics of one batch normalisation over the channels that a sub-network uses:
// the mean and the (biased) variance of its input.
type Moments struct {
	Mean, Var []float32
}

// folder takes a sub-network's convolutions out of a supernet. All arithmetic is in float64 and
// every result is rounded to float32 once.
type folder struct {
	space      *supernet.Space
	weights    Weights
	statistics map[string]Moments // nil: the checkpoint's running statistics
}

// params are the weight ([out, in, k, k]) and the bias of a convolution as a graph holds them;
// bias is nil without one.
type params struct {
	weight, bias []float32
}

// fold returns the used part of a convolution with its batch normalisation folded in. It returns a
// *TensorError if a tensor does not fit.
func (f *folder) fold(c conv) (params, error) {
	if c.use.out > c.full.out || c.use.in > c.full.in || c.use.k > c.full.k {
		return params{}, &TensorError{c.weight, fmt.Errorf("%w: holds %v, %v are needed", ErrShape, c.full, c.use)}
	}
	data, err := load(f.weights, c.weight, c.shape()...)
	if err != nil {
		return params{}, err
	}
	weight := slice(data, c)
	if c.use.k < c.full.k {
		if weight, err = f.shrink(weight, c); err != nil {
			return params{}, err
		}
	}
	var bias []float64
	if c.bias != "" {
		data, err := load(f.weights, c.bias, c.full.out)
		if err != nil {
			return params{}, err
		}
		bias = widen(data[:c.use.out])
	}
	if c.bn != "" {
		if bias, err = f.normalise(weight, c); err != nil {
			return params{}, err
		}
	}
	var p params
	if p.weight, err = round(weight, c.weight); err != nil {
		return params{}, err
	}
	if bias != nil {
		p.bias, err = round(bias, c.weight)
	}
	return p, err
}

// slice returns the leading output and input channels of a weight with kernels of full size.
func slice(data []float32, c conv) []float64 {
	kk := c.full.k * c.full.k
	out := make([]float64, 0, c.use.out*c.use.in*kk)
	for o := range c.use.out {
		row := data[o*c.full.in*kk:]
		for _, v := range row[:c.use.in*kk] {
			out = append(out, float64(v))
		}
	}
	return out
}

// shrink turns full kernels into smaller ones: step by step through the space's kernel sizes, each
// time the centre of the previous result, flattened row by row, times a matrix that all channels
// of a layer share.
//
// Source: Cai et al., "Once-for-All", ICLR 2020, section 3.2 (elastic kernel size) and
// DynamicSeparableConv2d.get_active_filter in the authors' code.
func (f *folder) shrink(weight []float64, c conv) ([]float64, error) {
	if c.matrices == "" || !slices.Contains(f.space.Kernels, c.use.k) {
		return nil, &TensorError{c.weight, fmt.Errorf("%w: the kernel %d is fixed, %d is asked for", ErrShape, c.full.k, c.use.k)}
	}
	for from := c.full.k; from > c.use.k; {
		to := 0
		for _, k := range f.space.Kernels {
			if k < from {
				to = max(to, k)
			}
		}
		n := to * to
		m, err := load(f.weights, matrixName(c.matrices, from, to), n, n)
		if err != nil {
			return nil, err
		}
		kernels := len(weight) / (from * from)
		next := make([]float64, kernels*n)
		for i := range kernels {
			multiply(next[i*n:][:n], m, centre(weight[i*from*from:][:from*from], from, to))
		}
		weight, from = next, to
	}
	return weight, nil
}

func matrixName(prefix string, from, to int) string {
	return fmt.Sprintf("%s%dto%d_matrix", prefix, from, to)
}

// centre returns the middle to x to values of a from x from kernel.
func centre(kernel []float64, from, to int) []float64 {
	margin := (from - to) / 2
	out := make([]float64, 0, to*to)
	for row := range to {
		out = append(out, kernel[(row+margin)*from+margin:][:to]...)
	}
	return out
}

// multiply sets y = m x for a square row-major m.
func multiply(y []float64, m []float32, x []float64) {
	for i := range y {
		sum := 0.0
		for j, v := range x {
			sum += float64(float64(m[i*len(x)+j]) * v)
		}
		y[i] = sum
	}
}

// normalise scales weight by the batch normalisation behind it and returns the bias that remains.
func (f *folder) normalise(weight []float64, c conv) ([]float64, error) {
	n, full := c.use.out, c.full.out
	gamma, err := load(f.weights, c.bn+".weight", full)
	if err != nil {
		return nil, err
	}
	beta, err := load(f.weights, c.bn+".bias", full)
	if err != nil {
		return nil, err
	}
	s, err := f.moments(c)
	if err != nil {
		return nil, err
	}
	bias := make([]float64, n)
	per := len(weight) / n
	for o := range n {
		v := float64(s.Var[o])
		if v < 0 || v+f.space.BNEps <= 0 {
			return nil, &TensorError{c.bn + ".running_var", fmt.Errorf("%w: element %d is %g, a variance is not negative", ErrNumber, o, v)}
		}
		scale := float64(gamma[o]) / math.Sqrt(v+f.space.BNEps)
		for i := range per {
			weight[o*per+i] *= scale
		}
		bias[o] = float64(beta[o]) - float64(float64(s.Mean[o])*scale)
	}
	return bias, nil
}

// moments returns the statistics of a batch normalisation, for the used channels at least.
func (f *folder) moments(c conv) (s Moments, err error) {
	if f.statistics == nil {
		if s.Mean, err = load(f.weights, c.bn+".running_mean", c.full.out); err != nil {
			return s, err
		}
		s.Var, err = load(f.weights, c.bn+".running_var", c.full.out)
		return s, err
	}
	s, ok := f.statistics[c.bn]
	if !ok {
		return s, &TensorError{c.bn, fmt.Errorf("%w among the given statistics", ErrMissing)}
	}
	if len(s.Mean) != c.use.out || len(s.Var) != c.use.out {
		return s, &TensorError{c.bn, fmt.Errorf("%w: given statistics have %d means and %d variances, want %d",
			ErrShape, len(s.Mean), len(s.Var), c.use.out)}
	}
	for i := range s.Mean {
		if !finite(float64(s.Mean[i])) || !finite(float64(s.Var[i])) {
			return s, &TensorError{c.bn, fmt.Errorf("%w: given statistics of channel %d are %g and %g", ErrNumber, i, s.Mean[i], s.Var[i])}
		}
	}
	return s, nil
}

func widen(data []float32) []float64 {
	out := make([]float64, len(data))
	for i, v := range data {
		out[i] = float64(v)
	}
	return out
}

// round returns values in float32. It returns a *TensorError for the tensor they came from if one
// is beyond float32.
func round(values []float64, name string) ([]float32, error) {
	out := make([]float32, len(values))
	for i, v := range values {
		if !finite(v) {
			return nil, &TensorError{name, fmt.Errorf("%w: element %d of the folded tensor is %g", ErrNumber, i, v)}
		}
		out[i] = float32(v)
	}
	return out, nil
}
