package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/supernet"
)

// SubNetwork is one sub-network of a family, for Subset.
type SubNetwork struct {
	Arch supernet.Arch
	// Statistics replaces the supernet's running statistics, as Options.Statistics does; nil: its own.
	Statistics map[string]Moments
}

// Subset returns what sub-networks of space use of a supernet's tensors, each tensor once: in network
// order, under OFA's newer names, cut down to the leading channels that the widest of them uses.
// Depthwise kernels keep their full size where a smaller one is made from it. Running statistics are
// there only for sub-networks without statistics of their own. Restore gives Network back what it
// needs, and Network then gives the same bytes as with w.
//
// Errors are those of Network for a tensor that is missing, of another shape or not finite.
func Subset(space *supernet.Space, levels []SubNetwork, w Weights) ([]checkpoint.Tensor, error) {
	if len(levels) == 0 {
		return nil, errors.New("onnx: subset: there is no sub-network")
	}
	u := &usage{full: map[string][]int{}, used: map[string][]int{}}
	for i, l := range levels {
		list, err := network(space, l.Arch)
		if err != nil {
			return nil, fmt.Errorf("onnx: subset: sub-network %d: %w", i, err)
		}
		if err := checkStatistics(list, l.Statistics); err != nil {
			return nil, fmt.Errorf("onnx: subset: sub-network %d: %w", i, err)
		}
		for _, p := range list {
			for _, c := range p.convs {
				u.conv(c, space.Kernels, l.Statistics == nil)
			}
		}
	}
	order, err := checkpointNames(space)
	if err != nil {
		return nil, err
	}
	var all []checkpoint.Tensor
	for _, name := range order {
		used, ok := u.used[name]
		if !ok {
			continue
		}
		full := u.full[name]
		data, err := load(w, name, full...)
		if err != nil {
			return nil, err
		}
		all = append(all, checkpoint.Tensor{Name: name, DType: "float32", Shape: used, Data: crop(data, full, used)})
	}
	return all, nil
}

// usage collects which part of each tensor is used.
type usage struct{ full, used map[string][]int }

func (u *usage) conv(c conv, kernels []int, statistics bool) {
	use := []int{c.use.out, c.use.in, c.full.k, c.full.k}
	u.add(c.weight, c.shape(), use[:len(c.shape())])
	if c.matrices != "" {
		sizes := slices.Sorted(slices.Values(kernels))
		for i := len(sizes) - 1; i > 0; i-- {
			if sizes[i] <= c.full.k && sizes[i-1] >= c.use.k {
				n := sizes[i-1] * sizes[i-1]
				u.add(matrixName(c.matrices, sizes[i], sizes[i-1]), []int{n, n}, []int{n, n})
			}
		}
	}
	full, used := []int{c.full.out}, []int{c.use.out}
	if c.bias != "" {
		u.add(c.bias, full, used)
	}
	if c.bn != "" {
		u.add(c.bn+".weight", full, used)
		u.add(c.bn+".bias", full, used)
		if statistics {
			u.add(c.bn+".running_mean", full, used)
			u.add(c.bn+".running_var", full, used)
		}
	}
}

func (u *usage) add(name string, full, used []int) {
	before, ok := u.used[name]
	if !ok {
		u.full[name], u.used[name] = full, slices.Clone(used)
		return
	}
	for i := range before {
		before[i] = max(before[i], used[i])
	}
}

// crop returns the leading part of a row-major tensor.
func crop(data []float32, full, used []int) []float32 {
	if slices.Equal(full, used) {
		return data
	}
	out := make([]float32, elements(used))
	copyPart(out, used, data, full, used)
	return out
}

// pad is the opposite of crop: zeros where nothing is known.
func pad(data []float32, full, used []int) []float32 {
	if slices.Equal(full, used) {
		return data
	}
	out := make([]float32, elements(full))
	copyPart(out, full, data, used, used)
	return out
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// copyPart copies the leading part of one row-major tensor to that of another.
func copyPart(dst []float32, dstShape []int, src []float32, srcShape, part []int) {
	if len(part) == 1 {
		copy(dst[:part[0]], src[:part[0]])
		return
	}
	d, s := elements(dstShape[1:]), elements(srcShape[1:])
	for i := range part[0] {
		copyPart(dst[i*d:][:d], dstShape[1:], src[i*s:][:s], srcShape[1:], part[1:])
	}
}

// checkpointNames lists the names of a supernet's tensors in network order.
func checkpointNames(space *supernet.Space) ([]string, error) {
	r, err := RandomWeights(space, 0)
	if err != nil {
		return nil, err
	}
	return r.names, nil
}

// restored shows a subset as a whole supernet.
type restored struct {
	subset Weights
	full   map[string]spec
}

// Restore makes Weights for Network from what Subset returned: tensors of full shape, with zeros where
// the subset has nothing. Only the sub-networks that the subset was made for, and those within them,
// come out right; a tensor that is not in the subset is missing, a channel that is not is zero.
func Restore(space *supernet.Space, subset Weights) (Weights, error) {
	r, err := RandomWeights(space, 0)
	if err != nil {
		return nil, err
	}
	return restored{subset, r.specs}, nil
}

// Tensor returns the padded tensor.
func (r restored) Tensor(name string) (checkpoint.Tensor, bool) {
	t, ok := r.subset.Tensor(name)
	full := r.full[name].shape
	if !ok || len(full) != len(t.Shape) || elements(t.Shape) != len(t.Data) {
		return t, ok // what does not fit is refused by its user
	}
	for i, d := range t.Shape {
		if d > full[i] {
			return t, ok
		}
	}
	t.Data, t.Shape = pad(t.Data, full, t.Shape), full
	return t, true
}
