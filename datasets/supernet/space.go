// Package supernet describes weight-sharing supernets and their sub-networks: which choices a
// supernet offers (Space), one choice (Arch), and the blocks with shapes, multiply-accumulates and
// parameters that it consists of. It knows OFA's three published kinds of supernets (ByName) and
// reads descriptions of others of the same build (LoadSpace). It holds no weights and runs nothing.
//
// Source: Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
// Deployment", ICLR 2020, and the layer-by-layer behaviour of the authors' published code.
package supernet

import (
	"math"
	"math/big"
	"slices"
)

// Space is a supernet's choices. A sub-network picks a depth per stage, a kernel size and an
// expand ratio per active position, with elastic width a width per stage, and an input resolution.
//
// A network is a stem, an optional fixed first block, stages of elastic blocks, and a head: a 1x1
// convolution, a mean over height and width, another 1x1 convolution (either convolution may be
// missing), a classifier. Slots lists it block by block.
//
// Channel counts are final, a width multiplier has been applied already, unless Widths lists
// choices of it.
type Space struct {
	Name       string
	InChannels int // channels of the input picture
	Classes    int

	Kernels     []int     // kernel sizes of elastic blocks, ascending; all odd
	Expands     []float64 // expand ratios, ascending; see Body for of what
	Depths      []int     // values of an entry of Arch.D, ascending
	Resolutions []int     // input resolutions that a search may use, ascending
	// Widths are the multipliers of channel counts that entries of Arch.W choose by index,
	// ascending. Empty: widths are fixed.
	Widths []float64 `json:",omitempty"`

	// Body is the operation of the elastic blocks: OpMBConv, for which "" stands too, whose expand
	// ratio is that of middle channels to input channels; or OpBottleneck, to output channels.
	Body Op `json:",omitempty"`

	Stem       Stem `json:",omitempty"`
	StemWidth  int  // channels after the stem
	StemStride int  `json:",omitempty"` // of its first convolution; 0 stands for 2
	StemAct    Activation

	FirstWidth int // channels after the fixed first block (3x3 depthwise separable, stride 1); 0: there is none
	FirstAct   Activation
	// FirstPlain says that the first block never adds its input; otherwise it does where the
	// channels agree.
	FirstPlain bool `json:",omitempty"`

	Stages []Stage
	// StageDepths holds, for stages whose entry of Arch.D has other values than Depths, those
	// values, ascending. It is empty, or as long as Stages.
	StageDepths [][]int `json:",omitempty"`
	ExpandWidth int     // channels of the 1x1 convolution before the mean, with BN; 0: there is none
	MixWidth    int     // channels of the 1x1 convolution after the mean, without BN; 0: there is none
	HeadAct     Activation

	BNEps float64 // epsilon of every batch normalisation
}

// Stem says what a network begins with.
type Stem string

// The stems.
const (
	StemConv Stem = "" // one 3x3 convolution
	// StemDeep is three 3x3 convolutions, the first with the stride, and a 3x3 max-pooling with
	// stride 2. The second works at half the width and is left out unless the first entry of
	// Arch.D is the largest of Space.Depths; where it stays, its input is added to its output.
	StemDeep Stem = "deep"
)

// Stage is a group of elastic blocks that share a width. The first block has the stride.
type Stage struct {
	Width  int
	Stride int
	Act    Activation
	SE     bool
	Base   int  `json:",omitempty"` // blocks that are active beyond the stage's entry of Arch.D
	Fixed  bool `json:",omitempty"` // there is no such entry: exactly Base blocks are active
}

// MaxDepth returns the largest value that an entry of Arch.D may have. With it Uniform gives the
// deepest sub-networks.
func (s *Space) MaxDepth() int {
	d := 0
	for i := range s.DepthEntries() {
		d = max(d, last(s.depths(i)))
	}
	return d
}

// Positions returns the number of elastic positions of the supernet, active or not: the length of
// Arch.KS and Arch.E. Stages follow each other; FirstPosition says where one begins.
func (s *Space) Positions() int { return s.FirstPosition(len(s.Stages)) }

// FirstPosition returns the position of block 0 of a stage. Block j of the stage has position
// FirstPosition(stage) + j and is active in a sub-network whose ActiveBlocks of the stage are more
// than j. With len(s.Stages) it returns the number of positions.
func (s *Space) FirstPosition(stage int) int {
	p := 0
	for i := range stage {
		p += s.blocks(i)
	}
	return p
}

// blocks returns the number of positions of a stage.
func (s *Space) blocks(stage int) int {
	n := s.Stages[stage].Base
	if d := s.stageDepths(stage); !s.Stages[stage].Fixed && len(d) > 0 {
		n += last(d)
	}
	return n
}

func (s *Space) stageDepths(stage int) []int {
	if stage < len(s.StageDepths) && len(s.StageDepths[stage]) > 0 {
		return s.StageDepths[stage]
	}
	return s.Depths
}

