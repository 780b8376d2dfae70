package runner_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// TestAlarm raises each alarm in the middle of a run: the next decision is for the safe level with its reason, for as long as the
// alarm holds, then the policy decides again, and the trace still replays.
func TestAlarm(t *testing.T) {
	for _, reason := range []policy.Reason{runner.ReasonSensorLost, runner.ReasonClockDenied, runner.ReasonSessionFailed, runner.ReasonClockJump} {
		fx := newFixture(t)
		fx.cfg.Policy = bundle.Policy{Spec: "static:2"}
		fx.cfg.Requests = 30
		fx.cfg.Health = runner.NewHealth()
		fx.cfg.Answer = func(a runner.Answer) {
			if a.Request == 9 {
				fx.cfg.Health.Raise(runner.Alarm{Reason: reason, Detail: "a test", Hold: 45 * ms}) // level 0 takes 10 ms
			}
		}
		report, err := runner.Run(t.Context(), fx.cfg)
		if err != nil || report.OnTime != 30 {
			t.Fatalf("%s: %+v, %v", reason, report, err)
		}
		safe := 0
		for i, r := range fx.memory.records {
			d := r.Decision
			if d.Reason == reason {
				safe++
			}
			if want := i > 9 && safe == i-9; (d.Reason == reason) != want && i < 15 || d.Reason == reason && d.Level != 0 || d.Reason != reason && d.Level != 2 {
				t.Errorf("%s: request %d: %v", reason, i, d)
			}
		}
		if fx.memory.records[10].Decision.Reason != reason || safe < 4 || safe > 6 {
			t.Errorf("%s: %d decisions for the safe level, the first %v", reason, safe, fx.memory.records[10].Decision)
		}
		if fx.cfg.Health.Count(reason) != 1 {
			t.Errorf("%s: counted %d times", reason, fx.cfg.Health.Count(reason))
		}
	}
}

// falling is a clock that falls by some seconds once.
type falling struct {
	runner.Clock
	reads, at int
	by        time.Duration
}

func (c *falling) Now() time.Duration {
	now := c.Clock.Now()
	if c.reads++; c.reads > c.at {
		now -= c.by
	}
	return now
}

// TestClockFalls lets time go backwards in the middle: no time in the trace does, and the safe level serves.
func TestClockFalls(t *testing.T) {
	for at := 5; at < 60; at += 7 {
		fx := newFixture(t)
		fx.cfg.Policy = bundle.Policy{Spec: "static:2"}
		fx.cfg.Requests = 30
		fx.cfg.Clock = &falling{Clock: fx.cfg.Clock, at: at, by: 50 * ms}
		report, err := runner.Run(t.Context(), fx.cfg)
		if err != nil || report.Requests != 30 {
			t.Fatalf("fall at reading %d: %+v, %v", at, report, err)
		}
		jumped := 0
		last := time.Duration(0)
		for _, r := range fx.memory.records {
			if r.Decision.Reason == runner.ReasonClockJump {
				jumped++
			}
			if r.Observation.Now < last || r.Start < r.Observation.Now || r.End < r.Start {
				t.Errorf("fall at reading %d: times fall in %+v", at, r)
			}
			last = r.Observation.Now
		}
		if jumped == 0 {
			t.Errorf("fall at reading %d: no decision says so", at)
		}
	}
}

// TestSessionCannotBeMade asks for a level that cannot be loaded: the least accurate one serves, and the reason says why; it is
// tried again now and then, not at every request.
func TestSessionCannotBeMade(t *testing.T) {
	fx := newFixture(t)
	tries := 0
	pool := runner.NewPool(3, func(level int) (runner.Session, error) {
		if level == 2 {
			tries++
			return nil, errors.New("no memory")
		}
		return fx.sessions[level], nil
	})
	for level := range 2 {
		if err := pool.Load(level); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	failed := make(chan int, 100)
	pool.LoadBehind(ctx, func(level int, err error) { failed <- level }, 2)
	<-failed
	fx.cfg.Sessions, fx.cfg.Pool = nil, pool
	fx.cfg.Policy = bundle.Policy{Spec: "static:2"}
	fx.cfg.Requests = 200 // 2 s of the clock: 1 s of rest, so at most 3 tries
	report, err := runner.Run(t.Context(), fx.cfg)
	cancel()
	if err != nil || report.OnTime != 200 {
		t.Fatalf("%+v, %v", report, err)
	}
	for i, r := range fx.memory.records {
		if r.Decision.Level != 0 || r.Decision.Reason != runner.ReasonSessionFailed || r.Outcome != trace.OnTime {
			t.Errorf("request %d: %v", i, r.Decision)
		}
	}
	if err := pool.Close(); err != nil {
		t.Fatal(err)
	}
	if tries > 4 {
		t.Errorf("%d tries to make the session", tries)
	}
	if err := pool.Failure(2); err == nil || !strings.Contains(err.Error(), "no memory") {
		t.Errorf("the failure is %v", err)
	}
}

// TestEvictWhileServing drops and loads levels all the time while a run uses them: every request is answered, and no session is
// closed in use.
func TestEvictWhileServing(t *testing.T) {
	fx := newFixture(t)
	pool := runner.NewPool(3, func(level int) (runner.Session, error) {
		s := fx.sessions[level]
		return &guarded{in: make([]float32, len(s.in)), out: make([]float32, len(s.out)), t: t}, nil
	})
	for level := range 3 {
		if err := pool.Load(level); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	pool.LoadBehind(ctx, func(level int, err error) { t.Errorf("level %d: %v", level, err) })
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			if err := pool.Evict(1 + i%2); err != nil {
				t.Error(err)
			}
		}
	}()
	fx.cfg.Sessions, fx.cfg.Pool, fx.cfg.Clock = nil, pool, nil
	fx.cfg.Policy = bundle.Policy{Spec: "static:2"}
	fx.cfg.Requests = 1000
	report, err := runner.Run(t.Context(), fx.cfg)
	cancel()
	<-done
	if err != nil || report.OnTime != 1000 || report.Failed != 0 {
		t.Errorf("%+v, %v", report, err)
	}
	if err := pool.Close(); err != nil {
		t.Error(err)
	}
}

// guarded is a session that notices that it is used after it was closed.
type guarded struct {
	in, out []float32
	t       *testing.T
	closed  bool // without a lock: the race detector looks, too
}

func (g *guarded) Input() []float32  { return g.in }
func (g *guarded) Output() []float32 { return g.out }

func (g *guarded) Run() error {
	if g.closed {
		g.t.Error("a closed session runs")
	}
	return nil
}

func (g *guarded) Close() error { g.closed = true; return nil }
