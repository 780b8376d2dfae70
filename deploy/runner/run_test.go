package runner_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

func TestClosedLoop(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Deadline, fx.cfg.Limit, fx.cfg.MinAccuracy = 25*ms, 22*ms, 0.72
	var answers []runner.Answer
	fx.cfg.Answer = func(a runner.Answer) { answers = append(answers, a) }
	rep := fx.run(t)
	for i, r := range fx.memory.records {
		at := time.Duration(i) * 20 * ms // level 1 takes 20 ms, the next request comes at once
		want := trace.Record{Request: int64(i), Arrival: at, Deadline: at + 25*ms, Start: at, End: at + 20*ms, Outcome: trace.OnTime,
			Decision: policy.Decision{Action: policy.Serve, Level: 1, Reason: r.Decision.Reason},
			Observation: policy.Observation{Now: at, Level: min(i, 1), Processor: 0, Waiting: 1, Limit: 22 * ms, MinAccuracy: 0.72,
				Queue: []policy.Request{{ID: int64(i), Arrival: at, Deadline: at + 25*ms}}}}
		if i == 0 {
			want.Observation.Level, want.Observation.Processor = -1, -1
		} else {
			want.Observation.Level = 1
		}
		if d := cmp.Diff(want, r); d != "" {
			t.Fatalf("record %d: %s", i, d)
		}
	}
	// Session 1 always answers class 1; of pictures 0..19, 0..9 the classes are 0..9 three times.
	if rep.Requests != 30 || rep.OnTime != 30 || rep.SLOAttainment != 1 || rep.Switches != 0 || rep.Labelled != 30 || rep.Correct != 3 {
		t.Errorf("report %+v", rep)
	}
	if rep.Elapsed != 600*ms || rep.MeanAccuracy.String() != "75.00%" || rep.EffectiveAccuracy.String() != "75.00%" || rep.Ended != "all requests done" {
		t.Errorf("elapsed %v, accuracy %v, effective %v, ended %q", rep.Elapsed, rep.MeanAccuracy, rep.EffectiveAccuracy, rep.Ended)
	}
	if d := cmp.Diff([]family.AccuracyOrigin{family.AccuracyStandIn}, rep.AccuracyOrigins); d != "" {
		t.Error(d)
	}
	l := rep.Levels[1]
	if l.Answered != 30 || l.Predicted != 20*ms || l.Inference.N != 30 || l.Inference.P50 != 20e6 || rep.Levels[0].Answered != 0 || rep.Inference.P90 != 20e6 {
		t.Errorf("level 1: %+v", l)
	}
	if len(answers) != 30 || answers[7] != (runner.Answer{Request: 7, Picture: 7, Level: 1, Class: 1, Label: 7, Latency: 20 * ms, Outcome: trace.OnTime}) {
		t.Errorf("answers %+v", answers)
	}
	if !slices.ContainsFunc(rep.Notes, func(s string) bool { return strings.Contains(s, "stand-ins") }) {
		t.Errorf("the report hides that accuracies are stand-ins: %q", rep.Notes)
	}
}

// Requests every 10 ms that take 20 ms each: request k is served from 20k to 20(k+1) ms and is due
// at 10k+70, so it is late when 20k+20 > 10k+70, from k = 6 on. At decision k, 2k+1 requests have
// arrived and k are done with.
func TestPeriodic(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Deadline = runner.Periodic, 10*ms, 70*ms
	rep := fx.run(t)
	for k, r := range fx.memory.records {
		want := trace.OnTime
		if k >= 6 {
			want = trace.Late
		}
		waiting := min(30, 2*k+1) - k
		if r.Outcome != want || r.Arrival != time.Duration(k)*10*ms || r.Start != time.Duration(k)*20*ms ||
			r.Observation.Waiting != waiting || len(r.Observation.Queue) != min(waiting, policy.MaxQueue) {
			t.Errorf("record %d: %+v, want %s with %d waiting", k, r, want, waiting)
		}
	}
	if rep.OnTime != 6 || rep.Late != 24 || rep.SLOAttainment != 0.2 {
		t.Errorf("report %+v", rep)
	}
	// Six on-time answers of 75% over 30 requests.
	if got := float64(rep.EffectiveAccuracy); math.Abs(got-0.15) > 1e-12 {
		t.Errorf("effective accuracy %g", got)
	}
}

