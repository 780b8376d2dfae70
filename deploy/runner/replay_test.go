package runner_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// TestTraceReplays runs real policies under noise, a disturbance, drops of the clock's making and
// overload, writes the trace, reads it and replays it: every decision is the same, bit for bit.
func TestTraceReplays(t *testing.T) {
	specs := []string{"slack", "static:2"}
	for _, name := range policy.Names() { // those that need no argument
		if info, err := policy.About(name); err == nil && !strings.Contains(info.Usage, ":") && name != "slack" && (!reftest.RaceDetector || name == "qdp") {
			specs = append(specs, name)
		}
	}
	for _, spec := range specs {
		for _, arrivals := range []runner.Arrivals{runner.ClosedLoop, runner.Periodic, runner.Poisson} {
			t.Run(spec+" "+string(arrivals), func(t *testing.T) {
				file := recorded(t, spec, arrivals)
				tr, err := trace.Read("memory", bytes.NewReader(file))
				if err != nil {
					t.Fatal(err)
				}
				rep, err := trace.Replay(tr)
				if err != nil {
					t.Fatal(err)
				}
				if rep.First != nil || rep.Equal != rep.N || rep.N+rep.NotAsked != len(tr.Records) || rep.N < 20 {
					t.Errorf("replay %+v, first difference %v", rep, rep.First)
				}
				levels := map[int]bool{}
				for _, r := range tr.Records {
					levels[r.Decision.Level] = true
				}
				t.Logf("%d of %d decisions equal, %d levels, %d records", rep.Equal, rep.N, len(levels), len(tr.Records))
				if spec == "slack" && len(levels) < 2 {
					t.Error("the policy never switched, so the test shows nothing")
				}
				if !bytes.Equal(file, recorded(t, spec, arrivals)) {
					t.Error("the same run gives other bytes")
				}
			})
		}
	}
}

// recorded returns the trace of a noisy run.
func recorded(t *testing.T, spec string, arrivals runner.Arrivals) []byte {
	t.Helper()
	fx := newFixture(t)
	for i, s := range fx.sessions {
		s.takes = noise(time.Duration(i+1)*10*ms, uint64(i))
	}
	fx.cfg.Policy = bundle.Policy{Spec: spec}
	fx.cfg.Arrivals, fx.cfg.Requests, fx.cfg.Seed = arrivals, 300, 5
	fx.cfg.Limit, fx.cfg.Deadline, fx.cfg.MinAccuracy = 33*ms, 60*ms, 0.76
	if arrivals != runner.ClosedLoop {
		fx.cfg.Period = 22 * ms
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
	if _, err := runner.Run(t.Context(), fx.cfg); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
