package supernet

// Activations returns the largest number of elements that are alive at one time while the block runs:
// operation after operation, each with its input and output in memory, and the block's input as long as it
// is still to be added or convolved. Activation functions and additions work in place; the few elements of
// squeeze-and-excitation are not counted. It is what any runtime needs at least with this order; one that
// fuses operations can do with less, one that pads or reorders takes more.
func (b Block) Activations() int64 {
	size := func(s, channels int) int64 { return int64(s) * int64(s) * int64(channels) }
	in, out := size(b.In.Size, b.In.Channels), size(b.Out.Size, b.Out.Channels)
	before, after := size(b.In.Size, b.Mid), size(b.Out.Size, b.Mid) // the stride
	kept := int64(0)
	if b.Residual {
		kept = in
	}
	switch b.Op {
	case OpSepConv:
		between := size(b.Out.Size, b.In.Channels)
		return max(in+between, kept+between+out)
	case OpMBConv:
		return max(in+before, kept+before+after, kept+after+out)
	case OpBottleneck:
		peak := max(in+before+after, in+after+out)
		if !b.Residual {
			pooled := in
			if b.Stride > 1 {
				pooled = size(b.Out.Size, b.In.Channels)
				peak = max(peak, in+out+pooled)
			}
			peak = max(peak, out+pooled+out)
		}
		return peak
	}
	return in + out
}

// Activations returns the largest number of elements that are alive at one time in one inference of a, one
// picture: that of the block that needs most. Four bytes each as float32.
func (s *Space) Activations(a Arch) (int64, error) {
	c, err := s.Canonical(a)
	if err != nil {
		return 0, err
	}
	var most int64
	slots := s.Slots(c.R)
	for i := range slots {
		if sl := &slots[i]; sl.Active(c.D) {
			most = max(most, sl.Block(sl.Choice(c)).Activations())
		}
	}
	return most, nil
}
