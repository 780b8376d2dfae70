package supernet_test

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// The elements alive, operation by operation, by hand.
func TestBlockActivations(t *testing.T) {
	for _, c := range []struct {
		block string
		want  int64
	}{
		{"stem in=8x8x3 out=4x4x8 k=3 s=2 act=relu", 8*8*3 + 4*4*8},
		// depthwise 8x8x4 -> 8x8x4 | 1x1 8x8x4 -> 8x8x16 with the input kept only for a residual
		{"sepconv in=8x8x4 out=8x8x16 k=3 s=1 act=relu se=0 res=0", 8 * 8 * (4 + 16)},
		{"sepconv in=8x8x4 out=8x8x4 k=3 s=1 act=relu se=0 res=1", 8 * 8 * (4 + 4 + 4)},
		// 1x1 8x8x4 -> 8x8x24 | 3x3 stride 2 -> 4x4x24 | 1x1 -> 4x4x8: the second needs most
		{"mbconv in=8x8x4 out=4x4x8 mid=24 k=3 s=2 act=relu se=0 res=0", 8*8*24 + 4*4*24},
		// with a residual the input stays: 8x8x(4 + 24 + 24)
		{"mbconv in=8x8x4 out=8x8x4 mid=24 k=3 s=1 act=relu se=1 res=1", 8 * 8 * (4 + 24 + 24)},
		// the output is the largest: 1x1 8x8x64 -> 8x8x8 | -> 8x8x8 | 8x8x8 -> 8x8x256, shortcut 64 -> 256
		{"bottleneck in=8x8x64 out=8x8x256 mid=8 k=3 s=1 act=relu res=0", 8 * 8 * (256 + 64 + 256)},
		{"pool in=4x4x8 out=1x1x8", 4*4*8 + 8},
		{"classifier in=1x1x8 out=1x1x10", 18},
	} {
		b, err := supernet.ParseBlock(c.block)
		if err != nil {
			t.Fatal(err)
		}
		if got := b.Activations(); got != c.want {
			t.Errorf("%s: %d elements, want %d", c.block, got, c.want)
		}
	}
}

// The first block of stage 1 of the largest network of w1.0 at 224 needs most: 112x112 with 16 -> 96
// channels, the depthwise convolution has 112x112x96 in and 56x56x96 out.
func TestActivations(t *testing.T) {
	s, err := supernet.ByName("ofa-mbv3-w1.0")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Activations(s.Largest()); err != nil || got != 112*112*96+56*56*96 {
		t.Errorf("%d elements, %v; want %d", got, err, 112*112*96+56*56*96)
	}
	if _, err := s.Activations(supernet.Arch{}); err == nil {
		t.Error("no sub-network is counted")
	}
}
