package onnx

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
)

// Random holds the tensors of a supernet that was never trained: the names and shapes of OFA's
// checkpoint with seeded random numbers. A tensor is made anew each time it is asked for, from a
// stream of its own, so neither order nor other tensors matter. Safe for concurrent use.
//
// Element i of a tensor is lo + u (hi - lo) in float64, rounded to float32; u = x/2^24 for the upper
// 24 bits x of draw i of rand.NewPCG(seed, FNV-1a(name)). [lo, hi) is
//
//	weights              +-sqrt(6/n) before an activation, else +-sqrt(3/n), n inputs per output
//	batch normalisation  weight and running_var [1/2, 3/2), bias and running_mean +-1/10
//	other biases         +-1/10
//	kernel matrices      +-1/10, and 1 added on the diagonal
//
// The bytes are the same on every machine. Source of the weights' scale: He et al., "Delving Deep
// into Rectifiers", ICCV 2015, with a uniform distribution.
type Random struct {
	seed  uint64
	names []string
	specs map[string]spec
}

// spec is what is known about a tensor: its shape and the distribution of its elements.
type spec struct {
	shape  []int
	lo, hi float64
	matrix bool
}

// RandomWeights returns random weights for a supernet. They serve where weights decide nothing
// (latency, memory, plumbing): a network with them classifies at random. It returns an error if
// the space has no layers.
func RandomWeights(space *supernet.Space, seed uint64) (*Random, error) {
	list, err := network(space, largest(space))
	if err != nil {
		return nil, err
	}
	all := make([][]conv, len(list))
	for i, l := range list {
		all[i] = l.convs
	}
	return newRandom(seed, space.Kernels, all), nil
}

// newRandom knows the tensors of the given convolutions, and the matrices that lead from each of
// kernels to the next smaller one.
func newRandom(seed uint64, kernels []int, layers [][]conv) *Random {
	r := &Random{seed: seed, specs: map[string]spec{}}
	kernels = slices.Sorted(slices.Values(kernels))
	for _, convs := range layers {
		for _, c := range convs {
			r.addConv(c, kernels)
		}
	}
	return r
}

func (r *Random) addConv(c conv, kernels []int) {
	gain := 3.
	if c.act {
		gain = 6
	}
	bound := math.Sqrt(gain / float64(c.full.in*c.full.k*c.full.k))
	r.add(c.weight, spec{shape: c.shape(), lo: -bound, hi: bound})
	n := []int{c.full.out}
	if c.matrices != "" {
		for i := len(kernels) - 1; i > 0; i-- {
			if kernels[i] <= c.full.k {
				to := kernels[i-1] * kernels[i-1]
				r.add(matrixName(c.matrices, kernels[i], kernels[i-1]), spec{shape: []int{to, to}, lo: -.1, hi: .1, matrix: true})
			}
		}
	}
	if c.bias != "" {
		r.add(c.bias, spec{shape: n, lo: -.1, hi: .1})
	}
	if c.bn != "" {
		r.add(c.bn+".weight", spec{shape: n, lo: .5, hi: 1.5})
		r.add(c.bn+".bias", spec{shape: n, lo: -.1, hi: .1})
		r.add(c.bn+".running_mean", spec{shape: n, lo: -.1, hi: .1})
		r.add(c.bn+".running_var", spec{shape: n, lo: .5, hi: 1.5})
	}
}

func (r *Random) add(name string, s spec) {
	r.names = append(r.names, name)
	r.specs[name] = s
}

// Names returns the tensors' names in network order.
func (r *Random) Names() []string { return slices.Clone(r.names) }

// Source describes the weights, for Options.Source.
func (r *Random) Source() string { return sourceOfRandom(r.seed) }

func sourceOfRandom(seed uint64) string { return fmt.Sprintf("random, seed %d", seed) }

// Tensor returns the tensor of a name in OFA's newer naming. The data is the caller's.
func (r *Random) Tensor(name string) (checkpoint.Tensor, bool) {
	s, ok := r.specs[name]
	if !ok {
		return checkpoint.Tensor{}, false
	}
	n := 1
	for _, d := range s.shape {
		n *= d
	}
	h := fnv.New64a()
	h.Write([]byte(name)) // never fails
	draw := rand.NewPCG(r.seed, h.Sum64())
	data := make([]float32, n)
	for i := range data {
		u := float64(draw.Uint64()>>40) / (1 << 24)
		v := s.lo + float64(u*(s.hi-s.lo))
		if s.matrix && i%(s.shape[1]+1) == 0 {
			v++
		}
		data[i] = float32(v)
	}
	return checkpoint.Tensor{Name: name, DType: "float32", Shape: slices.Clone(s.shape), Data: data}, true
}
