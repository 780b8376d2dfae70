package lut

import (
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// regular is a layout of which every place with a choice is a position of its own, in order, without
// choices of width: that of OFA-MobileNetV3 and OFA-ProxylessNAS. Its sum asks nothing of a place but
// which kernel size and expand ratio it has, and looks whether all were choices of the space at the end:
// two thirds of the time of layout.sum.
type regular struct {
	positions, depthEntries int
	groups                  []regularGroup
	stride                  int // cells of a position: expand ratios times kernel sizes
	kernels                 [32]regularKernel
	expands                 [1 << expandBits]regularExpand
	factor                  uint64 // of the hash of expand ratios
}

// regularGroup is a run of positions of which a sub-network has the first few.
type regularGroup struct {
	depth       int    // the entry of Arch.D that decides how many, -1 for all
	active      []int8 // by value of that entry: how many; -1 for a value that is no choice
	first, next int    // positions
}

// regularKernel is what a kernel size adds to a cell's index; bad is not zero if it is no choice.
type regularKernel struct{ add, bad uint32 }

// regularExpand is what the expand ratio of these bits adds to a cell's index.
type regularExpand struct{ bits, add uint64 }

// newRegular returns a layout in this form, or nil if it does not have it.
func newRegular(x *layout, s *supernet.Space) *regular {
	r := &regular{positions: x.positions, depthEntries: x.depthEntries, stride: x.kernelCount * x.expands.count, factor: x.expands.factor}
	position, cell := 0, 0
	for _, g := range x.groups {
		group := regularGroup{depth: g.depth, active: g.active, first: position}
		for _, p := range g.places {
			if p.position != position || p.first != cell || p.in >= 0 || p.out >= 0 {
				return nil
			}
			position++
			cell += r.stride
		}
		group.next = position
		r.groups = append(r.groups, group)
	}
	if position != x.positions || cell != x.cells || x.widthEntries > 0 {
		return nil
	}
	for k := range r.kernels {
		r.kernels[k].bad = 1
		if i := x.kernels[k]; i >= 0 {
			r.kernels[k] = regularKernel{add: uint32(i)}
		}
	}
	for slot := range r.expands {
		for r.expands[slot].bits*r.factor>>(64-expandBits) == uint64(slot) { // bits that are looked for elsewhere
			r.expands[slot].bits++
		}
	}
	for i, e := range s.Expands {
		if x.expands.index(e) != i {
			return nil
		}
		r.expands[x.expands.hash(e)] = regularExpand{math.Float64bits(e), uint64(i * x.kernelCount)}
	}
	return r
}

// sum is layout.sum for this form.
func (r *regular) sum(total float64, cells []float64, a *supernet.Arch) (sum float64, ok bool) {
	if len(a.D) != r.depthEntries || len(a.E) != r.positions || len(a.KS) != len(a.E) || len(a.W) > 0 {
		return 0, false
	}
	bad := uint64(0)
	for i := range r.groups {
		g := &r.groups[i]
		active := g.next - g.first
		if g.depth >= 0 {
			d := uint(a.D[g.depth])
			if d >= uint(len(g.active)) || g.active[d] < 0 {
				return 0, false
			}
			active = int(g.active[d])
		}
		at := uint(g.first * r.stride)
		kernels, expands := a.KS[g.first:g.first+active], a.E[g.first:g.first+active]
		for j := range expands {
			k, bits := uint(kernels[j]), math.Float64bits(expands[j])
			kernel := &r.kernels[k%uint(len(r.kernels))]
			expand := &r.expands[bits*r.factor>>(64-expandBits)]
			bad |= uint64(kernel.bad) | uint64(k/uint(len(r.kernels))) | (bits ^ expand.bits)
			total += cells[at+uint(kernel.add)+uint(expand.add)] // within the position's, whatever a says
			at += uint(r.stride)
		}
	}
	return total, bad == 0
}
