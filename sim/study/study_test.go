package study_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/platform"
	"github.com/dynofa/dynofa/sim/study"
)

const poisson = "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: poisson, rate: 12/s}\nlimit: 120ms\nrequests: 300\nnoise: {kind: lognormal, sigma: 0.05}\nseed: 4\n"

func cell(t testing.TB, name, text string) study.Cell {
	t.Helper()
	s, err := traffic.Parse(name+".yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	configs, err := sim.Applications(sim.Config{Scenario: s, Family: f}, func(string) (*family.Family, error) { return f, nil })
	if err != nil {
		t.Fatal(err)
	}
	return study.Cell{Name: name, Apps: configs}
}

func specs(policies ...string) []study.Spec {
	var all []study.Spec
	for _, p := range policies {
		all = append(all, study.Spec{Policy: p})
	}
	return all
}

// memory is a cache.
type memory struct {
	entries map[string]study.Entry
	loads   int
	hits    int
	broken  error
}

func (m *memory) Load(_ context.Context, key string) ([]byte, error) {
	m.loads++
	e, ok := m.entries[key]
	if !ok {
		return nil, m.broken
	}
	m.hits++
	return e.Outcome, nil
}

func (m *memory) Save(_ context.Context, e study.Entry) error {
	if _, twice := m.entries[e.Key]; twice {
		return fmt.Errorf("%s saved twice", e.Key)
	}
	m.entries[e.Key] = e
	return nil
}

// The same bytes come from one worker and from eight, from a cold and from a warm cache, and from a cache that holds
// half of it.
func TestSameBytes(t *testing.T) {
	plan := func() study.Plan {
		return study.Plan{
			Cells: []study.Cell{cell(t, "poisson", poisson), cell(t, "busy", strings.Replace(poisson, "12/s", "17/s", 1)),
				cell(t, "camera", "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: periodic, period: 66ms}\nlimit: 66ms\nrequests: 300\nco_runners: [{processor: gpu, on: 2s, off: 2s, slowdown: [1.3]}]\n")},
			Specs: specs("slack", "static:2", "slackfit"), Replications: 4,
		}
	}
	text := func(p study.Plan) string {
		t.Helper()
		results, err := study.Run(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		apps := [][]study.AppResult{}
		for _, r := range results {
			apps = append(apps, r.Apps)
		}
		b, err := json.Marshal(apps)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	one := plan()
	one.Workers = 1
	want := text(one)
	eight := plan()
	eight.Workers = 8
	if text(eight) != want {
		t.Error("eight workers give other bytes than one")
	}
	cold := &memory{entries: map[string]study.Entry{}}
	cached := plan()
	cached.Cache = cold
	if text(cached) != want {
		t.Error("a cold cache gives other bytes")
	}
	half := &memory{entries: map[string]study.Entry{}}
	i := 0
	for _, e := range cold.entries { // whichever half
		if i++; i%2 == 0 {
			half.entries[e.Key] = e
		}
	}
	for name, m := range map[string]*memory{"warm": cold, "half": half} {
		m.hits = 0
		cached.Cache = m
		if text(cached) != want {
			t.Errorf("a %s cache gives other bytes", name)
		}
		if m.hits == 0 {
			t.Errorf("a %s cache is not used", name)
		}
	}
}

// Every policy's effective accuracy is at most the optimum's; differences of a policy to itself are 0; paired
// intervals are narrower than those of the two means.
func TestRegretAndPairs(t *testing.T) {
	results, err := study.Run(context.Background(), study.Plan{Cells: []study.Cell{cell(t, "poisson", poisson)}, Specs: specs("slack", "slackfit", "static:0", "qdp"), Replications: 10})
	if err != nil {
		t.Fatal(err)
	}
	a := &results[0].Apps[0]
	if a.NoOptimum != "" || !a.Exact() {
		t.Fatalf("no exact optimum: %q", a.NoOptimum)
	}
	effective, ok := study.MeasureNamed("effective")
	if !ok {
		t.Fatal("no measure of effective accuracy")
	}
	for i := range a.Policies {
		p := &a.Policies[i]
		for k := range p.Outcomes {
			if p.Outcomes[k].EffectiveUncut > a.Optimum[k].Effective+1e-12 {
				t.Errorf("%s beats the optimum in replication %d", p.Spec, k)
			}
		}
		if r := a.Regret(p); r.N != 10 || r.Mean < 0 || !r.Known {
			t.Errorf("regret of %s: %+v", p.Spec, r)
		}
	}
	first, third := &a.Policies[0], &a.Policies[2]
	if d := effective.Difference(first, first); d.Mean != 0 || d.Std != 0 {
		t.Errorf("a policy differs from itself: %+v", d)
	}
	d := effective.Difference(first, third)
	if alone := effective.Of(first); d.Half() > alone.Half()+effective.Of(third).Half() {
		t.Errorf("the paired interval %+v is wider than those of the means", d)
	}
	if math.Abs(d.Mean-(effective.Of(first).Mean-effective.Of(third).Mean)) > 1e-12 {
		t.Errorf("mean of differences %v", d.Mean)
	}
}

// The intervals cover the mean as often as they say.
func TestIntervalCovers(t *testing.T) {
	rng := traffic.Stream(1, 0, "intervals")
	const runs = 3000
	covered := 0
	for range runs {
		values := make([]float64, 5)
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		if v := study.NewInterval(values); v.Low <= 0 && 0 <= v.High {
			covered++
		}
	}
	if share := float64(covered) / runs; math.Abs(share-0.95) > 3*math.Sqrt(0.95*0.05/runs) {
		t.Errorf("%.1f%% of the intervals cover the mean", 100*share)
	}
	// t(0.975, 4) = 2.776: Student's table.
	if v := study.NewInterval([]float64{1, 2, 3, 4, 5}); math.Abs(v.Half()-2.776*math.Sqrt(2.5/5)) > 1e-3 || v.Mean != 3 {
		t.Errorf("%+v, half %v", v, v.Half())
	}
	if v := study.NewInterval([]float64{7}); v.Known || v.Format(1, 1) != "7.0" {
		t.Errorf("%+v", v)
	}
}

// The cut by MSER5 is the same for all policies, and what is cut does not count.
func TestWarmUp(t *testing.T) {
	run := func(w study.WarmUp, text string) study.CellResult {
		t.Helper()
		results, err := study.Run(context.Background(), study.Plan{Cells: []study.Cell{cell(t, "c", text)}, Specs: specs("static:5", "static:0"), Replications: 2, WarmUp: w, Oracle: study.WithoutOracle})
		if err != nil {
			t.Fatal(err)
		}
		return results[0]
	}
	fixed := run(study.WarmUp{Rule: study.Fixed, Requests: 50}, poisson)
	for _, p := range fixed.Apps[0].Policies {
		for _, o := range p.Outcomes {
			if o.Metrics.Requests != 250 || o.Cut != 50 {
				t.Errorf("%s: %d requests after a cut of %d", p.Spec, o.Metrics.Requests, o.Cut)
			}
		}
	}
	if none := run(study.WarmUp{Rule: study.None}, poisson); none.Cut != 0 || none.Apps[0].Policies[0].Outcomes[0].Metrics.Requests != 300 {
		t.Errorf("cut %d by rule none", none.Cut)
	}
	// Level 5 at 17/s is overloaded: its response time grows all the time, so half is cut for both policies.
	busy := run(study.WarmUp{}, strings.Replace(poisson, "12/s", "30/s", 1))
	if busy.Cut != 150 || busy.CutRule != "mser5" || busy.Apps[0].Policies[1].Outcomes[1].Cut != 150 {
		t.Errorf("an overload is cut at %d by %s", busy.Cut, busy.CutRule)
	}
	if d := run(study.WarmUp{}, poisson+"disturbances: {gpu: [{at: 5s, slowdown: 1.2}]}\n"); d.Cut != 0 || d.CutRule != "none" {
		t.Errorf("with a disturbance %d are cut by %s", d.Cut, d.CutRule)
	}
	for text, good := range map[string]bool{"auto": true, "none": true, "mser5": true, "30": true, "-1": false, "10s": false, "": false} {
		if _, err := study.ParseWarmUp(text); (err == nil) != good {
			t.Errorf("ParseWarmUp(%q): %v", text, err)
		}
	}
}

// Applications that share a board have results of their own, and one for the board.
func TestTogether(t *testing.T) {
	text := `board: jetson-xavier-nx
apps:
- {name: eye, family: paper-gpu6, processor: gpu, arrivals: {kind: periodic, period: 200ms}, limit: 200ms}
- {name: ear, family: paper-gpu6, processor: gpu, arrivals: {kind: poisson, rate: 2/s}, limit: 300ms}
duration: 20s
events:
- {at: 5s, kind: limit, app: eye, to: 100ms}
- {at: 10s, kind: mode, to: MODE_10W_2CORE}
- {at: 12s, kind: ambient, to: 40C}
- {at: 13s, kind: sensor, sensor: power, to: lost}
- {at: 14s, kind: clock, processor: gpu, to: 510MHz}
`
	results, err := study.Run(context.Background(), study.Plan{Cells: []study.Cell{cell(t, "two", text)}, Specs: specs("slack", "static:0"), Replications: 2})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(results[0].Apps); n != 2 {
		t.Fatalf("%d applications", n)
	}
	for _, a := range results[0].Apps {
		if a.NoOptimum == "" {
			t.Errorf("%s has an optimum", a.Name)
		}
		for _, p := range a.Policies {
			for _, o := range p.Outcomes {
				if o.App != a.Name || o.Metrics.Requests == 0 || o.Board == nil || !(o.Board.Energy > 10) || !(o.Board.Hottest > 20) {
					t.Errorf("%s, %s: %+v, board %+v", a.Name, p.Spec, o.Metrics, o.Board)
				}
			}
		}
	}
	if d := cmp.Diff(results[0].Apps[0].Policies[0].Outcomes[0].Board, results[0].Apps[1].Policies[0].Outcomes[0].Board); d != "" {
		t.Error(d)
	}
}

// Tuning finds the level that alone is right, under either goal.
func TestTune(t *testing.T) {
	candidates, err := study.Candidates(6, []string{"static"})
	if err != nil || len(candidates) != 6 {
		t.Fatalf("%v, %v", candidates, err)
	}
	camera := func(limit string) study.Cell {
		return cell(t, "camera "+limit, "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: periodic, period: 100ms}\nlimit: "+limit+"\nrequests: 50\n")
	}
	// Levels take 41.16 to 57.6 ms or so: at 50 ms some fit, and the best of those is the best static level.
	ranked, results, err := study.Tune(context.Background(), study.Plan{Cells: []study.Cell{camera("52ms"), camera("60ms")}, Specs: candidates, WarmUp: study.WarmUp{Rule: study.None}}, study.Goal{Target: 0.99})
	if err != nil {
		t.Fatal(err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for l := range f.Levels {
		if f.Levels[l].Latencies[0].Latency < 52e6 {
			want = l
		}
	}
	if got := ranked[0]; got.Spec.Policy != fmt.Sprintf("static:%d", want) || !got.Reaches || got.LeastSLO != 1 {
		t.Errorf("the best is %+v, want static:%d", got, want)
	}
	if len(ranked) != 6 || len(results) != 2 {
		t.Errorf("%d ranked in %d cells", len(ranked), len(results))
	}
	all, err := study.Candidates(6, nil)
	if err != nil {
		t.Fatal(err)
	}
	m, err := policy.NewModel(f)
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, s := range all {
		if _, err := policy.New(s.Policy, s.Params, m); err != nil {
			t.Errorf("candidate %s: %v", s, err)
		}
		named[policy.Name(s.Policy)] = true
	}
	if _, err := study.Candidates(6, []string{"magic"}); err == nil {
		t.Error("candidates of an unknown policy")
	}
}

// What fails is named, and nothing hangs.
func TestErrors(t *testing.T) {
	good := cell(t, "poisson", poisson)
	nonsense := good
	nonsense.Apps = append([]sim.Config(nil), good.Apps...)
	nonsense.Apps[0].NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) { return wrong{}, nil }
	nonsense.Name = "nonsense"
	for name, c := range map[string]struct {
		plan study.Plan
		says []string
	}{
		"nothing":   {study.Plan{}, []string{"0 cells and 0 policies"}},
		"twice":     {study.Plan{Cells: []study.Cell{good, good}, Specs: specs("slack", "slack")}, []string{`two cells have the name "poisson"`, "policy slack is named twice"}},
		"unknown":   {study.Plan{Cells: []study.Cell{good}, Specs: specs("magic")}, []string{`cell "poisson": policy magic: replication 0`, "unknown policy"}},
		"nonsense":  {study.Plan{Cells: []study.Cell{nonsense}, Specs: specs("wrong")}, []string{`cell "nonsense": policy wrong`, `sim: policy "wrong": request 0`, "level 99"}},
		"cache":     {study.Plan{Cells: []study.Cell{good}, Specs: specs("slack"), Cache: &memory{broken: errors.New("disk on fire")}}, []string{"disk on fire"}},
		"target":    {study.Plan{Cells: []study.Cell{good}, Specs: specs("slack"), Target: 2}, []string{"target 2"}},
		"cancelled": {study.Plan{Cells: []study.Cell{good}, Specs: specs("slack")}, []string{"context canceled"}},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		if name == "cancelled" {
			cancel()
		}
		_, err := study.Run(ctx, c.plan)
		cancel()
		for _, text := range c.says {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: error %v, want one with %q", name, err, text)
			}
		}
	}
}

type wrong struct{}

func (wrong) Spec() string { return "wrong" }
func (wrong) Decide(*policy.Observation) policy.Decision {
	return policy.Decision{Action: policy.Serve, Level: 99, Reason: "mad"}
}
func (wrong) Observe(policy.Completion) {}

// place sets up the board that a cell's scenario names.
func place(t *testing.T, c *study.Cell) *platform.Config {
	t.Helper()
	placed, err := c.Apps[0].OnBoard()
	if err != nil {
		t.Fatal(err)
	}
	return placed.Board
}

// Anything that decides an outcome changes the key under which it is kept.
func TestKeys(t *testing.T) {
	key := func(change func(c *study.Cell, p *study.Plan)) string {
		t.Helper()
		m := &memory{entries: map[string]study.Entry{}}
		c := cell(t, "c", poisson+"board: jetson-xavier-nx\n")
		p := study.Plan{Specs: specs("static:1"), WarmUp: study.WarmUp{Rule: study.None}, Oracle: study.WithoutOracle, Cache: m}
		change(&c, &p)
		p.Cells = []study.Cell{c}
		if _, err := study.Run(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		for k := range m.entries {
			return k
		}
		return ""
	}
	base := key(func(*study.Cell, *study.Plan) {})
	if base == "" || key(func(_ *study.Cell, p *study.Plan) { p.Workers = 7 }) != base {
		t.Error("the key depends on the workers")
	}
	for name, change := range map[string]func(c *study.Cell, p *study.Plan){
		"policy": func(_ *study.Cell, p *study.Plan) { p.Specs = specs("static:2") },
		"seed":   func(c *study.Cell, _ *study.Plan) { c.Apps[0].Seed = 9 },
		"cut":    func(_ *study.Cell, p *study.Plan) { p.WarmUp = study.WarmUp{Rule: study.Fixed, Requests: 3} },
		"scenario": func(c *study.Cell, _ *study.Plan) {
			s := *c.Apps[0].Scenario
			s.Limit++
			c.Apps[0].Scenario = &s
		},
		"board": func(c *study.Cell, _ *study.Plan) {
			b := *place(t, c)
			b.Mode = "MODE_10W_2CORE"
			c.Apps[0].Board = &b
		},
		"board's numbers": func(c *study.Cell, _ *study.Plan) {
			config := *place(t, c)
			b := *config.Board
			b.Power.Leakage.Value *= 2
			config.Board = &b
			c.Apps[0].Board = &config
		},
		"family": func(c *study.Cell, _ *study.Plan) {
			f := *c.Apps[0].Family
			f.Levels = append([]family.Level(nil), f.Levels...)
			f.Levels[0].Accuracy -= 0.001
			c.Apps[0].Family = &f
		},
	} {
		if key(change) == base {
			t.Errorf("%s: the key is the same", name)
		}
	}
}

// Every built-in scenario is played; nothing of it is refused.
func TestBuiltins(t *testing.T) {
	for _, name := range traffic.Builtins() {
		s, err := traffic.Builtin(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := family.PaperGPU6()
		if err != nil {
			t.Fatal(err)
		}
		configs, err := sim.Applications(sim.Config{Scenario: s, Family: f}, func(string) (*family.Family, error) { return f, nil })
		if err != nil {
			t.Fatal(err)
		}
		results, err := study.Run(context.Background(), study.Plan{Cells: []study.Cell{{Name: name, Apps: configs}}, Specs: specs("slack"), Oracle: study.WithoutOracle})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, a := range results[0].Apps {
			o := a.Policies[0].Outcomes[0]
			if o.Metrics.OnTime == 0 || (s.Board != "") != (o.Board != nil) {
				t.Errorf("%s: %d of %d on time, board %v", name, o.Metrics.OnTime, o.Metrics.Requests, o.Board)
			}
			if strings.HasPrefix(name, "loadgen") {
				if o.LoadGen == nil || !o.LoadGen.Valid && name != "loadgen-server" {
					t.Errorf("%s: %v", name, o.LoadGen)
				}
			}
			t.Logf("%s: %d requests, %.2f%% on time, %s", name, o.Metrics.Requests, 100*o.Metrics.SLO.Share, o.Metrics.EffectiveAccuracy)
		}
	}
}
