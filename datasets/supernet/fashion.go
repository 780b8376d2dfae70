package supernet

// fashionName is the name of FashionMobileNetV3's space.
const fashionName = "fashion-mbv3"

// FashionMobileNetV3 returns the space of the supernet that was trained with datasets/supernet/train
// on Fashion-MNIST: OFA-MobileNetV3's build for pictures of 16 to 32 pixels and ten classes (kernel
// 3, 5, 7; expand ratio 2, 4, 6; depth 1 to 4 of five stages). Its input has three equal channels, as
// grey pictures have after the preprocessing of datasets/images.
//
// Most of its blocks work on maps of 8 to 16 pixels, which costs a processor core more time per
// multiply-accumulate than large maps do: the largest sub-network should take milliseconds, so that
// choosing a smaller one matters, and still be cheap to train.
func FashionMobileNetV3() *Space {
	return &Space{
		Name:        fashionName,
		InChannels:  3,
		Classes:     10,
		Kernels:     []int{3, 5, 7},
		Expands:     []float64{2, 4, 6},
		Depths:      []int{1, 2, 3, 4},
		Resolutions: []int{16, 20, 24, 28, 32},
		StemWidth:   16,
		StemStride:  2,
		StemAct:     HSwish,
		FirstWidth:  16,
		FirstAct:    ReLU,
		Stages: []Stage{
			{Width: 40, Stride: 1, Act: HSwish, SE: true},
			{Width: 40, Stride: 1, Act: HSwish, SE: true},
			{Width: 48, Stride: 2, Act: HSwish, SE: true},
			{Width: 48, Stride: 1, Act: HSwish, SE: true},
			{Width: 56, Stride: 2, Act: HSwish},
		},
		ExpandWidth: 128,
		MixWidth:    128,
		HeadAct:     HSwish,
		BNEps:       1e-5,
	}
}
