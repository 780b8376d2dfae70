package runner_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// board is a processor whose clock can be set, and what may happen to it.
type board struct {
	held      runner.Held
	most      unit.Hertz // heat holds it below; 0: does not
	err       error      // of every Set
	sets      []unit.Hertz
	processor string
}

func (b *board) Read(processor string) runner.Held {
	b.processor = processor
	h := b.held
	if b.most > 0 {
		h.Clock, h.High = min(h.Clock, b.most), min(h.High, b.most)
	}
	return h
}

func (b *board) Set(processor string, clock unit.Hertz) (unit.Hertz, error) {
	b.sets = append(b.sets, clock)
	if b.err == nil {
		b.held.Clock = clock
	}
	return b.Read(processor).Clock, b.err
}

// clocked gives the fixture's levels three clock steps: 10, 20 and 30 ms at 1 GHz, 4/3 and 2 times as long below, at less energy.
func clocked(t testing.TB) (*fixture, *board) {
	fx := newFixture(t)
	b := &board{held: runner.Held{Low: 5e8, High: 1e9}}
	f := fx.cfg.Family
	f.Clocks = []family.Clocks{{Processor: "cpu", Steps: []unit.Hertz{5e8, 7.5e8, 1e9}, Effect: ms, Source: "made up"}}
	for i := range f.Levels {
		l := &f.Levels[i].Latencies[0]
		one := l.Latency
		l.Points = []family.Point{
			{Latency: 2 * one, Energy: unit.Joules(float64(one) / 1e9)}, {Latency: one * 4 / 3, Energy: unit.Joules(2 * float64(one) / 1e9)}, {Latency: one, Energy: unit.Joules(5 * float64(one) / 1e9)},
		}
		fx.sessions[i].takes = func(time.Duration) time.Duration {
			clock := b.Read("cpu").Clock
			if clock == 0 {
				clock = 1e9
			}
			return time.Duration(float64(one) * float64(1e9/clock))
		}
	}
	fx.cfg.Clocks, fx.cfg.Governor = b, b
	fx.cfg.Policy = bundle.Policy{Spec: "qdp", Params: map[string]string{"energy": "5"}}
	fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests, fx.cfg.Deadline = runner.Periodic, 100*ms, 100, 90*ms
	return fx, b
}

// chooser is a scripted policy that wants the clocks left to it.
type chooser struct{ scripted }

func (*chooser) Governor() string { return "userspace" }

// at serves level 2 at the steps in turn, as far as they can be had.
func at(steps ...int) *chooser {
	return &chooser{scripted{decide: func(n int, o *policy.Observation) policy.Decision {
		d := policy.Decision{Action: policy.Serve, Level: 2, Clock: steps[n%len(steps)], Reason: "turn"}
		if r := o.Steps[0]; r != (policy.StepRange{}) {
			d.Clock = min(max(d.Clock, int(r.Low)), int(r.High))
		}
		return d
	}}}
}

// replayed checks that a run's trace, written and read again, replays decision by decision.
func (fx *fixture) replayed(t *testing.T) (*trace.Trace, trace.ReplayReport) {
	t.Helper()
	h, err := fx.cfg.Header()
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if _, err := (&trace.Trace{Header: h, Records: fx.memory.records}).WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	tr, err := trace.Read("run.csv", &text)
	if err != nil {
		t.Fatal(err)
	}
	report, err := trace.Replay(tr)
	if err != nil || report.Equal != report.N || report.N+report.Overridden+report.NotAsked != len(fx.memory.records) {
		t.Errorf("replay %+v, %v", report, err)
	}
	return tr, report
}

