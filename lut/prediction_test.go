package lut_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

func predict(t testing.TB, p *lut.Predictor, a supernet.Arch) lut.Prediction {
	t.Helper()
	q, err := p.Predict(a)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

// The interval holds 95 of 100 new networks, whatever the bias of the sums, and the 99th percentile
// is that of the networks.
func TestPredictCoverage(t *testing.T) {
	s := space(t)
	held, below, of := 0, 0, 0
	for seed := range uint64(100) {
		tab := synthetic(t, s, seed, 160, 224)
		rng := rand.New(rand.NewPCG(seed, 7))
		tab.Networks = wholeNetworks(t, s, rng, 8, 0.02, 160, 224)
		for i := range tab.Networks {
			tab.Networks[i].Latency = scale(tab.Networks[i].Latency, 1.1)
		}
		p := predictor(t, tab, s)
		for _, n := range wholeNetworks(t, s, rng, 10, 0.02, 160, 224) {
			a, err := supernet.ParseArch([]byte(n.Arch))
			if err != nil {
				t.Fatal(err)
			}
			q := predict(t, p, a)
			truth := scale(n.Latency, 1.1)
			if q.Low <= truth.P50 && truth.P50 <= q.High {
				held++
			}
			if truth.P99 <= q.P99High {
				below++
			}
			// noisy: the 99th percentile is exp(2.3263*0.02) = 1.048 times the median
			if ratio := float64(q.P99/q.Median) / 1.1; math.Abs(ratio-1.048) > 0.04 {
				t.Errorf("seed %d: 99th percentile %g times the median without bias, want 1.048", seed, ratio)
			}
			of++
		}
	}
	t.Logf("interval held %d, bound of the 99th percentile %d of %d", held, below, of)
	for _, n := range []int{held, below} {
		if n < of*93/100 || n > of*97/100 {
			t.Errorf("%d of %d, want 93%% to 97%%", n, of)
		}
	}
}

func TestPredict(t *testing.T) {
	s := space(t)
	a := s.Uniform(5, 4, 3, 160)
	tab := synthetic(t, s, 1, 160, 224)
	q := predict(t, predictor(t, tab, s), a)
	want, err := predictor(t, tab, s).Latency(a)
	if err != nil || q.Median != want || q.Networks != 12 || len(q.Warnings) != 0 {
		t.Errorf("%+v, %v; want median %v of 12 networks and no warnings", q, err, want)
	}
	if !(q.Low < q.Median && q.Median < q.High && q.Median < q.P99 && q.P99 < q.P99High) {
		t.Errorf("%+v is out of order", q)
	}
	// By hand: residuals ln 1.01, ln 1.03, ln 1.05 have mean m and deviation s, t is 4.303 with two
	// degrees of freedom (one with an offset: 12.706).
	three := *tab
	three.Networks = nil
	for _, f := range []float64{1.01, 1.03, 1.05} {
		l := lut.MeanOnly(1, unit.Nanoseconds(float64(want)*f), 0)
		three.Networks = append(three.Networks, lut.NetworkLatency{Arch: a.String(), Latency: l})
	}
	logs := []float64{math.Log(1.01), math.Log(1.03), math.Log(1.05)}
	m := (logs[0] + logs[1] + logs[2]) / 3
	ss := 0.0
	for _, l := range logs {
		ss += (l - m) * (l - m)
	}
	for _, c := range []struct {
		offset     unit.Nanoseconds
		t, freedom float64
	}{{0, 4.30265, 2}, {1e-6, 12.7062, 1}} {
		three.Calibration.Offset = c.offset
		q = predict(t, predictor(t, &three, s), a)
		half := c.t * math.Sqrt(ss/c.freedom) * math.Sqrt(1+1/3.0)
		low, high := float64(want)*math.Exp(m-half), float64(want)*math.Exp(m+half)
		if math.Abs(float64(q.Low)/low-1) > 1e-5 || math.Abs(float64(q.High)/high-1) > 1e-5 {
			t.Errorf("offset %v: [%v, %v], want [%v, %v]", c.offset, q.Low, q.High, low, high)
		}
		if !math.IsNaN(float64(q.P99)) || !math.IsNaN(float64(q.P99High)) || len(q.Warnings) != 1 || !strings.Contains(q.Warnings[0], "0 whole networks with a 99th percentile") {
			t.Errorf("no network has a 99th percentile: %+v", q)
		}
	}
	if _, err := predictor(t, tab, s).Predict(s.Uniform(5, 4, 3, 192)); err == nil {
		t.Error("a resolution that is not in the table is predicted")
	}
}

func TestPredictWarnings(t *testing.T) {
	s := space(t)
	a := s.Uniform(5, 4, 3, 160)
	for name, c := range map[string]struct {
		change func(*lut.Table)
		want   []string
	}{
		"no networks":  {func(tab *lut.Table) { tab.Networks = nil }, []string{"no whole networks"}},
		"two networks": {func(tab *lut.Table) { tab.Networks = tab.Networks[:2] }, []string{"2 whole networks are too few"}},
		"useless networks": {func(tab *lut.Table) {
			for i := range tab.Networks {
				tab.Networks[i].Arch = s.Uniform(3, 3, 2, 192).String()
			}
		}, []string{"0 whole networks are too few"}},
		"table":    {func(tab *lut.Table) { tab.Warnings = []string{"it was hot"} }, []string{"it was hot"}},
		"modelled": {func(tab *lut.Table) { tab.Origin = lut.Modelled }, []string{"modelled, not measured: synthetic"}},
		"bias": {func(tab *lut.Table) {
			for i := range tab.Networks {
				tab.Networks[i].Latency = scale(tab.Networks[i].Latency, 1.25)
			}
		}, []string{"sums are off by -20"}},
		"blocks": {func(tab *lut.Table) {
			each(tab, func(k lut.Key) bool { return k.Block.Op == supernet.OpStem }, func(l *lut.Latency) { l.Warnings = []string{"it drifted"} })
			each(tab, func(k lut.Key) bool { return k.Block.Kernel == 5 }, func(l *lut.Latency) { l.Warnings = []string{"too few"} })
			each(tab, func(k lut.Key) bool { return k.Block.Kernel == 7 }, func(l *lut.Latency) { l.Warnings = []string{"not used"} })
			n := 0
			each(tab, func(k lut.Key) bool {
				return k.Resolution == 160 && (k.Block.Op == supernet.OpPool || k.Block.Op == supernet.OpMix)
			}, func(l *lut.Latency) {
				n++
				l.Warnings = []string{fmt.Sprintf("off by %d.5%%", n)}
			})
		}, []string{"stem: it drifted", "15 of 21 blocks: too few", "pool, mix, for instance pool: off by 1.5%"}},
	} {
		tab := synthetic(t, s, 1, 160, 224)
		c.change(tab)
		q := predict(t, predictor(t, tab, s), a)
		ok := len(q.Warnings) == len(c.want)
		for i := range c.want {
			ok = ok && strings.Contains(q.Warnings[i], c.want[i])
		}
		if !ok {
			t.Errorf("%s: warnings %q, want %q", name, q.Warnings, c.want)
		}
	}
}

func TestAt(t *testing.T) {
	s := space(t)
	a := s.Uniform(5, 4, 3, 160)
	tab := synthetic(t, s, 1, 160)
	tab.Point = lut.OperatingPoint{Device: "board", Processor: "gpu", GPUClock: 1.1e9, MemoryClock: 1.6e9, PowerMode: "15W", Batch: 1}
	tab.Calibration = lut.Calibration{Offset: 1e6}
	p := predictor(t, tab, s)
	before := predict(t, p, a)
	point := func(change func(*lut.OperatingPoint)) lut.OperatingPoint { q := tab.Point; change(&q); return q }
	for name, c := range map[string]struct {
		want     lut.OperatingPoint
		model    *lut.Rescale
		factor   float64 // 0: refused
		fields   []string
		warnings int
	}{
		"the same":             {tab.Point, nil, 1, nil, 0},
		"nothing asked":        {lut.OperatingPoint{}, nil, 1, nil, 0},
		"unknown in the table": {point(func(o *lut.OperatingPoint) { o.Threads = 4 }), nil, 1, nil, 1},
		"clock":                {point(func(o *lut.OperatingPoint) { o.GPUClock = 0.55e9 }), nil, 0, []string{"gpu clock"}, 0},
		"clock, rescaled":      {point(func(o *lut.OperatingPoint) { o.GPUClock = 0.55e9 }), &lut.Rescale{}, 2, nil, 1},
		"with a memory share":  {point(func(o *lut.OperatingPoint) { o.GPUClock = 0.55e9 }), &lut.Rescale{MemoryShare: 0.25}, 1.75, nil, 1},
		"memory clock":         {point(func(o *lut.OperatingPoint) { o.MemoryClock = 3.2e9 }), &lut.Rescale{MemoryShare: 0.25}, 0.875, nil, 1},
		"both clocks":          {point(func(o *lut.OperatingPoint) { o.GPUClock, o.MemoryClock = 2.2e9, 0.8e9 }), &lut.Rescale{MemoryShare: 0.5}, 1.25, nil, 2},
		"another processor's":  {point(func(o *lut.OperatingPoint) { o.CPUClock = 1e9 }), nil, 1, nil, 1}, // the table does not know it
		"power mode":           {point(func(o *lut.OperatingPoint) { o.PowerMode, o.GPUClock = "10W", 1e9 }), &lut.Rescale{}, 0, []string{"power mode"}, 0},
		"period":               {point(func(o *lut.OperatingPoint) { o.Period = 33e6 }), &lut.Rescale{}, 0, []string{"period"}, 0},
		"device":               {lut.OperatingPoint{Device: "other", Processor: "gpu", Batch: 2}, nil, 0, []string{"device", "batch"}, 0},
	} {
		q, err := p.At(c.want, c.model)
		var refused *lut.PointError
		if c.factor == 0 {
			if !errors.As(err, &refused) {
				t.Errorf("%s: error %v, want a *PointError", name, err)
				continue
			}
			var fields []string
			for _, d := range refused.Differences {
				fields = append(fields, d.Field)
			}
			if diff := cmp.Diff(c.fields, fields); diff != "" {
				t.Errorf("%s: fields (-want +got):\n%s", name, diff)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		after := predict(t, q, a)
		if math.Abs(float64(after.Median/before.Median)-c.factor) > 1e-12 || math.Abs(float64(after.High/before.High)-c.factor) > 1e-12 {
			t.Errorf("%s: %v to %v, want a factor of %g", name, before.Median, after.Median, c.factor)
		}
		if n := len(after.Warnings) - len(before.Warnings); n != c.warnings || len(q.Warnings()) != n {
			t.Errorf("%s: warnings %q, want %d more than %q", name, after.Warnings, c.warnings, before.Warnings)
		}
	}
	if again := predict(t, p, a); !cmp.Equal(before, again) {
		t.Errorf("the predictor itself changed: %+v, %+v", before, again)
	}
	// From the new point back: refused as the first step was.
	q, err := p.At(point(func(o *lut.OperatingPoint) { o.GPUClock = 0.55e9 }), &lut.Rescale{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := q.At(tab.Point, nil); err == nil {
		t.Error("a rescaled predictor takes itself for the table's point")
	}
	for _, share := range []float64{-0.1, 1.1, math.NaN()} {
		if _, err := p.At(point(func(o *lut.OperatingPoint) { o.GPUClock = 1 }), &lut.Rescale{MemoryShare: share}); err == nil {
			t.Errorf("memory share %g is accepted", share)
		}
	}
}

// A rescaled table predicts what a predictor at the new point does, says so, and is no measurement.
func TestRescaleTable(t *testing.T) {
	s := space(t)
	a := s.Uniform(5, 4, 3, 160)
	tab := synthetic(t, s, 1, 160)
	tab.Point = lut.OperatingPoint{Device: "board", Processor: "gpu", GPUClock: 1.1e9, MemoryClock: 1.6e9}
	tab.Calibration = lut.Calibration{Offset: 1e6, Scale: 1.1}
	tab.Grade, tab.Origin = lut.GradeA, lut.Measured
	model := lut.Rescale{MemoryShare: 0.25}
	want := tab.Point
	want.GPUClock = 0.55e9
	p, err := predictor(t, tab, s).At(want, &model)
	if err != nil {
		t.Fatal(err)
	}
	got, err := model.Table(tab, 0, 0.55e9, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	x, y := predict(t, p, a), predict(t, predictor(t, got, s), a)
	if math.Abs(float64(x.Median/y.Median)-1) > 1e-12 || math.Abs(float64(x.High/y.High)-1) > 1e-12 {
		t.Errorf("median %v and %v, high %v and %v", x.Median, y.Median, x.High, y.High)
	}
	const doubt = "latencies are rescaled by 1.750, not measured (25% of the time taken to follow the memory clock): the table's gpu clock is 1100 MHz, not 550 MHz"
	if got.Origin != lut.Modelled || got.Grade != lut.GradeC || got.Point != want || !slices.Contains(got.Warnings, doubt) || !slices.Contains(y.Warnings, doubt) {
		t.Errorf("%s, %s, %+v, %q", got.Origin, got.Grade, got.Point, got.Warnings)
	}
	if tab.Grade != lut.GradeA || len(tab.Warnings) > 0 && slices.Contains(tab.Warnings, doubt) {
		t.Error("the table itself changed")
	}
	for name, c := range map[string][3]unit.Hertz{"nothing": {}, "the same": {0, 1.1e9, 0}, "another processor's": {1e9, 0, 0}} {
		if _, err := model.Table(tab, c[0], c[1], c[2]); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := (lut.Rescale{MemoryShare: 2}).Table(tab, 0, 1e9, 0); err == nil {
		t.Error("a share of 2 is accepted")
	}
}

func TestFindPoint(t *testing.T) {
	info := func(id int64, mode string, gpu unit.Hertz, period time.Duration) lut.Info {
		return lut.Info{ID: id, Point: lut.OperatingPoint{Device: "b", Processor: "gpu", PowerMode: mode, GPUClock: gpu, Period: period}}
	}
	tables := []lut.Info{info(1, "10W", 8e8, 0), info(2, "15W", 1e9, 0), info(3, "15W", 0, 0), info(4, "15W", 1e9, 33e6), info(5, "10W", 0, 0)}
	for name, c := range map[string]struct {
		want   lut.OperatingPoint
		rule   lut.PeriodRule
		id     int64
		doubts int
	}{
		"anything":               {lut.OperatingPoint{}, lut.AnyPeriod, 5, 0},
		"mode":                   {lut.OperatingPoint{PowerMode: "15W"}, lut.AnyPeriod, 4, 0},
		"back to back":           {lut.OperatingPoint{PowerMode: "15W"}, lut.SamePeriod, 3, 0},
		"known before unknown":   {lut.OperatingPoint{PowerMode: "15W", GPUClock: 1e9}, lut.SamePeriod, 2, 0},
		"unknown for want":       {lut.OperatingPoint{PowerMode: "10W", GPUClock: 7e8}, lut.AnyPeriod, 5, 1},
		"period":                 {lut.OperatingPoint{Period: 33e6}, lut.SamePeriod, 4, 0},
		"refused":                {lut.OperatingPoint{PowerMode: "20W"}, lut.AnyPeriod, 0, 1},
		"refused, newest's word": {lut.OperatingPoint{PowerMode: "20W", Period: 1}, lut.SamePeriod, 0, 2},
	} {
		got, doubts, err := lut.FindPoint(tables, c.want, c.rule)
		var refused *lut.PointError
		if c.id == 0 {
			if !errors.As(err, &refused) || len(refused.Differences) != c.doubts {
				t.Errorf("%s: error %v", name, err)
			}
			continue
		}
		if err != nil || got.ID != c.id || len(doubts) != c.doubts {
			t.Errorf("%s: table %d, %q, %v; want %d", name, got.ID, doubts, err, c.id)
		}
	}
	if _, _, err := lut.FindPoint(nil, lut.OperatingPoint{}, lut.AnyPeriod); !errors.Is(err, lut.ErrNoTable) {
		t.Errorf("no tables: %v", err)
	}
}

func TestUndecided(t *testing.T) {
	info := func(id int64, batch int, co string) lut.Info {
		return lut.Info{ID: id, Space: "s", Point: lut.OperatingPoint{Device: "b", Processor: "cpu", Batch: batch, CoRunner: co}}
	}
	swept := []lut.Info{info(1, 1, "none"), info(2, 4, "none"), info(3, 1, "mem"), info(4, 4, "mem:2")}
	for name, c := range map[string]struct {
		tables []lut.Info
		want   lut.OperatingPoint
		text   string
	}{
		"one":            {swept[:1], lut.OperatingPoint{}, ""},
		"measured again": {[]lut.Info{info(1, 1, "none"), info(2, 1, "none")}, lut.OperatingPoint{}, ""},
		"unknown":        {[]lut.Info{info(1, 1, "none"), info(2, 0, "")}, lut.OperatingPoint{}, ""},
		"a sweep":        {swept, lut.OperatingPoint{}, "table 4 of b/cpu (batch 4, beside mem:2) was taken because it is the newest of 4 that differ in batch, co-runner"},
		"half asked":     {swept, lut.OperatingPoint{Batch: 1}, "table 3 of b/cpu (beside mem) was taken because it is the newest of 2 that differ in co-runner"},
		"asked":          {swept, lut.OperatingPoint{Batch: 1, CoRunner: "none"}, ""},
	} {
		chosen, _, err := lut.FindPoint(c.tables, c.want, lut.AnyPeriod)
		if err != nil {
			t.Fatal(err)
		}
		if text := lut.Undecided(c.tables, chosen, c.want, lut.AnyPeriod); text != c.text {
			t.Errorf("%s: %q, want %q", name, text, c.text)
		}
	}
}

func TestPointLabel(t *testing.T) {
	p := lut.OperatingPoint{Device: "b", Processor: "cpu", Threads: 1, Batch: 1, CoRunner: "none"}
	if text := p.Label(); text != "b/cpu" || p.Doubts() != nil {
		t.Errorf("an ordinary point is %q, with doubts %q", text, p.Doubts())
	}
	p = lut.OperatingPoint{Device: "b", Processor: "gpu", CPUClock: 1.9e9, GPUClock: 8.0325e8, MemoryClock: 1e9, PowerMode: "15W", Threads: 2, Batch: 3, CoRunner: "cpu:2", Period: 33e6}
	if text, want := p.Label(), "b/gpu (1900 MHz cpu, 803.25 MHz gpu, 1000 MHz memory, power mode 15W, 2 threads, batch 3, beside cpu:2, every 33ms)"; text != want {
		t.Errorf("%q, want %q", text, want)
	}
	if d := p.Doubts(); len(d) != 1 {
		t.Errorf("doubts %q", d)
	}
}

func TestDifferences(t *testing.T) {
	p := lut.OperatingPoint{Device: "a", Processor: "cpu", CPUClock: 1.4e9, Threads: 2, Precision: "fp32"}
	q := lut.OperatingPoint{Device: "a", Processor: "cpu", CPUClock: 1.4e9 + 1, GPUClock: 1.10925e9, Runtime: "x", Period: 33e6}
	var got []string
	for _, d := range p.Differences(q) {
		got = append(got, d.String())
	}
	want := []string{"cpu clock is 1400 MHz, not 1400.000001 MHz", "gpu clock is unknown, the other is 1109.25 MHz", "threads is 2, the other is unknown",
		"runtime is unknown, the other is x", "precision is fp32, the other is unknown", "period is back to back, not 33ms"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	if d := p.Differences(p); d != nil {
		t.Errorf("a point differs from itself: %v", d)
	}
	unknown := slices.DeleteFunc(p.Differences(q), func(d lut.Difference) bool { return !d.Unknown() })
	if len(unknown) != 4 {
		t.Errorf("unknown: %v", unknown)
	}
}

func ExamplePredictor_At() {
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
	table := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "example", Processor: "gpu", GPUClock: 1.1e9}, Origin: lut.Measured, Source: "example"}
	for _, b := range blocks {
		table.Entries = append(table.Entries, lut.Entry{Key: lut.Key{Resolution: 160, Block: b}, Latency: lut.MeanOnly(100, 1e6, 1e4)})
	}
	predictor, err := lut.NewPredictor(table, space)
	if err != nil {
		fmt.Println(err)
		return
	}
	slow := table.Point
	slow.GPUClock = 0.8e9
	_, err = predictor.At(slow, nil)
	fmt.Println(err)
	rescaled, err := predictor.At(slow, &lut.Rescale{MemoryShare: 0.3})
	if err != nil {
		fmt.Println(err)
		return
	}
	prediction, err := rescaled.Predict(space.Uniform(3, 3, 2, 160))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(prediction.Median)
	for _, w := range prediction.Warnings {
		fmt.Println(w)
	}
	// Output:
	// lut: the table was measured at another operating point: gpu clock is 1100 MHz, not 800 MHz
	// 20.20 ms
	// latencies are rescaled by 1.262, not measured (30% of the time taken to follow the memory clock): the table's gpu clock is 1100 MHz, not 800 MHz
	// the table has no whole networks: the error of the sum is unknown
}
