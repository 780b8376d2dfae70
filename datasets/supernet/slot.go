package supernet

// Slot is a place for one block in a supernet at one resolution. A sub-network has the slots that
// its depths make active, in the order of Slots, and fills each with a block. Sizes of feature maps
// depend on the slot alone: what may be inactive keeps its input's shape.
type Slot struct {
	Name     string // as Layer.Name
	Module   string // as Layer.Module
	Position int    // elastic position, -1 for a block without kernel size and expand ratio to choose

	// Depth is the index of the entry of Arch.D that decides whether the slot is active: if it is
	// more than Above. -1: the slot is active always.
	Depth, Above int

	// In and Out are the indices of the entries of Arch.W that decide the channels of input and
	// output, -1 where they are fixed. They are equal where one entry decides both.
	In, Out int

	space     *Space
	block     Block // without channels
	ins, outs []int // channels by index of a width; one if fixed
	residual  bool  // where shapes allow it
}

// Active reports whether a sub-network with the depths d, which are valid ones, has the slot.
func (sl *Slot) Active(d []int) bool { return sl.Depth < 0 || d[sl.Depth] > sl.Above }

// Elastic reports whether the slot offers a choice of blocks.
func (sl *Slot) Elastic() bool { return sl.Position >= 0 || sl.In >= 0 || sl.Out >= 0 }

// Choice is how a slot may be filled. What the slot has no choice of is not looked at.
type Choice struct {
	Kernel  int
	Expand  float64
	In, Out int // indices of Space.Widths; equal where Slot.In and Slot.Out are
}

// Choice returns how a sub-network, which is valid and of the slot's space, fills the slot.
func (sl *Slot) Choice(a Arch) Choice {
	var c Choice
	if sl.Position >= 0 {
		c.Kernel, c.Expand = a.KS[sl.Position], a.E[sl.Position]
	}
	if sl.In >= 0 {
		c.In = a.W[sl.In]
	}
	if sl.Out >= 0 {
		c.Out = a.W[sl.Out]
	}
	return c
}

// Block returns the block of a choice, which is a valid one.
func (sl *Slot) Block(c Choice) Block {
	b := sl.block
	b.In.Channels, b.Out.Channels = sl.ins[0], sl.outs[0]
	if sl.In >= 0 {
		b.In.Channels = sl.ins[c.In]
	}
	if sl.Out >= 0 {
		b.Out.Channels = sl.outs[c.Out]
	}
	if sl.Position >= 0 {
		b.Kernel = c.Kernel
		switch b.Op {
		case OpBottleneck:
			b.Mid = mid(b.Out.Channels, c.Expand)
		default:
			b.Mid = mid(b.In.Channels, c.Expand)
		}
	}
	b.Residual = sl.residual && b.Stride == 1 && b.In == b.Out
	return b
}

// Blocks returns the blocks of every choice, by width of the input, width of the output (not where
// it is the input's), expand ratio and kernel size, ascending; choices that round to the same block
// repeat it. Index finds one.
func (sl *Slot) Blocks() []Block {
	var all []Block
	for in := range sl.widths(sl.In) {
		for out := range sl.widths(sl.Out) {
			c := Choice{In: in, Out: out}
			if sl.In == sl.Out {
				if out > 0 {
					continue
				}
				c.Out = in
			}
			if sl.Position < 0 {
				all = append(all, sl.Block(c))
				continue
			}
			for _, c.Expand = range sl.space.Expands {
				for _, c.Kernel = range sl.space.Kernels {
					all = append(all, sl.Block(c))
				}
			}
		}
	}
	return all
}

// Index returns the index in Blocks of the block for indices of the space's lists of widths, expand
// ratios and kernel sizes. Indices of what the slot has no choice of are not looked at. It does not
// allocate.
func (sl *Slot) Index(in, out, expand, kernel int) int {
	i := 0
	if sl.In >= 0 {
		i = in
	}
	if sl.Out >= 0 && sl.Out != sl.In {
		i = i*len(sl.space.Widths) + out
	}
	if sl.Position >= 0 {
		i = (i*len(sl.space.Expands)+expand)*len(sl.space.Kernels) + kernel
	}
	return i
}

// widths returns the number of choices of an entry of Arch.W.
func (sl *Slot) widths(entry int) int {
	if entry < 0 {
		return 1
	}
	return len(sl.space.Widths)
}
