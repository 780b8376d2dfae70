package runner_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

// recordPair runs a pair and returns its trace, read again.
func recordPair(t *testing.T, p *pair) (*trace.Trace, *runner.Report, []byte) {
	t.Helper()
	h, err := p.cfg.Header()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := trace.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	p.cfg.Trace = w
	rep, err := runner.Run(t.Context(), p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read("memory", bytes.NewReader(file.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return tr, rep, file.Bytes()
}

// overload is more than either processor can bear alone.
func (p *pair) overload() *pair {
	p.cfg.Arrivals, p.cfg.Requests, p.cfg.Seed, p.cfg.Deadline = runner.Poisson, 400, 11, 60*ms
	p.cfg.Period = 5_000_011
	return p
}

// TestTogetherIsWhatIsSimulated plays the arrivals of a run on two processors, whose inferences take what the family says, in the
// simulator: the same decisions at the same times, with the same observations behind them.
func TestTogetherIsWhatIsSimulated(t *testing.T) {
	for _, spec := range []string{"qdp", "proteus", "slack"} {
		t.Run(spec, func(t *testing.T) {
			tr, rep, _ := recordPair(t, newPair(t, spec).overload())
			simulated, err := sim.ReplayArrivals(t.Context(), tr, sim.Config{})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tr.Records, simulated.Trace.Records); d != "" {
				t.Fatalf("run and simulation differ (-run +simulation):\n%.3000s", d)
			}
			checkBusy(t, tr)
			both := overlaps(tr)
			t.Logf("%d records, %d decided while another processor served, answered %d and %d", len(tr.Records), both, rep.Processors[0].Answered, rep.Processors[1].Answered)
			if spec == "qdp" && (both < 100 || rep.Processors[0].Answered == 0 || rep.Processors[1].Answered == 0) {
				t.Error("the processors hardly served together, so the test shows nothing")
			}
		})
	}
}

// overlaps counts decisions while another processor served.
func overlaps(tr *trace.Trace) int {
	n := 0
	for _, r := range tr.Records {
		if r.Observation.Busy != 0 {
			n++
		}
	}
	return n
}

// TestTogetherReplays replays runs whose inferences take other times than predicted, and fail now and then: every decision is repeated
// bit for bit, and the same run gives the same bytes.
func TestTogetherReplays(t *testing.T) {
	record := func(t *testing.T) (*trace.Trace, *runner.Report, []byte) {
		p := newPair(t, "qdp").overload()
		for k := range p.sessions {
			for i, s := range p.sessions[k] {
				base, rng := s.takes(), rand.New(rand.NewPCG(uint64(k), uint64(i)))
				s.takes = func() time.Duration { return time.Duration(float64(base) * (0.8 + 0.6*rng.Float64())) }
				s.err = func() error {
					if rng.IntN(15) == 0 {
						return errors.New("out of memory")
					}
					return nil
				}
			}
		}
		p.cfg.RetryAfter = 50 * ms
		return recordPair(t, p)
	}
	tr, rep, file := record(t)
	replay, err := trace.Replay(tr)
	if err != nil {
		t.Fatal(err)
	}
	if replay.First != nil || replay.Equal != replay.N || replay.N < 200 || replay.Overridden == 0 || rep.Failed == 0 || overlaps(tr) < 50 {
		t.Errorf("replay %+v, first difference %v, %d failed, %d together", replay, replay.First, rep.Failed, overlaps(tr))
	}
	if rep.Processors[0].Failed+rep.Processors[1].Failed != rep.Failed || rep.Processors[0].Answered+rep.Processors[1].Answered != rep.OnTime+rep.Late {
		t.Errorf("report %+v", rep)
	}
	for i := range rep.Levels {
		if a := rep.Processors[0].Levels[i].Answered + rep.Processors[1].Levels[i].Answered; a != rep.Levels[i].Answered {
			t.Errorf("level %d: %d answered, its processors %d", i, rep.Levels[i].Answered, a)
		}
	}
	if _, _, again := record(t); !bytes.Equal(file, again) {
		t.Error("the same run gives other bytes")
	}
}

// TestTogetherLate lets one inference of the fast processor take a second: qdp, which expects its end at any moment, would keep what comes for it
// and the other one idle. It is not given up, and serves again when that has
// been forgiven.
func TestTogetherLate(t *testing.T) {
	p := newPair(t, "qdp").overload()
	p.cfg.Requests, p.cfg.HangAfter, p.cfg.Deadline, p.cfg.Policy.Params = 600, 10*time.Second, 3*time.Second, nil
	slow := 0
	for _, s := range p.sessions[1] {
		base := s.takes()
		s.takes = func() time.Duration {
			if slow++; slow == 40 {
				return time.Second
			}
			return base
		}
	}
	p.cfg.Clock = p.clock
	tr, rep, _ := recordPair(t, p)
	replay, err := trace.Replay(tr)
	if err != nil || replay.First != nil {
		t.Errorf("replay %+v, %v", replay, err)
	}
	var from, to time.Duration
	for _, r := range tr.Records {
		if r.End-r.Start == time.Second {
			from, to = r.Start, r.End
		}
	}
	meanwhile, late, after := 0, 0, 0
	for _, r := range tr.Records {
		switch {
		case r.Start > from && r.Start < to && r.Decision.Processor == 0:
			meanwhile++
			if r.Decision.Reason == runner.ReasonProcessorLate {
				late++
			}
		case r.Start >= to && r.Decision.Processor == 1 && r.Outcome.Answered():
			after++
		}
	}
	// An inference of the other one takes 10 to 30 ms.
	checkBusy(t, tr)
	if to == 0 || meanwhile < 30 || after < 30 || rep.Failed != 0 || rep.Processors[1].Lost != 0 {
		t.Errorf("%d served meanwhile, %d of them by the runner's decision, %d afterwards; report %+v", meanwhile, late, after, rep)
	}
	t.Logf("%d served meanwhile, %d of them by the runner's decision, %d afterwards", meanwhile, late, after)
}

// TestTogetherClosedLoop has a client for each processor, so that both are at work all the time, and ends when the last answer is there.
func TestTogetherClosedLoop(t *testing.T) {
	p := newPair(t, "")
	script := &scripted{decide: either}
	p.use(script)
	p.cfg.NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) {
		return counting{script, p.clock}, nil
	}
	p.cfg.Requests, p.cfg.Duration = 0, 100*ms
	tr, rep, _ := recordPair(t, p)
	checkBusy(t, tr)
	// In 100 ms the CPU begins ten inferences of 10.000019 ms, the GPU 22 of 4.733003 ms.
	if rep.Processors[0].Answered != 10 || rep.Processors[1].Answered != 22 || rep.Ended != "the time is up" || rep.Requests != 32 {
		t.Errorf("report %+v", rep)
	}
}

// TestTogetherEnds covers the ends of a run: number of requests, time, the policy's exit.
func TestTogetherEnds(t *testing.T) {
	p := newPair(t, "static:0").overload()
	p.cfg.Requests, p.cfg.Duration = 0, 200*ms
	tr, rep, _ := recordPair(t, p)
	if rep.Ended != "the time is up" || rep.Requests != int64(len(tr.Records)) || rep.Requests < 20 {
		t.Errorf("report %+v", rep)
	}
	p = newPair(t, "").overload()
	script := &scripted{decide: func(n int, o *policy.Observation) policy.Decision {
		if n == 5 {
			return policy.Decision{Action: policy.Exit, Reason: "enough"}
		}
		for k := range 2 {
			if o.Busy>>k&1 == 0 {
				return policy.Decision{Action: policy.Serve, Processor: k, Reason: "free"}
			}
		}
		return policy.Decision{}
	}}
	p.use(script)
	p.cfg.NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) {
		return counting{script, p.clock}, nil
	}
	rep, err := runner.Run(t.Context(), p.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if rep.OnTime != 5 || rep.Refused == 0 || rep.Ended != "the policy ended it: enough" || len(script.observed) != 5 || len(p.memory.records) != int(rep.Requests) {
		t.Errorf("report %+v, %d observed", rep, len(script.observed))
	}
	for i, r := range p.memory.records[:5] {
		if r.Request != int64(i) {
			t.Errorf("record %d is of request %d", i, r.Request)
		}
	}
}

func TestTogetherRefuses(t *testing.T) {
	for want, change := range map[string]func(*runner.Config){
		`processor "dsp" is none`:                      func(c *runner.Config) { c.Processors[1].Name = "dsp" },
		`processor "cpu", or its pool, is given twice`: func(c *runner.Config) { c.Processors[1].Name = "cpu" },
		"beside processors":                            func(c *runner.Config) { c.Sessions = c.Processors[0].Sessions },
		"processor gpu: 2 sessions for 3 levels":       func(c *runner.Config) { c.Processors[1].Sessions = c.Processors[1].Sessions[:2] },
		"hang after -1ns is negative":                  func(c *runner.Config) { c.HangAfter = -1 },
		"17 processors":                                func(c *runner.Config) { c.Processors = slices.Repeat(c.Processors[:1], 17) },
	} {
		p := newPair(t, "qdp").overload()
		change(&p.cfg)
		if _, err := runner.Run(t.Context(), p.cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestOneOfProcessorsIsOne runs a single entry of Processors as the single processor that it is: the same trace, byte for byte.
func TestOneOfProcessorsIsOne(t *testing.T) {
	traces := map[string]string{}
	for _, name := range []string{"alone", "listed"} {
		fx := newFixture(t)
		fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Deadline, fx.cfg.Policy.Spec = runner.Poisson, 22*ms, 60*ms, "slack"
		if name == "listed" {
			fx.cfg.Processors = []runner.Processor{{Name: "cpu", Sessions: fx.cfg.Sessions}}
			fx.cfg.Sessions = nil
		}
		rep := fx.run(t)
		h, err := fx.cfg.Header()
		if err != nil {
			t.Fatal(err)
		}
		if h.Concurrent || rep.Processors != nil {
			t.Errorf("%s: concurrent %v, processors %v", name, h.Concurrent, rep.Processors)
		}
		traces[name] = fmt.Sprint(fx.memory.records)
	}
	if traces["alone"] != traces["listed"] {
		t.Error("the traces differ")
	}
}
