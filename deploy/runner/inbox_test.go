package runner_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// boxed makes the fixture take its requests from an inbox.
func boxed(fx *fixture, capacity int) *runner.Inbox {
	b := runner.NewInbox(capacity, fx.clock)
	fx.cfg.Pictures, fx.cfg.Inbox, fx.cfg.Requests = nil, b, 0
	return b
}

// call is a call whose result goes to a list.
func call(fill func([]float32, int) error, to *[]runner.Result) runner.Call {
	return runner.Call{
		Fill: fill,
		Done: func(r runner.Result) { *to = append(*to, r) },
	}
}

func TestInbox(t *testing.T) {
	fx := newFixture(t)
	b := boxed(fx, 10)
	fx.cfg.Deadline = 50 * ms
	broken := errors.New("no picture")
	var results []runner.Result
	var resolution int
	fill := func(dst []float32, r int) error { dst[0], resolution = 7, r; return nil }
	for i := range 5 {
		c := call(fill, &results)
		switch i {
		case 1:
			c.Fill = func([]float32, int) error { return broken }
		case 2:
			c.Deadline = time.Second
		}
		if err := b.Send(c); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	b.Close()
	if err := b.Send(call(fill, &results)); !errors.Is(err, runner.ErrDraining) {
		t.Errorf("after Close: %v", err)
	}
	rep := fx.run(t)
	// Level 1 takes 20 ms. In order of deadlines: 0, 1 (which fails at once), 3, 4 (late), 2.
	want := []struct {
		outcome trace.Outcome
		end     time.Duration
	}{{trace.OnTime, 20 * ms}, {trace.Failed, 20 * ms}, {trace.OnTime, 40 * ms}, {trace.Late, 60 * ms}, {trace.OnTime, 80 * ms}}
	if len(results) != len(want) {
		t.Fatalf("%d results", len(results))
	}
	for i, r := range results {
		if r.Outcome != want[i].outcome || r.End != want[i].end || (r.Outcome == trace.Failed) != errors.Is(r.Err, broken) || r.Predicted != 20*ms {
			t.Errorf("result %d: %+v", i, r)
		}
		if answered := r.Outcome.Answered(); answered != (len(r.Logits) == 10) || answered && r.Class != 1 {
			t.Errorf("result %d: class %d of %d logits", i, r.Class, len(r.Logits))
		}
	}
	if fx.sessions[1].in[0] != 7 || resolution != 32 || rep.Ended != "drained" || rep.Requests != 5 || rep.Failed != 1 || rep.Levels[1].Failed != 0 {
		t.Errorf("report %+v", rep)
	}
}

// Calls that a policy drops, that come after its end, or that a cancelled run leaves all get a result.
func TestEveryCallGetsAResult(t *testing.T) {
	fx := newFixture(t)
	b := boxed(fx, 10)
	fx.use(&scripted{decide: func(n int, _ *policy.Observation) policy.Decision {
		if n == 1 {
			return policy.Decision{Action: policy.Exit, Reason: "enough"}
		}
		return policy.Decision{Action: policy.Drop, Reason: "no"}
	}})
	var results []runner.Result
	for range 3 {
		if err := b.Send(call(nil, &results)); err != nil {
			t.Fatal(err)
		}
	}
	fx.run(t)
	if len(results) != 3 || results[0].Outcome != trace.Dropped || results[1].Outcome != trace.Refused || results[2].Decision.Reason != runner.ReasonEnded {
		t.Errorf("results %+v", results)
	}
	fx = newFixture(t)
	b = boxed(fx, 2)
	results = nil
	for i := range 3 {
		if err := b.Send(call(nil, &results)); (i == 2) != errors.Is(err, runner.ErrFull) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := runner.Run(ctx, fx.cfg); err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Outcome != trace.Refused {
		t.Errorf("results of a cancelled run: %+v", results)
	}
}

// Many senders at once, with the machine's clock.
func TestInboxFromManyGoroutines(t *testing.T) {
	fx := newFixture(t)
	for _, s := range fx.sessions {
		s.takes = nil
	}
	b := runner.NewInbox(1000, nil)
	fx.cfg.Pictures, fx.cfg.Inbox, fx.cfg.Requests, fx.cfg.Clock = nil, b, 0, nil
	var wait sync.WaitGroup
	done := make(chan runner.Result, 400)
	for range 4 {
		wait.Go(func() {
			for range 100 {
				if err := b.Send(runner.Call{Fill: func([]float32, int) error { return nil }, Done: func(r runner.Result) { done <- r }}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { wait.Wait(); b.Close() }()
	rep := fx.run(t)
	if rep.OnTime != 400 || len(done) != 400 {
		t.Errorf("%d answers, %d results", rep.OnTime, len(done))
	}
}

// What a run is asked to keep changes while it goes on; the next observation has it, and the trace.
func TestControl(t *testing.T) {
	fx := newFixture(t)
	c := runner.NewControl(30*ms, 100*ms, 0.6)
	fx.cfg.Control = c
	fx.sessions[1].onRun = func(n int) error {
		if n == 9 {
			c.SetLimit(15 * ms)
			c.SetDeadline(-1)
			c.SetMinAccuracy(0.7)
			c.SetMinAccuracy(7) // no accuracy: none is asked for
		}
		return nil
	}
	fx.run(t)
	for i, r := range fx.memory.records {
		limit, accuracy, deadline := 30*ms, 0.6, r.Arrival+100*ms
		if i > 9 {
			limit, accuracy, deadline = 15*ms, 0, 0
		}
		if o := r.Observation; o.Limit != limit || float64(o.MinAccuracy) != accuracy || r.Deadline != deadline {
			t.Fatalf("record %d: limit %v, accuracy %v, deadline %v", i, o.Limit, o.MinAccuracy, r.Deadline)
		}
	}
}

// TestCallsOfARunThatCannotBegin get a result, too.
func TestCallsOfARunThatCannotBegin(t *testing.T) {
	fx := newFixture(t)
	b := boxed(fx, 10)
	fx.cfg.Warmup = 1
	fx.sessions[2].onRun = func(int) error { return errors.New("no memory") }
	var results []runner.Result
	if err := b.Send(call(nil, &results)); err != nil {
		t.Fatal(err)
	}
	if _, err := runner.Run(t.Context(), fx.cfg); err == nil {
		t.Error("a level that fails while it warms up does not end the run")
	}
	if err := b.Send(call(nil, &results)); len(results) != 1 || results[0].Outcome != trace.Refused || !errors.Is(err, runner.ErrDraining) {
		t.Errorf("results %+v, then %v", results, err)
	}
}

// TestDeadlinesBeyondAllTime: a deadline as long as there are numbers does not come before the request.
func TestDeadlinesBeyondAllTime(t *testing.T) {
	fx := newFixture(t)
	b := boxed(fx, 10)
	fx.cfg.Deadline = math.MaxInt64
	var results []runner.Result
	for i := range 3 {
		c := call(func([]float32, int) error { return nil }, &results)
		c.Deadline = time.Duration(i) * (math.MaxInt64 / 2) // of the last one with its arrival there is no sum
		if err := b.Send(c); err != nil {
			t.Fatal(err)
		}
	}
	b.Close()
	rep := fx.run(t)
	if rep.OnTime != 3 || len(results) != 3 {
		t.Errorf("%d on time of %d", rep.OnTime, rep.Requests)
	}
	for _, r := range fx.memory.records {
		if r.Deadline <= r.Arrival {
			t.Errorf("request %d arrives at %v and is due at %v", r.Request, r.Arrival, r.Deadline)
		}
	}
}

// TestWaitingForCalls: a policy that waits is asked again when the time has come or a call does, and not all the time.
func TestWaitingForCalls(t *testing.T) {
	fx := newFixture(t)
	b := runner.NewInbox(10, nil)
	fx.cfg.Pictures, fx.cfg.Inbox, fx.cfg.Requests, fx.cfg.Clock = nil, b, 0, nil
	for _, s := range fx.sessions {
		s.takes = nil
	}
	p := &scripted{decide: func(n int, o *policy.Observation) policy.Decision {
		if o.Waiting < 2 && o.Now-o.Queue[0].Arrival < 30*ms {
			return policy.Decision{Action: policy.Wait, Until: o.Queue[0].Arrival + 30*ms, Reason: "gather"}
		}
		return policy.Decision{Action: policy.Serve, Reason: "now"}
	}}
	fx.use(p)
	done := make(chan runner.Result, 3)
	send := func() {
		if err := b.Send(runner.Call{Fill: func([]float32, int) error { return nil }, Done: func(r runner.Result) { done <- r }}); err != nil {
			t.Error(err)
		}
	}
	send()
	go func() {
		first := <-done // after 30 ms alone
		if waited := first.Decided - first.Arrival; waited < 30*ms {
			t.Errorf("decided after %v", waited)
		}
		send()
		send()
		<-done
		<-done
		b.Close()
	}()
	fx.run(t)
	if p.n > 12 {
		t.Errorf("asked %d times about three requests", p.n)
	}
}
