// Package fit fits top-1 accuracies of sub-networks that were measured, and says by cross-validation
// how far to trust the fit. It knows sub-networks as indices of choices (Layout, Row), reads no files
// and predicts for nobody: package accuracy turns a Model into tables.
//
// # The model
//
// At one resolution the accuracy of a sub-network falls short of a ceiling by a product of factors,
// one per active block, so that the logarithm is additive:
//
//	accuracy = ceiling - (ceiling - mean) exp(-score)
//	score    = base + sum over active blocks b of kernel[b, depth of its stage][k] + expand[b, depth of its stage][e]
//
// plus one term per further choice (extra), where there are such. The effects are shared by all resolutions, but for a deviation per stage that is linear in the
// number of blocks, the kernel sizes and the expand ratios. Saturation does what products of features
// would have to do otherwise: on the 1,795 networks of reference/measured at r = 224, 10 folds by
// architecture, the mean absolute error in points is
//
//	0.133  ridge regression on the one-hots of kernel size and expand ratio
//	0.073  the same given depth, and all quadratic terms within a stage
//	0.054  one-hots under the ceiling
//	0.047  one-hots given depth under the ceiling: this model
//	0.047  one-hots and the 120 products of 15 sums over stages
//	0.043  the last and gradient boosting of 300 trees (scikit-learn) on what is left
//
// and only the third and the fourth leave the accuracy a monotone function of a sum over blocks, which
// takes 15 additions to compute and lets dynamic programming over the stages find the true optimum.
package fit

import "math"

// Layout says what the sub-networks of a space can choose.
type Layout struct {
	Stages  []Stage
	Kernels []float64 // code of each kernel size: see NewLayout
	Expands []float64 // code of each expand ratio
	Extras  []int     // number of choices of what else there is, such as widths

	cells         int   // of all stages
	firstCell     []int // per stage
	firstPosition []int // per stage
	firstExtra    []int // per extra: of its choices
}

// Stage lists the numbers of active blocks that a stage can have, ascending, all positive.
type Stage []int

// NewLayout returns the layout of a space with these stages, kernel sizes, expand ratios and numbers of
// choices of extras. Sizes and ratios must be ascending and positive; their codes are
// 2(v-least)/(largest-least)-1, of ratios' logarithms.
func NewLayout(stages []Stage, kernels []int, expands []float64, extras []int) Layout {
	l := Layout{Stages: stages, Extras: extras}
	ks := make([]float64, len(kernels))
	for i, k := range kernels {
		ks[i] = float64(k)
	}
	es := make([]float64, len(expands))
	for i, e := range expands {
		es[i] = math.Log(e)
	}
	l.Kernels, l.Expands = codes(ks), codes(es)
	position, extra := 0, 0
	for _, s := range stages {
		l.firstCell = append(l.firstCell, l.cells)
		l.firstPosition = append(l.firstPosition, position)
		for _, blocks := range s {
			l.cells += blocks
		}
		position += s.Positions()
	}
	for _, n := range extras {
		l.firstExtra = append(l.firstExtra, extra)
		extra += n
	}
	return l
}

// codes maps ascending values to [-1, 1], a single one to 0.
func codes(values []float64) []float64 {
	out := make([]float64, len(values))
	lo, hi := values[0], values[len(values)-1]
	if hi > lo {
		for i, v := range values {
			out[i] = 2*(v-lo)/(hi-lo) - 1
		}
	}
	return out
}

// Positions returns the number of blocks that a stage has at most.
func (s Stage) Positions() int { return s[len(s)-1] }

// Cells returns the number of pairs of a stage's depth and a block active there, over all stages: 2+3+4
// for each that has 2, 3 or 4 blocks.
func (l *Layout) Cells() int { return l.cells }

// Cell returns the index, below Cells, of block j of a stage that has its number depth of active blocks.
func (l *Layout) Cell(stage, depth, j int) int {
	at := l.firstCell[stage] + j
	for _, blocks := range l.Stages[stage][:depth] {
		at += blocks
	}
	return at
}

// Position returns the position of block 0 of a stage.
func (l *Layout) Position(stage int) int { return l.firstPosition[stage] }

// Extra returns the index of choice 0 of an extra among the choices of all of them.
func (l *Layout) Extra(extra int) int { return l.firstExtra[extra] }

// ExtraChoices returns the number of choices of all extras.
func (l *Layout) ExtraChoices() int {
	n := 0
	for _, c := range l.Extras {
		n += c
	}
	return n
}

// Row is a measured sub-network. Rows keep the order in which they were recorded.
type Row struct {
	Group      int     // of the sub-network without its resolution: equal groups go into one fold
	Resolution int     // index
	Depth      []uint8 // per stage: index of its number of blocks
	Kernel     []uint8 // per position: index of the kernel size; of inactive ones anything
	Expand     []uint8 // per position: index of the expand ratio; of inactive ones anything
	Extra      []uint8 // per extra: index of the choice
	Accuracy   float64 // a fraction
}

// Model is a fitted model. Its numbers are those of the formula above.
type Model struct {
	Kernel []float64 // [cell][kernel size], shared by all resolutions
	Expand []float64 // [cell][expand ratio], shared by all resolutions
	Extra  []float64 // [extra, choice], shared by all resolutions
	At     []Level   // per resolution

	run []int // per row that was fitted: index of its run among At's offsets
}

// Level is what a Model knows about one resolution.
type Level struct {
	Ceiling   float64
	Span      float64   // ceiling less the mean of the rows
	Base      float64   // constant part of the score
	Deviation []float64 // [stage][3]: per block, per code of its kernel size, per code of its expand ratio
	Sigma     float64   // standard deviation of the residuals of the fit, less the runs' offsets
	Offsets   []float64 // of the runs found among the rows, their mean over the rows being 0
}

// score returns the sum for a row.
func (m *Model) score(l *Layout, row Row) float64 {
	at := &m.At[row.Resolution]
	s := at.Base
	nk, ne := len(l.Kernels), len(l.Expands)
	for stage, depth := range row.Depth {
		dev := at.Deviation[3*stage:][:3]
		for j := range l.Stages[stage][depth] {
			p, c := l.Position(stage)+j, l.Cell(stage, int(depth), j)
			k, e := int(row.Kernel[p]), int(row.Expand[p])
			s += m.Kernel[c*nk+k] + m.Expand[c*ne+e]
			s += dev[0] + dev[1]*l.Kernels[k] + dev[2]*l.Expands[e]
		}
	}
	for i, c := range row.Extra {
		s += m.Extra[l.Extra(i)+int(c)]
	}
	return s
}

// Predict returns the accuracy of a row at its resolution.
func (m *Model) Predict(l *Layout, row Row) float64 {
	at := &m.At[row.Resolution]
	return at.Ceiling - at.Span*math.Exp(-m.score(l, row))
}
