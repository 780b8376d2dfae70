package search

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// additive is a quantity taken apart: at each resolution it is the value of a reference network (every
// stage as deep as can be, every block of the first kind) plus what each other depth and each other
// active block adds. Whether a quantity is of this form is checked, not assumed; see fits.
type additive struct {
	e         *Encoding
	reference []float64     // per resolution
	depths    [][][]float64 // per resolution, entry, choice
	blocks    [][][]float64 // per resolution, position, kernel*expands + expand
}

// maxProbes bounds the networks that taking apart takes.
const maxProbes = 1 << 20

// probes returns the networks whose values newAdditive needs, in its order. It returns an error for a
// space with elastic width, whose blocks depend on one another, or with too many choices.
func (e *Encoding) probes() ([]Genome, error) {
	if len(e.widths) > 0 {
		return nil, fmt.Errorf("%w: %s has elastic width, so the cost of a block depends on its neighbours", ErrNotAdditive, e.space.Name)
	}
	kinds := len(e.space.Kernels) * len(e.space.Expands)
	if n := len(e.resolutions) * (1 + e.positions*kinds); n > maxProbes {
		return nil, fmt.Errorf("%w: %s takes %d networks to take apart, at most %d are allowed", ErrNotAdditive, e.space.Name, n, maxProbes)
	}
	var list []Genome
	for r := range e.resolutions {
		g := make(Genome, e.Genes())
		for i := range e.depths {
			g[i] = uint8(len(e.depths[i]) - 1)
		}
		g[len(g)-1] = uint8(r)
		list = append(list, g)
		vary := func(set func(Genome)) {
			c := slices.Clone(g)
			set(c)
			list = append(list, c)
		}
		for i := range e.depths {
			for d := range e.depths[i] {
				vary(func(c Genome) { c[i] = uint8(d) })
			}
		}
		for p := range e.positions {
			for k := range e.space.Kernels {
				for x := range e.space.Expands {
					vary(func(c Genome) { c[e.kernel(p)], c[e.expand(p)] = uint8(k), uint8(x) })
				}
			}
		}
	}
	return list, nil
}

// newAdditive takes a quantity apart, given the values of the probes.
func newAdditive(e *Encoding, values []float64) *additive {
	a := &additive{e: e}
	next := func() float64 { v := values[0]; values = values[1:]; return v }
	kinds := len(e.space.Kernels) * len(e.space.Expands)
	for range e.resolutions {
		reference := next()
		var depths, blocks [][]float64
		for i := range e.depths {
			list := make([]float64, len(e.depths[i]))
			for d := range list {
				list[d] = next() - reference
			}
			depths = append(depths, list)
		}
		for range e.positions {
			list := make([]float64, kinds)
			for k := range list {
				list[k] = next() - reference
			}
			blocks = append(blocks, list)
		}
		a.reference, a.depths, a.blocks = append(a.reference, reference), append(a.depths, depths), append(a.blocks, blocks)
	}
	return a
}

// value returns the sum for a network.
func (a *additive) value(g Genome) float64 {
	e, r := a.e, g[len(g)-1]
	sum := a.reference[r]
	for i := range e.depths {
		sum += a.depths[r][i][g[i]]
	}
	for i, s := range e.stages {
		for p := s.first; p < s.first+e.active(g, i); p++ {
			sum += a.blocks[r][p][int(g[e.kernel(p)])*len(e.space.Expands)+int(g[e.expand(p)])]
		}
	}
	return sum
}

// additiveTolerance is the part of the reference's value by which a sum may be off: rounding only.
const additiveTolerance = 1e-9

// samples is the number of random networks at which a sum is compared with the quantity. One that is
// not a sum differs at nearly all.
const samples = 64

// fits returns an error that wraps ErrNotAdditive unless the sum is the quantity's value at the networks.
func (a *additive) fits(q Quantity, networks []Genome, values []float64) error {
	for i, g := range networks {
		if sum, allowed := a.value(g), additiveTolerance*math.Abs(a.reference[g[len(g)-1]]); !(math.Abs(sum-values[i]) <= allowed) {
			var arch supernet.Arch
			a.e.Decode(g, &arch)
			return fmt.Errorf("%w: %v of %v is %v, the sum over its blocks %v", ErrNotAdditive, q, arch, q.Format(math.Abs(values[i])), q.Format(math.Abs(sum)))
		}
	}
	return nil
}