func TestPeriodicSleepsBetweenRequests(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests, fx.cfg.Duration = runner.Periodic, 50*ms, 0, 200*ms
	rep := fx.run(t)
	// Arrivals at 0, 50, 100 and 150; none at 200.
	if rep.Requests != 4 || rep.Ended != "the time is up" || fx.memory.records[3].Start != 150*ms {
		t.Errorf("report %+v", rep)
	}
	if fx.memory.flushes < 4 {
		t.Errorf("the trace was flushed %d times in four pauses", fx.memory.flushes)
	}
}

func TestClosedLoopWithAPause(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Period, fx.cfg.Requests = 5*ms, 3
	fx.run(t)
	for i, r := range fx.memory.records {
		if want := time.Duration(i) * 25 * ms; r.Arrival != want || r.Start != want {
			t.Errorf("request %d arrived at %v and started at %v, want %v", i, r.Arrival, r.Start, want)
		}
	}
}

// The mean of 4,000 exponential gaps of 10 ms is 10 ms with a standard error of 10/sqrt(4000) =
// 0.158 ms; four of them are allowed. The share above the mean is exp(-1) = 36.8% +- 4*0.76%.
func TestPoisson(t *testing.T) {
	arrivals := func(seed uint64) []time.Duration {
		fx := newFixture(t)
		fx.sessions[1].takes = nil
		fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests, fx.cfg.Seed = runner.Poisson, 10*ms, 4000, seed
		fx.run(t)
		var times []time.Duration
		for _, r := range fx.memory.records {
			times = append(times, r.Arrival)
		}
		return times
	}
	a := arrivals(1)
	if mean := float64(a[len(a)-1]) / 1e6 / 4000; math.Abs(mean-10) > 4*0.158 {
		t.Errorf("mean gap %.3f ms", mean)
	}
	above, previous := 0, time.Duration(0)
	for _, at := range a {
		if at-previous > 10*ms {
			above++
		}
		previous = at
	}
	if share := float64(above) / 4000; math.Abs(share-math.Exp(-1)) > 4*0.0076 {
		t.Errorf("%.3f of the gaps are above the mean", share)
	}
	if !slices.Equal(a, arrivals(1)) || slices.Equal(a, arrivals(2)) {
		t.Error("arrivals do not follow the seed")
	}
}

func TestSwitching(t *testing.T) {
	fx := newFixture(t)
	p := &scripted{decide: alternate}
	fx.use(p)
	rep := fx.run(t)
	// 30 requests in turns of three: 10 turns, 9 switches; levels 0, 1, 2 have 4, 3, 3 turns.
	if rep.Switches != 9 || rep.Levels[0].Answered != 12 || rep.Levels[1].Answered != 9 || rep.Levels[2].Answered != 9 {
		t.Errorf("report %+v", rep)
	}
	if rep.FirstAfterSwitch.N != 9 || rep.Levels[0].FirstAfterSwitch.N != 3 || rep.Levels[2].FirstAfterSwitch.P50 != 30e6 {
		t.Errorf("first after a switch: %+v", rep.FirstAfterSwitch)
	}
	// (12*0.70 + 9*0.75 + 9*0.80) / 30
	if math.Abs(float64(rep.MeanAccuracy)-0.745) > 1e-12 {
		t.Errorf("mean accuracy %v", rep.MeanAccuracy)
	}
	for i, c := range p.observed {
		r := fx.memory.records[i]
		if c.Request != r.Request || c.Level != r.Decision.Level || c.Start != r.Start || c.End != r.End {
			t.Fatalf("completion %d: %+v of %+v", i, c, r)
		}
	}
	if len(p.observed) != 30 {
		t.Errorf("the policy saw %d completions", len(p.observed))
	}
}

