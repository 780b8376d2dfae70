package sim_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// plain is a scenario of one request a second without a limit.
func plain(requests int64) *traffic.Scenario {
	return &traffic.Scenario{
		Name: "plain", Family: "paper-gpu6", Processor: "gpu", Requests: requests,
		Arrivals: traffic.Periodic{Period: time.Second},
	}
}

// span is what a table says about an inference.
type span struct{ Start, End time.Duration }

func spans(r *sim.Result) []span {
	var all []span
	for _, rec := range r.Trace.Records {
		all = append(all, span{rec.Start, rec.End})
	}
	return all
}

// An inference of 100 ms that straddles steps of the slow-down.
func TestSlowdownIsIntegrated(t *testing.T) {
	for _, tt := range []struct {
		name    string
		profile traffic.Profile
		end     time.Duration
	}{
		{"undisturbed", nil, 100 * ms},
		{"from the start", traffic.Profile{{At: 0, Slowdown: 1.5}}, 150 * ms},
		{"ends as it starts", traffic.Profile{{At: 100 * ms, Slowdown: 3}}, 100 * ms},
		{"half way", traffic.Profile{{At: 50 * ms, Slowdown: 2}}, 150 * ms},
		{"for a while", traffic.Profile{{At: 50 * ms, Slowdown: 2}, {At: 70 * ms, Slowdown: 1}}, 110 * ms}, // 20 ms do 10 ms' work
		{"a relief", traffic.Profile{{At: 0, Slowdown: 2}, {At: 100 * ms, Slowdown: 0.5}}, 125 * ms},       // 50 ms' work left at half
		{"at another processor", nil, 100 * ms},
	} {
		s := plain(1)
		if tt.profile != nil {
			s.Disturbances = []traffic.Disturbance{{Processor: "gpu", Profile: tt.profile}}
		}
		if tt.name == "at another processor" {
			s.Disturbances = []traffic.Disturbance{{Processor: "cpu", Profile: traffic.Profile{{At: 0, Slowdown: 2}}}}
		}
		r := run(t, sim.Config{Scenario: s, Family: levelsOf(t, 100*ms), Policy: "static:0"})
		if d := cmp.Diff([]span{{0, tt.end}}, spans(r)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}

// Switching stops service before the inference, from the initial level too, and only on a change.
func TestSwitchTime(t *testing.T) {
	s := plain(4)
	s.InitialLevel = 1
	s.SwitchTimes = map[string]time.Duration{"script": 300 * ms}
	levels := []int{0, 0, 1, 0}
	c := sim.Config{Scenario: s, Family: levelsOf(t, 100*ms, 200*ms), Policy: "script:x", NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
		return serve(levels[o.Queue[0].ID])
	})}
	r := run(t, c)
	want := []span{{300 * ms, 400 * ms}, {1000 * ms, 1100 * ms}, {2300 * ms, 2500 * ms}, {3300 * ms, 3400 * ms}}
	if d := cmp.Diff(want, spans(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if m := r.Metrics; m.Switches != 2 || m.Switching != 900*ms || m.Latency.Max != 200*ms {
		t.Errorf("switches %d, switching %v, longest latency %v", m.Switches, m.Switching, m.Latency.Max)
	}
}

// The ladder takes the parameter initial_level, static does not; parameters of the config go over those
// of the scenario.
func TestInitialLevel(t *testing.T) {
	s := builtin(t, "fig7")
	s.InitialLevel = 2
	for _, tt := range []struct {
		name   string
		spec   string
		params map[string]string
		want   map[string]string
		first  int
	}{
		{"told", "ladder", nil, map[string]string{"initial_level": "2", "min_images": "40", "restart_at": "2.47s"}, 2},
		{"given", "ladder", map[string]string{"initial_level": "4"}, map[string]string{"initial_level": "4", "min_images": "40", "restart_at": "2.47s"}, 4},
		{"over the scenario's", "ladder", map[string]string{"min_images": "7"}, map[string]string{"initial_level": "2", "min_images": "7", "restart_at": "2.47s"}, 2},
		{"not wanted", "static:5", nil, nil, 5},
	} {
		r := run(t, sim.Config{Scenario: s, Family: paper(t), Policy: tt.spec, Params: tt.params})
		first := r.Trace.Records[0]
		if d := cmp.Diff(tt.want, r.Trace.Header.Params); d != "" || first.Decision.Level != tt.first {
			t.Errorf("%s: first level %d, want %d; parameters (-want +got):\n%s", tt.name, first.Decision.Level, tt.first, d)
		}
		if gap := first.Start > 0; gap != (tt.name == "given") {
			t.Errorf("%s: the first inference starts at %v", tt.name, first.Start)
		}
	}
}

func TestHeader(t *testing.T) {
	f := paper(t)
	two := paper(t)
	for i := range two.Levels { // "cpu" before "gpu"
		cpu := family.Latency{Processor: "cpu", Latency: 1e9, Origin: f.Levels[i].Latencies[0].Origin}
		two.Levels[i].Latencies = []family.Latency{cpu, f.Levels[i].Latencies[0]}
	}
	s := builtin(t, "fig7")
	r := run(t, sim.Config{Scenario: s, Family: two, Policy: "static:3", Seed: 77, Replication: 2, Program: "dynofa 1.2"})
	h := r.Trace.Header
	if h.Version != trace.FormatVersion || h.Kind != trace.Simulated || h.Program != "dynofa 1.2" || h.Policy != "static:3" || h.Scenario != "fig7" || h.Seed != 77 || r.Scenario != s {
		t.Errorf("header %+v", h)
	}
	if d := cmp.Diff([]string{"gpu"}, h.Family.Processors()); d != "" {
		t.Errorf("the header's family has other processors than the policy saw:\n%s", d)
	}
	if two.Levels[0].Latencies[0].Processor != "cpu" || len(two.Levels[0].Latencies) != 2 {
		t.Error("the run changed its family")
	}
	if d := cmp.Diff(spans(run(t, sim.Config{Scenario: s, Family: f, Policy: "static:3"})), spans(r)); d != "" {
		t.Errorf("another processor's latencies matter:\n%s", d)
	}
	if notes := strings.Join(h.Notes, "\n"); !strings.Contains(notes, "nothing was measured") || !strings.Contains(notes, "replication 2") || strings.Contains(notes, "made for") {
		t.Errorf("notes: %s", notes)
	}
	two.Name = "mine"
	r = run(t, sim.Config{Scenario: s, Family: two, Policy: "static:3"})
	if notes := strings.Join(r.Trace.Header.Notes, "\n"); !strings.Contains(notes, "made for family paper-gpu6") || r.Trace.Header.Seed != s.Seed || r.Trace.Header.Program == "" {
		t.Errorf("header: %+v", r.Trace.Header)
	}
}

// A closed-loop user who gets no answer asks again after the limit, so a policy that answers nothing
// meets a bounded number of requests; so does one that has ended.
func TestClosedLoopWithoutAnswers(t *testing.T) {
	for _, tt := range []struct {
		action   policy.Action
		limit    time.Duration
		requests int // in 10 s
	}{
		{policy.Drop, 100 * ms, 100}, {policy.Exit, 100 * ms, 100}, {policy.Drop, 0, 1000}, {policy.Exit, 0, 1000},
	} {
		s := &traffic.Scenario{
			Name: "loop", Family: "paper-gpu6", Processor: "gpu", Arrivals: traffic.ClosedLoop{}, Duration: 10 * time.Second, Limit: tt.limit,
		}
		r := run(t, sim.Config{Scenario: s, Family: paper(t), Policy: "script", NewPolicy: scripted(func(*policy.Observation) policy.Decision {
			return policy.Decision{Action: tt.action, Reason: "test"}
		})})
		m := r.Metrics
		if m.Requests != tt.requests || m.Dropped+m.Refused != tt.requests {
			t.Errorf("%s with limit %v: %+v", tt.action, tt.limit, m)
		}
		if asked := slices.ContainsFunc(r.Trace.Records[1:], func(r trace.Record) bool { return r.Asked() }); asked != (tt.action == policy.Drop) {
			t.Errorf("%s: asked again is %v", tt.action, asked)
		}
	}
}

// A policy that answers nonsense is named, with the request.
func TestNonsense(t *testing.T) {
	for _, d := range []policy.Decision{
		{}, {Action: "wait", Reason: "test"}, serve(6), serve(-1), {Action: policy.Serve, Processor: 1, Reason: "test"}, {Action: policy.Serve},
	} {
		r, err := sim.Run(t.Context(), sim.Config{Scenario: plain(9), Family: paper(t), Policy: "odd", NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
			if o.Queue[0].ID < 3 {
				return serve(0)
			}
			return d
		})})
		if r != nil || err == nil || !strings.Contains(err.Error(), `policy "odd": request 3 at 3s`) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

func TestBadConfigs(t *testing.T) {
	good := sim.Config{Scenario: builtin(t, "fig7"), Family: paper(t), Policy: "static:0"}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	huge := levelsOf(t, 1e15-1)
	for name, tt := range map[string]struct {
		change func(c *sim.Config)
		want   string
	}{
		"no scenario":       {func(c *sim.Config) { c.Scenario = nil }, "no scenario"},
		"no family":         {func(c *sim.Config) { c.Family = nil }, "no family"},
		"bad scenario":      {func(c *sim.Config) { c.Scenario.Limit = -1 }, "limit"},
		"bad family":        {func(c *sim.Config) { c.Family.Levels[0].Latencies[0].Latency = 0 }, "latency 0 ns"},
		"replication":       {func(c *sim.Config) { c.Replication = -1 }, "replication -1"},
		"processor":         {func(c *sim.Config) { c.Scenario.Processor = "dla" }, `processor "dla"`},
		"initial level":     {func(c *sim.Config) { c.Scenario.InitialLevel = 6 }, "initial level 6 is outside [0, 5]"},
		"policy":            {func(c *sim.Config) { c.Policy = "magic" }, "magic"},
		"no policy":         {func(c *sim.Config) { c.Policy = "" }, "policy"},
		"level":             {func(c *sim.Config) { c.Policy = "static:6" }, "static"},
		"parameter":         {func(c *sim.Config) { c.Params = map[string]string{"speed": "9"} }, "speed"},
		"parameter's value": {func(c *sim.Config) { c.Policy, c.Params = "ladder", map[string]string{"window": "no"} }, "window"},
	} {
		c := good
		c.Scenario, c.Family = builtin(t, "fig7"), paper(t)
		tt.change(&c)
		err := c.Validate()
		_, runErr := sim.Run(t.Context(), c)
		if err == nil || runErr == nil || err.Error() != runErr.Error() || !strings.HasPrefix(err.Error(), "sim: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Validate: %v, Run: %v, want one error with %q", name, err, runErr, tt.want)
		}
	}
	// Problems that show only in the run.
	defer sim.SetMaxRecords(1000)()
	s := plain(0)
	s.Requests, s.Duration = 0, traffic.MaxDuration
	s.Arrivals = traffic.ClosedLoop{}
	if _, err := sim.Run(t.Context(), sim.Config{Scenario: s, Family: levelsOf(t, 1), Policy: "static:0"}); err == nil || !strings.Contains(err.Error(), "more than 1000 requests") {
		t.Errorf("endless requests: %v", err)
	}
	s = plain(10000)
	s.Disturbances = []traffic.Disturbance{{Processor: "gpu", Profile: traffic.Profile{{At: 0, Slowdown: 1000}}}}
	if _, err := sim.Run(t.Context(), sim.Config{Scenario: s, Family: huge, Policy: "static:0"}); err == nil || !strings.Contains(err.Error(), "would end after") {
		t.Errorf("endless inferences: %v", err)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	_, err := sim.Run(ctx, sim.Config{Scenario: plain(1 << 20), Family: paper(t), Policy: "script", NewPolicy: scripted(func(*policy.Observation) policy.Decision {
		if n++; n == 5000 {
			cancel()
		}
		return serve(0)
	})})
	if !errors.Is(err, context.Canceled) || n > 10_000 {
		t.Errorf("cancelled after 5000 decisions: %v after %d", err, n)
	}
	if _, err := sim.Compare(ctx, sim.Config{Scenario: plain(1), Family: paper(t)}, []string{"static:0", "static:1"}, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("compare: %v", err)
	}
}

func TestCompareErrors(t *testing.T) {
	base := sim.Config{Scenario: plain(3), Family: paper(t)}
	_, err := sim.Compare(t.Context(), base, []string{"static:0", "magic", "static:9"}, 2)
	if err == nil || !strings.Contains(err.Error(), "magic") || !strings.Contains(err.Error(), "static:9") || strings.Index(err.Error(), "magic") > strings.Index(err.Error(), "static:9") {
		t.Errorf("two wrong specs: %v", err)
	}
	base.Params = map[string]string{"margin": "2"}
	if _, err := sim.Compare(t.Context(), base, []string{"slack"}, 1); err == nil {
		t.Error("parameters for all policies were taken")
	}
	if r, err := sim.Compare(t.Context(), sim.Config{Scenario: plain(3), Family: paper(t)}, nil, 0); err != nil || len(r) != 0 {
		t.Errorf("no policies: %v, %v", r, err)
	}
}

// Replaying a run's own arrivals under the same scenario is the same run.
func TestReplayArrivalsOfOwnTrace(t *testing.T) {
	s := builtin(t, "poisson")
	s.Duration = time.Minute
	c := sim.Config{Scenario: s, Family: paper(t), Policy: "slack"}
	want := run(t, c)
	for name, replay := range map[string]sim.Config{
		"everything given": c,
		"from the trace":   {Scenario: s},
	} {
		got, err := sim.ReplayArrivals(t.Context(), want.Trace, replay)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Trace.Records, got.Trace.Records); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		if notes := strings.Join(got.Trace.Header.Notes, "\n"); !strings.Contains(notes, "simulated trace under policy slack") {
			t.Errorf("%s: notes %s", name, notes)
		}
	}
	// Without the scenario there is no noise, and another policy may serve.
	alone, err := sim.ReplayArrivals(t.Context(), want.Trace, sim.Config{Policy: "static:2"})
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range alone.Trace.Records {
		if rec.Request != want.Trace.Records[i].Request || rec.Deadline != want.Trace.Records[i].Deadline || rec.End-rec.Start != 49435504 || rec.Observation.Limit != s.Limit {
			t.Fatalf("record %+v, recorded as %+v", rec, want.Trace.Records[i])
		}
	}
}

func TestReplayArrivalsRefuses(t *testing.T) {
	good := run(t, sim.Config{Scenario: plain(3), Family: paper(t), Policy: "static:0"}).Trace
	for name, change := range map[string]func(tr *trace.Trace){
		"no records":        func(tr *trace.Trace) { tr.Records = nil },
		"stands twice":      func(tr *trace.Trace) { tr.Records[2].Request = 0 },
		"a negative time":   func(tr *trace.Trace) { tr.Records[1].Arrival = -1 },
		"arrives after":     func(tr *trace.Trace) { tr.Records[1].Arrival = math.MaxInt64 },
		"would end after":   func(tr *trace.Trace) { tr.Records[1].Arrival = math.MaxInt64 / 2 },
		"magic":             func(tr *trace.Trace) { tr.Header.Policy = "magic" },
		"0 levels, want 1":  func(tr *trace.Trace) { tr.Header.Family.Levels = nil },
		"limit: -1ns is ne": func(tr *trace.Trace) { tr.Records[0].Observation.Limit = -1 },
	} {
		tr := &trace.Trace{Header: good.Header, Records: slices.Clone(good.Records)}
		change(tr)
		if _, err := sim.ReplayArrivals(t.Context(), tr, sim.Config{}); err == nil || !strings.HasPrefix(err.Error(), "sim: ") || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
