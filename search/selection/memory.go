package selection

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/family"
)

// Sharing says how levels keep their weights.
type Sharing int

// The ways to keep weights.
const (
	// SharedWeights: levels are slices of one set of weights, as in the supernet: a level's kernels, channels
	// and blocks are the first of those of a larger one. The family takes what the smallest sub-network that
	// contains all levels takes, and for each level its own batch normalisation statistics. The kernel
	// transformations of a supernet, some 1% of it, are not counted.
	SharedWeights Sharing = iota
	// SeparateWeights: each level has weights of its own, as in files exported one by one.
	SeparateWeights
)

// Memory bounds the weights of a family, as float32. Activations are not part of it.
type Memory struct {
	Budget  int64 // bytes; 0: no bound
	Sharing Sharing
}

// ErrBudget is wrapped by errors that say that no family fits a memory budget, or that it takes too long
// to find the best that does.
var ErrBudget = errors.New("memory budget")

// maxMemoryWork bounds the comparisons of partial families, so that a choice ends, within a minute or so.
const maxMemoryWork = 500_000_000

// ChooseWithin is Choose for candidates of a space under a memory budget: the choice is exact among all
// families of at most rule.Levels levels that fit, or that have the fewest levels to reach rule.Share and
// fit. Weights that levels share count once, so that which level fits depends on the others. It returns
// an error that wraps ErrBudget if not even the networks to keep fit.
//
// It extends partial families level by level in the order of latency, and drops one if another with the
// same last level and as few levels gains no less and needs no more of any part, or if it cannot reach the
// best family known even if only neighbouring levels had to fit together.
func ChooseWithin(front []search.Candidate, space *supernet.Space, rule Rule, m Memory) (*Choice, error) {
	points := make([]search.Objectives, len(front))
	for i, c := range front {
		points[i] = c.Objectives
	}
	if m.Budget == 0 {
		return Choose(points, rule)
	}
	if err := rule.Validate(); err != nil {
		return nil, err
	}
	if m.Budget < 0 || m.Sharing != SharedWeights && m.Sharing != SeparateWeights {
		return nil, fmt.Errorf("selection: a memory budget of %d bytes, sharing %d", m.Budget, m.Sharing)
	}
	order, err := nonDominated(points)
	if err != nil {
		return nil, fmt.Errorf("selection: %w", err)
	}
	if len(order) == 0 {
		return nil, fmt.Errorf("selection: %w: the front has no networks", ErrTooFew)
	}
	if rule.Limits == nil {
		rule.Limits = Uniform{points[order[0]].Latency, points[order[len(order)-1]].Latency}
	}
	p := newProgramme(points, order, rule.Limits)
	b := &budgeted{programme: p, memory: m, space: space, keep: rule.Keep, known: map[string]int64{}}
	for _, i := range order {
		arch, err := space.Canonical(front[i].Arch)
		if err != nil {
			return nil, fmt.Errorf("selection: network %d: %w", i, err)
		}
		b.archs = append(b.archs, arch)
		own, err := ownBytes(space, arch, m.Sharing)
		if err != nil {
			return nil, fmt.Errorf("selection: network %d: %w", i, err)
		}
		b.own = append(b.own, own)
	}
	levels, err := b.best(rule)
	if err != nil {
		return nil, fmt.Errorf("selection: %w", err)
	}
	c := &Choice{Limits: rule.Limits, Front: len(order), Share: p.share(p.gain(levels))}
	for _, i := range levels {
		c.Indices = append(c.Indices, order[i])
	}
	c.Expected = unit.Accuracy(float64(p.accuracy[0]*p.kept[0]) + p.gain(levels))
	return c, nil
}

// Bytes returns what the weights of networks take together.
func (m Memory) Bytes(space *supernet.Space, archs []supernet.Arch) (int64, error) {
	b := &budgeted{memory: m, space: space, known: map[string]int64{}}
	var hull supernet.Arch
	var own int64
	for i, a := range archs {
		arch, err := space.Canonical(a)
		if err != nil {
			return 0, fmt.Errorf("selection: network %d: %w", i, err)
		}
		n, err := ownBytes(space, arch, m.Sharing)
		if err != nil {
			return 0, fmt.Errorf("selection: network %d: %w", i, err)
		}
		hull, own = join(hull, arch), own+n
	}
	if len(archs) == 0 {
		return 0, nil
	}
	return b.bytes(hull, own)
}

