package policy_test

import (
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// pairModel has three levels on a CPU, and on a GPU that is more than twice as fast.
func pairModel() *policy.Model {
	m := &policy.Model{Processors: []string{"cpu", "gpu"}}
	for i := range 3 {
		m.Levels = append(m.Levels, policy.LevelModel{Accuracy: unit.Accuracy(0.70 + 0.05*float64(i)), Latency: []time.Duration{time.Duration(24*(i+1)) * ms, time.Duration(10*(i+1)) * ms}})
	}
	return m
}

// alone plays lone requests, one every 100 ms, due after 40 ms, which only the GPU serves at the top level. gpu says what its nth
// inference takes of what is predicted. It returns on which processor each was served.
func alone(t *testing.T, n int, gpu func(n int) float64) []int {
	t.Helper()
	m := pairModel()
	p := mustNew(t, "qdp", nil, m)
	var served []int
	runs := 0
	at := time.Duration(0)
	for i := range n {
		o := waiting(at, 0, 40*ms)
		o.Queue[0] = policy.Request{ID: int64(i), Arrival: at, Deadline: at + 40*ms}
		d := p.Decide(o)
		if d.Action != policy.Serve {
			t.Fatalf("request %d: %v", i, d)
		}
		took := m.Levels[d.Level].Latency[d.Processor]
		if d.Processor == 1 {
			took = time.Duration(float64(took) * gpu(runs))
			runs++
		}
		served = append(served, d.Processor)
		p.Observe(policy.Completion{Request: int64(i), Level: d.Level, Processor: d.Processor, Start: at, End: at + took, Deadline: at + 40*ms})
		at = max(at+100*ms, at+took)
	}
	return served
}

// TestOutlierIsForgiven: after one inference of the GPU that took a second the CPU serves for about as long again, then the GPU does.
func TestOutlierIsForgiven(t *testing.T) {
	served := alone(t, 100, func(n int) float64 {
		if n == 20 {
			return 33
		}
		return 1
	})
	for i, p := range served {
		// Request 20 comes at 2 s and takes 33 x 30 ms, so that request 21 comes at 2.99 s and request 31 is the first after 3.98 s.
		if want := i <= 20 || i >= 31; want != (p == 1) {
			t.Errorf("request %d is served on processor %d", i, p)
		}
	}
}

// TestSlowProcessorIsTriedSeldom: a GPU that has become twenty times as slow is tried a few times in a minute only, and is back soon after it
// has recovered.
func TestSlowProcessorIsTriedSeldom(t *testing.T) {
	slow := 0
	served := alone(t, 1200, func(n int) float64 {
		if n >= 20 && slow < 5 {
			slow++
			return 20
		}
		return 1
	})
	tried, last := 0, 0
	for i, p := range served[20:] {
		if p == 1 {
			tried++
			if tried == 5 {
				last = i
			}
		}
	}
	// Five slow inferences: two until it counts as a change, then one or two for every 64 x 0.6 s, which are 384 requests.
	if last < 300 || tried < 100 {
		t.Errorf("the fifth slow inference is %d requests after the first; tried %d times", last, tried)
	}
}