// DepthEntries returns the length of Arch.D: one entry per stage that is not fixed, after one for a
// deep stem.
func (s *Space) DepthEntries() int {
	n := 0
	if s.Stem == StemDeep {
		n++
	}
	for _, stage := range s.Stages {
		if !stage.Fixed {
			n++
		}
	}
	return n
}

// DepthEntry returns the index of a stage's entry of Arch.D, or -1 if the stage is fixed. Stage -1
// is the stem.
func (s *Space) DepthEntry(stage int) int {
	entry := -1
	if s.Stem == StemDeep {
		entry = 0
	}
	if stage < 0 {
		return entry
	}
	if s.Stages[stage].Fixed {
		return -1
	}
	for i := range stage + 1 {
		if !s.Stages[i].Fixed {
			entry++
		}
	}
	return entry
}

// StageOfEntry returns the stage that an entry of Arch.D belongs to, or -1 for a deep stem's.
func (s *Space) StageOfEntry(entry int) int {
	if s.Stem == StemDeep {
		entry--
	}
	if entry < 0 {
		return -1
	}
	for i := range s.Stages {
		if !s.Stages[i].Fixed {
			if entry == 0 {
				return i
			}
			entry--
		}
	}
	return len(s.Stages)
}

// depths returns the values that an entry of Arch.D may have.
func (s *Space) depths(entry int) []int {
	if stage := s.StageOfEntry(entry); stage >= 0 {
		return s.stageDepths(stage)
	}
	return s.Depths
}

// DepthChoices returns the values of an entry of a canonical architecture's D that make a
// difference, ascending. For a deep stem they are the smallest and the largest of Depths.
func (s *Space) DepthChoices(entry int) []int {
	d := s.depths(entry)
	if s.StageOfEntry(entry) < 0 && len(d) > 2 {
		return []int{d[0], last(d)}
	}
	return slices.Clone(d)
}

// ActiveBlocks returns the number of active blocks of a stage in a sub-network with the depths d,
// which are valid ones.
func (s *Space) ActiveBlocks(stage int, d []int) int {
	n := s.Stages[stage].Base
	if entry := s.DepthEntry(stage); entry >= 0 {
		n += d[entry]
	}
	return n
}

// WidthEntries returns the length of Arch.W: 0 without elastic width, else one entry for the
// stem's inner width, one for its outer and one per stage.
func (s *Space) WidthEntries() int {
	if len(s.Widths) == 0 {
		return 0
	}
	return stemWidths + len(s.Stages)
}

// stemWidths is the number of entries of Arch.W that belong to a deep stem.
const stemWidths = 2

// WidthChoices returns the values of an entry of a canonical architecture's W that make a
// difference, ascending: of indices with the same channels after rounding, the first.
func (s *Space) WidthChoices(entry int) []int {
	channels := s.port(entry).channels
	var all []int
	for i, c := range channels {
		if slices.Index(channels, c) == i {
			all = append(all, i)
		}
	}
	return all
}

// Size returns the number of canonical architectures at the searchable resolutions.
func (s *Space) Size() *big.Int {
	perBlock := big.NewInt(int64(len(s.Kernels) * len(s.Expands)))
	ways := func(stage, depth int) *big.Int {
		blocks := int64(s.Stages[stage].Base + depth)
		return new(big.Int).Exp(perBlock, big.NewInt(blocks), nil)
	}
	n := big.NewInt(int64(len(s.Resolutions)))
	if s.DepthEntry(-1) >= 0 {
		n.Mul(n, big.NewInt(int64(len(s.DepthChoices(0)))))
	}
	for i, stage := range s.Stages {
		if stage.Fixed {
			n.Mul(n, ways(i, 0))
			continue
		}
		sum := new(big.Int)
		for _, d := range s.stageDepths(i) {
			sum.Add(sum, ways(i, d))
		}
		n.Mul(n, sum)
	}
	for i := range s.WidthEntries() {
		n.Mul(n, big.NewInt(int64(len(s.WidthChoices(i)))))
	}
	return n
}

// WithResolutions returns a copy of s whose searchable resolutions are rs.
func (s *Space) WithResolutions(rs ...int) *Space {
	c := *s
	c.Resolutions = slices.Sorted(slices.Values(rs))
	return &c
}

// MakeDivisible rounds v to a multiple of divisor, at least divisor, and goes up one step if the
// result fell below 0.9 v. Source: the rule of MobileNetV2's and OFA's reference code.
func MakeDivisible(v float64, divisor int) int {
	n := max(divisor, int(v+float64(divisor)/2)/divisor*divisor)
	if float64(n) < 0.9*v {
		n += divisor
	}
	return n
}

// mid returns the middle channels of a block for the channels that its expand ratio refers to, by
// OFA's rule; ties round to even as in Python.
func mid(channels int, ratio float64) int {
	return MakeDivisible(math.RoundToEven(float64(channels)*ratio), 8)
}

// downsample returns the output size of a padded convolution ("same" padding of k/2).
func downsample(size, stride int) int { return (size-1)/stride + 1 }

func last[T any](s []T) T { return s[len(s)-1] }
