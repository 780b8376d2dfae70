package profile

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// restrict keeps of a plan for whole resolutions what measuring some keys needs: the keys' blocks, the pairs that their
// seams are solved from (those of the same shapes, which have nothing to do with others') with the blocks of those, and for each place as many blocks as the fullest has, so that a walk still
// passes a whole network and caches are as cold as in a full profile. It returns an error that names the keys which are none of the
// plan's.
func (p *plan) restrict(only []lut.Key) error {
	keep := make([]bool, len(p.targets))
	wanted := map[target]bool{}
	for _, k := range only {
		wanted[target{k.Resolution, k.Block}] = true
	}
	for i, t := range p.targets {
		if wanted[t] {
			keep[i] = true
			delete(wanted, t)
		}
	}
	if len(wanted) > 0 {
		var names []string
		for _, k := range only {
			if wanted[target{k.Resolution, k.Block}] {
				names = append(names, k.String())
			}
		}
		return fmt.Errorf("the space has no block %s", strings.Join(names, "; "))
	}
	p.keepPairs(keep)
	for _, q := range p.pairs {
		keep[q.a], keep[q.b] = true, true
	}
	for _, places := range p.places {
		fullest := 0
		for _, pl := range places {
			fullest = max(fullest, kept(keep[pl.first:pl.first+pl.n]))
		}
		for _, pl := range places {
			for i := 0; i < pl.n && kept(keep[pl.first:pl.first+pl.n]) < fullest; i++ {
				keep[pl.first+i] = true
			}
		}
	}
	p.renumber(keep)
	return nil
}

// keepPairs drops the pairs whose shape no kept block begins or ends with.
func (p *plan) keepPairs(keep []bool) {
	type end struct {
		resolution int
		shape      supernet.Shape
	}
	ends := map[end]bool{}
	for i, t := range p.targets {
		if keep[i] {
			ends[end{t.resolution, t.block.In}], ends[end{t.resolution, t.block.Out}] = true, true
		}
	}
	all := p.pairs
	p.pairs = nil
	for r, places := range p.seams {
		var left []place
		for _, pl := range places { // those of a place are of one kind, and so of one shape
			from := pl.first - len(p.targets)
			a := p.targets[all[from].a]
			if ends[end{a.resolution, a.block.Out}] {
				left = append(left, place{len(p.targets) + len(p.pairs), pl.n})
				p.pairs = append(p.pairs, all[from:from+pl.n]...)
			}
		}
		p.seams[r] = left
	}
}

func kept(keep []bool) int {
	n := 0
	for _, k := range keep {
		if k {
			n++
		}
	}
	return n
}

// renumber drops the targets that are not kept.
func (p *plan) renumber(keep []bool) {
	index, before := make([]int, len(keep)), len(p.targets)
	var targets []target
	for i, t := range p.targets {
		if index[i] = len(targets); keep[i] {
			targets = append(targets, t)
		}
	}
	p.targets = targets
	for i, q := range p.pairs {
		p.pairs[i] = pair{index[q.a], index[q.b]}
	}
	for _, places := range p.places {
		for i, pl := range places {
			places[i] = place{index[pl.first], kept(keep[pl.first : pl.first+pl.n])}
		}
	}
	for _, places := range p.seams {
		for i := range places {
			places[i].first += len(targets) - before
		}
	}
}

// resolutionsOfKeys returns the resolutions of keys, ascending.
func resolutionsOfKeys(keys []lut.Key) []int {
	var rs []int
	for _, k := range keys {
		rs = append(rs, k.Resolution)
	}
	slices.Sort(rs)
	return slices.Compact(rs)
}