// A policy that weighs energy has its clocks set before the inference, is told at which one that ran, and replays.
func TestClocksAreSet(t *testing.T) {
	fx, b := clocked(t)
	rep := fx.run(t)
	if b.sets[0] != 1e9 || b.processor != "cpu" {
		t.Errorf("it begins at %v of %s", b.sets[0], b.processor)
	}
	tr, replay := fx.replayed(t)
	if replay.N != 100 || !tr.Header.Steps || len(tr.Header.Family.Clocks) != 1 {
		t.Errorf("replay %+v of %+v", replay, tr.Header)
	}
	if rep.OnTime != 100 || len(rep.Clocks) != 1 {
		t.Fatalf("report %+v", rep)
	}
	changes, last, began := int64(0), 3, int64(0)
	for i := range fx.memory.records {
		r := &fx.memory.records[i]
		if r.Decision.Clock != last {
			changes++
		}
		last = r.Decision.Clock
		want := fx.cfg.Family.Levels[r.Decision.Level].Latencies[0].Points[last-1].Latency.Duration()
		if got := r.End - r.Start; (got - want).Abs() > 1 {
			t.Errorf("request %d at step %d took %v, want %v", r.Request, last, got, want)
		}
	}
	c := rep.Clocks[0]
	for _, u := range c.At {
		began += u.Inferences
	}
	if began != 100 || len(c.At) < 1 || c.At[0].Clock != 5e8 {
		t.Errorf("inferences %+v", c.At)
	}
	if changes == 0 || c.Changes != changes+1 || c.Lost != 0 || !c.Set || c.Steps != 3 || c.Effect != ms || c.Source != "made up" || c.Clock != fx.cfg.Family.Clocks[0].Steps[last-1] {
		t.Errorf("%d changes in the trace, report %+v", changes, c)
	}
	// With the top clock alone it takes twice the energy for the same accuracy, or more.
	fx2, _ := clocked(t)
	fx2.cfg.Policy.Params = map[string]string{"energy": "0"}
	fx2.run(t)
	energy := func(fx *fixture) (sum float64) {
		for i := range fx.memory.records {
			d := &fx.memory.records[i].Decision
			clock := d.Clock
			if clock == 0 {
				clock = 3
			}
			sum += float64(fx.cfg.Family.Levels[d.Level].Latencies[0].Points[clock-1].Energy)
		}
		return sum
	}
	if a, b := energy(fx), energy(fx2); a > b/2 {
		t.Errorf("%.3f J with clocks, %.3f J without", a, b)
	}
}

// Without anybody to set clocks a policy that chooses them runs at the one that holds, says so, and plans with that one.
func TestClocksThatStay(t *testing.T) {
	for name, c := range map[string]struct {
		held   runner.Held
		blind  bool
		step   int
		change func(b *board, r *trace.Record) int // step from then on
	}{
		"at the first":    {held: runner.Held{Clock: 5e8, Low: 5e8, High: 1e9}, step: 1},
		"moved at will":   {held: runner.Held{Low: 5e8, High: 7.6e8}, step: 2},
		"nobody knows":    {blind: true, step: 3},
		"nothing is told": {step: 3},
	} {
		t.Run(name, func(t *testing.T) {
			fx, b := clocked(t)
			b.held, fx.cfg.Governor = c.held, nil
			if c.blind {
				fx.cfg.Clocks = nil
			}
			rep := fx.run(t)
			fx.replayed(t)
			for i := range fx.memory.records {
				r := &fx.memory.records[i]
				if r.Decision.Clock != c.step || r.Overridden() {
					t.Fatalf("record %d: %v", i, r.Decision)
				}
			}
			k := rep.Clocks[0]
			if len(b.sets) > 0 || k.Set || k.Changes != 0 || k.Lost != 0 || k.Clock != fx.cfg.Family.Clocks[0].Steps[c.step-1] {
				t.Errorf("set %v, report %+v", b.sets, k)
			}
			if rep.OnTime != 100 {
				t.Errorf("%d on time", rep.OnTime)
			}
		})
	}
	fx, _ := clocked(t)
	fx.cfg.Clocks = nil
	if _, err := runner.Run(t.Context(), fx.cfg); err == nil || !strings.Contains(err.Error(), "a governor without anything that tells the clocks") {
		t.Errorf("error %v", err)
	}
}

