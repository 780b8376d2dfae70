package runner_test

import (
	goruntime "runtime"
	"testing"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
)

// live returns the bytes that are alive on the heap.
func live() int64 {
	goruntime.GC()
	goruntime.GC() // pools are emptied in two steps
	var m goruntime.MemStats
	goruntime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestLongRunsDoNotGrow: once every level has served, a run's memory does not depend on how many requests it has answered. A
// byte for each request would be 40 KB here.
func TestLongRunsDoNotGrow(t *testing.T) {
	const first, requests = 2_000, 40_000
	fx := newFixture(t)
	fx.use(&forgetful{})
	fx.cfg.Requests, fx.cfg.Trace = requests, nil
	var before, after int64
	fx.cfg.Answer = func(a runner.Answer) {
		switch a.Request {
		case first:
			before = live()
		case requests - 1:
			after = live()
		}
	}
	fx.run(t)
	if grown := after - before; before == 0 || after == 0 || grown > 8<<10 {
		t.Errorf("%d bytes alive after %d requests, %d more after %d", before, first, grown, requests)
	}
}

// forgetful changes levels at every third request and keeps nothing.
type forgetful struct{ n int }

func (p *forgetful) Spec() string { return "forgetful" }

func (p *forgetful) Decide(o *policy.Observation) policy.Decision {
	p.n++
	return alternate(p.n, o)
}

func (p *forgetful) Observe(policy.Completion) {}
