package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// Streams of the seed: a draw more in one does not shift another.
const (
	streamNetworks = 1 // which whole networks
	streamSeams    = 2 // which pairs
	streamWarmup   = 3
	streamRounds   = 1 << 32 // the order inside round i is stream streamRounds + i
)

// plan is what is measured. What is measured is called a unit and known by its index: the targets,
// then the pairs, then the networks, then the null model.
type plan struct {
	seed     uint64
	targets  []target
	pairs    []pair
	networks []supernet.Arch
	places   [][]place // of targets, per resolution, in network order
	seams    [][]place // of pairs, per resolution, in network order
}

// target is one block at one resolution.
type target struct {
	resolution int
	block      supernet.Block
}

// pair is two blocks, by target index, that follow one another in some network.
type pair struct{ a, b int }

// place holds consecutive units of which a walk takes one.
type place struct{ first, n int }

func (p *plan) units() int     { return p.null() + 1 }
func (p *plan) null() int      { return p.network(len(p.networks)) }
func (p *plan) pair(i int) int { return len(p.targets) + i }
func (p *plan) network(i int) int {
	return len(p.targets) + len(p.pairs) + i
}

// name returns what a unit is called in errors and warnings.
func (p *plan) name(unit int) string {
	key := func(t int) string {
		return lut.Key{Resolution: p.targets[t].resolution, Block: p.targets[t].block}.String()
	}
	switch {
	case unit < len(p.targets):
		return key(unit)
	case unit < p.network(0):
		q := p.pairs[unit-len(p.targets)]
		return key(q.a) + " with " + p.targets[q.b].block.String()
	case unit < p.null():
		return "network " + p.networks[unit-p.network(0)].String()
	}
	return "null model"
}

// newPlan lists every distinct block of the space at each resolution, grouped by place, and draws
// pairs and networks.
func newPlan(c Config) (*plan, error) {
	p := &plan{seed: c.Seed}
	for _, r := range c.Resolutions {
		groups, err := c.Space.BlocksByPlace(r)
		if err != nil {
			return nil, fmt.Errorf("resolution %d: %w", r, err)
		}
		var places []place
		for _, blocks := range groups {
			places = append(places, place{len(p.targets), len(blocks)})
			for _, b := range blocks {
				p.targets = append(p.targets, target{r, b})
			}
		}
		p.places = append(p.places, places)
	}
	if err := p.drawPairs(c.Space, c.Resolutions, c.Seams); err != nil {
		return nil, err
	}
	if len(c.Only) > 0 {
		if err := p.restrict(c.Only); err != nil {
			return nil, err
		}
	}
	var err error
	p.networks, err = drawNetworks(c.Space, c.NetworkResolutions, c.Seed, c.Networks, streamNetworks)
	return p, err
}

// digest returns a digest of everything that decides what is measured and in which order.
func (p *plan) digest(c Config) string {
	h := sha256.New()
	point := c.Point
	fmt.Fprintf(h, "profile 1\n%q\n%+v\n%q\n%d %d\n", c.Space.Name, point, c.Fingerprint, c.Seed, c.Hot)
	for u := range p.units() {
		io.WriteString(h, p.name(u)+"\n") // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Digest returns what a Journal knows the run of a configuration by: the SHA-256, in hexadecimal, of
// everything that decides what is measured. Rounds, targets and budgets do not: a longer run goes on
// where a shorter one stopped.
func Digest(c Config) (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	c = c.withDefaults()
	p, err := newPlan(c)
	if err != nil {
		return "", fmt.Errorf("profile: %w", err)
	}
	return p.digest(c), nil
}

// drawNetworks draws n different random sub-networks from a stream, resolutions in turn. It gives up a draw after
// 100 repetitions, so a tiny space yields fewer.
func drawNetworks(s *supernet.Space, resolutions []int, seed uint64, n int, stream uint64) ([]supernet.Arch, error) {
	rng := rand.New(rand.NewPCG(seed, stream))
	seen := map[string]bool{}
	var archs []supernet.Arch
	for i := range n {
		for range 100 {
			c, err := s.Canonical(s.Random(rng, resolutions[i%len(resolutions)]))
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

// round returns the units in the order of round i, or of the i-th round of a warm-up. Each appears
// once. A resolution's blocks are dealt at random to walks that take at most one of each place, in
// network order, so that between two visits of a block the weights of all others have passed, as in
// a network; the pairs likewise. Whole networks stand between walks, in random order, evenly spread.
func (p *plan) round(i int, warmup bool) []int {
	stream := streamRounds + uint64(i)
	if warmup {
		stream = streamWarmup + uint64(i)<<8
	}
	rng := rand.New(rand.NewPCG(p.seed, stream))
	var walks [][]int
	for i, places := range p.places {
		walks = append(walks, deal(rng, places)...)
		walks = append(walks, deal(rng, p.seams[i])...)
	}
	order := rng.Perm(len(p.networks))
	visits := make([]int, 0, p.units())
	placed := 0
	for i, walk := range walks {
		visits = append(visits, walk...)
		for ; placed < len(order) && placed*len(walks) < (i+1)*len(order); placed++ {
			visits = append(visits, p.network(order[placed]))
		}
		if i == 0 {
			visits = append(visits, p.null())
		}
	}
	return visits
}

// deal distributes the units of places over as few walks as possible.
func deal(rng *rand.Rand, places []place) [][]int {
	var walks [][]int
	for _, pl := range places {
		for i, v := range rng.Perm(pl.n) {
			if i == len(walks) {
				walks = append(walks, nil)
			}
			walks[i] = append(walks[i], pl.first+v)
		}
	}
	return walks
}

// hotOrder returns the targets in the order in which round i measures them twice in a row.
func (p *plan) hotOrder(i int) []int {
	rng := rand.New(rand.NewPCG(p.seed^0x686f74, streamRounds+uint64(i)))
	var order []int
	for _, places := range p.places {
		for _, walk := range deal(rng, places) {
			order = append(order, walk...)
		}
	}
	return order
}
