package lut_test

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// TestParseKey reads every key of a space back.
func TestParseKey(t *testing.T) {
	s, err := supernet.ByName("ofa-mbv3-w0.25-c10")
	if err != nil {
		t.Fatal(err)
	}
	blocks, err := s.DistinctBlocks(64)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		for _, r := range []int{0, 64} {
			k := lut.Key{Resolution: r, Block: b}
			if got, err := lut.ParseKey(k.String()); err != nil || got != k {
				t.Errorf("%v reads as %v, %v", k, got, err)
			}
		}
	}
}

// FuzzParseKey: what is accepted is in the one text form that there is.
func FuzzParseKey(f *testing.F) {
	f.Add("r=176 mbconv in=28x28x24 out=28x28x24 mid=72 k=5 s=1 act=relu se=1 res=1")
	f.Add("r=0176 pool in=1x1x1 out=1x1x1")
	f.Add("r=-1 x")
	f.Fuzz(func(t *testing.T, text string) {
		if k, err := lut.ParseKey(text); err == nil && k.String() != text {
			t.Errorf("%q reads as %q", text, k)
		}
	})
}
