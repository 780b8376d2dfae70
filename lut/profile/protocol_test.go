package profile_test

import (
	"context"
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
	"github.com/dynofa/dynofa/lut/profile"
)

func TestMain(m *testing.M) {
	load.Main() // TestRunStartsItsLoad starts this binary again
	os.Exit(m.Run())
}

// sameBits compares numbers by their bits, NaN included.
var sameBits = cmp.Comparer(func(a, b unit.Nanoseconds) bool { return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) })

// TestSeamsAreTakenOff lets every block pay 200 ns plus 1 ns per 100 numbers at each end where it stands
// alone. The entries must come out without it, so that sums predict networks; without seams they are
// far off.
func TestSeamsAreTakenOff(t *testing.T) {
	s := tiny(t)
	run := func(seams int) *lut.Table {
		t.Helper()
		m := newFakeMeter(s, 0, 1)
		m.edge = func(sh supernet.Shape) float64 { return math.Floor(200 + float64(sh.Size*sh.Size*sh.Channels)/100) }
		cfg := config(s)
		cfg.Seams, cfg.Networks = seams, 12
		table, err := measure(t.Context(), cfg, m)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	// The two ends of a whole network stay in the sum, as nobody measured them: the input costs
	// 200 + 3*160*160/100 = 968 ns at most, the output 200 ns.
	got := run(3)
	for _, e := range got.Entries {
		if e.Latency.P50 <= 0 {
			t.Errorf("%v costs %v", e.Key, e.Latency.P50)
		}
	}
	raw := fact(got, "profile: raw sum")
	apart := fact(got, "profile: raw sum, seams not taken off")
	t.Logf("taken off: %s\nnot: %s", raw, apart)
	if bias(t, raw) > 1 || bias(t, apart) < 5 {
		t.Errorf("taken off: %s; not: %s", raw, apart)
	}
	if c := got.Calibration.Scale; c < 0.95 || c > 1 {
		t.Errorf("calibration %+v", got.Calibration)
	}
	if none := run(-1); fact(none, "profile: raw sum") != fact(none, "profile: raw sum, seams not taken off") {
		t.Error("without pairs something was taken off")
	}
}

// bias reads the number after "bias ".
func bias(t *testing.T, fact string) float64 {
	t.Helper()
	text, _, ok := strings.Cut(strings.TrimPrefix(fact, "bias "), "%")
	v, err := strconv.ParseFloat(text, 64)
	if !ok || err != nil {
		t.Fatalf("no bias in %q", fact)
	}
	return v
}

// TestCalibrationIsJudgedOnOthers has networks 25% slower than their sums: after a factor nothing is
// left, and the table's predictions are the networks' latencies.
func TestCalibrationIsJudgedOnOthers(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	m.netFactor = 1.25
	cfg := config(s)
	cfg.Resolutions, cfg.NetworkResolutions, cfg.Networks = []int{128, 192}, []int{128, 160, 192}, 12
	table, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	if c := fact(table, "profile: calibration"); !strings.Contains(c, "fitted to 5 networks drawn by the seed, judged on the other 7") {
		t.Errorf("calibration: %q", c)
	}
	// Interpolation in input pixels is exact for the fake's costs up to the constant of 1 us and stairs.
	if k := table.Calibration.Scale; math.Abs(k-1.25) > 0.02 {
		t.Errorf("factor %g", k)
	}
	p, err := lut.NewPredictor(table, s)
	if err != nil {
		t.Fatal(err)
	}
	a, err := supernet.ParseArch([]byte(table.Networks[11].Arch)) // the third resolution
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Latency(a)
	if want := table.Networks[11].Latency.P50; err != nil || math.Abs(float64(got/want)-1) > 0.02 {
		t.Errorf("predicted %v, measured %v: %v", got, want, err)
	}
}

// TestHotIsReported measures some rounds twice in a row; the fake's second run costs 20% less, which
// the table must not show and the report must.
func TestHotIsReported(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	m.change = func(n int, x profile.Sample) profile.Sample {
		if n > 0 && m.visits[n] == m.visits[n-1] {
			x.Wall = x.Wall * 4 / 5
		}
		return x
	}
	cfg := config(s)
	cfg.Hot = 3
	table, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	if got := fact(table, "profile: raw sum, blocks hot"); math.Abs(bias(t, got)+20) > 0.2 {
		t.Errorf("hot: %q", got)
	}
	if got := fact(table, "profile: raw sum"); math.Abs(bias(t, got)) > 0.1 {
		t.Errorf("rotated: %q", got)
	}
}

// TestStopsWhenPrecise has noise of 2%: intervals of +-1% come at the looks after a few dozen rounds,
// and without noise at the first look.
func TestStopsWhenPrecise(t *testing.T) {
	s := tiny(t)
	for _, c := range []struct {
		sigma    float64
		min, max int
	}{{0, 12, 12}, {0.02, 18, 93}, {0.5, 40, 40}} {
		cfg := config(s)
		cfg.Rounds, cfg.MaxRounds, cfg.Warmup = 0, 200, 0
		if c.sigma == 0.5 {
			cfg.MaxRounds = 40
		}
		table, err := measure(t.Context(), cfg, newFakeMeter(s, c.sigma, 5))
		if err != nil {
			t.Fatal(err)
		}
		n := table.Entries[0].Latency.N
		t.Logf("sigma %g: %d rounds, %s, grade %s", c.sigma, n, fact(table, "profile: stopped because"), table.Grade)
		if n < c.min || n > c.max {
			t.Errorf("sigma %g: %d rounds", c.sigma, n)
		}
		if good := table.Grade == lut.GradeA; good != (c.sigma < 0.5) {
			t.Errorf("sigma %g: grade %s, %q", c.sigma, table.Grade, table.Warnings)
		}
	}
}

// TestWarmupIsDetected makes the first rounds slower and slower less: 3, 2, 1.5, 1.2 times; from the
// fifth on they are equal. The sixth is the first that is not faster than the one before.
func TestWarmupIsDetected(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	m.change = func(n int, x profile.Sample) profile.Sample {
		if slow := []float64{3, 2, 1.5, 1.2}; n/(192+4+1) < len(slow) {
			x.Wall = time.Duration(float64(x.Wall) * slow[n/(192+4+1)])
		}
		return x
	}
	cfg := config(s)
	cfg.Warmup = 0
	table, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	if got := fact(table, "profile: warm-up rounds dropped"); got != "6" {
		t.Errorf("%s rounds dropped", got)
	}
	for _, e := range table.Entries {
		if e.Latency.Std != 0 {
			t.Fatalf("%v: warm-up in the samples", e.Key)
		}
	}
}

// TestPreemptedSamplesAreSetAside marks every third sample and makes it ten times longer: both counts
// stay, the statistics are those of the others, the grade tells. Where nine in ten are marked all
// count.
func TestPreemptedSamplesAreSetAside(t *testing.T) {
	s := tiny(t)
	run := func(marked func(n int) bool) lut.Latency {
		t.Helper()
		m := newFakeMeter(s, 0, 1)
		m.change = func(n int, x profile.Sample) profile.Sample {
			if x.Preempted = marked(n); x.Preempted {
				x.Wall *= 10
			}
			return x
		}
		cfg := config(s)
		cfg.Rounds, cfg.Networks = 60, -1
		table, err := measure(t.Context(), cfg, m)
		if err != nil {
			t.Fatal(err)
		}
		e := table.Entries[10]
		if l := e.Latency; l.Preempted < 5 || float64(l.Min) != blockCost(e.Key.Block) {
			t.Errorf("%d preempted, min %v", l.Preempted, l.Min)
		}
		return e.Latency
	}
	third := run(func(n int) bool { return n%3 == 0 })
	if third.Std != 0 || third.N+third.Preempted != 60 || third.Grade != lut.GradeC {
		t.Errorf("a third marked: %+v", third)
	}
	most := run(func(n int) bool { return n%10 != 0 })
	if most.N != 60 || most.Grade != lut.GradeD || most.P50 != 10*most.Min {
		t.Errorf("most marked: %+v", most)
	}
}

// TestP99NeedsCleanSamples: 299 samples claim a 99th percentile only if no preemption is among them.
func TestP99NeedsCleanSamples(t *testing.T) {
	s := tiny(t)
	for _, c := range []struct {
		rounds int
		marked bool
		want   bool
	}{{299, false, true}, {298, false, false}, {299, true, false}} {
		m := newFakeMeter(s, 0.1, 1)
		m.change = func(n int, x profile.Sample) profile.Sample {
			x.Preempted = c.marked && n%7 != 0
			return x
		}
		cfg := config(s)
		cfg.Resolutions, cfg.Rounds, cfg.Networks = []int{128}, c.rounds, -1
		table, err := measure(t.Context(), cfg, m)
		if err != nil {
			t.Fatal(err)
		}
		if got := !math.IsNaN(float64(table.Entries[0].Latency.P99)); got != c.want {
			t.Errorf("%+v: p99 %v", c, table.Entries[0].Latency.P99)
		}
	}
}

// TestThreadClock takes processor time where the meter tells it, and wall time where asked to.
func TestThreadClock(t *testing.T) {
	s := tiny(t)
	run := func(clock profile.Clock, cpu bool) (*lut.Table, error) {
		m := newFakeMeter(s, 0, 1)
		m.change = func(_ int, x profile.Sample) profile.Sample {
			if cpu {
				x.CPU = x.Wall
			}
			x.Wall *= 2
			return x
		}
		cfg := config(s)
		cfg.Clock = clock
		return measure(t.Context(), cfg, m)
	}
	for _, c := range []struct {
		clock  profile.Clock
		cpu    bool
		factor float64
		fact   string
	}{
		{profile.Auto, true, 1, "processor time of the measuring thread"}, {profile.Auto, false, 2, "wall time"},
		{profile.Wall, true, 2, "wall time"}, {profile.Thread, true, 1, "processor time of the measuring thread"},
	} {
		table, err := run(c.clock, c.cpu)
		if err != nil {
			t.Fatal(err)
		}
		if e := table.Entries[3]; float64(e.Latency.P50) != c.factor*blockCost(e.Key.Block) || fact(table, "profile: clock") != c.fact {
			t.Errorf("%+v: %v, %q", c, e.Latency.P50, fact(table, "profile: clock"))
		}
	}
	// A few samples that the clock does not tell are taken again: they end nothing and are no zeros.
	m := newFakeMeter(s, 0, 1)
	m.change = func(n int, x profile.Sample) profile.Sample {
		if x.CPU = x.Wall; n%97 == 5 {
			x.CPU = 0
		}
		return x
	}
	table, err := measure(t.Context(), config(s), m)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range table.Entries {
		if float64(e.Latency.Min) != blockCost(e.Key.Block) || fact(table, "profile: clock") != "processor time of the measuring thread" {
			t.Fatalf("%v: %+v", e.Key, e.Latency)
		}
	}
	if _, err := run(profile.Thread, false); err == nil || !strings.Contains(err.Error(), "does not tell processor time") {
		t.Errorf("error %v", err)
	}
}

// TestRooflineCatchesAMeterThatDoesNotWait returns before the work is done, as a GPU's queue does: 2 us
// whatever the block. The fake's blocks take 5 picoseconds per operation at least, so a peak of 2e11
// lets honest times pass.
func TestRooflineCatchesAMeterThatDoesNotWait(t *testing.T) {
	s, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	run := func(wait bool) *lut.Table {
		t.Helper()
		m := newFakeMeter(s, 0.01, 1)
		if !wait {
			m.change = func(_ int, x profile.Sample) profile.Sample { x.Wall = 2 * time.Microsecond; return x }
		}
		cfg := config(s)
		cfg.Resolutions, cfg.Peak = []int{224}, 2.5e11
		table, err := measure(t.Context(), cfg, m)
		if err != nil {
			t.Fatal(err)
		}
		return table
	}
	if honest := run(true); honest.Grade != lut.GradeA {
		t.Errorf("honest: %s, %q", honest.Grade, honest.Warnings)
	}
	table := run(false)
	if table.Grade != lut.GradeD || !strings.Contains(strings.Join(table.Warnings, "\n"), "below the roofline") {
		t.Errorf("grade %s, warnings %q", table.Grade, table.Warnings)
	}
	caught := 0
	for _, e := range table.Entries {
		if e.Latency.Grade == lut.GradeD {
			caught++
		}
	}
	t.Logf("%d of %d entries caught", caught, len(table.Entries))
	for _, n := range table.Networks {
		if n.Latency.Grade != lut.GradeD {
			t.Errorf("network in %v passes", n.Latency.P50)
		}
	}
}

// TestDriftIsGraded lets the machine become 20% slower half-way.
func TestDriftIsGraded(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0.01, 1)
	m.change = func(n int, x profile.Sample) profile.Sample {
		if n > 17*(192+5) {
			x.Wall = x.Wall * 6 / 5
		}
		return x
	}
	table, err := measure(t.Context(), config(s), m)
	if err != nil {
		t.Fatal(err)
	}
	if w := strings.Join(table.Entries[50].Latency.Warnings, "\n"); table.Grade != lut.GradeD || !strings.Contains(w, "from the first half of the samples to the second") {
		t.Errorf("grade %s, %q", table.Grade, w)
	}
}

