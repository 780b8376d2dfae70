package sim_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/platform"
)

func xavier(t testing.TB) *board.Board {
	t.Helper()
	b, err := board.Builtin("jetson-xavier-nx")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// both returns the paper's family with latencies on the CPU too, ten times those on the GPU.
func both(t testing.TB) *family.Family {
	t.Helper()
	f := paper(t)
	for i := range f.Levels {
		cpu := f.Levels[i].Latencies[0]
		cpu.Processor, cpu.Latency = "cpu", 10*cpu.Latency
		f.Levels[i].Latencies = append(f.Levels[i].Latencies, cpu)
	}
	return f
}

// TestMotivationFigure plays the paper's four points on each processor: a network whose latency at the highest clock,
// alone, is the fitted one, under the clocks and beside the co-runner of the figure. Three parameters on four points: within 8%.
func TestMotivationFigure(t *testing.T) {
	b := xavier(t)
	for _, tt := range []struct {
		processor  string
		high, low  unit.Hertz
		a, b, c, d float64 // ms: high clock alone, low alone, high beside another, low beside another
	}{
		{"gpu", 1109.25e6, 803.25e6, 42.9, 49.4, 49.4, 68.8},
		{"cpu", 1420.8e6, 1190.4e6, 567, 831, 1122, 1442},
	} {
		scaling, err := b.ScalingOf(tt.processor)
		if err != nil {
			t.Fatal(err)
		}
		f := levelsOf(t, scaling.Alone)
		f.Levels[0].Latencies[0].Processor = tt.processor
		worst := 0.0
		for i, want := range []float64{tt.a, tt.b, tt.c, tt.d} {
			c := platform.Config{
				Board: b, Mode: "MODE_15W_4CORE", Reference: map[string]unit.Hertz{tt.processor: scaling.Reference},
				Governors: map[string]platform.Governor{tt.processor: platform.Userspace},
			}
			clock := []unit.Hertz{tt.high, tt.low}[i%2]
			c.Events = []platform.Event{{Kind: platform.ClockSet, Processor: tt.processor, Clock: clock}}
			if i >= 2 {
				c.Events = append(c.Events, platform.Event{Kind: platform.CoRunnerOn,
					CoRunner: platform.CoRunner{Name: "app", Processor: tt.processor, Interference: scaling.CoRunner}})
			}
			s := plain(3)
			s.Processor, s.Arrivals = tt.processor, traffic.Periodic{Period: 10 * time.Second}
			r := run(t, sim.Config{Scenario: s, Family: f, Policy: "static:0", Board: &c})
			got := r.Trace.Records[2].End - r.Trace.Records[2].Start
			off := got.Seconds()*1e3/want - 1
			worst = max(worst, math.Abs(off))
			t.Logf("%s at %v, %d beside it: %v, the figure has %g ms: %+.1f%%", tt.processor, clock, i/2, got, want, 100*off)
			for _, n := range r.Trace.Header.Notes {
				if strings.Contains(n, "outside the measured") && got > 0 && i%2 == 0 && tt.processor == "gpu" {
					t.Errorf("%s at %v: %s", tt.processor, clock, n)
				}
			}
		}
		if worst > 0.08 {
			t.Errorf("%s: off by %.1f%%, want 8%% at most", tt.processor, 100*worst)
		}
	}
}

// Outside of the measured clocks the trace carries a warning.
func TestExtrapolationIsNoted(t *testing.T) {
	for mode, warned := range map[string]bool{"MODE_15W_6CORE": false, "MODE_10W_DESKTOP": true} { // 1109.25 and 510 MHz
		r := run(t, sim.Config{Scenario: plain(2), Family: paper(t), Policy: "static:0", Board: &platform.Config{Board: xavier(t), Mode: mode}})
		notes := strings.Join(r.Trace.Header.Notes, "\n")
		if strings.Contains(notes, "outside the measured clocks") != warned || !strings.Contains(notes, "are assumptions") {
			t.Errorf("%s: notes %s", mode, notes)
		}
	}
}

// On a board at its reference clock, alone, with nothing that disturbs, a run is what it is without a board.
func TestBoardAddsNothing(t *testing.T) {
	for _, name := range []string{"poisson", "camera"} {
		s := builtin(t, name)
		s.Duration = time.Minute
		s.Disturbances = []traffic.Disturbance{{Processor: "gpu", Profile: traffic.Profile{{At: 10 * time.Second, Slowdown: 1.3}, {At: 30 * time.Second, Slowdown: 0.9}}}}
		for _, spec := range []string{"slack", "static:2"} {
			c := sim.Config{Scenario: s, Family: paper(t), Policy: spec}
			want := run(t, c)
			c.Board = &platform.Config{Board: xavier(t), Mode: "8"}
			got := run(t, c)
			if len(want.Trace.Records) != len(got.Trace.Records) {
				t.Fatalf("%s under %s: %d and %d records", name, spec, len(want.Trace.Records), len(got.Trace.Records))
			}
			for i, r := range got.Trace.Records {
				w := want.Trace.Records[i]
				if d := r.End - w.End; d > 2 || d < -2 || r.Decision != w.Decision || r.Outcome != w.Outcome { // rounded once more at each step
					t.Fatalf("%s under %s: %+v on a board, %+v without", name, spec, r, w)
				}
			}
			if got.Platform == nil || want.Platform != nil || got.Platform.Elapsed < time.Minute || got.Platform.Energy.Total <= 0 {
				t.Errorf("platform %+v", got.Platform)
			}
		}
	}
}

// The decision includes the processor; inferences on both run at once.
func TestTwoProcessorsOnBoard(t *testing.T) {
	s := plain(4)
	s.Arrivals = traffic.Periodic{Period: 10 * ms}
	r := run(t, sim.Config{
		Scenario: s, Family: both(t), Processors: []string{"gpu", "cpu"}, Policy: "script",
		Board: &platform.Config{Board: xavier(t), Mode: "8", Reference: map[string]unit.Hertz{"cpu": 1420.8e6}},
		NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
			d := serve(0)
			d.Processor = int(o.Busy & 1) // the GPU if it is free
			return d
		}),
	})
	// 41.16 and 411.6 ms; the third and fourth wait for the GPU.
	g := 41158938 * time.Nanosecond
	want := []span{{0, g}, {10 * ms, 10*ms + 10*g}, {g, 2 * g}, {2 * g, 3 * g}}
	for i, got := range spans(r) {
		if d := got.End - want[i].End; d > 10 || d < -10 || got.Start-want[i].Start > 10 {
			t.Errorf("request %d: %v, want %v", i, got, want[i])
		}
	}
	report := r.Platform
	if report.Processors[0].Utilisation <= 0 || report.Processors[1].Utilisation <= 0 {
		t.Errorf("utilisation %+v", report.Processors)
	}
}

