package lut

import "github.com/dynofa/dynofa/datasets/supernet"

// places holds the blocks of a space at one resolution, by their place in the supernet, so that the
// same place can be found at another resolution, where its block has other shapes.
type places struct {
	fixed []supernet.Block // outside the elastic positions, in network order
	cells []supernet.Block // [position][expand ratio][kernel size]
}

// placesAt lists the blocks of s at resolution r.
func placesAt(s *supernet.Space, r int) (places, error) {
	p := places{cells: make([]supernet.Block, s.Positions()*len(s.Expands)*len(s.Kernels))}
	for ei, e := range s.Expands {
		for ki, k := range s.Kernels {
			layers, err := s.Layers(s.Uniform(k, e, s.MaxDepth(), r))
			if err != nil {
				return places{}, err
			}
			p.fixed = p.fixed[:0]
			for _, l := range layers {
				if l.Position < 0 {
					p.fixed = append(p.fixed, l.Block)
				} else {
					p.cells[cellIndex(s, l.Position, ei, ki)] = l.Block
				}
			}
		}
	}
	return p, nil
}

func cellIndex(s *supernet.Space, position, expand, kernel int) int {
	return (position*len(s.Expands)+expand)*len(s.Kernels) + kernel
}

// all returns the blocks of every place, fixed ones first; places that share a block repeat it.
func (p places) all() []supernet.Block {
	return append(append([]supernet.Block(nil), p.fixed...), p.cells...)
}

// pixels returns the size of a block's input feature map.
func pixels(b supernet.Block) float64 { return float64(b.In.Size) * float64(b.In.Size) }
