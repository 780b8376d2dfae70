package profile_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
	"github.com/dynofa/dynofa/lut/profile"
)

// tiny is the smallest useful space: 96 distinct blocks per resolution, as in the published ones.
func tiny(t testing.TB) *supernet.Space {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// config measures 30 rounds of blocks and four networks, and no seams.
func config(s *supernet.Space) profile.Config {
	return profile.Config{Space: s, Resolutions: []int{128, 160}, Rounds: 30, Warmup: 2, Networks: 4, Seams: -1,
		Point: lut.OperatingPoint{Device: "fake", Processor: "cpu"}, Seed: 3, Peak: -1}
}

// measure is profile.Run for the table alone.
func measure(ctx context.Context, c profile.Config, m profile.Meter) (*lut.Table, error) {
	r, err := profile.Run(ctx, c, m)
	return r.Table, err
}

func fact(t *lut.Table, name string) string {
	for _, f := range t.Provenance {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func TestRunMeasuresEveryBlockOncePerRound(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	cfg := config(s)
	cfg.Rounds, cfg.Warmup, cfg.Networks = 7, 3, 5
	table, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	want := map[lut.Key]bool{}
	distinct := map[supernet.Block]bool{}
	for _, r := range cfg.Resolutions {
		blocks, err := s.DistinctBlocks(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			want[lut.Key{Resolution: r, Block: b}] = true
			distinct[b] = true
		}
	}
	if len(want) != 192 || len(table.Entries) != len(want) || len(table.Networks) != 5 {
		t.Fatalf("%d entries of %d and %d networks", len(table.Entries), len(want), len(table.Networks))
	}
	for _, e := range table.Entries {
		if !want[e.Key] || e.Latency.N != 7 {
			t.Errorf("%v has %d samples", e.Key, e.Latency.N)
		}
		// No noise, so every statistic is the block's cost (truncated to whole nanoseconds).
		if c := blockCost(e.Key.Block); float64(e.Latency.P50) != c || float64(e.Latency.CIHigh) != c || e.Latency.Std != 0 {
			t.Errorf("%v costs %v, want %g ns", e.Key, e.Latency.P50, c)
		}
	}
	if n := 10 * (192 + 5 + 1); len(m.visits) != n {
		t.Errorf("%d runs, want %d", len(m.visits), n)
	}
	if want := len(distinct) + 5 + 1; m.most != want || m.open != 0 {
		t.Errorf("%d probes at most and %d left open, want %d and 0", m.most, m.open, want)
	}
	for name, want := range map[string]string{
		"profile: rounds kept": "7", "profile: warm-up rounds dropped": "3", "profile: timed region": "nothing real",
		"profile: stopped because": "7 rounds were done", "profile: seed": "3",
	} {
		if got := fact(table, name); got != want {
			t.Errorf("fact %q is %q, want %q", name, got, want)
		}
	}
}

// TestRotation looks at the order inside rounds: walks run through places in network order, a walk
// takes at most one block of a place, and networks stand apart.
func TestRotation(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	cfg := config(s)
	cfg.Resolutions, cfg.Rounds, cfg.Warmup, cfg.Networks = []int{160}, 2, -1, 3
	if _, err := measure(t.Context(), cfg, m); err != nil {
		t.Fatal(err)
	}
	place := map[string]int{}
	for _, k := range s.Kernels {
		for _, e := range s.Expands {
			layers, err := s.Layers(s.Uniform(k, e, s.MaxDepth(), 160))
			if err != nil {
				t.Fatal(err)
			}
			for i, l := range layers {
				if _, ok := place[l.Block.String()]; !ok {
					place[l.Block.String()] = i
				}
			}
		}
	}
	const null = "pool in=1x1x1 out=1x1x1"
	round := len(m.visits) / 2
	if slices.Equal(m.visits[:round], m.visits[round:]) {
		t.Error("two rounds have the same order")
	}
	for i := range 2 {
		visits := slices.Clone(m.visits[i*round : (i+1)*round])
		walks, previous, networks := 1, -1, 0
		for _, v := range visits {
			p, isBlock := place[v]
			switch {
			case v == null:
				continue
			case !isBlock:
				networks++
				continue
			}
			if p <= previous {
				walks++
			}
			previous = p
		}
		// Nine combinations of kernel and expand ratio need nine walks.
		if walks != 9 || networks != 3 {
			t.Errorf("round %d has %d walks and %d networks, want 9 and 3", i, walks, networks)
		}
		slices.Sort(visits)
		if n := len(slices.Compact(visits)); n != round {
			t.Errorf("round %d visits %d different probes, want %d", i, n, round)
		}
	}
}

// TestRunCoverage measures the tiny space with lognormal noise (sigma 0.2) under 20 seeds: of 3,840
// intervals of 30 samples, 95.72% must contain the block's true cost (binomial), +- 4 standard
// errors of 0.33% and a nanosecond of truncation.
func TestRunCoverage(t *testing.T) {
	s := tiny(t)
	hits, all := 0, 0
	for seed := range uint64(20) {
		table, err := measure(t.Context(), config(s), newFakeMeter(s, 0.2, seed))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range table.Entries {
			all++
			if c := blockCost(e.Key.Block); float64(e.Latency.CILow) <= c && c <= float64(e.Latency.CIHigh)+1 {
				hits++
			}
		}
	}
	got := float64(hits) / float64(all)
	t.Logf("coverage %.2f%% of %d intervals", 100*got, all)
	if math.Abs(got-0.957226) > 4*math.Sqrt(0.957226*0.042774/float64(all)) {
		t.Errorf("coverage is %.4f", got)
	}
}

func TestRunJudgesSumsByNetworks(t *testing.T) {
	s := tiny(t)
	m := newFakeMeter(s, 0, 1)
	m.netFactor = 1.25 // so a sum is 1/1.25 - 1 = -20% off
	table, err := measure(t.Context(), config(s), m)
	if err != nil {
		t.Fatal(err)
	}
	// Four networks: the factor of two is too few to keep, all that is said is about the other two.
	if got := fact(table, "profile: raw sum"); !strings.HasPrefix(got, "bias -20.00%, mean absolute error 20.00%, largest 20.00%, within 5%: 0.0% [0.0, 65.8], ") {
		t.Errorf("raw sum: %q", got)
	}
	if got := fact(table, "profile: scale"); !strings.HasPrefix(got, "bias +0.00%, mean absolute error 0.00%") && !strings.HasPrefix(got, "bias -0.00%, mean absolute error 0.00%") {
		t.Errorf("after a factor: %q", got)
	}
	if got := fact(table, "profile: network 4"); !strings.HasSuffix(got, ": -20.00%") {
		t.Errorf("network 4: %q", got)
	}
	if table.Calibration != (lut.Calibration{}) {
		t.Errorf("calibration %+v by two networks", table.Calibration)
	}
	var rs []int
	for _, n := range table.Networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, a.R)
	}
	if !slices.Equal(rs, []int{128, 160, 128, 160}) {
		t.Errorf("networks at resolutions %v", rs)
	}
}

// TestRunBudget gives less time than the rounds take: whole rounds while there are enough of them, else
// to the last sample, and what is missing is named.
func TestRunBudget(t *testing.T) {
	s := tiny(t)
	once := func(budget time.Duration) (profile.Result, time.Duration, error) {
		t.Helper()
		m := newFakeMeter(s, 0, 1)
		cfg := config(s)
		cfg.Rounds, cfg.Budget, cfg.Now = 1000, budget, m.now
		r, err := profile.Run(t.Context(), cfg, m)
		return r, m.clock, err
	}
	for _, budget := range []time.Duration{time.Second, 3 * time.Second} {
		r, took, err := once(budget)
		if err != nil {
			t.Fatal(err)
		}
		n := r.Table.Entries[0].Latency.N
		if r.Complete || took > budget || took < budget*9/10 || n < 20 {
			t.Errorf("budget %v: took %v for %d rounds", budget, took, n)
		}
		if got := fact(r.Table, "profile: stopped because"); !strings.Contains(got, "was used up") || len(r.Table.Warnings) != 0 {
			t.Errorf("budget %v: stopped because %q, warnings %q", budget, got, r.Table.Warnings)
		}
	}
	// Preparing takes 173 ms (172 distinct blocks of 192 and networks and the null model at 1 ms), the
	// two rounds of warm-up 2 x 17 ms: the first round does not end.
	full, _, err := once(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var few profile.Result
	for budget := 150 * time.Millisecond; ; budget += time.Millisecond {
		r, took, err := once(budget)
		if err != nil {
			if !errors.Is(err, profile.ErrBudget) {
				t.Fatal(err)
			}
			continue
		}
		if took > budget+time.Millisecond {
			t.Errorf("budget %v: took %v", budget, took)
		}
		few = r
		break
	}
	n := len(few.Table.Entries)
	if n == 0 || n >= len(full.Table.Entries) || few.Complete || few.Table.Grade != lut.GradeD {
		t.Errorf("%d entries of %d, grade %s", n, len(full.Table.Entries), few.Table.Grade)
	}
	if all := strings.Join(few.Table.Warnings, "\n"); !strings.Contains(all, fmt.Sprintf("%d of 192 blocks are missing, there was no time: r=", 192-n)) {
		t.Errorf("warnings %s", all)
	}
}

func TestRunErrorsNameTheBlock(t *testing.T) {
	s := tiny(t)
	blocks, err := s.DistinctBlocks(160)
	if err != nil {
		t.Fatal(err)
	}
	broken, name := errors.New("broken"), blocks[40].String()
	for _, c := range []struct {
		name string
		set  func(*fakeMeter)
	}{
		{"prepare", func(m *fakeMeter) { m.prepare[name] = broken }},
		{"run", func(m *fakeMeter) { m.fail[name] = broken }},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newFakeMeter(s, 0, 1)
			c.set(m)
			table, err := measure(t.Context(), config(s), m)
			if table != nil || !errors.Is(err, broken) || !strings.Contains(err.Error(), "r=160 "+name) {
				t.Errorf("table %v, error %v", table, err)
			}
			if m.open != 0 {
				t.Errorf("%d probes left open", m.open)
			}
		})
	}
	m := newFakeMeter(s, 0, 1)
	m.netFactor = 0 // networks take no time
	if _, err := measure(t.Context(), config(s), m); err == nil || !strings.Contains(err.Error(), `network {"ks"`) {
		t.Errorf("error %v", err)
	}
}

