package runner_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

func TestNonsenseIsNamed(t *testing.T) {
	for name, d := range map[string]policy.Decision{
		"no decision":    {},
		"level 3":        {Action: policy.Serve, Level: 3, Reason: "x"},
		"level -1":       {Action: policy.Serve, Level: -1, Reason: "x"},
		"the gpu":        {Action: policy.Serve, Processor: 1, Reason: "x"}, // the sessions run on the CPU
		"unknown action": {Action: "dance", Reason: "x"},
	} {
		fx := newFixture(t)
		fx.use(&scripted{decide: func(n int, _ *policy.Observation) policy.Decision {
			if n < 4 {
				return policy.Decision{Action: policy.Serve, Reason: "x"}
			}
			return d
		}})
		rep, err := runner.Run(t.Context(), fx.cfg)
		if err == nil || rep != nil || !strings.Contains(err.Error(), `policy "scripted" answers nonsense about request 4`) {
			t.Errorf("%s: report %v, error %v", name, rep, err)
		}
		if len(fx.memory.records) != 4 || fx.memory.flushes == 0 {
			t.Errorf("%s: %d records, %d flushes", name, len(fx.memory.records), fx.memory.flushes)
		}
	}
}

// TestFailingLevel lets level 2 fail at its third inference. It rests for 100 ms, in which level 0
// serves in its place.
func TestFailingLevel(t *testing.T) {
	broken := errors.New("out of memory")
	for _, name := range []string{"error", "NaN"} {
		t.Run(name, func(t *testing.T) {
			fx := newFixture(t)
			fx.cfg.Policy.Spec, fx.cfg.RetryAfter, fx.cfg.Requests = "static:2", 100*ms, 20
			s := fx.sessions[2]
			if name == "error" {
				s.onRun = func(n int) error {
					if n == 2 {
						fx.clock.now += 30 * ms
						return broken
					}
					return nil
				}
			} else {
				fx.cfg.Sessions[2] = &poisoned{s, 3}
			}
			rep := fx.run(t)
			var levels []int
			for _, r := range fx.memory.records {
				levels = append(levels, r.Decision.Level)
			}
			r := fx.memory.records[2]
			if r.Outcome != trace.Failed || r.Decision.Level != 2 {
				t.Errorf("record 2: %+v", r)
			}
			// From the failure on, ten inferences of 10 ms fill the 100 ms.
			want := slices.Concat([]int{2, 2, 2}, slices.Repeat([]int{0}, 10), slices.Repeat([]int{2}, 7))
			if d := cmp.Diff(want, levels); d != "" {
				t.Error(d)
			}
			if d := fx.memory.records[3].Decision; d.Reason != runner.ReasonSafeLevel {
				t.Errorf("record 3: %+v", d)
			}
			if rep.Failed != 1 || rep.Levels[2].Failed != 1 || rep.OnTime != 19 || rep.Switches != 2 {
				t.Errorf("report %+v", rep)
			}
		})
	}
}

// poisoned answers NaN at one run.
type poisoned struct {
	*fakeSession
	at int
}

func (p *poisoned) Run() error {
	err := p.fakeSession.Run()
	if p.runs == p.at {
		p.out[3] = float32(math.NaN())
	}
	return err
}

func TestAllLevelsFail(t *testing.T) {
	fx := newFixture(t)
	for _, s := range fx.sessions {
		s.onRun = func(int) error { fx.clock.now += ms; return errors.New("dead") }
	}
	rep := fx.run(t)
	if rep.Failed != 30 || rep.SLOAttainment != 0 || rep.MeanAccuracy != 0 {
		t.Errorf("report %+v", rep)
	}
	// Level 1 was asked for; 0 and 2 are tried in its place; then all rest and 1 is tried again.
	var levels []int
	for _, r := range fx.memory.records[:5] {
		levels = append(levels, r.Decision.Level)
	}
	if !slices.Equal(levels, []int{1, 0, 2, 1, 1}) {
		t.Errorf("levels %v", levels)
	}
}

func TestBrokenPicture(t *testing.T) {
	fx := newFixture(t)
	fx.pictures.broken = 7
	rep := fx.run(t)
	for i, r := range fx.memory.records {
		if (r.Outcome == trace.Failed) != (i%20 == 7) || r.Decision.Level != 1 {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if rep.Failed != 2 || rep.Levels[1].Failed != 0 {
		t.Errorf("report %+v", rep)
	}
}

func TestTraceThatCannotBeWritten(t *testing.T) {
	fx := newFixture(t)
	full := errors.New("disk full")
	fx.sessions[1].onRun = func(n int) error {
		if n == 9 {
			fx.memory.fail = full
		}
		return nil
	}
	rep, err := runner.Run(t.Context(), fx.cfg)
	if !errors.Is(err, full) || rep == nil || rep.OnTime != 30 || len(fx.memory.records) != 9 {
		t.Errorf("report %+v, error %v", rep, err)
	}
	if !strings.Contains(strings.Join(rep.Notes, "\n"), "incomplete") {
		t.Errorf("notes %q", rep.Notes)
	}
}

// TestTraceOfAFailureCanBeRead checks that what the runner decides itself is valid in a trace.
func TestTraceOfAFailureCanBeRead(t *testing.T) {
	fx := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Policy.Spec, fx.cfg.RetryAfter = runner.Periodic, 15*ms, "static:2", 100*ms
	fx.sessions[2].onRun = func(n int) error {
		switch n {
		case 2:
			return errors.New("broken")
		case 5:
			cancel()
		}
		return nil
	}
	h, err := fx.cfg.Header()
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	w, err := trace.NewWriter(&file, h)
	if err != nil {
		t.Fatal(err)
	}
	fx.cfg.Trace = w
	rep, err := runner.Run(ctx, fx.cfg)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read("memory", &file)
	if err != nil {
		t.Fatal(err)
	}
	safe := 0
	for _, r := range tr.Records {
		if r.Decision.Reason == runner.ReasonSafeLevel {
			safe++
		}
	}
	replay, err := trace.Replay(tr)
	if err != nil {
		t.Fatal(err)
	}
	if safe == 0 || rep.Failed != 1 || rep.Refused == 0 || int64(len(tr.Records)) != rep.Requests {
		t.Errorf("%d safe decisions, %d records, report %+v", safe, len(tr.Records), rep)
	}
	// The policy knows nothing of the failure: the runner's own decisions are not compared.
	if replay.Overridden != safe || replay.N != replay.Equal || replay.N == 0 || int64(replay.NotAsked) != rep.Refused {
		t.Errorf("replay %+v, %d safe decisions", replay, safe)
	}
}

// Requests that arrive faster than they can be put into the queue do not keep the run from serving.
func TestArrivalsWithoutEnd(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Clock, fx.cfg.Requests, fx.cfg.Arrivals, fx.cfg.Period = nil, 0, runner.Periodic, time.Nanosecond
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	answered := 0
	fx.cfg.Answer = func(runner.Answer) {
		if answered++; answered == 3 {
			cancel()
		}
	}
	if rep, err := runner.Run(ctx, fx.cfg); err != nil || answered < 3 || rep.Refused == 0 {
		t.Errorf("%d answers, report %+v, %v", answered, rep, err)
	}
}