// sampled returns random networks to compare at.
func (e *Encoding) sampled(rng *rand.Rand) []Genome {
	list := make([]Genome, samples)
	for i := range list {
		list[i] = make(Genome, e.Genes())
		UniformSampling(e, list[i], rng)
		e.Canonical(list[i])
	}
	return list
}

// extreme returns the network with the smallest value times sign at a resolution: a minimum over each
// stage's depths of minima over its blocks.
func (a *additive) extreme(r int, sign float64) Genome {
	e := a.e
	g := make(Genome, e.Genes())
	g[len(g)-1] = uint8(r)
	for i := range e.depths {
		if e.space.StageOfEntry(i) < 0 {
			g[i] = uint8(least(a.depths[r][i], sign))
		}
	}
	for i, s := range e.stages {
		best := make([]int, s.count)
		sums := make([]float64, s.count+1) // of the best blocks, per number of active ones
		for j := range s.count {
			values := a.blocks[r][s.first+j]
			best[j] = least(values, sign)
			sums[j+1] = sums[j] + values[best[j]]
		}
		if s.depth >= 0 {
			totals := slices.Clone(a.depths[r][s.depth])
			for d, blocks := range e.depths[s.depth] {
				totals[d] += sums[s.base+blocks]
			}
			g[s.depth] = uint8(least(totals, sign))
		}
		for j := range e.active(g, i) {
			k, x := best[j]/len(e.space.Expands), best[j]%len(e.space.Expands)
			g[e.kernel(s.first+j)], g[e.expand(s.first+j)] = uint8(k), uint8(x)
		}
	}
	return g
}

// least returns the index of the smallest value times sign, the first of equal ones.
func least(values []float64, sign float64) int {
	best := 0
	for i, v := range values {
		if sign*v < sign*values[best] {
			best = i
		}
	}
	return best
}

// Range is the exact range of a quantity over all networks of one resolution.
type Range struct {
	Resolution       int
	Min, Max         float64 // in the unit of the quantity's kind
	MinArch, MaxArch supernet.Arch
}

// Ranges returns the exact ranges of a quantity that is a sum over a network's blocks, for each
// resolution, ascending. It takes a few predictions for each choice of the space, not for each network.
// It returns an error that wraps ErrNotAdditive if the quantity is no such sum, as accuracies rarely
// are, or if the space has elastic width.
func (p Problem) Ranges(q Quantity) ([]Range, error) {
	p.Columns = []Quantity{q}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	e, err := NewEncoding(p.Space, p.Resolutions())
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	networks, err := e.probes()
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	probes := len(networks)
	networks = append(networks, e.sampled(rand.New(rand.NewPCG(0, streamSampling)))...)
	values, err := p.values(e, q, networks)
	if err != nil {
		return nil, err
	}
	a := newAdditive(e, values[:probes])
	if err := a.fits(q, networks[probes:], values[probes:]); err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	var ends []Genome
	for r := range e.resolutions {
		ends = append(ends, a.extreme(r, 1), a.extreme(r, -1))
	}
	if values, err = p.values(e, q, ends); err != nil {
		return nil, err
	}
	ranges := make([]Range, len(e.resolutions))
	for r := range ranges {
		t := &ranges[r]
		t.Resolution, t.Min, t.Max = e.resolutions[r], values[2*r], values[2*r+1]
		e.Decode(ends[2*r], &t.MinArch)
		e.Decode(ends[2*r+1], &t.MaxArch)
	}
	return ranges, nil
}

// values predicts one quantity of networks.
func (p Problem) values(e *Encoding, q Quantity, networks []Genome) ([]float64, error) {
	j, err := newJudge(p)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	at, err := j.column(p, q)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	values := make([]float64, len(networks))
	if at == columnAccuracy {
		keys := make([]string, len(networks))
		for i, g := range networks {
			e.Canonical(g)
			keys[i] = string(g)
		}
		scores := make([]Score, len(networks))
		if err := newEngine(p, e, j, 1).predict(keys, nil, scores); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		for i := range scores {
			values[i] = float64(scores[i].Accuracy)
		}
		return values, nil
	}
	var arch supernet.Arch
	var row [maxColumns]float64
	for i, g := range networks {
		e.Decode(g, &arch)
		if err := j.costs(arch, &row); err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		values[i] = row[at]
	}
	return values, nil
}
