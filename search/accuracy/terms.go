package accuracy

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy/internal/fit"
)

// Terms is a Fitted at one resolution:
//
//	accuracy = Ceiling - Gap * exp(-sum of the terms)
//
// with one term per active block (Block), and one per further choice that a space has beside blocks:
// widths (Width), the depth of a stem (StemDepth). Gap is positive, so that of two sub-networks the one
// with the larger sum is the more accurate: the best one follows from choosing blocks one by one, and
// depths and widths stage by stage.
type Terms struct {
	Ceiling, Gap float64

	layout *layout
	block  []float64 // [cell][kernel size][expand ratio]
	extra  []float64 // [extra, choice]
}

// Block returns the term of block j of a stage with n active blocks, for a kernel size and an expand
// ratio by their indices in the space's lists. It panics if there is no such block or index.
func (t *Terms) Block(stage, n, j, kernel, expand int) float64 {
	l := t.layout
	depth := slices.Index(l.Stages[stage], n)
	if depth < 0 || j < 0 || j >= n || kernel < 0 || kernel >= len(l.kernels) || expand < 0 || expand >= len(l.expands) {
		panic(fmt.Sprintf("accuracy: stage %d has no block %d of %d with kernel size %d and expand ratio %d", stage, j, n, kernel, expand))
	}
	return t.block[(l.Cell(stage, depth, j)*len(l.kernels)+kernel)*len(l.expands)+expand]
}

// Width returns the term of an entry of Arch.W, one of the space's WidthChoices. It panics if there is
// no such entry or value.
func (t *Terms) Width(entry, value int) float64 {
	return t.choice(extra{width: true, entry: entry}, value)
}

// StemDepth returns the term of a deep stem's entry of Arch.D, one of the space's DepthChoices. It
// panics if there is no such entry or value.
func (t *Terms) StemDepth(value int) float64 { return t.choice(extra{}, value) }

func (t *Terms) choice(x extra, value int) float64 {
	for i, e := range t.layout.extras {
		if c := find(e.choices, value); e.width == x.width && e.entry == x.entry && c >= 0 {
			return t.extra[t.layout.Extra(i)+c]
		}
	}
	panic(fmt.Sprintf("accuracy: no choice %d of entry %d", value, x.entry))
}

// Accuracy returns the accuracy for a sum of terms.
func (t *Terms) Accuracy(sum float64) unit.Accuracy {
	return unit.Accuracy(t.Ceiling - float64(t.Gap*exp(-sum)))
}

// layout says how the choices of a space index the tables.
type layout struct {
	fit.Layout
	kernels []int
	expands []float64
	stages  []stage
	extras  []extra

	positions, depths, widths int // lengths of the lists of an architecture
}

// stage says where to find the terms of a stage.
type stage struct {
	position int   // of block 0
	entry    int   // of Arch.D; -1: there is none
	depths   []int // its values
	at       []int // per value: index in Terms.block of the terms of block 0
}

// extra is a choice beside blocks.
type extra struct {
	width   bool // of Arch.W rather than Arch.D
	entry   int
	choices []int
}

// maxChoices bounds the lists of choices, which fit.Row indexes by bytes.
const maxChoices = 255

// newLayout returns the layout of a space. It returns an error if the space has more than 255 choices
// of something.
func newLayout(space *supernet.Space) (*layout, error) {
	l := &layout{kernels: space.Kernels, expands: space.Expands,
		positions: space.Positions(), depths: space.DepthEntries(), widths: space.WidthEntries()}
	most := max(len(l.kernels), len(l.expands))
	var stages []fit.Stage
	d := make([]int, l.depths)
	for i := range space.Stages {
		s := stage{position: space.FirstPosition(i), entry: space.DepthEntry(i)}
		blocks := fit.Stage{space.ActiveBlocks(i, d)} // of a fixed stage
		if s.entry >= 0 {
			s.depths, blocks = space.DepthChoices(s.entry), nil
			for _, v := range s.depths {
				d[s.entry] = v
				blocks = append(blocks, space.ActiveBlocks(i, d))
			}
		}
		l.stages, stages = append(l.stages, s), append(stages, blocks)
		most = max(most, len(blocks))
	}
	if stem := space.DepthEntry(-1); stem >= 0 {
		l.extras = append(l.extras, extra{entry: stem, choices: space.DepthChoices(stem)})
	}
	for w := range l.widths {
		l.extras = append(l.extras, extra{width: true, entry: w, choices: space.WidthChoices(w)})
	}
	var extras []int
	for _, e := range l.extras {
		extras = append(extras, len(e.choices))
		most = max(most, len(e.choices))
	}
	if most > maxChoices {
		return nil, fmt.Errorf("%s has %d choices of one thing, at most %d are supported", space.Name, most, maxChoices)
	}
	l.Layout = fit.NewLayout(stages, l.kernels, l.expands, extras)
	for i := range l.stages {
		for depth := range stages[i] {
			l.stages[i].at = append(l.stages[i].at, l.Cell(i, depth, 0)*len(l.kernels)*len(l.expands))
		}
	}
	return l, nil
}

// sum adds up the terms of a sub-network, or reports that it is none of the space, or in a form that
// only Canonical knows.
func (t *Terms) sum(a *supernet.Arch) (sum float64, ok bool) {
	l := t.layout
	if len(a.KS) != l.positions || len(a.E) != l.positions || len(a.D) != l.depths || len(a.W) != l.widths {
		return 0, false
	}
	for i := range l.stages {
		s := &l.stages[i]
		depth := 0
		if s.entry >= 0 {
			if depth = find(s.depths, a.D[s.entry]); depth < 0 {
				return 0, false
			}
		}
		at := s.at[depth]
		end := s.position + l.Stages[i][depth]
		es := a.E[s.position:end]
		for j, k := range a.KS[s.position:end] {
			kernel, expand := find(l.kernels, k), find(l.expands, es[j])
			if kernel < 0 || expand < 0 {
				return 0, false
			}
			sum += t.block[at+kernel*len(l.expands)+expand]
			at += len(l.kernels) * len(l.expands)
		}
	}
	for i := range l.extras {
		e := &l.extras[i]
		list := a.D
		if e.width {
			list = a.W
		}
		c := find(e.choices, list[e.entry])
		if c < 0 {
			return 0, false
		}
		sum += t.extra[l.Extra(i)+c]
	}
	return sum, true
}

// find returns the index of v, or -1. It is slices.Index, inlined.
func find[T int | float64](list []T, v T) int {
	for i, w := range list {
		if w == v {
			return i
		}
	}
	return -1
}

// span returns the least and the largest sum of a sub-network.
func (t *Terms) span() (lo, hi float64) {
	l := t.layout
	n := len(l.kernels) * len(l.expands)
	for i := range l.stages {
		least, most := math.Inf(1), math.Inf(-1)
		for depth, blocks := range l.Stages[i] {
			var low, high float64
			for j := range blocks {
				a, b := bounds(t.block[l.stages[i].at[depth]+j*n:][:n])
				low, high = low+a, high+b
			}
			least, most = min(least, low), max(most, high)
		}
		lo, hi = lo+least, hi+most
	}
	for i, n := range l.Extras {
		a, b := bounds(t.extra[l.Extra(i):][:n])
		lo, hi = lo+a, hi+b
	}
	return lo, hi
}

func bounds(x []float64) (lo, hi float64) {
	lo, hi = x[0], x[0]
	for _, v := range x {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}
