package fit

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Settings are what cross-validation chooses.
type Settings struct {
	// Ceiling is the share of the mean error of a resolution's rows that larger networks could avoid:
	// ceiling = mean + Ceiling (1 - mean). In (0, 1].
	Ceiling float64
	// Ridge is the penalty on the squares of the effects, in units of the squared residual over the
	// squared span, at the resolution with the least residuals. Positive.
	Ridge float64
	// Runs lets consecutive rows of a resolution share an offset if they appear to have been measured in
	// runs with different set-ups; see changes. It makes sense only for rows in the order of recording.
	Runs bool
}

const (
	passes     = 3    // weights and runs follow from the residuals of the pass before
	iterations = 20   // at most, of a pass; reference/measured takes 3 to 5
	rough      = 1e-5 // ends a pass: relative improvement of the objective by a step
	fine       = 1e-9 // ends the last pass
	halvings   = 10   // of a step that makes things worse
)

// maxUnknowns bounds the linear system.
const maxUnknowns = 4000

// errDiverged: no finite solution.
var errDiverged = errors.New("the fit does not converge")

// Fit returns the model of the rows by penalised least squares: the Gauss-Newton method, in which each
// resolution has a weight from its residuals. There must be at least one row per resolution, of which
// there are levels. It returns an error if there are too many unknowns or no finite solution.
func Fit(l *Layout, rows []Row, levels int, s Settings) (*Model, error) {
	f := &fitter{layout: l, settings: s, levels: levels}
	f.index()
	if n := f.runsAt + levels; n > maxUnknowns {
		return nil, fmt.Errorf("%d unknowns, at most %d are supported", n, maxUnknowns)
	}
	f.prepare(rows)
	tolerance := rough
	for pass := range passes {
		if pass > 0 {
			f.reweigh()
		}
		if pass == passes-1 {
			tolerance = fine
		}
		for range iterations {
			gain, err := f.step()
			if err != nil {
				return nil, err
			}
			if gain < tolerance {
				break
			}
		}
	}
	return f.model(), nil
}

// fitter holds a fit that is under way. The unknowns are numbered: effects of kernel sizes per cell, of
// expand ratios per cell, of extras, deviations, bases, offsets of runs.
type fitter struct {
	layout   *Layout
	settings Settings
	levels   int

	expandAt, extraAt, deviationAt, baseAt, runsAt int // first unknown of a kind

	rows    []Row
	terms   [][]term  // per row: what the score is linear in, by ascending unknown
	ceiling []float64 // per resolution
	span    []float64
	weight  []float64
	sigma   []float64
	run     []int // per row: its run, numbered over all resolutions
	runs    int

	x       []float64 // the unknowns
	penalty []entry
}

// term is one unknown's coefficient in a score.
type term struct {
	at int
	v  float64
}

// entry is an element of the symmetric penalty matrix, with i <= j.
type entry struct {
	i, j int
	v    float64
}

func (f *fitter) index() {
	l := f.layout
	f.expandAt = l.Cells() * len(l.Kernels)
	f.extraAt = f.expandAt + l.Cells()*len(l.Expands)
	f.deviationAt = f.extraAt + l.ExtraChoices()
	f.baseAt = f.deviationAt + f.levels*3*len(l.Stages)
	f.runsAt = f.baseAt + f.levels
}

func (f *fitter) prepare(rows []Row) {
	f.rows = rows
	sum, n := make([]float64, f.levels), make([]float64, f.levels)
	for _, r := range rows {
		sum[r.Resolution] += r.Accuracy
		n[r.Resolution]++
	}
	f.weight, f.sigma = make([]float64, f.levels), make([]float64, f.levels)
	f.ceiling, f.span = make([]float64, f.levels), make([]float64, f.levels)
	for i := range f.levels {
		mean := sum[i] / n[i]
		f.span[i] = f.settings.Ceiling * (1 - mean)
		f.ceiling[i] = mean + f.span[i]
		f.weight[i] = 1
	}
	f.terms = make([][]term, len(rows))
	for i, r := range rows {
		f.terms[i] = f.score(r)
	}
	f.run = make([]int, len(rows))
	for i, r := range rows {
		f.run[i] = r.Resolution
	}
	f.setRuns(f.levels)
}

func (f *fitter) score(r Row) []term {
	l := f.layout
	nk, ne := len(l.Kernels), len(l.Expands)
	var out []term
	for stage, depth := range r.Depth {
		var dev [3]float64
		for j := range l.Stages[stage][depth] {
			p, c := l.Position(stage)+j, l.Cell(stage, int(depth), j)
			k, e := int(r.Kernel[p]), int(r.Expand[p])
			out = append(out, term{c*nk + k, 1}, term{f.expandAt + c*ne + e, 1})
			dev[0]++
			dev[1] += l.Kernels[k]
			dev[2] += l.Expands[e]
		}
		for i, v := range dev {
			out = append(out, term{f.deviationAt + (r.Resolution*len(l.Stages)+stage)*3 + i, v})
		}
	}
	for i, c := range r.Extra {
		out = append(out, term{f.extraAt + l.Extra(i) + int(c), 1})
	}
	out = append(out, term{f.baseAt + r.Resolution, 1})
	slices.SortFunc(out, func(a, b term) int { return cmp.Compare(a.at, b.at) }) // step relies on it
	return out
}

