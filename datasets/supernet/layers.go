package supernet

import "math/rand/v2"

// Layer is a block at its place in a sub-network.
type Layer struct {
	Block
	// Name is unique in the network and the same for the same place in every sub-network:
	// "stem", "b00" (the fixed first block), "b01".."b20" (position+1), "expand", "pool", "mix",
	// "classifier". Without a fixed first block b00 is position 0; a deep stem is "stem0", "stem1",
	// "stem2", "maxpool".
	Name string
	// Module is the prefix of the layer's tensors in a checkpoint with OFA's newer key names,
	// for example "blocks.3"; empty for layers without weights.
	Module string
	// Position is the elastic position, -1 for fixed layers.
	Position int
	// Resizable says that a choice decides the layer's channels: in a checkpoint its modules wrap
	// those of a layer of fixed size.
	Resizable bool
}

// Layers returns the active layers of a in network order. It returns an error if a is no
// sub-network of s.
func (s *Space) Layers(a Arch) ([]Layer, error) {
	c, err := s.Canonical(a)
	if err != nil {
		return nil, err
	}
	slots := s.Slots(c.R)
	layers := make([]Layer, 0, len(slots))
	for i := range slots {
		sl := &slots[i]
		if sl.Active(c.D) {
			layers = append(layers, Layer{sl.Block(sl.Choice(c)), sl.Name, sl.Module, sl.Position, sl.Elastic()})
		}
	}
	return layers, nil
}

// Blocks returns the blocks of a in network order.
func (s *Space) Blocks(a Arch) ([]Block, error) {
	layers, err := s.Layers(a)
	if err != nil {
		return nil, err
	}
	blocks := make([]Block, len(layers))
	for i, l := range layers {
		blocks[i] = l.Block
	}
	return blocks, nil
}

// MACs returns the multiply-accumulates of one inference; see Block.MACs for what counts.
func (s *Space) MACs(a Arch) (int64, error) { return s.sum(a, Block.MACs) }

// Params returns the number of parameters; see Block.Params for what counts.
func (s *Space) Params(a Arch) (int64, error) { return s.sum(a, Block.Params) }

func (s *Space) sum(a Arch, count func(Block) int64) (int64, error) {
	c, err := s.Canonical(a)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, sl := range s.Slots(c.R) {
		if sl.Active(c.D) {
			n += count(sl.Block(sl.Choice(c)))
		}
	}
	return n, nil
}

// Uniform returns the sub-network of s with the same kernel size, expand ratio and depth
// everywhere, at resolution r, and with elastic width the largest widths. Where an entry of Arch.D
// cannot have the depth, it gets the nearest smaller one, or else its smallest.
func (s *Space) Uniform(kernel int, expand float64, depth, r int) Arch {
	n := s.Positions()
	a := Arch{KS: make([]int, n), E: make([]float64, n), D: make([]int, s.DepthEntries()), R: r}
	for i := range n {
		a.KS[i], a.E[i] = kernel, expand
	}
	for i := range a.D {
		choices := s.depths(i)
		a.D[i] = choices[0]
		for _, d := range choices {
			if d <= depth {
				a.D[i] = d
			}
		}
	}
	for range s.WidthEntries() {
		a.W = append(a.W, len(s.Widths)-1)
	}
	return a
}

// Largest returns the sub-network with every choice at its maximum.
func (s *Space) Largest() Arch {
	return s.Uniform(last(s.Kernels), last(s.Expands), s.MaxDepth(), last(s.Resolutions))
}

// Smallest returns the sub-network with every choice at its minimum; inactive entries keep the
// minimum too (see Canonical).
func (s *Space) Smallest() Arch {
	a := s.Uniform(s.Kernels[0], s.Expands[0], 0, s.Resolutions[0])
	clear(a.W)
	return a
}

// Random returns a canonical sub-network whose every entry is drawn uniformly, at resolution r.
func (s *Space) Random(rng *rand.Rand, r int) Arch {
	a := s.Uniform(s.Kernels[0], s.Expands[0], 0, r)
	for p := range a.KS {
		a.KS[p], a.E[p] = pick(rng, s.Kernels), pick(rng, s.Expands)
	}
	for i := range a.D {
		a.D[i] = pick(rng, s.DepthChoices(i))
	}
	for i := range a.W {
		a.W[i] = pick(rng, s.WidthChoices(i))
	}
	c, err := s.Canonical(a)
	if err != nil {
		return a // r is out of range; the caller sees when it uses a
	}
	return c
}

func pick[T any](rng *rand.Rand, choices []T) T { return choices[rng.IntN(len(choices))] }

// DistinctBlocks returns every different block that sub-networks of s at resolution r can contain,
// in network order; at one place by widths, then expand ratio, then kernel size.
func (s *Space) DistinctBlocks(r int) ([]Block, error) {
	groups, err := s.BlocksByPlace(r)
	if err != nil {
		return nil, err
	}
	var distinct []Block
	for _, g := range groups {
		distinct = append(distinct, g...)
	}
	return distinct, nil
}

// BlocksByPlace returns what DistinctBlocks does, grouped by the first slot that can hold the
// block. Slots without a block of their own are left out.
func (s *Space) BlocksByPlace(r int) ([][]Block, error) {
	if err := checkResolution(r); err != nil {
		return nil, err
	}
	seen := map[Block]bool{}
	var groups [][]Block
	slots := s.Slots(r)
	for i := range slots {
		var group []Block
		for _, b := range slots[i].Blocks() {
			if !seen[b] {
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
