package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Exact finds the true Pareto front of two objectives that are both sums over a network's blocks, by
// dynamic programming: the front of a stage is the union over its depths of the sums of the fronts of its
// blocks, the front of a resolution the sum over its stages, and a sum that is dominated can be part of
// no front. For objectives that are no such sums, as most accuracy predictors are not, it ends with an
// error that wraps ErrNotAdditive. Constraints must bound the objectives on their good side.
//
// It evaluates the networks that tell what a block adds, some random ones to check that the objectives
// are sums, and the front. Sums are exact up to rounding: of networks whose objectives differ by less
// than a part in 1e9, one may stand for the other.
//
// Source: the principle of optimality for Pareto fronts, H. M. Henig, "The principle of optimality in
// dynamic programming with returns in partially ordered sets", Mathematics of Operations Research 10(3), 1985.
type Exact struct{}

var _ Method = Exact{}

// String returns "exact".
func (Exact) String() string { return "exact" }

// Search evaluates the front.
func (Exact) Search(ctx context.Context, v *Evaluator) error {
	j, e := v.engine.judge, v.encoding
	if len(j.objectives) != 2 {
		return fmt.Errorf("search: exact takes two objectives, not %d", len(j.objectives))
	}
	if err := j.onObjectives(); err != nil {
		return err
	}
	networks, err := e.probes()
	if err != nil {
		return fmt.Errorf("search: exact: %w", err)
	}
	probes := len(networks)
	networks = append(networks, e.sampled(v.Rand(streamSampling))...)
	scores := make([]Score, len(networks))
	if err := v.Evaluate(ctx, networks, scores); err != nil {
		return err
	}
	var parts [2]*additive
	for i := range parts {
		values := make([]float64, len(scores))
		for k := range scores {
			values[k] = scores[k].Values[i]
		}
		parts[i] = newAdditive(e, values[:probes])
		if err := parts[i].fits(j.columns[j.objectives[i]].Quantity, networks[probes:], values[probes:]); err != nil {
			return fmt.Errorf("search: exact: %w", err)
		}
	}
	if err := v.EndGeneration(); err != nil {
		return err
	}
	front, err := exactFront(ctx, parts[0], parts[1])
	if err != nil {
		if ctx.Err() != nil {
			return v.end(StopCancelled, context.Cause(ctx).Error())
		}
		return fmt.Errorf("search: exact: %w", err)
	}
	if err := v.Evaluate(ctx, front, make([]Score, len(front))); err != nil {
		return err
	}
	return v.EndGeneration()
}

// onObjectives returns an error unless every constraint bounds an objective on its good side, so that the
// front of the networks that keep it is the part of the whole front that does.
func (j *judge) onObjectives() error {
	for _, b := range j.bounds {
		good := AtMost
		if b.Quantity.Kind.maximised() {
			good = AtLeast
		}
		if !slices.Contains(j.objectives, b.column) || b.Side != good {
			return fmt.Errorf("search: exact: constraint %v is not on the good side of an objective", b.Constraint)
		}
	}
	return nil
}

// label is a partial network: its objectives so far, and what it is made of.
type label struct {
	x, y         float64
	head, option int32 // indices into the labels before and the options added
}

// maxLabels bounds the pairs that one sum compares.
const maxLabels = 1 << 27

var errLabels = errors.New("too many partial networks")

// exactFront returns the front of the sums of all networks.
func exactFront(ctx context.Context, x, y *additive) ([]Genome, error) {
	e := x.e
	type end struct {
		label
		r int
	}
	var ends []end
	trees := make([]stageTree, len(e.resolutions))
	for r := range e.resolutions {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := trees[r].grow(x, y, r); err != nil {
			return nil, err
		}
		for _, l := range trees[r].last() {
			ends = append(ends, end{l, r})
		}
	}
	slices.SortStableFunc(ends, func(a, b end) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) })
	var front []Genome
	best := math.Inf(1)
	for _, l := range ends {
		if l.y < best {
			best = l.y
			front = append(front, trees[l.r].genome(e, l.r, l.label))
		}
	}
	return front, nil
}

// stageTree holds the fronts of partial networks of one resolution: after the stem and each stage.
type stageTree struct {
	fronts  [][]label  // fronts[0] is the reference network alone
	options [][]option // what was added to fronts[i] to give fronts[i+1]
}

// option is one way to build a stage (or the stem).
type option struct {
	x, y   float64
	entry  int // of Arch.D, or -1
	depth  uint8
	first  int      // position
	blocks []uint16 // kernel*expands + expand
}

func (t *stageTree) last() []label { return t.fronts[len(t.fronts)-1] }

