package oracle_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/oracle"
)

// script is a policy that does what a function says.
type script func(o *policy.Observation) policy.Decision

func (s script) Spec() string                                 { return "script" }
func (s script) Decide(o *policy.Observation) policy.Decision { return s(o) }
func (s script) Observe(policy.Completion)                    {}

func scripted(s script) func(string, map[string]string, *policy.Model) (policy.Policy, error) {
	return func(string, map[string]string, *policy.Model) (policy.Policy, error) { return s, nil }
}

func serve(level int) policy.Decision {
	return policy.Decision{Action: policy.Serve, Level: level, Reason: "test"}
}

func paper(t testing.TB) *family.Family {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// cells are situations in which the paper's six levels of 50 to 67 ms are not all the same.
func cells() []*traffic.Scenario {
	var all []*traffic.Scenario
	add := func(s traffic.Scenario) {
		s.Name, s.Family, s.Processor = fmt.Sprintf("cell-%d", len(all)), "paper-gpu6", "gpu"
		s.Seed, s.Requests = uint64(len(all)+1), 400
		all = append(all, &s)
	}
	ms := time.Millisecond
	noise := traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.1}
	busy := []traffic.Disturbance{{Processor: "gpu", Profile: traffic.Profile{
		{At: 5 * time.Second, Slowdown: 1.5}, {At: 12 * time.Second, Slowdown: 1}, {At: 20 * time.Second, Slowdown: 0.7},
		{At: 20100 * ms, Slowdown: 2.3}, {At: 20200 * ms, Slowdown: 1.1},
	}}}
	switching := map[string]time.Duration{"script": 7 * ms, "static": 7 * ms, "slack": 7 * ms, "ladder": 7 * ms}
	for _, rate := range []float64{6, 12, 18} {
		for _, limit := range []time.Duration{60 * ms, 100 * ms, 200 * ms} {
			add(traffic.Scenario{Arrivals: traffic.Poisson{PerSecond: rate}, Limit: limit})
			add(traffic.Scenario{Arrivals: traffic.Poisson{PerSecond: rate}, Limit: limit, Noise: noise, Disturbances: busy})
		}
	}
	add(traffic.Scenario{Arrivals: traffic.Periodic{Period: 55 * ms, Jitter: 20 * ms}, Limit: 80 * ms, Noise: noise})
	add(traffic.Scenario{Arrivals: traffic.Poisson{PerSecond: 12}, Limit: 100 * ms, Disturbances: busy, Noise: noise, SwitchTimes: switching, InitialLevel: 3})
	add(traffic.Scenario{Arrivals: traffic.Poisson{PerSecond: 8}, Limit: 70 * ms, SwitchTimes: switching, InitialLevel: 5})
	add(traffic.Scenario{Arrivals: traffic.Poisson{PerSecond: 10}, Limit: 100 * ms, Noise: traffic.Noise{Kind: traffic.Exponential}})
	return all
}

// world repeats what the simulator does with a scenario: request n has the nth noise.
func world(s *traffic.Scenario, switchTime time.Duration) *oracle.World {
	noise := s.Noise.Source(traffic.Stream(s.Seed, 0, "noise"))
	factors := make([]float64, s.Requests)
	for i := range factors {
		factors[i] = noise.Next()
	}
	w := &oracle.World{
		Factor:     func(request int64) float64 { return factors[request] },
		SwitchTime: switchTime, InitialLevel: s.InitialLevel,
	}
	for _, step := range s.Profile(s.Processor) {
		w.Profile = append(w.Profile, oracle.Step{At: step.At, Slowdown: step.Slowdown})
	}
	return w
}

