package lut

import (
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// layout says where the blocks of a space's sub-networks stand in a list of cells: one cell per
// choice of each place that is not the same in every sub-network. The list has the same order at
// every resolution.
//
// Lists of choices are turned into tables, and active places follow each other without a question
// asked: with random networks, wrongly predicted branches would take most of the time of a sum.
type layout struct {
	positions, widthEntries, widths int
	oneKernel                       bool // there is no choice of kernel, so that Arch.KS may be empty
	groups                          []layoutGroup
	depthEntries                    int
	kernels                         [32]int8 // index of a kernel size, -1 for none
	kernelCount                     int
	expands                         expandTable
	cells                           int
}

// layoutGroup is a run of places of which a sub-network has the first few.
type layoutGroup struct {
	depth  int    // the entry of Arch.D that decides how many, -1 for all
	active []int8 // by value of that entry: how many; -1 for a value that is no choice
	places []layoutPlace
}

// layoutPlace is a supernet.Slot that may be inactive or offers a choice.
type layoutPlace struct {
	first    int // index of its first cell
	position int // -1: no choice of kernel size and expand ratio
	in, out  int // entries of Arch.W that choose a cell, -1 for none
}

// maxLayoutDepth bounds the values of Arch.D that a layout can hold, which is more than any stage
// has blocks.
const maxLayoutDepth = math.MaxInt8

func newLayout(s *supernet.Space) *layout {
	const anyResolution = 64 // decides no order
	x := &layout{
		positions: s.Positions(), widthEntries: s.WidthEntries(), widths: len(s.Widths), oneKernel: len(s.Kernels) == 1,
		depthEntries: s.DepthEntries(), kernelCount: len(s.Kernels), expands: newExpandTable(s.Expands),
	}
	for k := range x.kernels {
		x.kernels[k] = int8(slices.Index(s.Kernels, k))
	}
	slots := s.Slots(anyResolution)
	last := 0 // Above of the slot before
	for i := range slots {
		sl := &slots[i]
		if constant(sl) {
			continue
		}
		p := layoutPlace{x.cells, sl.Position, sl.In, sl.Out}
		if p.out == p.in {
			p.out = -1
		}
		x.cells += len(sl.Blocks())
		n := len(x.groups)
		if n == 0 || x.groups[n-1].depth != sl.Depth || sl.Above < last {
			x.groups = append(x.groups, layoutGroup{depth: sl.Depth, active: noDepths(s, sl.Depth)})
			n++
		}
		last = sl.Above
		x.groups[n-1].add(p, sl.Above)
	}
	return x
}

// noDepths returns the table of a group without places.
func noDepths(s *supernet.Space, entry int) []int8 {
	if entry < 0 {
		return nil
	}
	choices := s.Depths
	if s.StageOfEntry(entry) >= 0 {
		choices = s.DepthChoices(entry)
	}
	active := slices.Repeat([]int8{-1}, min(slices.Max(choices), maxLayoutDepth)+1)
	for _, d := range choices {
		if d >= 0 && d < len(active) {
			active[d] = 0
		}
	}
	return active
}

// add appends a place that is active if the group's depth is above a number that is no less than
// those before.
func (g *layoutGroup) add(p layoutPlace, above int) {
	g.places = append(g.places, p)
	for d := range g.active {
		if g.active[d] >= 0 && d > above {
			g.active[d]++
		}
	}
}

// constant reports whether every sub-network has the slot with the same block.
func constant(sl *supernet.Slot) bool { return sl.Depth < 0 && !sl.Elastic() }

// sum adds the cells of a network to total, in network order. ok is false if the network is none of
// the space's; its resolution is not looked at. It does not allocate.
func (x *layout) sum(total float64, cells []float64, a *supernet.Arch) (sum float64, ok bool) {
	if len(a.D) != x.depthEntries || len(a.E) != x.positions || len(a.W) != x.widthEntries ||
		len(a.KS) != len(a.E) && (len(a.KS) > 0 || !x.oneKernel) {
		return 0, false
	}
	for _, w := range a.W {
		if w < 0 || w >= x.widths {
			return 0, false
		}
	}
	for i := range x.groups {
		g := &x.groups[i]
		places := g.places
		if g.depth >= 0 {
			d := a.D[g.depth]
			if uint(d) >= uint(len(g.active)) || g.active[d] < 0 {
				return 0, false
			}
			places = places[:g.active[d]]
		}
		for j := range places {
			at := x.cell(&places[j], a)
			if at < 0 {
				return 0, false
			}
			total += cells[at]
		}
	}
	return total, true
}

// cell returns the index of the cell with which a network fills a place, or -1.
func (x *layout) cell(p *layoutPlace, a *supernet.Arch) int {
	at := 0
	if p.in >= 0 {
		at = a.W[p.in]
	}
	if p.out >= 0 {
		at = at*x.widths + a.W[p.out]
	}
	if p.position >= 0 {
		kernel := 0
		if len(a.KS) > 0 {
			k := uint(a.KS[p.position])
			if kernel = int(x.kernels[k%uint(len(x.kernels))]); k >= uint(len(x.kernels)) {
				kernel = -1
			}
		}
		expand := x.expands.index(a.E[p.position])
		if kernel|expand < 0 {
			return -1
		}
		at = (at*x.expands.count+expand)*x.kernelCount + kernel
	}
	return p.first + at
}

// expandTable finds the index of an expand ratio without comparing it with each.
type expandTable struct {
	count  int
	factor uint64
	slots  [1 << expandBits]struct {
		value float64
		index int
	}
}

const expandBits = 6

// newExpandTable looks for a factor that sends every ratio to a slot of its own. There are at most a
// handful of ratios, so that one of the first few does; should none be found, some ratios are not
// found either, and their networks have no prediction.
func newExpandTable(expands []float64) expandTable {
	t := expandTable{count: len(expands)}
	for try := range uint64(1 << 16) {
		t.factor = (2*try + 1) * 0x9e3779b97f4a7c15
		if t.fill(expands) {
			break
		}
	}
	return t
}

// fill enters the ratios and reports whether each has a slot of its own.
func (t *expandTable) fill(expands []float64) bool {
	for i := range t.slots {
		t.slots[i].value, t.slots[i].index = math.NaN(), -1
	}
	for i, e := range expands {
		slot := &t.slots[t.hash(e)]
		if slot.index >= 0 {
			return false
		}
		slot.value, slot.index = e, i
	}
	return true
}

func (t *expandTable) hash(e float64) uint64 {
	return math.Float64bits(e) * t.factor >> (64 - expandBits)
}

// index returns the index of a ratio, or -1.
func (t *expandTable) index(e float64) int {
	slot := &t.slots[t.hash(e)]
	if slot.value != e {
		return -1
	}
	return slot.index
}
