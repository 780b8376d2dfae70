package profile

import (
	"fmt"
	"math/rand/v2"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Streams of the seed: a draw more in one does not shift another.
const (
	streamNetworks = 1 // which whole networks
	streamRounds   = 2 // the order inside rounds
)

// plan is what is measured and in which order.
type plan struct {
	rng      *rand.Rand
	places   [][]place // per resolution, in network order
	networks []supernet.Arch
}

// place holds the blocks that can stand at one place of a network and at no place before it.
type place struct {
	first int // index of the first block among all targets
	n     int
}

// target is one block at one resolution.
type target struct {
	resolution int
	block      supernet.Block
}

// newPlan lists every distinct block of the space at each resolution, grouped by place.
func newPlan(s *supernet.Space, resolutions []int, seed uint64, networks int) (*plan, []target, error) {
	p := &plan{rng: rand.New(rand.NewPCG(seed, streamRounds))}
	var targets []target
	for _, r := range resolutions {
		groups, err := blocksByPlace(s, r)
		if err != nil {
			return nil, nil, fmt.Errorf("resolution %d: %w", r, err)
		}
		var places []place
		for _, blocks := range groups {
			places = append(places, place{len(targets), len(blocks)})
			for _, b := range blocks {
				targets = append(targets, target{r, b})
			}
		}
		p.places = append(p.places, places)
	}
	var err error
	p.networks, err = drawNetworks(s, resolutions, seed, networks)
	return p, targets, err
}

// blocksByPlace returns the distinct blocks of a resolution, grouped by the first place where they
// can stand. Places without a block of their own are left out.
func blocksByPlace(s *supernet.Space, r int) ([][]supernet.Block, error) {
	var networks [][]supernet.Block // full depth, uniform choices: together they visit every block
	for _, e := range s.Expands {
		for _, k := range s.Kernels {
			blocks, err := s.Blocks(s.Uniform(k, e, s.MaxDepth(), r))
			if err != nil {
				return nil, err
			}
			networks = append(networks, blocks)
		}
	}
	seen := map[supernet.Block]bool{}
	var groups [][]supernet.Block
	for i := range networks[0] {
		var group []supernet.Block
		for _, blocks := range networks {
			if b := blocks[i]; !seen[b] {
				seen[b] = true
				group = append(group, b)
			}
		}
		if len(group) > 0 {
			groups = append(groups, group)
		}
	}
	return groups, nil
}

// drawNetworks draws n different random sub-networks, resolutions in turn. It gives up a draw after
// 100 repetitions, so a tiny space yields fewer.
func drawNetworks(s *supernet.Space, resolutions []int, seed uint64, n int) ([]supernet.Arch, error) {
	rng := rand.New(rand.NewPCG(seed, streamNetworks))
	seen := map[string]bool{}
	var archs []supernet.Arch
	for i := range n {
		for range 100 {
			a := s.Uniform(s.Kernels[0], s.Expands[0], s.MaxDepth(), resolutions[i%len(resolutions)])
			for p := range a.KS {
				a.KS[p], a.E[p] = pick(rng, s.Kernels), pick(rng, s.Expands)
			}
			for stage := range a.D {
				a.D[stage] = pick(rng, s.Depths)
			}
			c, err := s.Canonical(a)
			if err != nil {
				return nil, err
			}
			if !seen[c.String()] {
				seen[c.String()] = true
				archs = append(archs, c)
				break
			}
		}
	}
	return archs, nil
}

func pick[T any](rng *rand.Rand, choices []T) T { return choices[rng.IntN(len(choices))] }

// round returns the visits of the next round: indices of targets, and len(targets)+i for network i.
// Each appears once. A resolution's blocks are dealt at random to walks that take at most one block
// of each place, in network order, so that between two visits of a block the weights of all others
// have passed, as in a network. Whole networks stand between walks, in random order, evenly spread.
func (p *plan) round(targets int) []int {
	var walks [][]int
	for _, places := range p.places {
		first := len(walks)
		for _, pl := range places {
			for i, v := range p.rng.Perm(pl.n) {
				if first+i == len(walks) {
					walks = append(walks, nil)
				}
				walks[first+i] = append(walks[first+i], pl.first+v)
			}
		}
	}
	order := p.rng.Perm(len(p.networks))
	visits := make([]int, 0, targets+len(order))
	placed := 0
	for i, walk := range walks {
		visits = append(visits, walk...)
		for ; placed < len(order) && placed*len(walks) < (i+1)*len(order); placed++ {
			visits = append(visits, targets+order[placed])
		}
	}
	return visits
}
