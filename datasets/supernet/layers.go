package supernet

import "fmt"

// Layer is a block at its place in a sub-network.
type Layer struct {
	Block
	// Name is unique in the network and the same for the same place in every sub-network:
	// "stem", "b00" (the fixed first block), "b01".."b20" (position+1), "expand", "pool", "mix",
	// "classifier".
	Name string
	// Module is the prefix of the layer's tensors in a checkpoint with OFA's newer key names,
	// for example "blocks.3"; empty for layers without weights.
	Module string
	// Position is the elastic position, -1 for fixed layers.
	Position int
}

// Layers returns the active layers of a in network order. It returns an error if a is no
// sub-network of s.
func (s *Space) Layers(a Arch) ([]Layer, error) {
	c, err := s.Canonical(a)
	if err != nil {
		return nil, err
	}
	cur := Shape{c.R, s.InChannels}
	var layers []Layer
	add := func(name, module string, position int, b Block) {
		b.In = cur
		layers = append(layers, Layer{b, name, module, position})
		cur = b.Out
	}
	size := downsample(cur.Size, 2)
	add("stem", "first_conv", -1, Block{Op: OpStem, Out: Shape{size, s.StemWidth}, Kernel: 3, Stride: 2, Act: s.StemAct})
	add("b00", "blocks.0", -1, Block{Op: OpSepConv, Out: Shape{size, s.FirstWidth}, Kernel: 3, Stride: 1, Act: s.FirstAct,
		Residual: s.StemWidth == s.FirstWidth})
	for i, stage := range s.Stages {
		for j := range c.D[i] {
			p := i*s.MaxDepth() + j
			stride := 1
			if j == 0 {
				stride = stage.Stride
			}
			out := Shape{downsample(cur.Size, stride), stage.Width}
			add(fmt.Sprintf("b%02d", p+1), fmt.Sprintf("blocks.%d", p+1), p, Block{
				Op: OpMBConv, Out: out, Mid: mid(cur.Channels, c.E[p]), Kernel: c.KS[p], Stride: stride,
				Act: stage.Act, SE: stage.SE, Residual: stride == 1 && cur == out,
			})
		}
	}
	add("expand", "final_expand_layer", -1, Block{Op: OpExpand, Out: Shape{cur.Size, s.ExpandWidth}, Act: s.HeadAct})
	add("pool", "", -1, Block{Op: OpPool, Out: Shape{1, s.ExpandWidth}})
	add("mix", "feature_mix_layer", -1, Block{Op: OpMix, Out: Shape{1, s.MixWidth}, Act: s.HeadAct})
	add("classifier", "classifier", -1, Block{Op: OpClassifier, Out: Shape{1, s.Classes}})
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
	blocks, err := s.Blocks(a)
	if err != nil {
		return 0, err
	}
	var n int64
	for _, b := range blocks {
		n += count(b)
	}
	return n, nil
}

// Uniform returns the sub-network of s with the same kernel size, expand ratio and depth
// everywhere, at resolution r.
func (s *Space) Uniform(kernel int, expand float64, depth, r int) Arch {
	n := s.Positions()
	a := Arch{KS: make([]int, n), E: make([]float64, n), D: make([]int, len(s.Stages)), R: r}
	for i := range n {
		a.KS[i], a.E[i] = kernel, expand
	}
	for i := range a.D {
		a.D[i] = depth
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
	return s.Uniform(s.Kernels[0], s.Expands[0], s.Depths[0], s.Resolutions[0])
}

// DistinctBlocks returns every different block that sub-networks of s at resolution r can contain,
// in network order; at one place by expand ratio, then kernel size.
func (s *Space) DistinctBlocks(r int) ([]Block, error) {
	var networks [][]Block // full depth, uniform choices: together they visit every block
	for _, e := range s.Expands {
		for _, k := range s.Kernels {
			blocks, err := s.Blocks(s.Uniform(k, e, s.MaxDepth(), r))
			if err != nil {
				return nil, err
			}
			networks = append(networks, blocks)
		}
	}
	seen := map[Block]bool{}
	var distinct []Block
	for place := range networks[0] {
		for _, blocks := range networks {
			if b := blocks[place]; !seen[b] {
				seen[b] = true
				distinct = append(distinct, b)
			}
		}
	}
	return distinct, nil
}

func last[T any](s []T) T { return s[len(s)-1] }
