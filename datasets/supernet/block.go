package supernet

import (
	"fmt"
	"strconv"
	"strings"
)

// Op says what a Block computes.
type Op string

// The operations of the supported supernets. "BN" is batch normalisation, folded into the
// convolution before it when a network is exported.
const (
	OpStem       Op = "stem"       // k x k convolution, BN, activation, [input added]
	OpMaxPool    Op = "maxpool"    // largest value of each k x k window
	OpSepConv    Op = "sepconv"    // k x k depthwise convolution, BN, activation, 1x1 convolution, BN
	OpMBConv     Op = "mbconv"     // 1x1 expansion, BN, act., k x k depthwise, BN, act., [SE], 1x1 projection, BN
	OpBottleneck Op = "bottleneck" // 1x1, BN, act., k x k, BN, act., 1x1, BN, shortcut added, act.
	OpExpand     Op = "expand"     // 1x1 convolution, BN, activation
	OpPool       Op = "pool"       // mean over height and width
	OpMix        Op = "mix"        // 1x1 convolution without BN or bias, activation
	OpClassifier Op = "classifier" // fully connected layer with bias
)

// Activation is the non-linearity inside a Block.
type Activation string

// Activations; the zero value means none.
const (
	None   Activation = ""
	ReLU   Activation = "relu"
	ReLU6  Activation = "relu6"  // min(max(x, 0), 6)
	HSwish Activation = "hswish" // x * relu6(x+3) / 6
)

// Shape is a square feature map: Size x Size x Channels.
type Shape struct {
	Size     int
	Channels int
}

// Block is one active layer group of a sub-network with every shape that decides what it costs.
// Blocks are comparable; two blocks that are equal run the same arithmetic on tensors of the same
// size, wherever they stand in a network. Latency tables are keyed by blocks.
type Block struct {
	Op      Op
	In, Out Shape
	Mid     int        // channels inside an mbconv or a bottleneck; 0 elsewhere
	Kernel  int        // side of the (depthwise, middle) kernel or of the window; 0 where there is none
	Stride  int        // of the kernel; 0 where there is none
	Act     Activation // the activation; see Op for where it stands
	SE      bool       // squeeze-and-excitation after the depthwise convolution
	// Residual says that the input is added to the output. A bottleneck without adds the input
	// after a 2x2 mean (only if the stride is 2; windows at the edge may be cut off) and a 1x1
	// convolution with BN.
	Residual bool
}

// SEMid returns the reduced width of the block's squeeze-and-excitation, 0 without one.
func (b Block) SEMid() int {
	if !b.SE {
		return 0
	}
	return MakeDivisible(float64(b.Mid/4), 8)
}

// MACs counts multiply-accumulates for one picture: convolution weights times output positions
// (squeeze-and-excitation included, at 1x1) and the classifier's products; no bias, BN, activation
// or pooling.
func (b Block) MACs() int64 {
	in, out := int64(b.In.Size)*int64(b.In.Size), int64(b.Out.Size)*int64(b.Out.Size)
	ci, co, mid, kk := int64(b.In.Channels), int64(b.Out.Channels), int64(b.Mid), int64(b.Kernel)*int64(b.Kernel)
	switch b.Op {
	case OpStem:
		return out * co * ci * kk
	case OpSepConv:
		return out*ci*kk + out*ci*co
	case OpMBConv:
		return in*ci*mid + out*mid*kk + 2*mid*int64(b.SEMid()) + out*mid*co
	case OpBottleneck:
		n := in*ci*mid + out*mid*mid*kk + out*mid*co
		if !b.Residual {
			n += out * ci * co
		}
		return n
	case OpExpand, OpMix:
		return out * ci * co
	case OpClassifier:
		return ci * co
	}
	return 0
}

