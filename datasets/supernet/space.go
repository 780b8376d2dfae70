// Package supernet describes weight-sharing supernets and their sub-networks: which choices a
// supernet offers (Space), one choice (Arch), and the blocks with shapes, multiply-accumulates and
// parameters that it consists of. It holds no weights and runs nothing.
//
// Source: Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
// Deployment", ICLR 2020, and the layer-by-layer behaviour of the authors' published code.
package supernet

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Space is a supernet's choices. A sub-network picks a depth per stage, a kernel size and an
// expand ratio per active position, and an input resolution. Channel counts are final: a width
// multiplier has been applied already.
type Space struct {
	Name       string
	InChannels int // channels of the input picture
	Classes    int

	Kernels     []int     // depthwise kernel sizes, ascending; all odd
	Expands     []float64 // expand ratios, ascending
	Depths      []int     // active blocks of a stage, ascending
	Resolutions []int     // input resolutions that a search may use, ascending

	StemWidth   int // channels after the stem (3x3, stride 2) and
	FirstWidth  int // after the fixed first block (3x3 depthwise separable, stride 1)
	StemAct     Activation
	FirstAct    Activation
	Stages      []Stage
	ExpandWidth int // channels of the final 1x1 expansion
	MixWidth    int // channels of the 1x1 feature mix after pooling
	HeadAct     Activation

	BNEps float64 // epsilon of every batch normalisation
}

// Stage is a group of elastic blocks that share a width. The first block has the stride.
type Stage struct {
	Width  int
	Stride int
	Act    Activation
	SE     bool
}

// MaxDepth returns the number of elastic positions of a stage.
func (s *Space) MaxDepth() int { return s.Depths[len(s.Depths)-1] }

// Positions returns the number of elastic positions of the supernet: stages times MaxDepth.
// Position MaxDepth*stage + j is block j of that stage; it is active in a sub-network whose depth
// for the stage is above j.
func (s *Space) Positions() int { return len(s.Stages) * s.MaxDepth() }

// OFAMobileNetV3 returns the space of OFA's MobileNetV3 supernet (kernel 3, 5, 7; expand ratio 3,
// 4, 6; depth 2, 3, 4; resolutions 128 to 224 in steps of 4) for a width multiplier and a number
// of classes. The published supernets have widths 1.0 and 1.2. It returns an error unless width
// lies in (0, 8] and classes in [1, 65536].
func OFAMobileNetV3(width float64, classes int) (*Space, error) {
	if !(width > 0 && width <= 8) {
		return nil, fmt.Errorf("supernet: width multiplier %g is outside (0, 8]", width)
	}
	if classes < 1 || classes > maxDimension {
		return nil, fmt.Errorf("supernet: %d classes are outside [1, %d]", classes, maxDimension)
	}
	w := func(base int) int { return MakeDivisible(float64(base)*width, 8) }
	s := &Space{
		Name:       namePrefix + strconv.FormatFloat(width, 'f', -1, 64),
		InChannels: 3,
		Classes:    classes,
		Kernels:    []int{3, 5, 7},
		Expands:    []float64{3, 4, 6},
		Depths:     []int{2, 3, 4},
		StemWidth:  w(16),
		FirstWidth: w(16),
		StemAct:    HSwish,
		FirstAct:   ReLU,
		Stages: []Stage{
			{w(24), 2, ReLU, false},
			{w(40), 2, ReLU, true},
			{w(80), 2, HSwish, false},
			{w(112), 1, HSwish, true},
			{w(160), 2, HSwish, true},
		},
		ExpandWidth: w(960),
		MixWidth:    w(1280),
		HeadAct:     HSwish,
		BNEps:       1e-5,
	}
	if !strings.Contains(s.Name, ".") {
		s.Name += ".0"
	}
	if classes != defaultClasses {
		s.Name += classSeparator + strconv.Itoa(classes)
	}
	for r := 128; r <= 224; r += 4 {
		s.Resolutions = append(s.Resolutions, r)
	}
	return s, nil
}

const (
	namePrefix     = "ofa-mbv3-w"
	authorsPrefix  = "ofa_mbv3_d234_e346_k357_w" // the name in OFA's model zoo
	classSeparator = "-c"
	defaultClasses = 1000
)

// ByName returns the space of a name: "ofa-mbv3-w1.2" (any width; "-c10" appended for another
// number of classes than 1000), or OFA's own "ofa_mbv3_d234_e346_k357_w1.2".
func ByName(name string) (*Space, error) {
	text, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		text, ok = strings.CutPrefix(name, authorsPrefix)
	}
	if !ok {
		return nil, fmt.Errorf("supernet: unknown space %q; known are %s<width>[-c<classes>], for example %s1.2", name, namePrefix, namePrefix)
	}
	classes := defaultClasses
	if w, c, found := strings.Cut(text, classSeparator); found {
		n, err := strconv.Atoi(c)
		if err != nil {
			return nil, fmt.Errorf("supernet: space %q: %q is not a number of classes", name, c)
		}
		text, classes = w, n
	}
	width, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return nil, fmt.Errorf("supernet: space %q: %q is not a width multiplier", name, text)
	}
	s, err := OFAMobileNetV3(width, classes)
	if err != nil {
		return nil, fmt.Errorf("supernet: space %q: %w", name, err)
	}
	return s, nil
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

// mid returns the middle channels of an mbconv, by OFA's rule; ties round to even as in Python.
func mid(in int, ratio float64) int {
	return MakeDivisible(math.RoundToEven(float64(in)*ratio), 8)
}

// downsample returns the output size of a padded convolution ("same" padding of k/2).
func downsample(size, stride int) int { return (size-1)/stride + 1 }
