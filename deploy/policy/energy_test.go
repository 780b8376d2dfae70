package policy_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// clockedModel has the paper's six levels at three clock steps; an inference takes 5 W times its latency at the top, and half
// the energy in twice the time at the first.
func clockedModel(t testing.TB) *policy.Model {
	m := paperModel(t)
	m.Clocks = []policy.ClockModel{{Steps: []unit.Hertz{5e8, 8e8, 1e9}, Effect: 5 * ms}}
	for i := range m.Levels {
		l := &m.Levels[i]
		one := l.Latency[0]
		l.Points = [][]policy.PointModel{{
			{Latency: 2 * one, Energy: unit.Joules(2.5 * one.Seconds())}, {Latency: one * 5 / 4, Energy: unit.Joules(4 * one.Seconds())}, {Latency: one, Energy: unit.Joules(5 * one.Seconds())},
		}}
	}
	return m
}

// Without a price on energy operating points change nothing; without operating points there is no price.
func TestEnergyOff(t *testing.T) {
	plain, clocked := mustNew(t, "qdp", nil, paperModel(t)), mustNew(t, "qdp", nil, clockedModel(t))
	now := time.Duration(0)
	for i := range 400 {
		o := waiting(now, 150*ms, now+time.Duration(i%7)*20*ms, now+120*ms)
		d := plain.Decide(o)
		if e := clocked.Decide(o); d != e {
			t.Fatalf("decision %d: %v, with operating points %v", i, d, e)
		}
		c := policy.Completion{Level: d.Level, Start: now, End: now + 40*ms + time.Duration(i%5)*ms}
		plain.Observe(c)
		clocked.Observe(c)
		now = c.End + 60*ms
	}
	if g := clocked.(policy.Governed).Governor(); g != "" {
		t.Errorf("governor %q without a price on energy", g)
	}
	if _, err := policy.New("qdp", map[string]string{"energy": "1"}, paperModel(t)); err == nil || !strings.Contains(err.Error(), "no operating points") {
		t.Errorf("error %v", err)
	}
}

// With time to spare the clock goes down as energy gets dearer, before the level does; in a hurry it stays up.
func TestEnergyChoosesClock(t *testing.T) {
	m := clockedModel(t)
	decide := func(price string, slack time.Duration) policy.Decision {
		p := mustNew(t, "qdp", map[string]string{"energy": price}, m)
		if g := p.(policy.Governed).Governor(); g != "userspace" {
			t.Fatalf("governor %q", g)
		}
		now := time.Duration(0)
		var d policy.Decision
		for range 60 { // a request every second
			d = p.Decide(waiting(now, slack, now+slack))
			p.Observe(policy.Completion{Level: d.Level, Clock: d.Clock, Start: now, End: now + m.Levels[d.Level].At(0, d.Clock, 1)})
			now += time.Second
		}
		return d
	}
	for _, tt := range []struct {
		price        string
		slack        time.Duration
		level, clock int
	}{
		{"0.01%", 500 * ms, 5, 1}, // the top level at the slowest clock: in time all the same
		{"300%", 500 * ms, 0, 1},  // 54 mJ between the levels at the slowest clock, for 4.8 points
		{"0.01%", 70 * ms, 5, 3},  // 62.8 ms at the top clock, 78.5 below
		{"40%", 60 * ms, 0, 2},    // the least accurate level in 50.6 ms
	} {
		if d := decide(tt.price, tt.slack); d.Clock != tt.clock || d.Level != tt.level {
			t.Errorf("energy=%s, due in %v: %v, want level %d at step %d", tt.price, tt.slack, d, tt.level, tt.clock)
		}
	}
}

// What is explained is the best clock of each level, and the decision is the best alternative.
func TestExplainClock(t *testing.T) {
	m := clockedModel(t)
	p := mustNew(t, "qdp", map[string]string{"energy": "5%"}, m)
	o := waiting(0, 130*ms, 130*ms, 190*ms)
	all := policy.Explain(p, m, o)
	d := p.Decide(o)
	for _, a := range all {
		if a.Action != policy.Serve {
			continue
		}
		if chosen := a.Level == d.Level; chosen != (a.Value == 0) || chosen && a.Clock != d.Clock {
			t.Errorf("%v, but alternative %+v", d, a)
		}
		if a.Clock > 0 && !math.IsNaN(a.Value) && (a.Margin != 130*ms-a.Latency || a.Latency < m.Levels[a.Level].Latency[0]) {
			t.Errorf("alternative %+v", a)
		}
	}
}