// TestRunStartsItsLoad runs beside a real process, which is gone afterwards; one that dies meanwhile
// spoils the measurement.
func TestRunStartsItsLoad(t *testing.T) {
	s := tiny(t)
	spec := load.Spec{Kind: load.CPU, Threads: 1}
	cfg := config(s)
	cfg.Load, cfg.Point.CoRunner, cfg.Rounds = &spec, spec.String(), 6
	table, err := measure(t.Context(), cfg, newFakeMeter(s, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	if table.Point.CoRunner != "cpu:1" {
		t.Errorf("co-runner %q", table.Point.CoRunner)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measure(ctx, cfg, newFakeMeter(s, 0, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestPeriod starts runs 33 ms apart on the fake's clock, sleeping included.
func TestPeriod(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	var starts []time.Duration
	m.onRun = func(int) { starts = append(starts, m.clock) }
	cfg := config(s)
	cfg.Point.Period, cfg.Now, cfg.Sleep, cfg.Rounds = 33*time.Millisecond, m.now, m.sleep, 6
	table, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(starts); i++ {
		if d := starts[i] - starts[i-1]; d != 33*time.Millisecond {
			t.Fatalf("run %d starts %v after the one before", i, d)
		}
	}
	if table.Point.Period != 33*time.Millisecond {
		t.Errorf("period %v", table.Point.Period)
	}
}