func TestDropAndExit(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Arrivals, fx.cfg.Period = runner.Periodic, 5*ms
	fx.use(&scripted{decide: func(n int, _ *policy.Observation) policy.Decision {
		switch {
		case n == 5:
			return policy.Decision{Action: policy.Exit, Reason: "enough"}
		case n%2 == 1:
			return policy.Decision{Action: policy.Drop, Reason: "odd"}
		}
		return policy.Decision{Action: policy.Serve, Level: 0, Reason: "even"}
	}})
	rep := fx.run(t)
	// Requests 0, 2, 4 are served in 10 ms each, 1, 3 dropped. At 30 ms requests 0..6 have arrived:
	// number 5 is the Exit, number 6 is refused unasked; later ones never arrive.
	if rep.OnTime != 3 || rep.Dropped != 2 || rep.Refused != 2 || rep.Requests != 7 || rep.Ended != "the policy ended it: enough" {
		t.Errorf("report %+v", rep)
	}
	exit, last := fx.memory.records[5], fx.memory.records[6]
	if exit.Decision.Action != policy.Exit || !exit.Asked() || exit.Outcome != trace.Refused {
		t.Errorf("exit %+v", exit)
	}
	if last.Asked() || last.Decision.Reason != runner.ReasonEnded || last.Outcome != trace.Refused {
		t.Errorf("after it %+v", last)
	}
}

func TestCancel(t *testing.T) {
	fx := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests = runner.Periodic, 10*ms, 0
	fx.sessions[1].onRun = func(n int) error {
		if n == 4 {
			cancel() // the inference goes on
		}
		return nil
	}
	rep, err := runner.Run(ctx, fx.cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Five inferences take 100 ms, in which requests 0..10 arrive.
	if rep.Ended != "cancelled" || rep.OnTime != 5 || rep.Refused != 6 || rep.Requests != 11 || len(fx.memory.records) != 11 {
		t.Errorf("report %+v", rep)
	}
	if r := fx.memory.records[10]; r.Asked() || r.Decision.Reason != runner.ReasonCancelled {
		t.Errorf("record %+v", r)
	}
	if fx.memory.flushes == 0 {
		t.Error("the trace was not flushed")
	}
	fx = newFixture(t)
	if rep, err := runner.Run(ctx, fx.cfg); err != nil || rep.Requests != 0 || rep.Ended != "cancelled" {
		t.Errorf("cancelled beforehand: %+v, %v", rep, err)
	}
}

func TestWarmup(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Warmup, fx.cfg.Requests = 3, 1
	rep := fx.run(t)
	if fx.sessions[0].runs != 3 || fx.sessions[1].runs != 4 || fx.sessions[2].runs != 3 {
		t.Errorf("runs %d, %d, %d", fx.sessions[0].runs, fx.sessions[1].runs, fx.sessions[2].runs)
	}
	if fx.memory.records[0].Observation.Now != 0 || rep.Elapsed != 20*ms {
		t.Error("the warm-up counts")
	}
	fx = newFixture(t)
	fx.cfg.Warmup = 1
	fx.sessions[2].onRun = func(int) error { return errors.New("no kernel") }
	if _, err := runner.Run(t.Context(), fx.cfg); err == nil || !strings.Contains(err.Error(), "level 2: warm-up: no kernel") {
		t.Errorf("error %v", err)
	}
}

func TestPicturesAreDecodedOnce(t *testing.T) {
	fx := newFixture(t)
	fx.use(&scripted{decide: alternate})
	fx.cfg.Requests = 200
	fx.run(t)
	// 20 pictures at the two resolutions of three levels.
	if fx.pictures.decoded != 40 {
		t.Errorf("%d decodings, want 40", fx.pictures.decoded)
	}
	want := slices.Clone(fx.sessions[1].in)
	for name, limit := range map[string]int64{"no cache": -1, "room for two": 2 * 3 * 32 * 32 * 4} {
		fx := newFixture(t)
		fx.use(&scripted{decide: alternate})
		fx.cfg.Requests, fx.cfg.CacheBytes = 200, limit
		fx.run(t)
		if fx.pictures.decoded != 200 {
			t.Errorf("%s: %d decodings, want 200", name, fx.pictures.decoded)
		}
		if !slices.Equal(want, fx.sessions[1].in) {
			t.Errorf("%s: the session got another input", name)
		}
	}
}

var nan = unit.Accuracy(math.NaN())

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*runner.Config){
		"no family":         func(c *runner.Config) { c.Family = nil },
		"no pictures":       func(c *runner.Config) { c.Pictures = &fakePictures{} },
		"no sessions":       func(c *runner.Config) { c.Sessions = nil },
		"nil session":       func(c *runner.Config) { c.Sessions[1] = nil },
		"wrong shape":       func(c *runner.Config) { c.Sessions[0] = c.Sessions[2] },
		"other processor":   func(c *runner.Config) { c.Processor = "dsp" },
		"other arrivals":    func(c *runner.Config) { c.Arrivals = "bursts" },
		"no period":         func(c *runner.Config) { c.Arrivals = runner.Periodic },
		"negative period":   func(c *runner.Config) { c.Period = -1 },
		"negative deadline": func(c *runner.Config) { c.Deadline = -1 },
		"negative limit":    func(c *runner.Config) { c.Limit = -1 },
		"negative requests": func(c *runner.Config) { c.Requests = -1 },
		"accuracy 76":       func(c *runner.Config) { c.MinAccuracy = 76 },
		"NaN accuracy":      func(c *runner.Config) { c.Family.Levels[0].Accuracy = nan },
		"unknown policy":    func(c *runner.Config) { c.Policy.Spec = "oracle of delphi" },
		"unknown parameter": func(c *runner.Config) { c.Policy.Params = map[string]string{"x": "1"} },
	} {
		fx := newFixture(t)
		change(&fx.cfg)
		if rep, err := runner.Run(t.Context(), fx.cfg); err == nil || rep != nil {
			t.Errorf("%s is accepted", name)
		}
		if _, err := fx.cfg.Header(); err == nil {
			t.Errorf("%s has a header", name)
		}
	}
}

