package sim_test

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/platform"
)

// clocked plays the paper's GPU family on a Jetson Xavier NX in mode 8.
func clocked(t testing.TB, spec string, params map[string]string, change func(*sim.Config)) *sim.Result {
	t.Helper()
	c := sim.Config{
		Family: paper(t), Policy: spec, Params: params,
		Scenario: &traffic.Scenario{
			Name: "clocks", Family: "paper-gpu6", Processor: "gpu", Arrivals: traffic.Poisson{PerSecond: 8}, Limit: 400 * ms,
			Requests: 800, Seed: 5, Noise: traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.02},
		},
		Board: &platform.Config{Board: xavier(t), Mode: "8"},
	}
	if change != nil {
		change(&c)
	}
	return run(t, c)
}

// The price of a joule buys energy with accuracy and slower clocks, and what is in time stays so.
func TestEnergyPrice(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("long; what runs at once here other tests run too")
	}
	hits, energy := 1.0, math.Inf(1)
	for i, price := range []string{"0", "0.05", "0.3", "2"} {
		r := clocked(t, "qdp", map[string]string{"energy": price, "price": "1"}, nil)
		gpu := r.Platform.Processors[1]
		if (gpu.Transitions > 0) != (i > 0) || (len(gpu.Clocks) > 1) != (i > 0) {
			t.Errorf("energy=%s: %d changes of the clock", price, gpu.Transitions)
		}
		used := float64(r.Platform.Energy.Total)
		if used >= energy || r.Metrics.SLO.Share < hits-0.01 {
			t.Errorf("energy=%s: %.1f J after %.1f, %.2f%% in time after %.2f%%", price, used, energy, 100*r.Metrics.SLO.Share, 100*hits)
		}
		hits, energy = r.Metrics.SLO.Share, used
		var text bytes.Buffer
		if _, err := r.Trace.WriteTo(&text); err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(text.String(), ",clock,reason"); got != (i > 0) {
			t.Errorf("energy=%s: a column for the clock: %v", price, got)
		}
		read, err := trace.Read("clocks.csv", &text)
		if err != nil {
			t.Fatal(err)
		}
		replay, err := trace.Replay(read)
		if err != nil || replay.N != 800 || replay.Equal != replay.N {
			t.Errorf("energy=%s: replay %+v, %v", price, replay, err)
		}
	}
}

// stepper serves at level 5 at clock steps in turn.
type stepper struct{ clocks []int }

func (s *stepper) Spec() string              { return "stepper" }
func (s *stepper) Observe(policy.Completion) {}
func (s *stepper) Governor() string          { return "userspace" }
func (s *stepper) Decide(*policy.Observation) policy.Decision {
	d := policy.Decision{Action: policy.Serve, Level: 5, Clock: s.clocks[0], Reason: "test"}
	s.clocks = s.clocks[1:]
	return d
}

// A clock is in force 5 ms after it was asked for, and stops the processor for 100 us: what an inference takes follows.
func TestClockTakesEffectLate(t *testing.T) {
	clocks := []int{15, 15, 8, 8, 15, 15}
	r := clocked(t, "stepper", nil, func(c *sim.Config) {
		c.Scenario.Noise, c.Scenario.Requests, c.Scenario.Arrivals = traffic.Noise{}, int64(len(clocks)), traffic.Poisson{PerSecond: 1}
		c.NewPolicy = func(_ string, params map[string]string, m *policy.Model) (policy.Policy, error) {
			if len(params) > 0 {
				return nil, errors.New("no parameters")
			}
			if len(m.Clocks[0].Steps) != 15 || m.Clocks[0].Effect != 5*ms {
				t.Errorf("clocks %+v", m.Clocks[0])
			}
			return &stepper{clocks: clocks}, nil
		}
	})
	m, err := policy.NewModel(&r.Trace.Header.Family)
	if err != nil {
		t.Fatal(err)
	}
	at := func(clock int) time.Duration { return m.Levels[5].At(0, clock, 1) }
	stall := xavier(t).Processor("gpu").Stall.Value
	fast, slow, effect := at(15), at(8), 5*ms
	after := func(first, then time.Duration) time.Duration { // effect at the first clock, the rest at the other
		return effect + stall + time.Duration((1-float64(effect)/float64(first))*float64(then))
	}
	want := []time.Duration{fast, fast, after(fast, slow), slow, after(slow, fast), fast}
	for i := range r.Trace.Records {
		rec := &r.Trace.Records[i]
		if got := rec.End - rec.Start; (got - want[i]).Abs() > time.Microsecond {
			t.Errorf("inference %d at step %d took %v, want %v", i, rec.Decision.Clock, got, want[i])
		}
	}
}

// What a policy is told an inference takes is what the board's account of it says.
func TestOperatingPointsAgreeWithTheBoard(t *testing.T) {
	for _, step := range []int{3, 9, 15} {
		r := clocked(t, "stepper", nil, func(c *sim.Config) {
			c.Scenario.Noise, c.Scenario.Requests, c.Scenario.Arrivals = traffic.Noise{}, 50, traffic.Poisson{PerSecond: 1}
			c.NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) {
				return &stepper{clocks: slicesOf(step, 50)}, nil
			}
		})
		each := float64(r.Platform.Energy.Busy+r.Platform.Energy.Memory) / 50
		want := float64(r.Trace.Header.Family.Levels[5].Latencies[0].Points[step-1].Energy)
		if math.Abs(each/want-1) > 0.01 { // the first one begins at the top clock
			t.Errorf("step %d: %.4f J an inference, the policy was told %.4f", step, each, want)
		}
	}
}

func slicesOf(v, n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// A policy that chooses a clock without asking for the governor that allows it is named.
func TestClockWithoutGovernor(t *testing.T) {
	f, err := sim.OperatingPoints(paper(t), &platform.Config{Board: xavier(t), Mode: "8"}, sim.Demand{})
	if err != nil {
		t.Fatal(err)
	}
	c := sim.Config{
		Family: f, Policy: "plain", Board: &platform.Config{Board: xavier(t), Mode: "8"},
		Scenario: &traffic.Scenario{Name: "clocks", Family: "paper-gpu6", Processor: "gpu", Arrivals: traffic.Poisson{PerSecond: 8}, Requests: 3},
		NewPolicy: func(string, map[string]string, *policy.Model) (policy.Policy, error) {
			return struct{ policy.Policy }{&stepper{clocks: []int{3, 3, 3}}}, nil
		},
	}
	if _, err := sim.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), `policy "plain": request 0`) || !strings.Contains(err.Error(), "userspace") {
		t.Errorf("error %v", err)
	}
	c.Board = nil // then the points are the latencies
	r, err := sim.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Trace.Records[0].End-r.Trace.Records[0].Start, f.Levels[5].Latencies[0].Points[2].Latency.Duration(); got != want {
		t.Errorf("without a board an inference at step 3 took %v, want %v", got, want)
	}
}
