package policy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// A plan uses the clock steps that can be had, and no others: what the top clock would do in time is not believed of a slower one.
func TestStepsBoundPlans(t *testing.T) {
	m := clockedModel(t)
	for name, c := range map[string]struct {
		steps        []policy.StepRange
		slack        time.Duration
		level, clock int
	}{
		// 62.8 ms of the most accurate level at the top clock, 78.5 at the second, 125.6 at the first; 41.2, 51.5 and 82.4 of the least accurate.
		"all":            {nil, 70 * ms, 5, 3},
		"all, said":      {[]policy.StepRange{{}}, 70 * ms, 5, 3},
		"none but the 2": {[]policy.StepRange{{Low: 2, High: 2}}, 85 * ms, 5, 2},
		"up to 2":        {[]policy.StepRange{{Low: 1, High: 2}}, 85 * ms, 5, 2},
		"from 2":         {[]policy.StepRange{{Low: 2, High: 3}}, 500 * ms, 5, 2},
		"only 1":         {[]policy.StepRange{{Low: 1, High: 1}}, 100 * ms, 2, 1},
	} {
		p := mustNew(t, "qdp", map[string]string{"energy": "0.01%"}, m)
		now := time.Duration(0)
		var d policy.Decision
		for range 60 {
			o := waiting(now, c.slack, now+c.slack)
			o.Steps = c.steps
			d = p.Decide(o)
			if err := d.Answers(m, o); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			p.Observe(policy.Completion{Level: d.Level, Clock: d.Clock, Start: now, End: now + m.Levels[d.Level].At(0, d.Clock, 1)})
			now += time.Second
		}
		if d.Level != c.level || d.Clock != c.clock {
			t.Errorf("%s: %v, want level %d at step %d", name, d, c.level, c.clock)
		}
	}
}

// An inference that ran at another clock than was asked for is no slow-down: the next plans do not reckon with one.
func TestCompletionAtAnotherClock(t *testing.T) {
	m := clockedModel(t)
	p := mustNew(t, "qdp", map[string]string{"energy": "0.01%"}, m)
	now := time.Duration(0)
	var d policy.Decision
	for i := range 100 {
		d = p.Decide(waiting(now, 70*ms, now+70*ms)) // wants the top clock
		clock := d.Clock
		if i < 50 { // stuck at the first
			clock = 1
		}
		p.Observe(policy.Completion{Level: d.Level, Clock: clock, Start: now, End: now + m.Levels[d.Level].At(0, clock, 1)})
		now += time.Second
	}
	if d.Level != 5 || d.Clock != 3 {
		t.Errorf("after the clock is free again: %v", d)
	}
	o := waiting(now, 70*ms, now+70*ms)
	o.Steps = []policy.StepRange{{Low: 1, High: 2}}
	err := policy.Decision{Action: policy.Serve, Clock: 3, Reason: "x"}.Answers(m, o)
	if err == nil || !strings.Contains(err.Error(), "clock step 3 cannot be had, only 1 to 2") {
		t.Errorf("error %v", err)
	}
}
