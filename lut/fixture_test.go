package lut_test

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// space returns the space of the published tables.
func space(t testing.TB) *supernet.Space {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// invented returns a block's latency in the tests' tables: between 1 and 1.065536 ms, from a hash of
// resolution and block, so that no two blocks can be mixed up unnoticed.
func invented(k lut.Key) unit.Nanoseconds {
	h := fnv.New32a()
	h.Write([]byte(k.String()))
	return unit.Nanoseconds(1e6 + h.Sum32()&0xffff)
}

// table returns a valid table of all blocks of s at the given resolutions.
func table(t testing.TB, s *supernet.Space, resolutions ...int) *lut.Table {
	t.Helper()
	tab := &lut.Table{
		Space:  s.Name,
		Point:  lut.OperatingPoint{Device: "board", Processor: "cpu"},
		Origin: lut.Modelled,
		Source: "invented by a hash",
	}
	for _, r := range resolutions {
		blocks, err := s.DistinctBlocks(max(r, 160)) // resolution 0 serves all; shapes of 160 stand for it
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			k := lut.Key{Resolution: r, Block: b}
			tab.Entries = append(tab.Entries, lut.Entry{Key: k, Latency: lut.MeanOnly(10, invented(k), 1)})
		}
	}
	return tab
}

// randomArch returns an architecture with every gene uniform, inactive ones included.
func randomArch(s *supernet.Space, rng *rand.Rand, resolutions ...int) supernet.Arch {
	a := s.Smallest()
	for i := range a.KS {
		a.KS[i] = s.Kernels[rng.IntN(len(s.Kernels))]
		a.E[i] = s.Expands[rng.IntN(len(s.Expands))]
	}
	for i := range a.D {
		a.D[i] = s.Depths[rng.IntN(len(s.Depths))]
	}
	a.R = resolutions[rng.IntN(len(resolutions))]
	return a
}

// slowSum adds up the entries of a's blocks by scanning the table, the definition of a prediction.
func slowSum(t testing.TB, tab *lut.Table, s *supernet.Space, a supernet.Arch) unit.Nanoseconds {
	t.Helper()
	blocks, err := s.Blocks(a)
	if err != nil {
		t.Fatal(err)
	}
	var sum unit.Nanoseconds
	for _, b := range blocks {
		found := false
		for _, e := range tab.Entries {
			if e.Key.Resolution == a.R && e.Key.Block == b {
				sum += e.Latency.Central()
				found = true
			}
		}
		if !found {
			t.Fatalf("no entry for %v", b)
		}
	}
	return sum
}

// equalOrNaN compares statistics, of which NaN is unknown.
var equalOrNaN = cmp.Comparer(func(a, b unit.Nanoseconds) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
})
