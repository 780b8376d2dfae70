package lut_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// The oracle is the order of the text forms.
func TestKeyCompare(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	numbers := []int{0, 1, 2, 9, 10, 11, 12, 19, 20, 88, 99, 100, 101, 109, 110, 112, 888, 999, 1000, 65536, -1}
	number := func() int {
		if rng.IntN(3) == 0 {
			return rng.IntN(2000)
		}
		return numbers[rng.IntN(len(numbers)-1+rng.IntN(2)*rng.IntN(2))]
	}
	ops := []supernet.Op{supernet.OpMBConv, supernet.OpMBConv, supernet.OpSepConv, supernet.OpBottleneck, supernet.OpMaxPool, supernet.OpExpand, supernet.OpMix, supernet.OpPool, supernet.OpStem, supernet.OpClassifier, "m", "", "mb"}
	acts := []supernet.Activation{"", "relu", "hswish", "relu6", "r"}
	block := func() supernet.Block {
		return supernet.Block{Op: ops[rng.IntN(len(ops))], In: supernet.Shape{Size: number(), Channels: number()}, Out: supernet.Shape{Size: number(), Channels: number()},
			Mid: number(), Kernel: number(), Stride: number(), Act: acts[rng.IntN(len(acts))], SE: rng.IntN(2) == 0, Residual: rng.IntN(2) == 0}
	}
	equal := 0
	for range 30000 {
		a := block()
		b := a // differ in few fields, so that every field gets to decide
		for range 1 + rng.IntN(2) {
			c := block()
			switch rng.IntN(11) {
			case 0:
				b.Op = c.Op
			case 1:
				b.In.Size = c.In.Size
			case 2:
				b.In.Channels = c.In.Channels
			case 3:
				b.Out.Size = c.Out.Size
			case 4:
				b.Out.Channels = c.Out.Channels
			case 5:
				b.Mid = c.Mid
			case 6:
				b.Kernel = c.Kernel
			case 7:
				b.Stride = c.Stride
			case 8:
				b.Act = c.Act
			case 9:
				b.SE = c.SE
			case 10:
				b.Residual = c.Residual
			}
		}
		want := strings.Compare(a.String(), b.String())
		if got := (lut.Key{Block: a}).Compare(lut.Key{Block: b}); got != want {
			t.Fatalf("%q, %q: %d, want %d", a, b, got, want)
		}
		if want == 0 && a != b {
			equal++
		}
	}
	if equal == 0 {
		t.Error("no two different blocks had the same text")
	}
	if got := (lut.Key{Resolution: 9}).Compare(lut.Key{Resolution: 10}); got != -1 {
		t.Errorf("resolutions are compared as numbers: %d", got)
	}
}

func TestKeyCompareDoesNotAllocate(t *testing.T) {
	blocks, err := space(t).DistinctBlocks(160)
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(10, func() {
		for _, a := range blocks {
			for _, b := range blocks {
				if a.Op == b.Op && (lut.Key{Block: a}).Compare(lut.Key{Block: b}) == 2 {
					t.Fatal("impossible")
				}
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