func (t *stageTree) grow(x, y *additive, r int) error {
	e := x.e
	t.fronts = [][]label{{{x: x.reference[r], y: y.reference[r]}}}
	for i := range e.depths {
		if e.space.StageOfEntry(i) < 0 {
			var list []option
			for d := range e.depths[i] {
				list = append(list, option{x: x.depths[r][i][d], y: y.depths[r][i][d], entry: i, depth: uint8(d)})
			}
			if err := t.add(list); err != nil {
				return err
			}
		}
	}
	for _, s := range e.stages {
		list, err := stageOptions(x, y, r, s)
		if err != nil {
			return err
		}
		if err := t.add(list); err != nil {
			return err
		}
	}
	return nil
}

// add sums the front so far with the front of the options.
func (t *stageTree) add(list []option) error {
	list = thin(list)
	labels := make([]label, len(list))
	for i, o := range list {
		labels[i] = label{x: o.x, y: o.y, option: int32(i)}
	}
	front, err := sum(t.last(), labels)
	t.fronts, t.options = append(t.fronts, front), append(t.options, list)
	return err
}

// stageOptions returns the ways to build a stage, among them all those of its front.
func stageOptions(x, y *additive, r int, s stageGenes) ([]option, error) {
	e := x.e
	// chains[n] is the front of n blocks.
	chains := [][]option{{{entry: s.depth, first: s.first}}}
	for j := range s.count {
		var kinds []option
		for k := range x.blocks[r][s.first+j] {
			kinds = append(kinds, option{x: x.blocks[r][s.first+j][k], y: y.blocks[r][s.first+j][k], blocks: []uint16{uint16(k)}})
		}
		kinds = thin(kinds)
		if len(chains[j])*len(kinds) > maxLabels {
			return nil, errLabels
		}
		var longer []option
		for _, head := range chains[j] {
			for _, kind := range kinds {
				longer = append(longer, option{x: head.x + kind.x, y: head.y + kind.y, entry: s.depth, first: s.first,
					blocks: append(slices.Clone(head.blocks), kind.blocks...)})
			}
		}
		chains = append(chains, thin(longer))
	}
	if s.depth < 0 {
		return chains[s.base], nil
	}
	var list []option
	for d, blocks := range e.depths[s.depth] {
		for _, o := range chains[s.base+blocks] {
			o.x, o.y, o.depth = o.x+x.depths[r][s.depth][d], o.y+y.depths[r][s.depth][d], uint8(d)
			list = append(list, o)
		}
	}
	return list, nil
}

// thin returns the non-dominated options, ascending in x; of equal ones the first.
func thin(list []option) []option {
	slices.SortStableFunc(list, func(a, b option) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) })
	kept := list[:0:0]
	for _, o := range list {
		if n := len(kept); n == 0 || o.y < kept[n-1].y {
			kept = append(kept, o)
		}
	}
	return kept
}

// sum returns the front of the sums of two fronts, both ascending in x and descending in y. Each of the
// second shifts the first; neighbours are merged until one front is left.
func sum(heads, options []label) ([]label, error) {
	if len(heads)*len(options) > maxLabels {
		return nil, errLabels
	}
	var shifted func(from, to int) []label
	shifted = func(from, to int) []label {
		if to-from > 1 {
			middle := (from + to) / 2
			return merge(shifted(from, middle), shifted(middle, to))
		}
		o := options[from]
		front := make([]label, len(heads))
		for i, h := range heads {
			front[i] = label{h.x + o.x, h.y + o.y, int32(i), o.option}
		}
		return front
	}
	return shifted(0, len(options)), nil
}

// merge returns the front of two fronts.
func merge(a, b []label) []label {
	front := make([]label, 0, len(a)+len(b))
	best := math.Inf(1)
	for len(a) > 0 || len(b) > 0 {
		var l label
		if len(b) == 0 || len(a) > 0 && (a[0].x < b[0].x || a[0].x == b[0].x && a[0].y <= b[0].y) {
			l, a = a[0], a[1:]
		} else {
			l, b = b[0], b[1:]
		}
		if l.y < best {
			best = l.y
			front = append(front, l)
		}
	}
	return front
}

// genome returns the network of a label of the last front.
func (t *stageTree) genome(e *Encoding, r int, l label) Genome {
	g := make(Genome, e.Genes())
	g[len(g)-1] = uint8(r)
	for i := len(t.options) - 1; i >= 0; i-- {
		o := t.options[i][l.option]
		if o.entry >= 0 {
			g[o.entry] = o.depth
		}
		for j, k := range o.blocks {
			n := uint16(len(e.space.Expands))
			g[e.kernel(o.first+j)], g[e.expand(o.first+j)] = uint8(k/n), uint8(k%n)
		}
		l = t.fronts[i][l.head]
	}
	return g
}
