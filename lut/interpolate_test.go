package lut_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// linear returns a table on which the rule is exact: 1 ms per million of elements in the input plus
// one per kernel size and middle channel, so that nothing can be mixed up.
func linear(t testing.TB, s *supernet.Space, resolutions ...int) *lut.Table {
	t.Helper()
	tab := table(t, s, resolutions...)
	for i := range tab.Entries {
		tab.Entries[i].Latency = lut.MeanOnly(10, linearCost(tab.Entries[i].Key.Block), 1)
	}
	return tab
}

func linearCost(b supernet.Block) unit.Nanoseconds {
	return unit.Nanoseconds(float64(b.In.Size*b.In.Size*(b.In.Channels+b.Mid)) + float64(1000*b.Kernel+b.Mid))
}

func TestInterpolate(t *testing.T) {
	s := space(t)
	for name, c := range map[string]struct{ from, to []int }{
		"two points":   {[]int{160, 224}, []int{176, 188, 208}},
		"three points": {[]int{160, 192, 224}, []int{164, 188, 196, 220}},
		"all of them":  {[]int{160, 224}, s.Resolutions[8:]},
	} {
		tab := linear(t, s, c.from...)
		for i := range tab.Entries { // what serves every resolution is interpolated by the same rule
			if name == "three points" {
				tab.Entries[i].Key.Resolution = 0
			}
		}
		if name == "three points" {
			seen := map[lut.Key]bool{}
			tab.Entries = slices.DeleteFunc(tab.Entries, func(e lut.Entry) bool { twice := seen[e.Key]; seen[e.Key] = true; return twice })
		}
		before := slices.Clone(tab.Entries)
		got, err := lut.Interpolate(tab, s, c.to)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := got.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !cmp.Equal(before, tab.Entries, equalOrNaN) {
			t.Errorf("%s: the source changed", name)
		}
		p := predictor(t, got, s)
		rng := rand.New(rand.NewPCG(4, 4))
		for range 100 {
			a := randomArch(s, rng, slices.Concat(c.from, c.to)...)
			blocks, err := s.Blocks(a)
			if err != nil {
				t.Fatal(err)
			}
			want := 0.0
			for _, b := range blocks {
				want += float64(linearCost(b))
			}
			if sum, err := p.Latency(a); err != nil || math.Abs(float64(sum)/want-1) > 1e-12 {
				t.Fatalf("%s: r=%d: %v, %v; want %v", name, a.R, sum, err, want)
			}
		}
		if got.Origin != lut.Modelled || len(got.Warnings) != 1 || !strings.Contains(got.Provenance[0].Value, "input pixels") || got.Provenance[0].Name != "interpolation" {
			t.Errorf("%s: origin %s, warnings %q, facts %q", name, got.Origin, got.Warnings, got.Provenance)
		}
		measured, modelled := 0, 0
		for _, e := range got.Entries {
			if len(e.Latency.Warnings) == 0 {
				measured++
			} else if modelled++; e.Latency.N != 0 || !math.IsNaN(float64(e.Latency.Std)) {
				t.Errorf("%s: %v claims samples: %+v", name, e.Key, e.Latency)
			}
		}
		if measured != len(before) || modelled == 0 {
			t.Errorf("%s: %d measured entries, %d interpolated", name, measured, modelled)
		}
	}
}

func TestInterpolateUsesMedians(t *testing.T) {
	s := space(t)
	tab := synthetic(t, s, 1, 160, 224)
	got, err := lut.Interpolate(tab, s, []int{192})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range got.Entries {
		if l := e.Latency; e.Key.Resolution == 192 && (math.IsNaN(float64(l.P50)) || !math.IsNaN(float64(l.Mean)) || !math.IsNaN(float64(l.CILow))) {
			t.Fatalf("%v: %+v", e.Key, l)
		}
	}
	if len(got.Networks) != 12 {
		t.Errorf("%d whole networks, want the source's 12", len(got.Networks))
	}
}

func TestInterpolateNothing(t *testing.T) {
	s := space(t)
	tab := table(t, s, 160, 224)
	for _, to := range [][]int{nil, {160}, {224, 160, 160}} {
		got, err := lut.Interpolate(tab, s, to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tab, got, equalOrNaN); diff != "" {
			t.Errorf("%v (-want +got):\n%s", to, diff)
		}
	}
}

// A hole at a measured resolution is filled from its neighbours.
func TestInterpolateFillsHoles(t *testing.T) {
	s := space(t)
	tab := linear(t, s, 160, 192, 224)
	i := slices.IndexFunc(tab.Entries, func(e lut.Entry) bool { return e.Key.Resolution == 192 && e.Key.Block.Kernel == 7 })
	hole := tab.Entries[i].Key
	tab.Entries = slices.Delete(tab.Entries, i, i+1)
	got, err := lut.Interpolate(tab, s, []int{192})
	if err != nil {
		t.Fatal(err)
	}
	i = slices.IndexFunc(got.Entries, func(e lut.Entry) bool { return e.Key == hole })
	if len(got.Entries) != len(tab.Entries)+1 || i < 0 || math.Abs(float64(got.Entries[i].Latency.Mean-linearCost(hole.Block))) > 1e-6 {
		t.Errorf("%d entries of %d, hole at %d", len(got.Entries), len(tab.Entries), i)
	}
}

func TestInterpolateErrors(t *testing.T) {
	s := space(t)
	other, err := supernet.OFAMobileNetV3(1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	gone := table(t, s, 160, 224)
	gone.Entries = slices.DeleteFunc(gone.Entries, func(e lut.Entry) bool { return e.Key.Block.Op == supernet.OpExpand })
	for name, c := range map[string]struct {
		tab           *lut.Table
		space         *supernet.Space
		to            int
		extrapolation bool
		want          string
	}{
		"above":         {table(t, s, 160, 224), s, 228, true, "resolution 228: the place stem"},
		"below":         {table(t, s, 160, 224), s, 156, true, "160..224 pixels"},
		"one point":     {table(t, s, 160), s, 164, true, "160..160"},
		"no point":      {gone, s, 176, false, "measured at no resolution"},
		"no resolution": {table(t, s, 160, 224), s, 4, false, "resolution 4"},
		"another space": {table(t, s, 160, 224), other, 176, false, `for space "ofa-mbv3-w1.2"`},
	} {
		_, err := lut.Interpolate(c.tab, c.space, []int{c.to})
		if err == nil || errors.Is(err, lut.ErrExtrapolation) != c.extrapolation || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q, extrapolation %v", name, err, c.want, c.extrapolation)
		}
	}
}

func ExampleInterpolate() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	table := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "example", Processor: "cpu"}, Origin: lut.Modelled, Source: "one picosecond per multiply-accumulate"}
	for _, r := range []int{160, 224} {
		blocks, err := space.DistinctBlocks(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, b := range blocks {
			table.Entries = append(table.Entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: lut.MeanOnly(1, unit.Nanoseconds(float64(b.MACs())*1e-3), 0)})
		}
	}
	more, err := lut.Interpolate(table, space, []int{192})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(table.Entries), "entries became", len(more.Entries))
	fmt.Println(more.Origin, more.Resolutions())
	_, err = lut.Interpolate(table, space, []int{240})
	fmt.Println(errors.Is(err, lut.ErrExtrapolation))
	// Output:
	// 192 entries became 288
	// modelled [160 192 224]
	// true
}
