package lut_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// spreadSpace is a space of one stage whose networks have few blocks.
func spreadSpace(t *testing.T) *supernet.Space {
	t.Helper()
	s, err := supernet.ParseSpace("spread.yaml", []byte(`name: spread
classes: 10
resolutions: [16]
kernels: [3, 5]
expands: [0.1, 2.5, 63.9]
depths: [1, 3]
stem: {width: 8, stride: 1, activation: relu}
stages:
  - {width: 8, activation: relu}
`))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// spreadTable gives block i the mean 1000(i+1) ns, the standard deviation 30 and 9 samples: its standard
// error is 10.
func spreadTable(t *testing.T, s *supernet.Space) *lut.Table {
	t.Helper()
	blocks, err := s.DistinctBlocks(16)
	if err != nil {
		t.Fatal(err)
	}
	tab := &lut.Table{Space: s.Name, SpaceDescription: s.Description(), Point: lut.OperatingPoint{Device: "d", Processor: "cpu"}, Origin: lut.Measured, Source: "invented"}
	for i, b := range blocks {
		tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: 16, Block: b}, Latency: lut.MeanOnly(9, unit.Nanoseconds(1000*(i+1)), 30)})
	}
	return tab
}

func spreadPredictor(t *testing.T, tab *lut.Table, s *supernet.Space) *lut.Predictor {
	t.Helper()
	p, err := lut.NewPredictor(tab, s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }

// A network of depth 1 has stem, block, pool and classifier, each with the standard error 10: together 20.
// With depth 3 and equal blocks the three share one entry, whose error counts three times: the root of
// 3 * 100 + (3*10)^2. Of the difference to another kernel in the last block only two entries are left.
func TestStandardErrors(t *testing.T) {
	s := spreadSpace(t)
	tab := spreadTable(t, s)
	p := spreadPredictor(t, tab, s)
	one, three := s.Uniform(3, 2.5, 1, 16), s.Uniform(3, 2.5, 3, 16)
	for _, c := range []struct {
		name string
		arch supernet.Arch
		want float64
	}{{"depth 1", one, 20}, {"depth 3", three, math.Sqrt(300 + 900)}} {
		got, err := p.StandardError(c.arch)
		if err != nil || !near(float64(got), c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
	other := s.Uniform(3, 2.5, 3, 16)
	other.KS[2] = 5
	la, _ := p.Latency(three)
	lb, _ := p.Latency(other)
	d, se, err := p.Difference(three, other)
	if err != nil || d != lb-la || !near(float64(se), 10*math.Sqrt2) {
		t.Errorf("difference %v with error %v, %v; want %v with %v", d, se, err, lb-la, 10*math.Sqrt2)
	}
	if d, se, err := p.Difference(three, three); d != 0 || se != 0 || err != nil {
		t.Errorf("difference to itself: %v, %v, %v", d, se, err)
	}
	// A calibration scales errors too; an interval of a median replaces the error of a mean.
	tab.Calibration.Scale = 2
	for i := range tab.Entries {
		l := &tab.Entries[i].Latency
		l.P50, l.CILow, l.CIHigh = l.Mean, l.Mean-1.959963984540054, l.Mean+1.959963984540054
	}
	if got, err := spreadPredictor(t, tab, s).StandardError(one); err != nil || !near(float64(got), 4) { // 2 * root of 4 * 1
		t.Errorf("with a calibration and intervals: %v, %v; want 4", got, err)
	}
	tab.Entries[0].Latency = lut.Unknown()
	tab.Entries[0].Latency.P50 = 5
	if _, err := spreadPredictor(t, tab, s).StandardError(one); !errors.Is(err, lut.ErrNoSpread) {
		t.Errorf("an entry without spread: error %v", err)
	}
}

// Without whole networks the probability is that of a sum of independent normals, here compared with
// drawing them: the error of each entry once, the run of each block afresh.
func TestMeetsByBlocks(t *testing.T) {
	s := spreadSpace(t)
	p := spreadPredictor(t, spreadTable(t, s), s)
	a := s.Uniform(5, 2.5, 3, 16)
	median, err := p.Latency(a)
	if err != nil {
		t.Fatal(err)
	}
	const draws = 200_000
	rng := rand.New(rand.NewPCG(1, 2))
	for _, offset := range []float64{-120, -40, 0, 25, 90} {
		hits := 0
		for range draws {
			sum := 10 * (rng.NormFloat64() + rng.NormFloat64() + rng.NormFloat64() + 3*rng.NormFloat64()) // stem, pool, classifier, three equal blocks
			for range 6 {
				sum += 30 * rng.NormFloat64()
			}
			if sum <= offset {
				hits++
			}
		}
		got, err := p.Meets(a, median+unit.Nanoseconds(offset))
		if want := float64(hits) / draws; err != nil || math.Abs(got-want) > 0.005 { // 4 standard errors of the draws
			t.Errorf("%+g ns: %v, %v; drawn %v", offset, got, err, want)
		}
	}
	if _, err := p.Meets(a, 0); err == nil {
		t.Error("a limit of nothing is taken")
	}
	if _, err := p.P99(a); !errors.Is(err, lut.ErrNoSpread) {
		t.Errorf("a 99th percentile without networks: %v", err)
	}
}

// With whole networks the model is log-normal: at the median's own residual the probability is a half, at
// the 99th percentile, for networks whose medians are exact, 99%.
func TestMeetsByNetworks(t *testing.T) {
	s := spreadSpace(t)
	tab := spreadTable(t, s)
	raw := spreadPredictor(t, tab, s)
	for _, depth := range []int{1, 3} {
		for _, kernel := range []int{3, 5} {
			a, err := s.Canonical(s.Uniform(kernel, 2.5, depth, 16))
			if err != nil {
				t.Fatal(err)
			}
			sum, err := raw.Latency(a)
			if err != nil {
				t.Fatal(err)
			}
			l := lut.Unknown()
			l.N, l.P50, l.P99 = 1000, sum*1.1, sum*1.1*1.5
			tab.Networks = append(tab.Networks, lut.NetworkLatency{Arch: a.String(), Latency: l})
		}
	}
	p := spreadPredictor(t, tab, s)
	a := s.Uniform(3, 63.9, 3, 16)
	median, err := p.Latency(a)
	if err != nil {
		t.Fatal(err)
	}
	p99, err := p.P99(a)
	if err != nil || !near(float64(p99), float64(median)*1.65) {
		t.Errorf("99th percentile %v, %v; want 1.65 times %v", p99, err, median)
	}
	for limit, want := range map[unit.Nanoseconds]float64{median * 1.1: 0.5, p99: 0.9488} { // Student with 3 degrees: P(t < 2.326)
		got, err := p.Meets(a, limit)
		if err != nil || math.Abs(got-want) > 2e-3 {
			t.Errorf("limit %v: %v, %v; want %v", limit, got, err, want)
		}
	}
	before := -1.0
	for x := 0.5; x < 4; x += 0.25 {
		got, err := p.Meets(a, median*unit.Nanoseconds(x))
		if err != nil || got < before || got > 1 {
			t.Errorf("at %g medians: %v after %v, %v", x, got, before, err)
		}
		before = got
	}
}

func TestEnergy(t *testing.T) {
	s := spreadSpace(t)
	tab := spreadTable(t, s)
	a := s.Uniform(3, 0.1, 1, 16)
	if _, err := spreadPredictor(t, tab, s).Energy(a); !errors.Is(err, lut.ErrNoPower) {
		t.Errorf("without power: error %v", err)
	}
	tab.Power = 5
	p := spreadPredictor(t, tab, s)
	l, err := p.Latency(a)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := p.Energy(a); err != nil || !near(float64(e), 5*float64(l)/1e9) {
		t.Errorf("energy %v, %v; want 5 W times %v", e, err, l)
	}
	for _, w := range []unit.Watts{-1, unit.Watts(math.NaN()), 1e5} {
		tab.Power = w
		if err := tab.Validate(); err == nil {
			t.Errorf("power of %v is taken", w)
		}
	}
}

// At other clocks a device draws another power: energies of rescaled latencies are unknown.
func TestRescalingForgetsThePower(t *testing.T) {
	s := spreadSpace(t)
	a := s.Uniform(3, 2.5, 1, 16)
	tab := spreadTable(t, s)
	tab.Point.CPUClock, tab.Power = 1e9, 5
	scaled, err := lut.Rescale{}.Table(tab, 0.5e9, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if scaled.Power != 0 || tab.Power != 5 || len(scaled.Warnings) != 2 {
		t.Errorf("power %v, was %v, warnings %q", scaled.Power, tab.Power, scaled.Warnings)
	}
	want := tab.Point
	want.CPUClock = 0.5e9
	p, err := spreadPredictor(t, tab, s).At(want, &lut.Rescale{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Energy(a); !errors.Is(err, lut.ErrNoPower) {
		t.Errorf("energy at another clock: error %v", err)
	}
	if same, err := spreadPredictor(t, tab, s).At(tab.Point, nil); err != nil {
		t.Error(err)
	} else if _, err := same.Energy(a); err != nil {
		t.Errorf("energy at the table's own clock: %v", err)
	}
}

// Predictions for a space of the user's own, with odd expand ratios, are sums over its blocks.
func TestOwnSpaceSums(t *testing.T) {
	s := spreadSpace(t)
	tab := spreadTable(t, s)
	p := spreadPredictor(t, tab, s)
	byKey := map[lut.Key]unit.Nanoseconds{}
	for _, e := range tab.Entries {
		byKey[e.Key] = e.Latency.Mean
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		a := s.Random(rng, 16)
		blocks, err := s.Blocks(a)
		if err != nil {
			t.Fatal(err)
		}
		var want unit.Nanoseconds
		for _, b := range blocks {
			want += byKey[lut.Key{Resolution: 16, Block: b}]
		}
		if got, err := p.Latency(a); err != nil || !near(float64(got), float64(want)) {
			t.Errorf("%v: %v, %v; want %v", a, got, err, want)
		}
	}
}
