package profile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// side is what decides how a block behaves at a seam, besides the shape of the seam.
type side struct {
	op       supernet.Op
	residual bool
}

func sideOf(b supernet.Block) side { return side{b.Op, b.Residual} }

// seamKind is a kind of seam between two blocks.
type seamKind struct {
	shape         supernet.Shape
	before, after side
}

// drawPairs draws at most n pairs of each kind of seam, in network order, from what random networks
// have: of blocks that really follow one another.
func (p *plan) drawPairs(s *supernet.Space, resolutions []int, n int) error {
	if n == 0 {
		p.seams = make([][]place, len(resolutions))
		return nil
	}
	index := map[target]int{}
	for i, t := range p.targets {
		index[t] = i
	}
	for _, r := range resolutions {
		archs, err := drawNetworks(s, []int{r}, p.seed, seamNetworks, streamSeams)
		if err != nil {
			return err
		}
		drawn := map[seamKind][]pair{}
		seen := map[pair]bool{}
		for _, a := range archs {
			blocks, err := s.Blocks(a)
			if err != nil {
				return err
			}
			for i, b := range blocks[1:] {
				before := blocks[i]
				q := pair{index[target{r, before}], index[target{r, b}]}
				k := seamKind{before.Out, sideOf(before), sideOf(b)}
				if !seen[q] && len(drawn[k]) < n {
					seen[q] = true
					drawn[k] = append(drawn[k], q)
				}
			}
		}
		p.addSeams(drawn)
	}
	return nil
}

// seamNetworks is how many random networks pairs are taken from; all kinds of seams appear in a few.
const seamNetworks = 200

// addSeams appends the pairs of one resolution, those of a kind together.
func (p *plan) addSeams(drawn map[seamKind][]pair) {
	kinds := slices.Collect(maps.Keys(drawn))
	slices.SortFunc(kinds, func(k, l seamKind) int { // by the first pair, which is network order
		x, y := drawn[k][0], drawn[l][0]
		return cmp.Or(cmp.Compare(x.a, y.a), cmp.Compare(x.b, y.b))
	})
	var seams []place
	for _, k := range kinds {
		seams = append(seams, place{len(p.targets) + len(p.pairs), len(drawn[k])})
		p.pairs = append(p.pairs, drawn[k]...)
	}
	p.seams = append(p.seams, seams)
}

// seams is what a block alone costs more than in a network, at each end.
type seams struct {
	in, out map[seamSide]float64 // nanoseconds
	facts   []lut.Fact
}

// seamSide is one side of seams of one shape.
type seamSide struct {
	resolution int
	shape      supernet.Shape
	side       side
}

// solveSeams finds the costs at the ends of blocks from pairs: a block's time alone plus its
// neighbour's, less their time joined, is what leaving the one and entering the other costs. That sum
// is fitted by sums of two parts, one for each side, by alternating least squares; how a shape's sum
// is divided between its sides is not observable and starts in proportion to the blocks' times, so
// that no block gives more than it has. central returns a unit's median in nanoseconds.
func (p *plan) solveSeams(central func(unit int) float64) seams {
	s := seams{in: map[seamSide]float64{}, out: map[seamSide]float64{}}
	type observation struct {
		before, after seamSide
		cost          float64
	}
	var all []observation
	for i, q := range p.pairs {
		a, b := p.targets[q.a], p.targets[q.b]
		ta, tb := central(q.a), central(q.b)
		o := observation{seamSide{a.resolution, a.block.Out, sideOf(a.block)}, seamSide{b.resolution, b.block.In, sideOf(b.block)}, ta + tb - central(p.pair(i))}
		all = append(all, o)
		s.in[o.after] = o.cost * tb / (ta + tb)
		s.out[o.before] = o.cost * ta / (ta + tb)
	}
	fit := func(to map[seamSide]float64, key func(observation) (seamSide, float64)) {
		sum, n := map[seamSide]float64{}, map[seamSide]float64{}
		for _, o := range all {
			k, v := key(o)
			sum[k] += v
			n[k]++
		}
		for k := range sum { // each key on its own: the order does not matter
			to[k] = sum[k] / n[k]
		}
	}
	for range 50 {
		fit(s.out, func(o observation) (seamSide, float64) { return o.before, o.cost - s.in[o.after] })
		fit(s.in, func(o observation) (seamSide, float64) { return o.after, o.cost - s.out[o.before] })
	}
	type total struct {
		sum float64
		n   int
	}
	shapes := map[string]*total{}
	var order []string
	for _, o := range all {
		name := fmt.Sprintf("seam r=%d %dx%dx%d", o.before.resolution, o.before.shape.Size, o.before.shape.Size, o.before.shape.Channels)
		if shapes[name] == nil {
			shapes[name] = &total{}
			order = append(order, name)
		}
		shapes[name].sum += o.cost
		shapes[name].n++
	}
	for _, name := range order {
		t := shapes[name]
		s.facts = append(s.facts, lut.Fact{Name: factPrefix + name,
			Value: fmt.Sprintf("%v a block less when joined, mean of %d pairs", time.Duration(t.sum/float64(t.n)).Round(100), t.n)})
	}
	return s
}

// of returns what a block alone costs more than in a network.
func (s seams) of(t target) float64 {
	return s.in[seamSide{t.resolution, t.block.In, sideOf(t.block)}] + s.out[seamSide{t.resolution, t.block.Out, sideOf(t.block)}]
}