// Policies that choose no clocks know nothing of them, and nobody sets any.
func TestClocksOfOtherPolicies(t *testing.T) {
	fx, b := clocked(t)
	fx.cfg.Policy = bundle.Policy{Spec: "slack"}
	rep := fx.run(t)
	tr, _ := fx.replayed(t)
	if len(b.sets) > 0 || rep.Clocks != nil || tr.Header.Steps || len(tr.Header.Family.Clocks) > 0 {
		t.Errorf("set %v, report %+v, header %+v", b.sets, rep.Clocks, tr.Header)
	}
}

// What goes wrong with a clock: the safe level serves within one decision, with a reason, and the policy is told which clock
// holds and what can be had.
func TestClocksLost(t *testing.T) {
	for name, c := range map[string]struct {
		happen func(b *board) // after the request before at
		reason policy.Reason
		at     int // request that is served by the safe level
		clock  int // at which
		had    policy.StepRange
		mend   func(b *board) // after request 50
		mended policy.StepRange
		alarms uint64
	}{
		"refused": {happen: func(b *board) { b.err = errors.New("permission denied") }, reason: runner.ReasonClockDenied, at: 11, clock: 1, had: policy.StepRange{Low: 1, High: 1},
			mend: func(b *board) { b.err = nil }, mended: policy.StepRange{Low: 1, High: 3}, alarms: 1},
		"for good": {happen: func(b *board) { b.err = errors.New("input/output error") }, reason: runner.ReasonClockDenied, at: 11, clock: 1, had: policy.StepRange{Low: 1, High: 1},
			mended: policy.StepRange{Low: 1, High: 1}, alarms: 1},
		"hot": {happen: func(b *board) { b.most = 7.5e8 }, reason: runner.ReasonClockLost, at: 12, clock: 1, had: policy.StepRange{Low: 1, High: 2},
			mend: func(b *board) { b.most = 0 }, mended: policy.StepRange{Low: 1, High: 3}, alarms: 1},
		"moved":            {happen: func(b *board) { b.held.Clock = 0 }, reason: runner.ReasonClockLost, at: 11, clock: 3, had: policy.StepRange{Low: 3, High: 3}, mended: policy.StepRange{Low: 1, High: 3}, alarms: 1},
		"pinned elsewhere": {happen: func(b *board) { b.held.Clock = 7.6e8 }, reason: runner.ReasonClockLost, at: 11, clock: 2, had: policy.StepRange{Low: 2, High: 2}, mended: policy.StepRange{Low: 1, High: 3}, alarms: 1},
	} {
		t.Run(name, func(t *testing.T) {
			fx, b := clocked(t)
			p := at(1, 3) // request 10 is served at the first step, 11 at the third
			fx.use(p)
			fx.cfg.Health = runner.NewHealth()
			fx.cfg.Answer = func(a runner.Answer) {
				switch {
				case a.Request == int64(c.at-1):
					c.happen(b)
				case a.Request == 50 && c.mend != nil:
					c.mend(b)
				}
			}
			rep := fx.run(t)
			if rep.Requests != 100 || rep.Failed != 0 {
				t.Fatalf("report %+v", rep)
			}
			if n := fx.cfg.Health.Count(c.reason); n != c.alarms || rep.Clocks[0].Lost != int64(c.alarms) {
				t.Errorf("%d alarms, report %+v", n, rep.Clocks[0])
			}
			rec := func(i int) *trace.Record { return &fx.memory.records[i] }
			for i := range c.at {
				if rec(i).Overridden() || rec(i).Decision.Clock != []int{1, 3}[i%2] {
					t.Errorf("record %d: %v", i, rec(i).Decision)
				}
			}
			for i := c.at; i < c.at+9; i++ { // a second of the safe level
				if d := rec(i).Decision; d.Level != 0 || d.Reason != c.reason || i == c.at && d.Clock != c.clock {
					t.Errorf("record %d: %v", i, d)
				}
				if got := p.observed[i].Clock; got != rec(i).Decision.Clock {
					t.Errorf("record %d: the policy was told step %d, %d was in force", i, got, rec(i).Decision.Clock)
				}
				if i > c.at && rec(i).Observation.Steps[0] != c.had {
					t.Errorf("record %d: %+v can be had", i, rec(i).Observation.Steps)
				}
			}
			if got := rec(99).Observation.Steps[0]; got != c.mended || rec(99).Overridden() {
				t.Errorf("in the end %+v can be had, decision %v", got, rec(99).Decision)
			}
			h, err := fx.cfg.Header()
			if err != nil {
				t.Fatal(err)
			}
			h.Policy, h.Params = "qdp", map[string]string{"energy": "1"}
			var text bytes.Buffer
			if _, err := (&trace.Trace{Header: h, Records: fx.memory.records}).WriteTo(&text); err != nil {
				t.Error(err)
			}
		})
	}
}

