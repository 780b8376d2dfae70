package runner_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// boards are processors whose clocks are in force at once.
type boards struct {
	mu   sync.Mutex
	held map[string]unit.Hertz
	fail map[string]bool // cannot be set
}

func (b *boards) Read(processor string) runner.Held {
	b.mu.Lock()
	defer b.mu.Unlock()
	return runner.Held{Clock: b.held[processor], Low: 5e8, High: 1e9}
}

func (b *boards) Set(processor string, clock unit.Hertz) (unit.Hertz, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail[processor] {
		return b.held[processor], errors.New("input/output error")
	}
	b.held[processor] = clock
	return clock, nil
}

// choosing is counting for a policy that chooses clocks.
type choosing struct{ counting }

func (choosing) Governor() string { return "userspace" }

// clockedPair is a pair whose processors have three clock steps each, at which inferences take what the family says.
func clockedPair(t *testing.T) (*pair, *boards) {
	p := newPair(t, "qdp").overload()
	b := &boards{held: map[string]unit.Hertz{"cpu": 1e9, "gpu": 1e9}, fail: map[string]bool{}}
	cfg := &p.cfg
	cfg.Period = 12_000_011
	cfg.Policy.Params = map[string]string{"energy": "2"}
	build := cfg.NewPolicy
	cfg.NewPolicy = func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error) {
		inner, err := build(spec, params, m)
		if err != nil {
			return nil, err
		}
		return choosing{inner.(counting)}, nil
	}
	cfg.Clocks, cfg.Governor = b, b
	steps := []unit.Hertz{5e8, 7.5e8, 1e9}
	for k, name := range []string{"cpu", "gpu"} {
		cfg.Family.Clocks = append(cfg.Family.Clocks, family.Clocks{Processor: name, Steps: steps, Source: "made up"})
		for i := range cfg.Family.Levels {
			l := &cfg.Family.Levels[i].Latencies[k]
			for j, s := range steps {
				l.Points = append(l.Points, family.Point{Latency: unit.Nanos(l.Latency.Duration() * time.Duration(4-j) / 2), Energy: unit.Joules(float64(s*s) / 1e18 * float64(l.Latency) / 1e9)})
			}
			l.Points[2].Latency = l.Latency
			p.sessions[k][i].takes = func() time.Duration {
				clock := b.Read(name).Clock
				for j, s := range steps {
					if s == clock {
						return l.Points[j].Latency.Duration()
					}
				}
				return time.Hour
			}
		}
	}
	return p, b
}

// TestClocksAreWhatIsSimulated plays the arrivals of a run that sets the clocks of two processors, at which inferences take what the
// family says, in the simulator: the same decisions, clocks included, at the same times.
func TestClocksAreWhatIsSimulated(t *testing.T) {
	p, _ := clockedPair(t)
	tr, rep, _ := recordPair(t, p)
	simulated, err := sim.ReplayArrivals(t.Context(), tr, sim.Config{Processors: []string{"cpu", "gpu"}})
	if err != nil {
		t.Fatal(err)
	}
	var seen [2][4]int
	for i := range tr.Records {
		r := &tr.Records[i]
		for _, s := range r.Observation.Steps {
			if s != (policy.StepRange{Low: 1, High: 3}) {
				t.Fatalf("record %d: steps %v", i, r.Observation.Steps)
			}
		}
		r.Observation.Steps = nil // without a board nothing bounds the steps of a simulation
		seen[r.Decision.Processor][r.Decision.Clock]++
	}
	if d := cmp.Diff(tr.Records, simulated.Trace.Records); d != "" {
		t.Fatalf("run and simulation differ (-run +simulation):\n%.3000s", d)
	}
	if len(rep.Clocks) != 2 || rep.Clocks[0].Changes < 2 || rep.Clocks[1].Changes < 20 {
		t.Errorf("inferences by processor and step %v, clocks %+v", seen, rep.Clocks)
	}
}

// One processor's clock is lost while both serve: the safe level serves, the policy is told, and what was recorded replays.
func TestClocksLostTogether(t *testing.T) {
	p, b := clockedPair(t)
	p.cfg.Health = runner.NewHealth()
	p.cfg.Answer = func(a runner.Answer) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if a.Request == 100 {
			b.fail["cpu"], b.held["cpu"] = true, 5e8
		}
	}
	tr, rep, _ := recordPair(t, p)
	replay, err := trace.Replay(tr)
	if err != nil || replay.Equal != replay.N || replay.N < 200 || replay.Overridden == 0 {
		t.Errorf("replay %+v, %v", replay, err)
	}
	lost := p.cfg.Health.Count(runner.ReasonClockLost) + p.cfg.Health.Count(runner.ReasonClockDenied)
	if lost == 0 || rep.Clocks[0].Lost == 0 || rep.Clocks[1].Lost != 0 {
		t.Errorf("%d alarms, clocks %+v", lost, rep.Clocks)
	}
	last := tr.Records[len(tr.Records)-1].Observation.Steps
	if last[0] != (policy.StepRange{Low: 1, High: 1}) || last[1] != (policy.StepRange{Low: 1, High: 3}) {
		t.Errorf("in the end %v can be had", last)
	}
	for i := range tr.Records {
		if r := &tr.Records[i]; r.Outcome.Answered() && r.End-r.Start == time.Hour {
			t.Fatalf("record %d ran at no step", i)
		}
	}
}