func TestRunCancelled(t *testing.T) {
	s := tiny(t)
	for _, at := range []int{0, 100, 5000} {
		ctx, cancel := context.WithCancel(t.Context())
		m := newFakeMeter(s, 0, 1)
		m.onRun = func(n int) {
			if n == at {
				cancel()
			}
		}
		table, err := measure(ctx, config(s), m)
		if table != nil || !errors.Is(err, context.Canceled) || m.open != 0 {
			t.Errorf("cancelled at run %d: table %v, error %v, %d probes left open", at, table, err, m.open)
		}
		if len(m.visits) != at+1 {
			t.Errorf("cancelled at run %d: %d runs", at, len(m.visits))
		}
		cancel()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := measure(ctx, config(s), newFakeMeter(s, 0, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled beforehand: %v", err)
	}
}

func TestRunRepeats(t *testing.T) {
	s := tiny(t)
	var tables [4]*lut.Table
	var wg sync.WaitGroup
	for i := range tables {
		wg.Go(func() {
			var err error
			if tables[i], err = measure(t.Context(), config(s), newFakeMeter(s, 0.3, 9)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	same := cmp.Comparer(func(a, b unit.Nanoseconds) bool { return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) })
	for _, table := range tables[1:] {
		if d := cmp.Diff(tables[0], table, same); d != "" {
			t.Fatal(d)
		}
	}
	cfg := config(s)
	cfg.Seed++
	other, err := measure(t.Context(), cfg, newFakeMeter(s, 0.3, 9))
	if err != nil {
		t.Fatal(err)
	}
	if other.Networks[0].Arch == tables[0].Networks[0].Arch {
		t.Error("another seed draws the same network")
	}
}

func TestRunProgress(t *testing.T) {
	s := tiny(t)
	cfg := config(s)
	counts := map[profile.Phase]int{}
	cfg.Progress = func(p profile.Progress) {
		counts[p.Phase]++
		if p.Done != counts[p.Phase] || p.Done > p.Total {
			t.Errorf("%+v after %d calls", p, counts[p.Phase])
		}
	}
	if _, err := measure(t.Context(), cfg, newFakeMeter(s, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[profile.Phase]int{profile.Preparing: 197, profile.Warming: 2, profile.Measuring: 30}, counts); d != "" {
		t.Error(d)
	}
}

func TestConfigValidate(t *testing.T) {
	s := tiny(t)
	for name, change := range map[string]func(*profile.Config){
		"no space":             func(c *profile.Config) { c.Space = nil },
		"no device":            func(c *profile.Config) { c.Point.Device = "" },
		"negative threads":     func(c *profile.Config) { c.Point.Threads = -1 },
		"negative rounds":      func(c *profile.Config) { c.Rounds = -1 },
		"too many rounds":      func(c *profile.Config) { c.Rounds = 1e9 },
		"too many at most":     func(c *profile.Config) { c.MaxRounds = 1e9 },
		"hot below zero":       func(c *profile.Config) { c.Hot = -1 },
		"unknown clock":        func(c *profile.Config) { c.Clock = "sun" },
		"period, no clock":     func(c *profile.Config) { c.Point.Period = time.Second },
		"network outside":      func(c *profile.Config) { c.NetworkResolutions = []int{192} },
		"load of another name": func(c *profile.Config) { c.Load = &load.Spec{Kind: load.CPU, Threads: 1} },
		"bad load":             func(c *profile.Config) { c.Load = &load.Spec{Kind: "gpu"}; c.Point.CoRunner = c.Load.String() },
		"budget, no clock":     func(c *profile.Config) { c.Budget = time.Second },
		"negative budget":      func(c *profile.Config) { c.Budget = -1 },
		"repeated resolution":  func(c *profile.Config) { c.Resolutions = []int{160, 160} },
		"repeated fact":        func(c *profile.Config) { c.Facts = []lut.Fact{{Name: "a"}, {Name: "a"}} },
		"reserved fact":        func(c *profile.Config) { c.Facts = []lut.Fact{{Name: "profile: seed"}} },
		"NaN target":           func(c *profile.Config) { c.Target = math.NaN() },
	} {
		cfg := config(s)
		change(&cfg)
		if cfg.Validate() == nil {
			t.Errorf("%s is accepted", name)
		}
		if table, err := measure(t.Context(), cfg, nil); err == nil || table != nil {
			t.Errorf("%s runs", name)
		}
	}
	cfg := config(s)
	cfg.Resolutions = []int{4}
	if _, err := measure(t.Context(), cfg, newFakeMeter(s, 0, 1)); err == nil || !strings.Contains(err.Error(), "resolution 4") {
		t.Errorf("resolution 4: %v", err)
	}
}

func ExampleRun() {
	space, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	result, err := profile.Run(context.Background(), profile.Config{
		Space:       space,
		Resolutions: []int{160},
		Rounds:      10,
		Point:       lut.OperatingPoint{Device: "example", Processor: "cpu"},
	}, newFakeMeter(space, 0, 1)) // package ort has the meter that measures
	if err != nil {
		fmt.Println(err)
		return
	}
	table := result.Table
	fmt.Println(len(table.Entries), "blocks,", table.Entries[0].Latency.N, "samples each,", table.Source)
	// Output: 96 blocks, 10 samples each, measured on example
}
