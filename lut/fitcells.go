package lut

import (
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// blockFit is a fit of costs per cell and knot. A cell is one block with the same shapes at the
// last knot; the last cell stands for all places together that every network has.
type blockFit struct {
	space *supernet.Space
	ridge float64
	knots []int
	at    map[int]map[string]place // by resolution and name
	order []string                 // names of the places, in network order
	cells map[choice]int
	prior []float64 // by cell and knot
	seen  []bool    // by cell
	cost  []float64 // by cell and knot
}

// setCells numbers the costs and fills prior with multiply-accumulates.
func (f *blockFit) setCells() error {
	last := f.knots[len(f.knots)-1]
	places, err := placesAt(f.space, last)
	if err != nil {
		return err
	}
	index := map[supernet.Block]int{}
	f.cells = map[choice]int{}
	for _, p := range places {
		f.order = append(f.order, p.name)
		for i, b := range p.blocks {
			if _, ok := index[b]; !ok && !p.always {
				index[b] = len(index)
			}
			f.cells[choice{p.name, i}] = index[b]
		}
	}
	if n := (len(index) + 1) * len(f.knots); n > maxCosts {
		return fmt.Errorf("%d costs are more than the %d that can be solved for", n, maxCosts)
	}
	f.seen = make([]bool, len(index)+1)
	f.prior = make([]float64, len(f.seen)*len(f.knots))
	for k, r := range f.knots {
		at, err := f.placesOf(r)
		if err != nil {
			return err
		}
		for _, name := range f.order {
			p := at[name]
			for i, b := range p.blocks {
				if p.always {
					f.prior[f.fixed()*len(f.knots)+k] += float64(b.MACs())
				} else {
					f.prior[f.cells[choice{name, i}]*len(f.knots)+k] = float64(b.MACs())
				}
			}
		}
	}
	return nil
}

// fixed returns the number of the cell that every network has.
func (f *blockFit) fixed() int { return len(f.seen) - 1 }

// placesOf returns the places at a resolution by name.
func (f *blockFit) placesOf(r int) (map[string]place, error) {
	if at, ok := f.at[r]; ok {
		return at, nil
	}
	places, err := placesAt(f.space, r)
	if err != nil {
		return nil, err
	}
	at := make(map[string]place, len(places))
	for _, p := range places {
		at[p.name] = p
	}
	f.at[r] = at
	return at, nil
}

// inputOf returns the input pixels of a choice at a resolution, which placesOf knows. All fixed
// places together stand for their second, most of whose siblings work at a fixed fraction of it.
func (f *blockFit) inputOf(r int, c choice) float64 { return pixels(f.at[r][c.place].blocks[c.index]) }

// spread calls add with the knots that a choice's cost at resolution r is made of, and their shares,
// which sum to 1.
func (f *blockFit) spread(r int, c choice, add func(knot int, share float64)) {
	k := min(max(0, len(f.knots)-2), max(0, slices.IndexFunc(f.knots, func(n int) bool { return n >= r })-1))
	low, high := f.inputOf(f.knots[k], c), 0.0
	if k+1 < len(f.knots) {
		high = f.inputOf(f.knots[k+1], c)
	}
	if high <= low { // one knot, or the same block at both
		add(k, 1)
		return
	}
	share := (f.inputOf(r, c) - low) / (high - low)
	add(k, 1-share)
	add(k+1, share)
}

// typical is the choice whose feature map stands for all fixed places.
func (f *blockFit) typical() choice { return choice{f.order[min(1, len(f.order)-1)], 0} }

// each calls add with every cost in a network's sum and its factor.
func (f *blockFit) each(a supernet.Arch, add func(cell, knot int, factor float64)) error {
	at, err := f.placesOf(a.R)
	if err != nil {
		return err
	}
	layers, err := f.space.Layers(a)
	if err != nil {
		return err
	}
	f.spread(a.R, f.typical(), func(k int, share float64) { add(f.fixed(), k, share) })
	for _, l := range layers {
		p := at[l.Name]
		if p.always {
			continue
		}
		c := choice{l.Name, slices.Index(p.blocks, l.Block)}
		if c.index < 0 {
			return fmt.Errorf("%v is none of the blocks of place %s", l.Block, l.Name)
		}
		f.spread(a.R, c, func(k int, share float64) { add(f.cells[c], k, share) })
	}
	return nil
}
