package runner_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
)

// pooled moves the fixture's sessions to a pool with level 0 resident.
func pooled(t *testing.T, fx *fixture) *runner.Pool {
	t.Helper()
	sessions := fx.sessions
	p := runner.NewPool(3, func(level int) (runner.Session, error) { return sessions[level], nil })
	if err := p.Load(0); err != nil {
		t.Fatal(err)
	}
	fx.cfg.Sessions, fx.cfg.Pool = nil, p
	return p
}

// await waits until something is so.
func await(t *testing.T, is func() bool) {
	t.Helper()
	for range 10_000 {
		if is() {
			return
		}
		time.Sleep(ms)
	}
	t.Fatal("it did not come")
}

// A level that is not in memory is asked for and served by another one until it is there.
func TestLoadingLevelIsServedByAnother(t *testing.T) {
	fx := newFixture(t)
	p := pooled(t, fx)
	fx.cfg.Policy.Spec = "static:2"
	fx.sessions[0].onRun = func(n int) error {
		if n == 5 { // the load's own run was 0
			return p.Load(2)
		}
		return nil
	}
	rep := fx.run(t)
	for i, r := range fx.memory.records {
		want := policy.Decision{Action: policy.Serve, Level: 2, Reason: policy.ReasonStatic}
		if i < 5 {
			want = policy.Decision{Action: policy.Serve, Level: 0, Reason: runner.ReasonLoading}
		}
		if r.Decision != want {
			t.Fatalf("record %d: %+v", i, r.Decision)
		}
	}
	if rep.OnTime != 30 || rep.Switches != 1 || p.Session(1) != nil {
		t.Errorf("report %+v", rep)
	}
}

func TestPoolConfiguration(t *testing.T) {
	fx := newFixture(t)
	p := pooled(t, fx)
	if err := p.Evict(0); err != nil {
		t.Fatal(err)
	}
	if _, err := runner.Run(t.Context(), fx.cfg); err == nil {
		t.Error("a pool without a resident level is accepted")
	}
	fx = newFixture(t)
	sessions := fx.cfg.Sessions
	pooled(t, fx)
	fx.cfg.Sessions = sessions
	if _, err := runner.Run(t.Context(), fx.cfg); err == nil {
		t.Error("sessions and a pool are accepted")
	}
	fx = newFixture(t)
	fx.cfg.Pool, fx.cfg.Sessions = runner.NewPool(2, nil), nil
	if _, err := runner.Run(t.Context(), fx.cfg); err == nil {
		t.Error("a pool of another size is accepted")
	}
}

func TestPoolLoadsBehind(t *testing.T) {
	fx := newFixture(t)
	closed := 0
	broken := errors.New("no memory")
	attempts := make([]int, 3)
	p := runner.NewPool(3, func(level int) (runner.Session, error) {
		attempts[level]++
		if level == 1 && attempts[1] == 1 {
			return nil, broken
		}
		fx.sessions[level].closed = &closed
		return fx.sessions[level], nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	var mu sync.Mutex
	var failed []int
	done := make(chan struct{}, 1)
	p.LoadBehind(ctx, func(level int, err error) {
		mu.Lock()
		defer mu.Unlock()
		if failed = append(failed, level); !errors.Is(err, broken) {
			t.Error(err)
		}
		done <- struct{}{}
	}, 0, 1, 2)
	<-done
	await(t, func() bool { p.Want(0); return p.Session(0) != nil && p.Session(2) != nil })
	if !errors.Is(p.Failure(1), broken) || p.Session(1) != nil {
		t.Errorf("level 1: %v", p.Failure(1))
	}
	p.Want(1)
	await(t, func() bool { return p.Session(1) != nil })
	if err := p.Evict(2); err != nil || p.Session(2) != nil || closed != 1 {
		t.Errorf("evicted: %v, %d closed", err, closed)
	}
	p.Want(2)
	await(t, func() bool { return p.Session(2) != nil })
	cancel()
	if err := p.Close(); err != nil || closed != 4 || p.Session(0) != nil {
		t.Errorf("closed: %v, %d sessions closed", err, closed)
	}
	if !slices.Equal(failed, []int{1}) || !slices.Equal(attempts, []int{1, 2, 2}) {
		t.Errorf("failed %v, attempts %v", failed, attempts)
	}
}

// A session that fails its first run is not taken.
func TestPoolRefusesABrokenSession(t *testing.T) {
	fx := newFixture(t)
	closed := 0
	fx.sessions[1].closed = &closed
	fx.sessions[1].onRun = func(int) error { return errors.New("no kernel") }
	p := runner.NewPool(3, func(level int) (runner.Session, error) { return fx.sessions[level], nil })
	if err := p.Load(1); err == nil || p.Session(1) != nil || closed != 1 {
		t.Errorf("%v, %d closed", err, closed)
	}
}

// Prepared sessions answer what plain ones answer; a flipped byte in the bundle or in what was prepared
// never reaches a session.
func TestLoadPrepared(t *testing.T) {
	rt := runtime(t)
	b := realBundle(t)
	p := patterns{5}
	want := classes(t, rt, b, p)
	target, err := rt.Target(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	prep := bundle.Preparation{Cache: filepath.Join(t.TempDir(), "cache"), Target: target,
		Optimise: func(model []byte, dir, name string) ([]byte, error) {
			return rt.Optimise(model, dir, name, ort.Options{})
		}}
	open := func(graph []byte, dir string) (runner.Session, error) {
		return rt.NewMappedSession(graph, dir, ort.Options{})
	}
	for range 2 { // the first prepares, the second finds it
		pool, repaired, err := runner.LoadPrepared(t.Context(), b, prep, open)
		if err != nil || repaired || pool.Session(1) != nil {
			t.Fatalf("repaired %v: %v", repaired, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		pool.LoadBehind(ctx, func(level int, err error) { t.Errorf("level %d: %v", level, err) }, 1, 2)
		await(t, func() bool { return pool.Session(1) != nil && pool.Session(2) != nil })
		cfg := runner.Config{Family: &b.Manifest().Family, Pool: pool, Pictures: p, Requests: 30,
			Policy: bundle.Policy{Spec: "scripted"}, NewPolicy: func(string, map[string]string, *policy.Model) (policy.Policy, error) {
				return &scripted{decide: alternate}, nil
			},
			Answer: func(a runner.Answer) {
				if a.Class != want[a.Level][a.Picture] {
					t.Errorf("answer %+v, want class %d", a, want[a.Level][a.Picture])
				}
			}}
		rep, err := runner.Run(t.Context(), cfg)
		if err != nil || rep.OnTime != 30 || rep.Switches != 9 {
			t.Errorf("report %+v, %v", rep, err)
		}
		cancel()
		if err := pool.Close(); err != nil {
			t.Error(err)
		}
	}
}
