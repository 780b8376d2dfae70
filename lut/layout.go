package lut

import (
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// layout says where the blocks of a space's sub-networks stand in a list of cells: one cell per
// choice of each place that is not the same in every sub-network. The list has the same order at
// every resolution.
type layout struct {
	space  *supernet.Space
	places []layoutPlace // in network order
	depths [][]int       // valid values by entry of Arch.D
	cells  int
}

// layoutPlace is a supernet.Slot that may be inactive or offers a choice.
type layoutPlace struct {
	first                   int // index of its first cell
	position, depth, above  int // as in supernet.Slot
	in, out                 int // entries of Arch.W that choose a cell, -1 for none
	expands, kernels, width int // number of choices
}

func newLayout(s *supernet.Space) *layout {
	const anyResolution = 64 // decides no order
	x := &layout{space: s}
	slots := s.Slots(anyResolution)
	for i := range slots {
		sl := &slots[i]
		if constant(sl) {
			continue
		}
		p := layoutPlace{x.cells, sl.Position, sl.Depth, sl.Above, sl.In, sl.Out, len(s.Expands), len(s.Kernels), len(s.Widths)}
		if p.out == p.in {
			p.out = -1
		}
		x.places = append(x.places, p)
		x.cells += len(sl.Blocks())
	}
	for i := range s.DepthEntries() {
		x.depths = append(x.depths, s.Depths)
		if stage := s.StageOfEntry(i); stage >= 0 {
			x.depths[i] = s.DepthChoices(i)
		}
	}
	return x
}

// constant reports whether every sub-network has the slot with the same block.
func constant(sl *supernet.Slot) bool { return sl.Depth < 0 && !sl.Elastic() }

// sum adds the cells of a network to total, in network order. ok is false if the network is none of
// the space's; its resolution is not looked at. It does not allocate.
func (x *layout) sum(total float64, cells []float64, a *supernet.Arch) (sum float64, ok bool) {
	s := x.space
	if len(a.D) != len(x.depths) || len(a.E) != s.Positions() || len(a.W) != s.WidthEntries() ||
		len(a.KS) != len(a.E) && (len(a.KS) > 0 || len(s.Kernels) > 1) {
		return 0, false
	}
	for i, d := range a.D {
		if !slices.Contains(x.depths[i], d) {
			return 0, false
		}
	}
	for _, w := range a.W {
		if w < 0 || w >= len(s.Widths) {
			return 0, false
		}
	}
	for i := range x.places {
		p := &x.places[i]
		if p.depth >= 0 && a.D[p.depth] <= p.above {
			continue
		}
		at := 0
		if p.in >= 0 {
			at = a.W[p.in]
		}
		if p.out >= 0 {
			at = at*p.width + a.W[p.out]
		}
		if p.position >= 0 {
			expand, kernel := slices.Index(s.Expands, a.E[p.position]), 0
			if len(a.KS) > 0 {
				kernel = slices.Index(s.Kernels, a.KS[p.position])
			}
			if expand < 0 || kernel < 0 {
				return 0, false
			}
			at = (at*p.expands+expand)*p.kernels + kernel
		}
		total += cells[p.first+at]
	}
	return total, true
}
