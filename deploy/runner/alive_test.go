package runner_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
)

// The loop says that it goes on while it serves, sleeps and waits for a policy, and says nothing while an inference hangs.
func TestAlive(t *testing.T) {
	for _, name := range []string{"serving", "sleeping", "the policy waits", "an inference hangs"} {
		fx := newFixture(t)
		hang := time.Duration(0)
		switch name {
		case "sleeping":
			fx.cfg.Arrivals, fx.cfg.Period, fx.cfg.Requests = runner.Periodic, 3*time.Second, 4
		case "the policy waits":
			fx.cfg.Requests = 2
			fx.use(&scripted{decide: func(n int, o *policy.Observation) policy.Decision {
				if n == 1 {
					return policy.Decision{Action: policy.Wait, Until: o.Now + 5*time.Second, Reason: "later"}
				}
				return policy.Decision{Action: policy.Serve, Reason: "now"}
			}})
		case "an inference hangs":
			hang = time.Minute
			fx.sessions[1].onRun = func(n int) error {
				if n == 7 {
					fx.clock.now += hang
				}
				return nil
			}
		}
		var times []time.Duration
		var last runner.Progress
		fx.cfg.AliveEvery = 100 * ms
		fx.cfg.Alive = func(p runner.Progress) { times, last = append(times, fx.clock.now), p }
		rep := fx.run(t)
		longest := time.Duration(0)
		for i := range times[1:] {
			d := times[i+1] - times[i]
			if longest = max(longest, d); d < 100*ms {
				t.Errorf("%s: told again after %v", name, d)
			}
		}
		if len(times) < 4 || longest < hang || longest > hang+130*ms {
			t.Errorf("%s: told %d times, at most %v apart", name, len(times), longest)
		}
		if last.Requests == 0 || last.Requests > rep.Requests || last.OnTime > last.Requests {
			t.Errorf("%s: %+v of %d requests", name, last, rep.Requests)
		}
	}
}

// Nobody asks anything, and still the loop is alive.
func TestAliveWhileIdle(t *testing.T) {
	fx := newFixture(t)
	fx.cfg.Clock, fx.cfg.Pictures, fx.cfg.Inbox = nil, nil, runner.NewInbox(1, nil)
	for _, s := range fx.sessions {
		s.takes = nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var told atomic.Int64
	fx.cfg.AliveEvery = ms
	fx.cfg.Alive = func(p runner.Progress) {
		if p.Level != -1 || p.Requests != 0 {
			t.Errorf("%+v", p)
		}
		if told.Add(1) == 5 {
			fx.cfg.Inbox.Close()
		}
	}
	rep, err := runner.Run(ctx, fx.cfg)
	if err != nil || rep.Ended != "drained" || told.Load() < 5 {
		t.Errorf("told %d times; %+v, %v", told.Load(), rep, err)
	}
}
