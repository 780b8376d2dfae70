package sim_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/platform"
)

// A policy that chooses clocks is told which ones the power mode leaves, when it changes, and chooses among all that come: 1109.25 MHz at
// most in 15 W modes, 803.25 MHz in 10 W modes.
func TestStepsFollowThePowerMode(t *testing.T) {
	const more, less = "MODE_15W_6CORE", "MODE_10W_4CORE"
	for first, then := range map[string]string{more: less, less: more} {
		r := clocked(t, "qdp", map[string]string{"energy": "0.1%", "price": "1"}, func(c *sim.Config) {
			c.Board = &platform.Config{Board: xavier(t), Mode: first}
			c.Scenario.Limit, c.Scenario.Requests, c.Scenario.Duration = 90*ms, 0, 20*time.Second
			c.Scenario.Events = []traffic.Event{{At: 10 * time.Second, Kind: traffic.ModeEvent, Mode: then}}
		})
		steps := r.Trace.Header.Family.Clocks[0].Steps
		high := func(mode string) int { return len(xavier(t).Steps("gpu", xavier(t).Mode(mode))) }
		if !r.Trace.Header.Steps || len(steps) != high(more) || high(more) <= high(less) {
			t.Fatalf("steps %v, %d and %d of them", steps, high(more), high(less))
		}
		var highest []int // that was decided, in either mode
		for i, mode := range []string{first, then} {
			highest = append(highest, 0)
			for k := range r.Trace.Records {
				rec := &r.Trace.Records[k]
				if (rec.Observation.Now >= 10*time.Second) != (i == 1) {
					continue
				}
				if got, want := rec.Observation.Steps, []policy.StepRange{{Low: 1, High: uint8(high(mode))}}; !slices.Equal(got, want) {
					t.Fatalf("%v in mode %s: %v can be had, want %v", rec.Observation.Now, mode, got, want)
				}
				highest[i] = max(highest[i], rec.Decision.Clock)
			}
		}
		if highest[0] != high(first) || highest[1] != high(then) {
			t.Errorf("from %s to %s the highest steps are %v", first, then, highest)
		}
		var text bytes.Buffer
		if _, err := r.Trace.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		tr, err := trace.Read("modes.csv", &text)
		if err != nil {
			t.Fatal(err)
		}
		if replay, err := trace.Replay(tr); err != nil || replay.Equal != replay.N || replay.N != len(tr.Records) {
			t.Errorf("replay %+v, %v", replay, err)
		}
	}
}

// Heat takes clock steps away, and the policy is told.
func TestStepsFollowHeat(t *testing.T) {
	r := clocked(t, "qdp", map[string]string{"energy": "0.1%", "price": "1"}, func(c *sim.Config) {
		c.Scenario.Limit, c.Scenario.Requests, c.Scenario.Duration = 90*ms, 0, 6*time.Minute
		c.Scenario.Arrivals = traffic.Poisson{PerSecond: 5}
		c.Scenario.Events = []traffic.Event{{Kind: traffic.AmbientEvent, Ambient: 95}}
	})
	least := uint8(15)
	for i := range r.Trace.Records {
		rec := &r.Trace.Records[i]
		s := rec.Observation.Steps[0]
		least = min(least, s.High)
		if rec.Decision.Action == policy.Serve && rec.Decision.Clock > int(s.High) {
			t.Fatalf("step %d of %d was decided", rec.Decision.Clock, s.High)
		}
	}
	if least == 15 || r.Platform.Processors[1].Throttled == 0 {
		t.Errorf("at least %d steps could be had, throttled %v, peak %v, down %q", least, r.Platform.Processors[1].Throttled, r.Platform.Peak, r.Platform.Down)
	}
}

// A run at several clocks speaks for all of them: what was recorded is taken for so many times what the operating point says.
func TestCalibrationAcrossClocks(t *testing.T) {
	f, err := sim.OperatingPoints(paper(t), &platform.Config{Board: xavier(t), Mode: "8"}, sim.Demand{})
	if err != nil {
		t.Fatal(err)
	}
	s := &traffic.Scenario{
		Name: "device", Family: "paper-gpu6", Processor: "gpu", Limit: 250 * ms, Requests: 2000, Arrivals: traffic.Poisson{PerSecond: 6},
		Noise: traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.05}, Disturbances: []traffic.Disturbance{{Processor: "gpu", Profile: traffic.Profile{{Slowdown: 1.3}}}},
	}
	device := run(t, sim.Config{Scenario: s, Family: f, Policy: "qdp", Params: map[string]string{"energy": "20%"}}).Trace
	c, err := sim.Calibrate(device)
	if err != nil {
		t.Fatal(err)
	}
	other := device.Header.Family.Levels[5].Latencies[0].Points
	for _, clock := range []int{3, 15} {
		r, err := sim.ReplayArrivals(t.Context(), device, sim.Config{Calibration: c, Policy: "stepper", NewPolicy: func(string, map[string]string, *policy.Model) (policy.Policy, error) {
			return &stepper{clocks: slicesOf(clock, 2000)}, nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		sum := time.Duration(0)
		for i := range r.Trace.Records {
			sum += r.Trace.Records[i].End - r.Trace.Records[i].Start
		}
		if got, want := float64(sum)/2000, 1.3*float64(other[clock-1].Latency); got < 0.97*want || got > 1.03*want {
			t.Errorf("step %d: %v on average, want %v", clock, time.Duration(got), time.Duration(want))
		}
	}
	steps := map[int]bool{}
	for i := range device.Records {
		steps[device.Records[i].Decision.Clock] = true
	}
	if len(steps) < 3 {
		t.Errorf("the recording has steps %v", steps)
	}
}