// A policy that plans with clocks goes on in time when they are lost, and what it decided then replays.
func TestPlanningWithLostClocks(t *testing.T) {
	fx, b := clocked(t)
	fx.cfg.Policy.Params["energy"] = "1"
	fx.cfg.Requests, fx.cfg.Arrivals, fx.cfg.Period = 300, runner.Poisson, 60*ms
	fx.cfg.Answer = func(a runner.Answer) {
		switch a.Request {
		case 50:
			b.err, b.held.Clock = errors.New("permission denied"), 5e8
		case 150:
			b.err = nil
		case 200:
			b.most = 7.5e8
		}
	}
	rep := fx.run(t)
	_, replay := fx.replayed(t)
	var ranges []policy.StepRange
	for i := range fx.memory.records {
		if r := fx.memory.records[i].Observation.Steps[0]; len(ranges) == 0 || r != ranges[len(ranges)-1] {
			ranges = append(ranges, r)
		}
	}
	want := []policy.StepRange{{Low: 1, High: 3}, {Low: 1, High: 1}, {Low: 1, High: 3}, {Low: 1, High: 2}}
	if replay.N < 250 || replay.Overridden == 0 || rep.OnTime < 280 || !slices.Equal(ranges, want) {
		t.Errorf("replay %+v, %d on time, ranges %v, clocks %+v", replay, rep.OnTime, ranges, rep.Clocks)
	}
}

// It becomes hotter while clocks are lost to heat: the policy is told at once, and no further alarm is raised.
func TestClocksHotter(t *testing.T) {
	fx, b := clocked(t)
	fx.use(at(1, 3))
	fx.cfg.Health = runner.NewHealth()
	fx.cfg.Answer = func(a runner.Answer) {
		switch a.Request {
		case 11:
			b.most = 7.5e8
		case 14:
			b.most = 5e8
		}
	}
	rep := fx.run(t)
	steps := func(i int) policy.StepRange { return fx.memory.records[i].Observation.Steps[0] }
	if steps(11).High != 3 || steps(13) != (policy.StepRange{Low: 1, High: 2}) || steps(15) != (policy.StepRange{Low: 1, High: 1}) || steps(99) != (policy.StepRange{Low: 1, High: 1}) {
		t.Errorf("%v, %v, %v, %v could be had", steps(11), steps(13), steps(15), steps(99))
	}
	if n := fx.cfg.Health.Count(runner.ReasonClockLost); n != 1 || rep.Clocks[0].Lost != 1 || rep.OnTime != 100 {
		t.Errorf("%d alarms, report %+v", n, rep)
	}
}

// Asking for clocks that fail at once, in every way and for ever, ends nothing.
func TestClocksNeverThere(t *testing.T) {
	fx, b := clocked(t)
	b.err, b.held = errors.New("no such file"), runner.Held{}
	rep := fx.run(t)
	fx.replayed(t)
	if rep.OnTime+rep.Late != 100 || rep.Clocks[0].Lost != 1 || len(b.sets) > 10 {
		t.Errorf("%d asked, report %+v", len(b.sets), rep)
	}
}