func play(t *testing.T, s *traffic.Scenario, spec string, p script) *sim.Result {
	t.Helper()
	c := sim.Config{Scenario: s, Family: paper(t), Policy: spec}
	if p != nil {
		c.NewPolicy = scripted(p)
	}
	r, err := sim.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNoPolicyDoesBetter lets the simulator play every policy that there is, and some that guess,
// against the oracle on the same arrivals, noise and slow-down: none has more effective accuracy. Then it
// plays the oracle's own schedule, which must give exactly what the oracle says: so the bound is reached, and
// the oracle's idea of latencies is the simulator's.
func TestNoPolicyDoesBetter(t *testing.T) {
	for _, s := range cells() {
		t.Run(s.Name, func(t *testing.T) {
			first := play(t, s, "script", func(*policy.Observation) policy.Decision { return serve(0) })
			w := world(s, s.SwitchTime("script"))
			p, err := oracle.FromTrace(first.Trace, oracle.TraceOptions{World: w})
			if err != nil {
				t.Fatal(err)
			}
			best, err := oracle.Solve(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			if !best.Exact {
				t.Fatalf("not exact: %s", best.Method)
			}
			runs := []*sim.Result{first}
			for _, spec := range append(specs(), "static:0", "static:3", "static:5") {
				runs = append(runs, play(t, s, spec, nil))
			}
			rng := rand.New(rand.NewPCG(s.Seed, 7))
			for range 5 {
				runs = append(runs, play(t, s, "script", func(*policy.Observation) policy.Decision {
					if level := rng.IntN(7); level < 6 {
						return serve(level)
					}
					return policy.Decision{Action: policy.Drop, Reason: "test"}
				}))
			}
			for _, r := range runs {
				if got := oracle.Achieved(r.Trace); math.Abs(float64(got-r.Metrics.EffectiveAccuracy)) > 1e-9 {
					t.Errorf("%s achieved %v, the simulator says %v", r.Trace.Header.Policy, got, r.Metrics.EffectiveAccuracy)
				}
				if regret := best.Regret(r.Metrics.EffectiveAccuracy); regret < -1e-9 {
					t.Errorf("%s is better than the oracle: %v against %v", r.Trace.Header.Policy, r.Metrics.EffectiveAccuracy, best.EffectiveAccuracy())
				}
			}
			plan := map[int64]oracle.Decision{}
			for _, d := range best.Decisions {
				plan[d.Request] = d
			}
			played := play(t, s, "script", func(o *policy.Observation) policy.Decision {
				if d := plan[o.Queue[0].ID]; d.Batch > 0 {
					return serve(d.Level)
				}
				return policy.Decision{Action: policy.Drop, Reason: "test"}
			})
			if got := played.Metrics.EffectiveAccuracy; math.Abs(float64(got-best.EffectiveAccuracy())) > 1e-9 {
				t.Errorf("the oracle's schedule gives %v when played, the oracle says %v", got, best.EffectiveAccuracy())
			}
			for _, r := range played.Trace.Records {
				if d := plan[r.Request]; d.Batch > 0 && (d.Start != r.Start || d.End != r.End) {
					t.Fatalf("request %d runs from %v to %v when played, the oracle says %v to %v", r.Request, r.Start, r.End, d.Start, d.End)
				}
			}
		})
	}
}

// specs returns the policies that need no argument.
func specs() []string {
	var all []string
	for _, name := range policy.Names() {
		if about, err := policy.About(name); err == nil && !strings.Contains(about.Usage, ":") {
			all = append(all, name)
		}
	}
	return all
}

// TestRecordedLatencies takes latencies from the trace alone: the recorded run is one that the oracle
// may choose, so there is no negative regret.
func TestRecordedLatencies(t *testing.T) {
	for _, s := range cells() {
		for _, spec := range append(specs(), "static:2") {
			r := play(t, s, spec, nil)
			regret, best, err := oracle.Regret(t.Context(), r.Trace, oracle.TraceOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if !best.Exact || regret < -1e-9 || regret > 1 {
				t.Errorf("%s, %s: regret %v (exact %v)", s.Name, spec, regret, best.Exact)
			}
		}
	}
}

// TestClosedLoop: the paper's Fig. 7 is one, so nobody knows what would have come otherwise.
func TestClosedLoop(t *testing.T) {
	s, err := traffic.Builtin("fig7")
	if err != nil {
		t.Fatal(err)
	}
	for _, spec := range []string{"ladder", "slack"} {
		r := play(t, s, spec, nil)
		if _, err := oracle.FromTrace(r.Trace, oracle.TraceOptions{}); !isClosedLoop(err) {
			t.Errorf("%s: error %v, want ErrClosedLoop", spec, err)
		}
		if _, err := oracle.FromTrace(r.Trace, oracle.TraceOptions{AsRecorded: true}); err != nil {
			t.Errorf("%s: %v", spec, err)
		}
	}
}

// TestFromTraceRefuses: traces that have no single answer.
func TestFromTraceRefuses(t *testing.T) {
	r := play(t, cells()[0], "static:1", nil)
	two := *r.Trace
	two.Header.Family = *paper(t)
	for l := range two.Header.Family.Levels {
		other := two.Header.Family.Levels[l].Latencies[0]
		other.Processor = "cpu"
		two.Header.Family.Levels[l].Latencies = append(two.Header.Family.Levels[l].Latencies, other)
	}
	two.Records = append([]trace.Record(nil), r.Trace.Records...)
	two.Records[3].Decision.Processor = 1
	bad := two
	bad.Records = append([]trace.Record(nil), r.Trace.Records...)
	bad.Records[5].Decision.Level = 17
	for _, c := range []struct {
		name, want string
		trace      *trace.Trace
	}{
		{"empty", "oracle: the trace has no records", &trace.Trace{Header: r.Trace.Header}},
		{"no family", "oracle: policy: ", &trace.Trace{Records: r.Trace.Records}},
		{"unknown level", "oracle: record 6: level 17 is outside [0, 5]", &bad},
	} {
		if _, err := oracle.FromTrace(c.trace, oracle.TraceOptions{}); err == nil || !hasPrefix(err, c.want) {
			t.Errorf("%s: error %v, want %s...", c.name, err, c.want)
		}
	}
	two.Header.Concurrent = true
	if p, err := oracle.FromTrace(&two, oracle.TraceOptions{}); err != nil || p.Servers != 2 {
		t.Errorf("two processors: %d servers, error %v", p.Servers, err)
	}
}

// TestNoPolicyDoesBetterInBatches is the same with families that have batches, against the exact optimum, and
// with a slower processor beside, against the bound for two servers. What qdp gains by batches and by the second
// processor is seen too.
func TestNoPolicyDoesBetterInBatches(t *testing.T) {
	f := paper(t)
	for i := range f.Levels {
		gpu := &f.Levels[i].Latencies[0]
		for b := 2; b <= family.MaxBatch; b++ {
			gpu.Batches = append(gpu.Batches, gpu.Latency*unit.Nanoseconds(1+0.4*float64(b-1)))
		}
		f.Levels[i].Latencies = append(f.Levels[i].Latencies, family.Latency{Processor: "cpu", Latency: 3 * gpu.Latency, Origin: lut.Modelled, Source: "invented for a test"})
	}
	for i, s := range []*traffic.Scenario{
		{Arrivals: traffic.Poisson{PerSecond: 20}, Limit: 200 * time.Millisecond},
		{Arrivals: traffic.Poisson{PerSecond: 35}, Limit: 250 * time.Millisecond},
	} {
		s.Name, s.Family, s.Processor, s.Requests, s.Seed = fmt.Sprintf("batches-%d", i), f.Name, "gpu", 300, uint64(31+i)
		qdp := map[string]float64{}
		for _, processors := range [][]string{{"gpu"}, {"gpu", "cpu"}} {
			for _, spec := range append(specs(), "static:0", "static:5") {
				r, err := sim.Run(t.Context(), sim.Config{Scenario: s, Family: f, Processors: processors, Policy: spec})
				if err != nil {
					t.Fatal(err)
				}
				regret, best, err := oracle.Regret(t.Context(), r.Trace, oracle.TraceOptions{World: world(s, 0)})
				if err != nil {
					t.Fatal(err)
				}
				if regret < -1e-9 {
					t.Errorf("%s, %v: %s has %.4f, more than the oracle's %.4f", s.Name, processors, spec, oracle.Achieved(r.Trace), best.EffectiveAccuracy())
				}
				if len(processors) == 1 && !best.Exact {
					t.Errorf("%s: %s", s.Name, best.Method)
				}
				if report, err := trace.Replay(r.Trace); err != nil || report.Equal != report.N {
					t.Errorf("%s, %v: %s: replay %+v, error %v", s.Name, processors, spec, report, err)
				}
				if spec == "qdp" {
					qdp[fmt.Sprint(processors)] = float64(oracle.Achieved(r.Trace))
				} else if alone, ok := qdp["[gpu]"]; ok && len(processors) == 1 && float64(oracle.Achieved(r.Trace)) > alone+0.02 {
					t.Errorf("%s: %s has %.4f, qdp %.4f", s.Name, spec, oracle.Achieved(r.Trace), alone)
				}
				t.Logf("%s %v %s: %.4f of %.4f, switches %d", s.Name, processors, spec, oracle.Achieved(r.Trace), best.EffectiveAccuracy(), r.Metrics.Switches)
			}
		}
		if qdp["[gpu cpu]"] < qdp["[gpu]"] {
			t.Errorf("%s: qdp with both processors %.4f, with the GPU alone %.4f", s.Name, qdp["[gpu cpu]"], qdp["[gpu]"])
		}
	}
}