// Params counts parameters: convolution weights, two per BN channel, and the biases of
// squeeze-and-excitation and classifier. Running statistics and kernel-transform matrices are not
// counted.
func (b Block) Params() int64 {
	ci, co, mid, kk := int64(b.In.Channels), int64(b.Out.Channels), int64(b.Mid), int64(b.Kernel)*int64(b.Kernel)
	switch b.Op {
	case OpStem:
		return co*ci*kk + 2*co
	case OpSepConv:
		return ci*kk + 2*ci + ci*co + 2*co
	case OpMBConv:
		n := ci*mid + 2*mid + mid*kk + 2*mid + mid*co + 2*co
		if se := int64(b.SEMid()); se > 0 {
			n += mid*se + se + se*mid + mid
		}
		return n
	case OpBottleneck:
		n := ci*mid + 2*mid + mid*mid*kk + 2*mid + mid*co + 2*co
		if !b.Residual {
			n += ci*co + 2*co
		}
		return n
	case OpExpand:
		return ci*co + 2*co
	case OpMix:
		return ci * co
	case OpClassifier:
		return ci*co + co
	}
	return 0
}

// String returns the block's text form, for example
// "mbconv in=88x88x24 out=44x44x32 mid=72 k=5 s=2 act=relu se=1 res=0". ParseBlock reads it back.
func (b Block) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s in=%dx%dx%d out=%dx%dx%d", b.Op, b.In.Size, b.In.Size, b.In.Channels, b.Out.Size, b.Out.Size, b.Out.Channels)
	if b.Mid > 0 {
		fmt.Fprintf(&s, " mid=%d", b.Mid)
	}
	if b.Kernel > 0 {
		fmt.Fprintf(&s, " k=%d s=%d", b.Kernel, b.Stride)
	}
	if b.Act != None {
		fmt.Fprintf(&s, " act=%s", b.Act)
	}
	switch {
	case b.Op == OpMBConv || b.Op == OpSepConv:
		fmt.Fprintf(&s, " se=%d res=%d", digit(b.SE), digit(b.Residual))
	case b.Op == OpBottleneck:
		fmt.Fprintf(&s, " res=%d", digit(b.Residual))
	case b.Op == OpStem && b.Residual:
		s.WriteString(" res=1")
	}
	return s.String()
}

// ParseBlock reads the text form that String writes. It refuses anything else: unknown or repeated
// fields, fields that the operation does not have, and values outside [1, 1e6].
func ParseBlock(s string) (Block, error) {
	words := strings.Split(s, " ")
	b := Block{Op: Op(words[0])}
	seen := make(map[string]bool, len(words))
	for _, word := range words[1:] {
		key, value, ok := strings.Cut(word, "=")
		if !ok || seen[key] {
			return Block{}, fmt.Errorf("block %q: field %q is malformed or repeated", s, word)
		}
		seen[key] = true
		if err := b.setField(key, value); err != nil {
			return Block{}, fmt.Errorf("block %q: %w", s, err)
		}
	}
	if err := b.Validate(); err != nil {
		return Block{}, fmt.Errorf("block %q: %w", s, err)
	}
	if b.String() != s {
		return Block{}, fmt.Errorf("block %q is not in canonical form, which is %q", s, b.String())
	}
	return b, nil
}

func (b *Block) setField(key, value string) (err error) {
	switch key {
	case "in":
		b.In, err = parseShape(value)
	case "out":
		b.Out, err = parseShape(value)
	case "mid":
		b.Mid, err = parseCount(value)
	case "k":
		b.Kernel, err = parseCount(value)
	case "s":
		b.Stride, err = parseCount(value)
	case "act":
		b.Act = Activation(value)
	case "se":
		b.SE, err = parseDigit(value)
	case "res":
		b.Residual, err = parseDigit(value)
	default:
		err = fmt.Errorf("unknown field %q", key)
	}
	return err
}

