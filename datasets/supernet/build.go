package supernet

import "fmt"

// Slots returns the supernet's slots in network order with the sizes of feature maps for input
// resolution r, which is positive.
func (s *Space) Slots(r int) []Slot {
	b := &builder{space: s, size: r, at: fixed(s.InChannels), slots: make([]Slot, 0, s.Positions()+8)}
	b.stem()
	if s.FirstWidth > 0 {
		first := always(blockName(0))
		first.residual = !s.FirstPlain
		b.add(first, Block{Op: OpSepConv, Kernel: 3, Stride: 1, Act: s.FirstAct}, fixed(s.FirstWidth))
	}
	for i := range s.Stages {
		b.stage(i)
	}
	b.head()
	return b.slots
}

// port is where a block meets the next one: the entry of Arch.W that decides the channels, or -1,
// and the channels by index of a width, one if there is no choice.
type port struct {
	entry    int
	channels []int
}

func fixed(channels int) port { return port{-1, []int{channels}} }

// port returns what has an entry of Arch.W and so many channels where width is not elastic.
func (s *Space) port(entry int) port {
	base := s.StemWidth
	if entry >= stemWidths {
		base = s.Stages[entry-stemWidths].Width
	}
	inner := func(channels int) int {
		if entry == 0 {
			return MakeDivisible(float64(channels/2), 8)
		}
		return channels
	}
	if len(s.Widths) == 0 {
		return fixed(inner(base))
	}
	p := port{entry, make([]int, len(s.Widths))}
	for i, w := range s.Widths {
		p.channels[i] = inner(MakeDivisible(float64(base)*w, 8))
	}
	return p
}

// builder walks through a network.
type builder struct {
	space *Space
	size  int
	at    port
	slots []Slot
}

// always returns a slot that every sub-network has, without position.
func always(name, module string) Slot {
	return Slot{Name: name, Module: module, Position: -1, Depth: -1}
}

// blockName returns name and module of block n of a checkpoint.
func blockName(n int) (name, module string) {
	if n < len(blockNames) {
		return blockNames[n][0], blockNames[n][1]
	}
	return fmt.Sprintf("b%02d", n), fmt.Sprintf("blocks.%d", n)
}

// blockNames spares making the usual names for every network.
var blockNames = func() (names [32][2]string) {
	for n := range names {
		names[n] = [2]string{fmt.Sprintf("b%02d", n), fmt.Sprintf("blocks.%d", n)}
	}
	return names
}()

// add appends a slot; sizes follow from the block's stride, channels from where the walk is.
func (b *builder) add(sl Slot, block Block, out port) {
	sl.space, sl.block = b.space, block
	sl.In, sl.ins, sl.Out, sl.outs = b.at.entry, b.at.channels, out.entry, out.channels
	sl.block.In.Size = b.size
	b.size = downsample(b.size, max(1, block.Stride))
	if block.Op == OpPool {
		b.size = 1
	}
	sl.block.Out.Size = b.size
	b.at = out
	b.slots = append(b.slots, sl)
}

func (b *builder) stem() {
	s := b.space
	conv := Block{Op: OpStem, Kernel: 3, Stride: s.StemStride, Act: s.StemAct}
	if conv.Stride == 0 {
		conv.Stride = 2
	}
	if s.Stem == StemConv {
		b.add(always("stem", "first_conv"), conv, s.port(1))
		return
	}
	b.add(always("stem0", "input_stem.0"), conv, s.port(0))
	conv.Stride = 1
	extra := always("stem1", "input_stem.1.conv")
	extra.Depth, extra.Above, extra.residual = 0, last(s.Depths)-1, true
	b.add(extra, conv, b.at)
	b.add(always("stem2", "input_stem.2"), conv, s.port(1))
	b.add(always("maxpool", ""), Block{Op: OpMaxPool, Kernel: 3, Stride: 2}, b.at)
}

func (b *builder) stage(i int) {
	s, stage := b.space, b.space.Stages[i]
	block := Block{Op: s.Body, Stride: stage.Stride, Act: stage.Act, SE: stage.SE}
	if block.Op == "" {
		block.Op = OpMBConv
	}
	out := s.port(stemWidths + i)
	first, entry := s.FirstPosition(i), s.DepthEntry(i)
	for j := range s.blocks(i) {
		number := first + j
		if s.FirstWidth > 0 {
			number++ // block 0 is the fixed one
		}
		sl := always(blockName(number))
		sl.Position = first + j
		sl.residual = block.Op == OpMBConv || j > 0 // the first bottleneck of a stage has another shortcut
		if j >= stage.Base+minDepth(s, entry) {
			sl.Depth, sl.Above = entry, j-stage.Base
		}
		b.add(sl, block, out)
		block.Stride = 1
	}
}

// minDepth returns the least value of an entry of Arch.D, 0 for none.
func minDepth(s *Space, entry int) int {
	if entry < 0 {
		return 0
	}
	return s.depths(entry)[0]
}

func (b *builder) head() {
	s := b.space
	if s.ExpandWidth > 0 {
		sl := always("expand", "final_expand_layer")
		if s.MixWidth == 0 {
			sl = always("mix", "feature_mix_layer") // what OFA calls the last convolution
		}
		b.add(sl, Block{Op: OpExpand, Act: s.HeadAct}, fixed(s.ExpandWidth))
	}
	b.add(always("pool", ""), Block{Op: OpPool}, b.at)
	if s.MixWidth > 0 {
		b.add(always("mix", "feature_mix_layer"), Block{Op: OpMix, Act: s.HeadAct}, fixed(s.MixWidth))
	}
	module := "classifier"
	if len(s.Widths) > 0 {
		module = "classifier.linear" // OFA's elastic layers wrap a static one
	}
	b.add(always("classifier", module), Block{Op: OpClassifier}, fixed(s.Classes))
}