func TestProcessorOfTheSessions(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Processor = "gpu"
	rep := fx.run(t)
	if rep.Levels[2].Predicted != 15*ms {
		t.Errorf("prediction %v, want the GPU's", rep.Levels[2].Predicted)
	}
	h, err := fx.cfg.Header()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"gpu"}, h.Family.Processors()); d != "" {
		t.Error(d)
	}
	if len(fx.cfg.Family.Processors()) != 2 {
		t.Error("the caller's family was changed")
	}
}

func ExampleRun() {
	fx := newFixture(&testing.B{})
	fx.cfg.Policy = bundle.Policy{Spec: "static:2"}
	fx.cfg.Trace = nil
	rep, err := runner.Run(context.Background(), fx.cfg) // with package ort's sessions, on a board
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rep.Requests, "requests,", rep.Ended+", p50", rep.Inference.P50, "at", rep.MeanAccuracy, rep.AccuracyOrigins)
	// Output: 30 requests, all requests done, p50 30.00 ms at 80.00% [stand-in]
}

// BenchmarkOverhead is what the loop adds to an inference that takes no time, by the real clock.
func BenchmarkOverhead(b *testing.B) {
	fx := newFixture(b)
	for _, s := range fx.sessions {
		s.takes = nil
	}
	fx.cfg.Clock, fx.cfg.Trace, fx.cfg.Requests, fx.cfg.Deadline = nil, nil, int64(b.N), time.Hour
	fx.cfg.Policy.Spec = "slack"
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := runner.Run(b.Context(), fx.cfg); err != nil {
		b.Fatal(err)
	}
}