// Validate returns an error unless the block's fields make sense together: shapes are positive,
// the output size follows from input size and stride, a residual keeps its shape, and fields that
// the operation does not have are zero.
func (b Block) Validate() error {
	if !inRange(b.In) || !inRange(b.Out) {
		return fmt.Errorf("a dimension is outside [1, %d]", maxDimension)
	}
	parts, ok := partsOf[b.Op]
	if !ok {
		return fmt.Errorf("unknown operation %q", b.Op)
	}
	spatial := parts.spatial
	switch {
	case !b.Act.Valid():
		return fmt.Errorf("unknown activation %q", b.Act)
	case spatial != (b.Kernel > 0), spatial != (b.Stride > 0):
		return fmt.Errorf("kernel %d and stride %d do not fit a %s", b.Kernel, b.Stride, b.Op)
	case b.Kernel > 0 && (b.Kernel%2 == 0 || b.Kernel > maxKernel || b.Stride > maxStride):
		return fmt.Errorf("kernel %d is even or above %d, or stride %d above %d", b.Kernel, maxKernel, b.Stride, maxStride)
	case parts.mid != (b.Mid > 0) || b.Mid > maxDimension:
		return fmt.Errorf("%d middle channels do not fit a %s", b.Mid, b.Op)
	case b.products() > maxProducts:
		return fmt.Errorf("it is too large to count its multiply-accumulates")
	case b.SE && !parts.se, b.Residual && !parts.residual, b.Act != None && parts.plain:
		return fmt.Errorf("a %s has no such part", b.Op)
	case b.Residual && (b.In != b.Out || b.Stride != 1):
		return fmt.Errorf("a residual needs equal shapes and stride 1")
	case spatial && b.Out.Size != downsample(b.In.Size, b.Stride):
		return fmt.Errorf("output size %d does not follow from %d by stride %d", b.Out.Size, b.In.Size, b.Stride)
	case b.Op == OpBottleneck && b.Stride > 2:
		return fmt.Errorf("the shortcut of a bottleneck has stride 1 or 2, not %d", b.Stride)
	case b.Op == OpMaxPool && b.In.Channels != b.Out.Channels:
		return fmt.Errorf("pooling keeps channels")
	case (b.Op == OpExpand || b.Op == OpMix) && b.In.Size != b.Out.Size:
		return fmt.Errorf("a 1x1 convolution keeps its size")
	case b.Op == OpPool && (b.In.Channels != b.Out.Channels || b.Out.Size != 1):
		return fmt.Errorf("pooling keeps channels and leaves size 1")
	case b.Op == OpClassifier && (b.In.Size != 1 || b.Out.Size != 1):
		return fmt.Errorf("a classifier works at size 1")
	}
	return nil
}

// partsOf says which fields an operation has. plain ones have no activation.
var partsOf = map[Op]struct{ spatial, mid, se, residual, plain bool }{
	OpStem:       {spatial: true, residual: true},
	OpMaxPool:    {spatial: true, plain: true},
	OpSepConv:    {spatial: true, residual: true},
	OpMBConv:     {spatial: true, mid: true, se: true, residual: true},
	OpBottleneck: {spatial: true, mid: true, residual: true},
	OpExpand:     {}, OpMix: {}, OpPool: {}, OpClassifier: {},
}

// Valid reports whether a is one of the activations above.
func (a Activation) Valid() bool {
	return a == None || a == ReLU || a == ReLU6 || a == HSwish
}

// Bounds of a kernel's side and of a stride.
const (
	maxKernel = 31
	maxStride = 8
)

// maxDimension bounds every count in a block, and maxProducts what MACs adds up, so that sums of
// hostile values stay in int64.
const (
	maxDimension = 1 << 16
	maxProducts  = 1 << 60
)

// products returns at least the largest term of MACs and Params.
func (b Block) products() float64 {
	if b.Op == OpPool || b.Op == OpMaxPool {
		return 0
	}
	side := float64(max(b.In.Size, b.Out.Size)) * float64(max(b.Kernel, 1))
	channels := float64(max(b.In.Channels, b.Out.Channels, b.Mid))
	return side * side * channels * channels
}

func inRange(s Shape) bool {
	return s.Size > 0 && s.Size <= maxDimension && s.Channels > 0 && s.Channels <= maxDimension
}

func parseShape(s string) (Shape, error) {
	parts := strings.Split(s, "x")
	if len(parts) != 3 || parts[0] != parts[1] {
		return Shape{}, fmt.Errorf("shape %q is not NxNxC", s)
	}
	size, err := parseCount(parts[0])
	if err != nil {
		return Shape{}, err
	}
	channels, err := parseCount(parts[2])
	return Shape{size, channels}, err
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > maxDimension {
		return 0, fmt.Errorf("%q is not a number in [1, %d]", s, maxDimension)
	}
	return n, nil
}

func parseDigit(s string) (bool, error) {
	if s != "0" && s != "1" {
		return false, fmt.Errorf("%q is neither 0 nor 1", s)
	}
	return s == "1", nil
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}
