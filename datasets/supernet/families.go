package supernet

import (
	"fmt"
	"slices"
)

// OFAMobileNetV3 returns the space of OFA's MobileNetV3 supernet (kernel 3, 5, 7; expand ratio 3,
// 4, 6; depth 2, 3, 4; resolutions 128 to 224 in steps of 4) for a width multiplier and a number
// of classes. The published supernets have widths 1.0 and 1.2. It returns an error unless width
// lies in (0, 8] and classes in [1, 65536].
func OFAMobileNetV3(width float64, classes int) (*Space, error) {
	w, err := multiplied(width, classes)
	if err != nil {
		return nil, err
	}
	return &Space{
		Name:        familyMobileNetV3.name([]float64{width}, classes),
		InChannels:  3,
		Classes:     classes,
		Kernels:     []int{3, 5, 7},
		Expands:     []float64{3, 4, 6},
		Depths:      []int{2, 3, 4},
		Resolutions: publishedResolutions(),
		StemWidth:   w(16),
		FirstWidth:  w(16),
		StemAct:     HSwish,
		FirstAct:    ReLU,
		Stages: []Stage{
			{Width: w(24), Stride: 2, Act: ReLU},
			{Width: w(40), Stride: 2, Act: ReLU, SE: true},
			{Width: w(80), Stride: 2, Act: HSwish},
			{Width: w(112), Stride: 1, Act: HSwish, SE: true},
			{Width: w(160), Stride: 2, Act: HSwish, SE: true},
		},
		ExpandWidth: w(960),
		MixWidth:    w(1280),
		HeadAct:     HSwish,
		BNEps:       1e-5,
	}, nil
}

// OFAProxylessNAS returns the space of OFA's ProxylessNAS supernet (kernel 3, 5, 7; expand ratio 3,
// 4, 6; depth 2, 3, 4 of five stages, a sixth of one block; resolutions 128 to 224 in steps of 4)
// for a width multiplier and a number of classes. The published supernet has width 1.3. It returns
// an error unless width lies in (0, 8] and classes in [1, 65536].
func OFAProxylessNAS(width float64, classes int) (*Space, error) {
	w, err := multiplied(width, classes)
	if err != nil {
		return nil, err
	}
	return &Space{
		Name:        familyProxylessNAS.name([]float64{width}, classes),
		InChannels:  3,
		Classes:     classes,
		Kernels:     []int{3, 5, 7},
		Expands:     []float64{3, 4, 6},
		Depths:      []int{2, 3, 4},
		Resolutions: publishedResolutions(),
		StemWidth:   w(32),
		StemAct:     ReLU6,
		FirstWidth:  w(16),
		FirstAct:    ReLU6,
		FirstPlain:  true,
		Stages: []Stage{
			{Width: w(24), Stride: 2, Act: ReLU6},
			{Width: w(40), Stride: 2, Act: ReLU6},
			{Width: w(80), Stride: 2, Act: ReLU6},
			{Width: w(96), Stride: 1, Act: ReLU6},
			{Width: w(192), Stride: 2, Act: ReLU6},
			{Width: w(320), Stride: 1, Act: ReLU6, Base: 1, Fixed: true},
		},
		ExpandWidth: w(1280),
		HeadAct:     ReLU6,
		BNEps:       1e-3,
	}, nil
}

// OFAResNet50 returns the space of OFA's ResNet50 supernet (expand ratio 0.2, 0.25, 0.35; up to two
// more blocks for each of four stages; resolutions 128 to 224 in steps of 4) for a list of width
// multipliers, ascending, of which a sub-network chooses stage by stage, and a number of classes.
// The published supernet has 0.65, 0.8 and 1. It returns an error unless there are 1 to 8
// different widths in (0, 8] and classes lie in [1, 65536].
func OFAResNet50(widths []float64, classes int) (*Space, error) {
	if len(widths) < 1 || len(widths) > maxWidths {
		return nil, fmt.Errorf("supernet: %d width multipliers are outside [1, %d]", len(widths), maxWidths)
	}
	for i, w := range widths {
		if _, err := multiplied(w, classes); err != nil {
			return nil, err
		}
		if i > 0 && w <= widths[i-1] {
			return nil, fmt.Errorf("supernet: width multipliers %v are not ascending", widths)
		}
	}
	return &Space{
		Name:        familyResNet50.name(widths, classes),
		InChannels:  3,
		Classes:     classes,
		Kernels:     []int{3},
		Expands:     []float64{0.2, 0.25, 0.35},
		Depths:      []int{0, 1, 2},
		Resolutions: publishedResolutions(),
		Widths:      slices.Clone(widths),
		Body:        OpBottleneck,
		Stem:        StemDeep,
		StemWidth:   64,
		StemAct:     ReLU,
		Stages: []Stage{
			{Width: 256, Stride: 1, Act: ReLU, Base: 2},
			{Width: 512, Stride: 2, Act: ReLU, Base: 2},
			{Width: 1024, Stride: 2, Act: ReLU, Base: 4},
			{Width: 2048, Stride: 2, Act: ReLU, Base: 2},
		},
		BNEps: 1e-5,
	}, nil
}

// multiplied returns how many channels a base number has with a width multiplier, after checking
// the multiplier and the number of classes.
func multiplied(width float64, classes int) (func(base int) int, error) {
	if !(width > 0 && width <= maxMultiplier) {
		return nil, fmt.Errorf("supernet: width multiplier %g is outside (0, %d]", width, maxMultiplier)
	}
	if classes < 1 || classes > maxDimension {
		return nil, fmt.Errorf("supernet: %d classes are outside [1, %d]", classes, maxDimension)
	}
	return func(base int) int { return MakeDivisible(float64(base)*width, 8) }, nil
}

// Bounds of elastic and other width.
const (
	maxMultiplier = 8
	maxWidths     = 8
)

// publishedResolutions returns those that OFA's supernets were trained at.
func publishedResolutions() []int {
	var rs []int
	for r := 128; r <= 224; r += 4 {
		rs = append(rs, r)
	}
	return rs
}
