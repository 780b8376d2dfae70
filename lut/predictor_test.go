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

func predictor(t testing.TB, tab *lut.Table, s *supernet.Space) *lut.Predictor {
	t.Helper()
	p, err := lut.NewPredictor(tab, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPredictorAgainstSlowSum(t *testing.T) {
	s := space(t)
	tab := table(t, s, 160, 188, 224)
	p := predictor(t, tab, s)
	if diff := cmp.Diff([]int{160, 188, 224}, p.Resolutions()); diff != "" {
		t.Errorf("resolutions (-want +got):\n%s", diff)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		a := randomArch(s, rng, 160, 188, 224)
		want := slowSum(t, tab, s, a)
		got, err := p.Latency(a)
		if err != nil {
			t.Fatal(err)
		}
		// The values are whole nanoseconds below 2^53, so that every order of adding is exact.
		if got != want {
			t.Fatalf("%v: %v, want %v", a, float64(got), float64(want))
		}
		parts, err := p.Parts(a)
		if err != nil {
			t.Fatal(err)
		}
		var sum unit.Nanoseconds
		for _, part := range parts {
			sum += part.Latency
		}
		if sum != want {
			t.Fatalf("%v: parts add up to %v, want %v", a, float64(sum), float64(want))
		}
	}
}

func TestPredictorEntriesForEveryResolution(t *testing.T) {
	s := space(t).WithResolutions(160, 164)
	tab := table(t, s, 0)
	p := predictor(t, tab, s)
	if diff := cmp.Diff([]int{160, 164}, p.Resolutions()); diff != "" {
		t.Errorf("resolutions (-want +got):\n%s", diff)
	}
	a := s.Largest()
	a.R = 160
	zero := *tab
	zero.Entries = slices.Clone(tab.Entries)
	for i := range zero.Entries {
		zero.Entries[i].Key.Resolution = 160
	}
	want := slowSum(t, &zero, s, a)
	if got, err := p.Latency(a); err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	// An entry of the network's own resolution goes before the one for all.
	own := tab.Entries[0]
	own.Key.Resolution = 160
	own.Latency = lut.MeanOnly(1, own.Latency.Mean+7, 0)
	tab.Entries = append(tab.Entries, own)
	if got, err := predictor(t, tab, s).Latency(a); err != nil || got != want+7 {
		t.Errorf("%v, %v; want %v", got, err, want+7)
	}
}

func TestPredictorUsesTheMedianWhereThereIsOne(t *testing.T) {
	s := space(t)
	tab := table(t, s, 160)
	p := predictor(t, tab, s)
	a := s.Smallest()
	a.R = 160
	before, err := p.Latency(a)
	if err != nil {
		t.Fatal(err)
	}
	tab.Entries[0].Latency.P50 = tab.Entries[0].Latency.Mean - 5 // the stem
	if got, err := predictor(t, tab, s).Latency(a); err != nil || got != before-5 {
		t.Errorf("%v, %v; want %v", got, err, before-5)
	}
	if got, err := p.Latency(a); err != nil || got != before {
		t.Errorf("the old predictor changed with the table: %v, %v; want %v", got, err, before)
	}
}

func TestCalibration(t *testing.T) {
	for _, c := range []struct {
		calibration lut.Calibration
		want        unit.Nanoseconds
	}{
		{lut.Calibration{}, 1000},
		{lut.Calibration{Scale: 2}, 2000},
		{lut.Calibration{Offset: 5}, 1005},
		{lut.Calibration{Offset: -10, Scale: 0.5}, 490},
	} {
		if got := c.calibration.Apply(1000); got != c.want {
			t.Errorf("%+v: %v, want %v", c.calibration, got, c.want)
		}
	}
	s := space(t)
	tab := table(t, s, 160)
	a := s.Smallest()
	a.R = 160
	raw := slowSum(t, tab, s, a)
	tab.Calibration = lut.Calibration{Offset: 3, Scale: 2}
	if got, err := predictor(t, tab, s).Latency(a); err != nil || got != 2*raw+3 {
		t.Errorf("%v, %v; want %v", got, err, 2*raw+3)
	}
	for _, offset := range []unit.Nanoseconds{-raw, -2 * raw} { // nothing is left
		tab.Calibration = lut.Calibration{Offset: offset}
		if got, err := predictor(t, tab, s).Latency(a); err == nil || !strings.Contains(err.Error(), "does not hold") {
			t.Errorf("offset %v: %v, %v; want an error", offset, got, err)
		}
	}
}

func TestMissingEntry(t *testing.T) {
	s := space(t)
	tab := table(t, s, 160, 164)
	a := s.Uniform(5, 4, 3, 160)
	layers, err := s.Layers(a)
	if err != nil {
		t.Fatal(err)
	}
	gone := lut.Key{Resolution: 160, Block: layers[6].Block} // b05, the first block of the second stage
	tab.Entries = slices.DeleteFunc(tab.Entries, func(e lut.Entry) bool { return e.Key == gone })
	p := predictor(t, tab, s)
	_, err = p.Latency(a)
	var missing *lut.MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("error %v, want a *MissingError", err)
	}
	if missing.Key != gone {
		t.Errorf("it names %v, want %v", missing.Key, gone)
	}
	// Nearest by relative difference: the same block at 164 if only the resolution changed; its
	// feature maps differ too, so the neighbours in kernel size or expand ratio may come first.
	// Whatever comes first must be of the same kind and in the table.
	if len(missing.Nearest) != 3 {
		t.Fatalf("%d nearest keys, want 3", len(missing.Nearest))
	}
	for _, k := range missing.Nearest {
		if k.Block.Op != gone.Block.Op || !slices.ContainsFunc(tab.Entries, func(e lut.Entry) bool { return e.Key == k }) {
			t.Errorf("nearest key %v is no such entry of the table", k)
		}
		if !strings.Contains(err.Error(), k.String()) {
			t.Errorf("the error does not name %v: %v", k, err)
		}
	}
	if !strings.Contains(err.Error(), gone.String()) {
		t.Errorf("the error does not name the key: %v", err)
	}
	if _, err := p.Parts(a); !errors.As(err, &missing) {
		t.Errorf("Parts: error %v, want a *MissingError", err)
	}
	// A network without that block is predicted all the same.
	b := s.Uniform(7, 4, 3, 160)
	want := slowSum(t, tab, s, b)
	if got, err := p.Latency(b); err != nil || got != want {
		t.Errorf("%v, %v; want %v", got, err, want)
	}
	// Same message every time, although the table is indexed by a map.
	for range 5 {
		if _, again := predictor(t, tab, s).Latency(a); again.Error() != err.Error() {
			t.Errorf("messages differ:\n%v\n%v", err, again)
		}
	}
}

func TestLatencyErrors(t *testing.T) {
	s := space(t)
	p := predictor(t, table(t, s, 160), s)
	for name, c := range map[string]struct {
		change func(*supernet.Arch)
		want   string
	}{
		"resolution": {func(a *supernet.Arch) { a.R = 224 }, "r=224"},
		"no pixels":  {func(a *supernet.Arch) { a.R = -1 }, "resolution -1"},
		"kernel":     {func(a *supernet.Arch) { a.KS[0] = 9 }, "ks[0] is 9"},
		"expand":     {func(a *supernet.Arch) { a.E[1] = math.NaN() }, "e[1] is NaN"},
		"depth":      {func(a *supernet.Arch) { a.D[4] = 5 }, "d[4] is 5"},
		"short":      {func(a *supernet.Arch) { a.KS = a.KS[:3] }, "3"},
		"empty":      {func(a *supernet.Arch) { *a = supernet.Arch{} }, "0"},
	} {
		a := s.Uniform(3, 3, 2, 160)
		c.change(&a)
		if _, err := p.Latency(a); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

func TestNewPredictorErrors(t *testing.T) {
	s := space(t)
	other, err := supernet.OFAMobileNetV3(1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lut.NewPredictor(table(t, s, 160), other); err == nil || !strings.Contains(err.Error(), `space "ofa-mbv3-w1.2", not "ofa-mbv3-w1.0"`) {
		t.Errorf("table for another space: error %v", err)
	}
	// Blocks of another width under the wrong name: nothing of the space is in it but the head's
	// pooling, which both widths do not share either.
	wrong := table(t, other, 160)
	wrong.Space = s.Name
	if _, err := lut.NewPredictor(wrong, s); err == nil || !strings.Contains(err.Error(), "no entry of space") {
		t.Errorf("blocks of another space: error %v", err)
	}
	if _, err := lut.NewPredictor(&lut.Table{Space: s.Name}, s); err == nil {
		t.Error("an empty table is accepted")
	}
}

func TestLatencyDoesNotAllocate(t *testing.T) {
	s := space(t)
	p := predictor(t, table(t, s, 160), s)
	a := s.Uniform(7, 6, 4, 160)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := p.Latency(a); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per prediction, want 0", n)
	}
}

func TestConcurrentUse(t *testing.T) {
	s := space(t)
	p := predictor(t, table(t, s, 160), s)
	a := s.Uniform(5, 4, 3, 160)
	want, err := p.Latency(a)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	for range 4 {
		go func() {
			for range 100 {
				if got, err := p.Latency(a); err != nil || got != want {
					done <- fmt.Errorf("%v, %v", got, err)
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkLatency(b *testing.B) {
	s := space(b)
	p := predictor(b, table(b, s, 160, 224), s)
	rng := rand.New(rand.NewPCG(1, 2))
	archs := make([]supernet.Arch, 256)
	for i := range archs {
		archs[i] = randomArch(s, rng, 160, 224)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if _, err := p.Latency(archs[i&255]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

func ExamplePredictor() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	blocks, err := space.DistinctBlocks(160)
	if err != nil {
		fmt.Println(err)
		return
	}
	table := &lut.Table{
		Space:  space.Name,
		Point:  lut.OperatingPoint{Device: "board", Processor: "cpu"},
		Origin: lut.Modelled,
		Source: "one picosecond per multiply-accumulate",
	}
	for _, b := range blocks {
		table.Entries = append(table.Entries, lut.Entry{
			Key:     lut.Key{Resolution: 160, Block: b},
			Latency: lut.MeanOnly(1, unit.Nanoseconds(float64(b.MACs())*1e-3), 0),
		})
	}
	predictor, err := lut.NewPredictor(table, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	small, err := predictor.Latency(space.Uniform(3, 3, 2, 160))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(small) // the sub-network has 100.3 million multiply-accumulates
	_, err = predictor.Latency(space.Uniform(3, 3, 2, 144))
	fmt.Println(err)
	// Output:
	// 100.3 us
	// lut: the table has no entry r=144 stem in=144x144x3 out=72x72x24 k=3 s=2 act=hswish; nearest are r=160 stem in=160x160x3 out=80x80x24 k=3 s=2 act=hswish
}