// bytesPerFloat is the size of a float32.
const bytesPerFloat = 4

// ownBytes returns what a level does not share: everything, or mean and variance of each normalised channel.
func ownBytes(space *supernet.Space, a supernet.Arch, sharing Sharing) (int64, error) {
	if sharing == SeparateWeights {
		n, err := space.Params(a)
		return n * bytesPerFloat, err
	}
	blocks, err := space.Blocks(a)
	if err != nil {
		return 0, err
	}
	channels := 0
	for _, b := range blocks {
		switch b.Op {
		case supernet.OpStem, supernet.OpExpand:
			channels += b.Out.Channels
		case supernet.OpSepConv:
			channels += b.In.Channels + b.Out.Channels
		case supernet.OpMBConv:
			channels += 2*b.Mid + b.Out.Channels
		case supernet.OpBottleneck:
			channels += 2*b.Mid + b.Out.Channels
			if !b.Residual {
				channels += b.Out.Channels
			}
		}
	}
	return int64(channels) * 2 * bytesPerFloat, nil
}

// join returns the smallest sub-network that contains both. The zero value contains nothing.
func join(a, b supernet.Arch) supernet.Arch {
	if len(a.D) == 0 {
		return b
	}
	c := supernet.Arch{KS: slices.Clone(a.KS), E: slices.Clone(a.E), D: slices.Clone(a.D), W: slices.Clone(a.W), R: max(a.R, b.R)}
	larger(c.KS, b.KS)
	larger(c.E, b.E)
	larger(c.D, b.D)
	larger(c.W, b.W)
	return c
}

func larger[T cmp.Ordered](to, from []T) {
	for i, v := range from {
		to[i] = max(to[i], v)
	}
}

// contains reports whether b is a part of a.
func contains(a, b supernet.Arch) bool {
	return within(b.KS, a.KS) && within(b.E, a.E) && within(b.D, a.D) && within(b.W, a.W)
}

func within[T cmp.Ordered](a, b []T) bool {
	for i, v := range a {
		if v > b[i] {
			return false
		}
	}
	return true
}

// budgeted is a programme whose choices must fit a memory budget.
type budgeted struct {
	*programme
	memory Memory
	space  *supernet.Space
	keep   Keep
	archs  []supernet.Arch // ascending in latency
	own    []int64         // bytes that the level alone needs
	known  map[string]int64
	pairs  [][]bool // whether two networks fit together
	work   int      // comparisons of partial families
}

// partial is a family so far.
type partial struct {
	gain   float64
	own    int64
	hull   supernet.Arch
	last   int
	before *partial
}

// bytes returns what a family takes.
func (b *budgeted) bytes(hull supernet.Arch, own int64) (int64, error) {
	if b.memory.Sharing == SeparateWeights {
		return own, nil
	}
	hull.R = b.space.Resolutions[0] // parameters do not depend on it
	key := hull.String()
	n, ok := b.known[key]
	if !ok {
		params, err := b.space.Params(hull)
		if err != nil {
			return 0, err
		}
		n = params * bytesPerFloat
		b.known[key] = n
	}
	return n + own, nil
}

// best returns the levels that the rule asks for.
func (b *budgeted) best(rule Rule) ([]int, error) {
	if err := b.pairUp(); err != nil {
		return nil, err
	}
	if rule.Levels > 0 {
		// A narrow search first, for a bound.
		narrow, err := b.extend(rule.Levels, 30, math.Inf(-1))
		if err != nil {
			return nil, err
		}
		if narrow == nil {
			narrow = &partial{gain: math.Inf(-1)}
		}
		exact, err := b.extend(rule.Levels, 0, narrow.gain)
		switch {
		case err != nil:
			return nil, err
		case exact != nil:
			return exact.levels(), nil
		case !math.IsInf(narrow.gain, -1):
			return narrow.levels(), nil
		}
		return nil, fmt.Errorf("%w: the networks to keep do not fit %s", ErrBudget, unit.Bytes(b.memory.Budget))
	}
	// Only families that reach the share matter, which is a bound too.
	target := rule.Share*b.full - 1e-12
	for k := 1; k <= min(len(b.archs), family.MaxLevels); k++ {
		p, err := b.extend(k, 0, target)
		if err != nil {
			return nil, err
		}
		if p != nil {
			return p.levels(), nil
		}
	}
	return nil, fmt.Errorf("%w: a share of %g does not fit %s", ErrBudget, rule.Share, unit.Bytes(b.memory.Budget))
}