// shortfall returns exp(-score) of row i.
func (f *fitter) shortfall(x []float64, i int) float64 {
	s := 0.0
	for _, t := range f.terms[i] {
		s += t.v * x[t.at]
	}
	return math.Exp(-s)
}

// residual returns the measured less the fitted accuracy of row i over the span, and exp(-score).
func (f *fitter) residual(x []float64, i int) (res, short float64) {
	r := &f.rows[i]
	short = f.shortfall(x, i)
	v := (f.ceiling[r.Resolution] - r.Accuracy) / f.span[r.Resolution]
	return short - x[f.runsAt+f.run[i]] - v, short
}

func (f *fitter) objective(x []float64) float64 {
	sum := 0.0
	for i := range f.rows {
		res, _ := f.residual(x, i)
		sum += f.weight[f.rows[i].Resolution] * res * res
	}
	for _, p := range f.penalty {
		v := p.v * x[p.i] * x[p.j]
		if p.i != p.j {
			v *= 2
		}
		sum += v
	}
	return sum
}

// step makes one Gauss-Newton step, halved until it is no step back, and returns the relative
// improvement of the objective.
func (f *fitter) step() (float64, error) {
	n := len(f.x)
	a, b := mat.NewSymDense(n, nil), mat.NewVecDense(n, nil)
	raw := a.RawSymmetric().Data
	rhs := b.RawVector().Data
	for _, p := range f.penalty {
		raw[p.i*n+p.j] += p.v
		rhs[p.i] -= p.v * f.x[p.j]
		if p.i != p.j {
			rhs[p.j] -= p.v * f.x[p.i]
		}
	}
	var grad []term // of the fitted accuracy over the span
	for i := range f.rows {
		res, short := f.residual(f.x, i)
		grad = grad[:0]
		for _, t := range f.terms[i] {
			grad = append(grad, term{t.at, t.v * short})
		}
		grad = append(grad, term{f.runsAt + f.run[i], 1})
		w := f.weight[f.rows[i].Resolution]
		for j, t := range grad {
			v := w * t.v
			rhs[t.at] += v * res
			row := raw[t.at*n : (t.at+1)*n]
			for _, u := range grad[j:] {
				row[u.at] += v * u.v
			}
		}
	}
	var chol mat.Cholesky
	var delta mat.VecDense
	if !chol.Factorize(a) {
		return 0, errDiverged
	}
	if err := chol.SolveVecTo(&delta, b); err != nil {
		return 0, fmt.Errorf("%w: %w", errDiverged, err)
	}
	return f.move(delta.RawVector().Data)
}

// move adds delta to the unknowns, or as small a part of it as improves the objective, and returns by
// which part of the objective that is.
func (f *fitter) move(delta []float64) (float64, error) {
	before := f.objective(f.x)
	x := make([]float64, len(f.x))
	for h, part := 0, 1.0; h < halvings; h, part = h+1, part/2 {
		for i := range x {
			x[i] = f.x[i] + part*delta[i]
		}
		if after := f.objective(x); after <= before { // false for NaN
			f.x = x
			return (before - after) / max(before, math.SmallestNonzeroFloat64), nil
		}
	}
	if math.IsNaN(before) || math.IsInf(before, 0) {
		return 0, errDiverged
	}
	return 0, nil // at the optimum, to rounding
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// model collects what was fitted. The mean offset of the runs goes into the ceiling.
func (f *fitter) model() *Model {
	l := f.layout
	m := &Model{Kernel: f.x[:f.expandAt], Expand: f.x[f.expandAt:f.extraAt], Extra: f.x[f.extraAt:f.deviationAt], At: make([]Level, f.levels)}
	for level := range m.At {
		at := f.deviationAt + level*3*len(l.Stages)
		m.At[level] = Level{Ceiling: f.ceiling[level], Span: f.span[level], Base: f.x[f.baseAt+level], Deviation: f.x[at:][:3*len(l.Stages)]}
	}
	f.offsets(m)
	return m
}

// offsets moves the runs' mean offset into the ceilings and sets what is known about the residuals.
func (f *fitter) offsets(m *Model) {
	sum, n, ss := make([]float64, f.levels), make([]float64, f.levels), make([]float64, f.levels)
	level := make([]int, f.runs)
	m.run = make([]int, len(f.rows))
	for i, r := range f.rows {
		res, _ := f.residual(f.x, i)
		level[f.run[i]] = r.Resolution
		sum[r.Resolution] += f.x[f.runsAt+f.run[i]]
		ss[r.Resolution] += res * res
		n[r.Resolution]++
	}
	for i := range m.At {
		at := &m.At[i]
		shift := sum[i] / n[i]
		at.Ceiling += at.Span * shift
		at.Sigma = at.Span * math.Sqrt(ss[i]/n[i])
		first := len(level)
		for run, l := range level {
			if l == i {
				first = min(first, run)
				at.Offsets = append(at.Offsets, at.Span*(f.x[f.runsAt+run]-shift))
			}
		}
		for row, r := range f.rows {
			if r.Resolution == i {
				m.run[row] = f.run[row] - first
			}
		}
	}
}