// Two applications on the GPU share it; each has its own arrivals and trace.
func TestTogether(t *testing.T) {
	configs := func() []sim.Config {
		var all []sim.Config
		for _, app := range []string{"a", "b"} {
			s := plain(20)
			s.Arrivals, s.Limit = traffic.Periodic{Period: 200 * ms}, 150*ms
			all = append(all, sim.Config{Scenario: s, Family: levelsOf(t, 50*ms), Policy: "static:0", App: app, Board: &platform.Config{Board: xavier(t), Mode: "8"}})
		}
		return all
	}
	two := configs()
	results, err := sim.RunTogether(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if len(r.Trace.Records) != 20 || r.Platform == nil || r.Platform != results[0].Platform {
			t.Fatalf("%s: %d records", two[i].App, len(r.Trace.Records))
		}
		for _, rec := range r.Trace.Records { // both arrive at once and go at half pace
			if d := rec.End - rec.Start - 100*ms; d > 10 || d < -10 {
				t.Errorf("%s: %v", two[i].App, rec.End-rec.Start)
			}
		}
	}
	two[1].Scenario.Arrivals = traffic.Poisson{PerSecond: 5}
	two[0].Scenario.Arrivals = two[1].Scenario.Arrivals
	again, err := sim.RunTogether(t.Context(), two)
	if err != nil {
		t.Fatal(err)
	}
	if again[0].Trace.Records[0].Arrival == again[1].Trace.Records[0].Arrival {
		t.Error("both applications have the same random arrivals")
	}
	for name, change := range map[string]func(c []sim.Config){
		"no board":      func(c []sim.Config) { c[0].Board = nil },
		"one name":      func(c []sim.Config) { c[1].App = "a" },
		"bad policy":    func(c []sim.Config) { c[1].Policy = "magic" },
		"bad processor": func(c []sim.Config) { c[1].Scenario.Processor = "dla" },
	} {
		c := configs()
		change(c)
		if _, err := sim.RunTogether(t.Context(), c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := sim.RunTogether(t.Context(), nil); err == nil {
		t.Error("no applications: taken")
	}
}

// Batches are one service, of their own traffic and latency.
func TestBatchOnBoard(t *testing.T) {
	f := levelsOf(t, 100*ms)
	f.Levels[0].Latencies[0].Batches = []unit.Nanoseconds{unit.Nanos(150 * ms), unit.Nanos(180 * ms)}
	s := plain(5)
	s.Arrivals, s.Limit = traffic.Periodic{Period: 40 * ms}, 210*ms
	r := run(t, sim.Config{Scenario: s, Family: f, Policy: "script:x", Board: &platform.Config{Board: xavier(t), Mode: "8"}, NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
		d := serve(0)
		if n := min(len(o.Queue), 3); n > 1 {
			d.Batch = n
		}
		return d
	})})
	want := []span{{0, 100 * ms}, {100 * ms, 250 * ms}, {100 * ms, 250 * ms}, {250 * ms, 400 * ms}, {250 * ms, 400 * ms}} // see TestBatch
	if d := cmp.Diff(want, spans(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if m := r.Metrics; m.OnTime != 3 || m.Late != 2 {
		t.Errorf("metrics %+v", m)
	}
}

// A table at an operating point comes before the scaling, and is scaled where there is none.
func TestPoints(t *testing.T) {
	c := sim.Config{
		Scenario: plain(3), Family: levelsOf(t, 50*ms, 60*ms), Policy: "static:1",
		Board:  &platform.Config{Board: xavier(t), Mode: "MODE_10W_DESKTOP"}, // GPU at 510 MHz
		Demand: sim.Demand{Points: []sim.Point{{Processor: "gpu", Clock: 510e6, Latency: []time.Duration{90 * ms, 130 * ms}}}},
	}
	if got := spans(run(t, c))[1]; got.End-got.Start != 130*ms {
		t.Errorf("at the table's clock it takes %v", got.End-got.Start)
	}
	c.Demand.Points[0].Clock = 599.25e6
	scaling, err := c.Board.Board.ScalingOf("gpu")
	if err != nil {
		t.Fatal(err)
	}
	want := 130e6 * math.Pow(599.25/510, scaling.Exponent)
	if got := spans(run(t, c))[1]; math.Abs(float64(got.End-got.Start)-want) > 2 {
		t.Errorf("a step below the table's clock it takes %v, want %v", got.End-got.Start, time.Duration(want))
	}
	for _, p := range []sim.Point{{Processor: "gpu", Clock: 510e6}, {Processor: "dla", Clock: 510e6, Latency: []time.Duration{1, 1}}, {Processor: "gpu", Latency: []time.Duration{1, 1}}, {Processor: "gpu", Clock: 1, Latency: []time.Duration{0, 1}}} {
		c.Demand.Points = []sim.Point{p}
		if err := c.Validate(); err == nil {
			t.Errorf("%+v is taken", p)
		}
	}
}

// Switching stops service before the inference, on a board too.
func TestSwitchTimeOnBoard(t *testing.T) {
	s := plain(4)
	s.InitialLevel = 1
	s.SwitchTimes = map[string]time.Duration{"script": 300 * ms}
	levels := []int{0, 0, 1, 0}
	r := run(t, sim.Config{Scenario: s, Family: levelsOf(t, 100*ms, 200*ms), Policy: "script:x", Board: &platform.Config{Board: xavier(t), Mode: "8"}, NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
		return serve(levels[o.Queue[0].ID])
	})})
	want := []span{{300 * ms, 400 * ms}, {1000 * ms, 1100 * ms}, {2300 * ms, 2500 * ms}, {3300 * ms, 3400 * ms}}
	if d := cmp.Diff(want, spans(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// When the board shuts down, what runs fails and everything later is refused; the trace can be written and read.
func TestShutdown(t *testing.T) {
	b := xavier(t)
	for i := range b.Thermal.Trips {
		if b.Thermal.Trips[i].Kind == board.Critical {
			b.Thermal.Trips[i].At.Value = 41
		}
	}
	s := plain(100)
	s.Arrivals, s.Limit = traffic.Poisson{PerSecond: 15}, 200*ms
	for _, arrivals := range []traffic.Arrivals{s.Arrivals, traffic.ClosedLoop{}} {
		s.Arrivals, s.Requests = arrivals, 3000
		r := run(t, sim.Config{Scenario: s, Family: paper(t), Policy: "static:5", Board: &platform.Config{Board: b, Mode: "8"}})
		m := r.Metrics
		if m.Requests != 3000 || m.Failed != 1 || m.Refused < 100 || m.OnTime+m.Late < 100 || r.Platform.Down == "" {
			t.Errorf("%+v, down because %q", m, r.Platform.Down)
		}
		back, err := trace.Read("run.csv", strings.NewReader(string(bytesOf(t, r.Trace))))
		if err != nil || len(back.Records) != 3000 {
			t.Errorf("the trace cannot be read: %v", err)
		}
	}
}

// TestNobodyComesToTheBoard: without a request the board still goes on for as long as its scenario, and no longer.
func TestNobodyComesToTheBoard(t *testing.T) {
	s := plain(0)
	s.Arrivals, s.Duration = traffic.Poisson{PerSecond: 0.001}, 10*time.Second
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := sim.Run(ctx, sim.Config{Scenario: s, Family: paper(t), Policy: "slack", Board: &platform.Config{Board: xavier(t)}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Metrics.Requests != 0 || r.Platform.Elapsed != s.Duration {
		t.Errorf("%d requests in %v, want none in %v", r.Metrics.Requests, r.Platform.Elapsed, s.Duration)
	}
}