// levels returns the family, fastest first.
func (p *partial) levels() []int {
	var levels []int
	for ; p != nil; p = p.before {
		levels = append(levels, p.last)
	}
	slices.Reverse(levels)
	return levels
}

// pairUp finds out which two networks fit together beside the fastest.
func (b *budgeted) pairUp() error {
	n := len(b.archs)
	b.pairs = make([][]bool, n)
	for j := range n {
		b.pairs[j] = make([]bool, n)
		for i := j + 1; i < n; i++ {
			own := b.own[0] + b.own[i]
			if j > 0 {
				own += b.own[j]
			}
			bytes, err := b.bytes(join(join(b.archs[0], b.archs[j]), b.archs[i]), own)
			if err != nil {
				return err
			}
			b.pairs[j][i] = bytes <= b.memory.Budget
		}
	}
	return nil
}

// extend returns the best family of at most that many levels, or nil if there is none that gains more than
// the bound. With beam it keeps only that many partial families for each last level.
func (b *budgeted) extend(rounds, beam int, bound float64) (*partial, error) {
	n := len(b.archs)
	start := &partial{own: b.own[0], hull: b.archs[0]}
	if bytes, err := b.bytes(start.hull, start.own); err != nil || bytes > b.memory.Budget {
		return nil, err
	}
	toGo := b.toGo(rounds)
	b.work = 0
	var best *partial
	current := make([][]*partial, n)
	current[0] = []*partial{start}
	for k := 1; ; k++ {
		for _, p := range slices.Concat(current...) {
			if (b.keep == KeepFastest || p.last == n-1) && p.gain > bound {
				best, bound = p, p.gain
			}
		}
		if k >= min(rounds, n) {
			return best, nil
		}
		next := make([][]*partial, n)
		for j, list := range current {
			for _, p := range list {
				for i := j + 1; i < n; i++ {
					gain := p.gain + float64(b.step(j, i))
					// Rounding must not cut off a family as good as the bound.
					if !b.pairs[j][i] || gain+toGo[rounds-k-1][i] < bound-1e-12 {
						continue
					}
					q := &partial{gain, p.own + b.own[i], join(p.hull, b.archs[i]), i, p}
					if bytes, err := b.bytes(q.hull, q.own); err != nil {
						return nil, err
					} else if bytes > b.memory.Budget {
						continue
					}
					next[i] = b.insert(next[i], q, beam)
				}
			}
			if b.work > maxMemoryWork {
				return nil, fmt.Errorf("%w: too many families nearly fit %s to find the best; ask for fewer levels", ErrBudget, unit.Bytes(b.memory.Budget))
			}
		}
		current = next
	}
}

// toGo returns, for each number of further levels, the most that they can gain after each level, if only
// neighbours need to fit together.
func (b *budgeted) toGo(rounds int) [][]float64 {
	n := len(b.archs)
	table := [][]float64{make([]float64, n)}
	for k := 1; k < max(rounds, 1); k++ {
		row := make([]float64, n)
		for j := range n {
			for i := j + 1; i < n; i++ {
				if !b.pairs[j][i] {
					continue
				}
				row[j] = max(row[j], float64(b.step(j, i))+table[k-1][i])
			}
		}
		table = append(table, row)
	}
	return table
}

// insert adds q to the partial families with the same last level unless one covers it, and removes those
// that it covers.
func (b *budgeted) insert(list []*partial, q *partial, beam int) []*partial {
	b.work += len(list) + 1
	for _, p := range list {
		if b.covers(p, q) {
			return list
		}
	}
	list = slices.DeleteFunc(list, func(p *partial) bool { return b.covers(q, p) })
	list = append(list, q)
	if beam > 0 && len(list) > beam {
		worst := 0
		for i, p := range list {
			if p.gain < list[worst].gain {
				worst = i
			}
		}
		list = slices.Delete(list, worst, worst+1)
	}
	return list
}

// covers reports whether whatever completes q completes p as well, for no less gain and no more memory.
func (b *budgeted) covers(p, q *partial) bool {
	return p.gain >= q.gain && p.own <= q.own && (b.memory.Sharing == SeparateWeights || contains(q.hull, p.hull))
}
