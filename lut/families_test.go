package lut_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Predictions for spaces of every kind are the sums over their blocks, looked up one by one.
func TestPredictorOfFamilies(t *testing.T) {
	for _, name := range []string{"ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "ofa-resnet50", "ofa-resnet50-w0.1,0.125,0.15"} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		tab := table(t, s, 160, 180)
		p := predictor(t, tab, s)
		entries := map[lut.Key]unit.Nanoseconds{}
		for _, e := range tab.Entries {
			entries[e.Key] = e.Latency.Central()
		}
		rng := rand.New(rand.NewPCG(3, 4))
		archs := make([]supernet.Arch, 200)
		for i := range archs {
			a := s.Random(rng, []int{160, 180}[i%2])
			archs[i] = a
			blocks, err := s.Blocks(a)
			if err != nil {
				t.Fatal(err)
			}
			var want unit.Nanoseconds
			for _, b := range blocks {
				v, ok := entries[lut.Key{Resolution: a.R, Block: b}]
				if !ok {
					t.Fatalf("%s: no entry for %v", name, b)
				}
				want += v
			}
			got, err := p.Latency(a)
			// Latencies are whole numbers of nanoseconds, whose sums are exact.
			if err != nil || got != want {
				t.Fatalf("%s: %v: %v, %v, want %v", name, a, got, err, want)
			}
			parts, err := p.Parts(a)
			if err != nil || len(parts) != len(blocks) {
				t.Fatalf("%s: %v: %d parts, %v", name, a, len(parts), err)
			}
		}
		if n := testing.AllocsPerRun(100, func() {
			for _, a := range archs {
				if _, err := p.Latency(a); err != nil {
					t.Fatal(err)
				}
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// Every kind of entry can be missing, and only networks with its block notice.
func TestMissingEntryOfResNet50(t *testing.T) {
	s, err := supernet.ByName("ofa-resnet50")
	if err != nil {
		t.Fatal(err)
	}
	tab := table(t, s, 160)
	a := s.Largest()
	a.R = 160
	a.W = []int{2, 0, 1, 2, 0, 1}
	blocks, err := s.Blocks(a)
	if err != nil {
		t.Fatal(err)
	}
	small := s.Smallest()
	small.R = 160
	inSmall, err := s.Blocks(small)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		without := *tab
		without.Entries = nil
		for _, e := range tab.Entries {
			if e.Key.Block != b {
				without.Entries = append(without.Entries, e)
			}
		}
		p := predictor(t, &without, s)
		_, err := p.Latency(a)
		var missing *lut.MissingError
		if !errors.As(err, &missing) || missing.Key.Block != b {
			t.Errorf("without %v: %v", b, err)
		}
		if _, err := p.Latency(small); (err != nil) != slices.Contains(inSmall, b) {
			t.Errorf("without %v, the smallest network: %v", b, err)
		}
	}
	p := predictor(t, tab, s)
	for name, change := range map[string]func(*supernet.Arch){
		"no widths":  func(a *supernet.Arch) { a.W = nil },
		"width":      func(a *supernet.Arch) { a.W[3] = 3 },
		"depth":      func(a *supernet.Arch) { a.D[2] = 3 },
		"expand":     func(a *supernet.Arch) { a.E[17] = math.NaN() },
		"kernel":     func(a *supernet.Arch) { a.KS[0] = 5 },
		"positions":  func(a *supernet.Arch) { a.E = a.E[:17] },
		"resolution": func(a *supernet.Arch) { a.R = 224 },
	} {
		b := s.Largest()
		b.R = 160
		change(&b)
		if _, err := p.Latency(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	a.KS, a.D[0] = nil, 1 // as OFA writes it, and an equal network
	want, err := s.Canonical(a)
	if err != nil {
		t.Fatal(err)
	}
	x, errX := p.Latency(a)
	y, errY := p.Latency(want)
	if x != y || errX != nil || errY != nil {
		t.Errorf("%v, %v and %v, %v", x, errX, y, errY)
	}
}
