package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// A batch takes the latency of its size times the noise of its first request, and ends at once for all.
func TestBatch(t *testing.T) {
	f := levelsOf(t, 100*ms)
	f.Levels[0].Latencies[0].Batches = []unit.Nanoseconds{unit.Nanos(150 * ms), unit.Nanos(180 * ms)}
	s := plain(5)
	s.Arrivals, s.Limit = traffic.Periodic{Period: 40 * ms}, 210*ms
	var seen []policy.Completion
	decide := func(o *policy.Observation) policy.Decision {
		d := serve(0)
		if n := min(len(o.Queue), 3); n > 1 {
			d.Batch = n
		}
		return d
	}
	r := run(t, sim.Config{Scenario: s, Family: f, Policy: "script:x", NewPolicy: func(string, map[string]string, *policy.Model) (policy.Policy, error) {
		return &listener{script(decide), &seen}, nil
	}})
	// Request 0 runs alone from 0 to 100 ms; 1 and 2 have come by then (40, 80 ms) and end at 250 ms, on time
	// and on time (250, 290); 3 and 4 (120, 160 ms) end at 400 ms, late (330, 370).
	want := []span{{0, 100 * ms}, {100 * ms, 250 * ms}, {100 * ms, 250 * ms}, {250 * ms, 400 * ms}, {250 * ms, 400 * ms}}
	if d := cmp.Diff(want, spans(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if m := r.Metrics; m.OnTime != 3 || m.Late != 2 || !r.Trace.Header.Concurrent {
		t.Errorf("metrics %+v", m)
	}
	if len(seen) != 3 || seen[0].Batch != 0 || seen[1].Batch != 2 || seen[1].Request != 1 || seen[2].End != 400*ms {
		t.Errorf("completions %+v", seen)
	}
	if again, err := trace.Read("", strings.NewReader(string(bytesOf(t, r.Trace)))); err != nil || len(again.Records) != 5 {
		t.Errorf("the trace cannot be read: %v", err)
	}
}

// listener is a script that keeps what it is told.
type listener struct {
	script
	seen *[]policy.Completion
}

func (l *listener) Observe(c policy.Completion) { *l.seen = append(*l.seen, c) }

// cpuBeside returns a family with a CPU that takes twice as long as the GPU.
func cpuBeside(t testing.TB, latencies ...time.Duration) *family.Family {
	f := levelsOf(t, latencies...)
	for i, d := range latencies {
		f.Levels[i].Latencies = append(f.Levels[i].Latencies, family.Latency{
			Processor: "cpu", Latency: unit.Nanos(2 * d), Origin: lut.Modelled, Source: "invented for a test",
		})
	}
	return f
}

// Two processors serve at once, each with its own slow-down and loaded level; the policy sees which is busy.
func TestTwoProcessors(t *testing.T) {
	s := plain(4)
	s.Arrivals = traffic.Periodic{Period: 10 * ms}
	s.Disturbances = []traffic.Disturbance{{Processor: "cpu", Profile: traffic.Profile{{At: 0, Slowdown: 1.5}}}}
	s.SwitchTimes = map[string]time.Duration{"script": 5 * ms}
	var busy []uint64
	c := sim.Config{
		Scenario: s, Family: cpuBeside(t, 40*ms, 50*ms), Processors: []string{"gpu", "cpu"}, Policy: "script:x",
		NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
			busy = append(busy, o.Busy)
			d := serve(int(o.Queue[0].ID) % 2)
			if o.Busy == 1 {
				d.Processor = 1
			}
			return d
		}),
	}
	r := run(t, c)
	// 0 on the GPU at level 0: 0 to 40. 1 on the CPU at level 1: 10 + 5 for the switch, 50*2*1.5 = 150: to 165.
	// 2 waits for the GPU, at level 0 again: 40 to 80; 3 at level 1: 80 + 5 to 135.
	want := []span{{0, 40 * ms}, {15 * ms, 165 * ms}, {40 * ms, 80 * ms}, {85 * ms, 135 * ms}}
	if d := cmp.Diff(want, spans(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if d := cmp.Diff([]uint64{0, 1, 2, 2}, busy); d != "" {
		t.Errorf("busy (-want +got):\n%s", d)
	}
	// A policy of one processor waits for it, and repeats its decisions.
	c.NewPolicy, c.Policy = nil, "static:1"
	r = run(t, c)
	report, err := trace.Replay(r.Trace)
	if err != nil || report.N != 4 || report.Equal != 4 {
		t.Errorf("replay %+v, error %v", report, err)
	}
	if r.Trace.Records[3].Start != 150*ms { // 50 each
		t.Errorf("the last starts at %v", r.Trace.Records[3].Start)
	}
}

// A policy that waits is asked at the time that it says, or when a request arrives before.
func TestWait(t *testing.T) {
	s := plain(3)
	s.Arrivals = traffic.Periodic{Period: 100 * ms}
	var asked []time.Duration
	r := run(t, sim.Config{Scenario: s, Family: levelsOf(t, 10*ms), Policy: "script:x", NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
		asked = append(asked, o.Now)
		if until := o.Queue[0].Arrival + 150*ms; o.Now < until {
			return policy.Decision{Action: policy.Wait, Until: until, Reason: "test"}
		}
		return serve(0)
	})})
	want := []span{{150 * ms, 160 * ms}, {250 * ms, 260 * ms}, {350 * ms, 360 * ms}}
	if d := cmp.Diff(want, spans(r)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	times := []time.Duration{0, 100 * ms, 150 * ms, 160 * ms, 200 * ms, 250 * ms, 260 * ms, 350 * ms}
	if d := cmp.Diff(times, asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
}

// A policy that answers nonsense about batches, processors and waiting is named.
func TestConcurrentNonsense(t *testing.T) {
	for message, d := range map[string]policy.Decision{
		"batch 3 is neither":  {Action: policy.Serve, Batch: 3, Reason: "test"},
		"requests in view":    {Action: policy.Serve, Batch: 2, Reason: "test"},
		"there is none":       {Action: policy.Wait, Reason: "test"},
		"which is not after":  {Action: policy.Wait, Until: -1 + 1<<20, Reason: "test"},
		"comes with a time":   {Action: policy.Serve, Until: 1, Reason: "test"},
		"processor 1 is busy": {Action: policy.Serve, Processor: 1, Reason: "test"},
	} {
		f := cpuBeside(t, 600*ms)
		for i := range f.Levels[0].Latencies {
			f.Levels[0].Latencies[i].Batches = []unit.Nanoseconds{1e6}
		}
		_, err := sim.Run(t.Context(), sim.Config{
			Scenario: plain(3), Family: f, Processors: []string{"gpu", "cpu"}, Policy: "script:x",
			NewPolicy: scripted(func(o *policy.Observation) policy.Decision {
				if o.Now > 0 || message == "there is none" || d.Processor == 0 && d.Action == policy.Serve {
					return d
				}
				return policy.Decision{Action: policy.Serve, Processor: 1, Reason: "test"}
			}),
		})
		if err == nil || !strings.Contains(err.Error(), message) || !strings.Contains(err.Error(), `policy "script:x"`) {
			t.Errorf("error %v, want one with %q", err, message)
		}
	}
	if err := (sim.Config{Scenario: plain(1), Family: paper(t), Processors: []string{"gpu", "gpu"}, Policy: "static:0"}).Validate(); err == nil {
		t.Error("a processor twice is accepted")
	}
}

// TestReplayArrivalsOnSeveralProcessors: what arrived at two processors is simulated on both, and ends as it did.
func TestReplayArrivalsOnSeveralProcessors(t *testing.T) {
	s := plain(20)
	s.Arrivals = traffic.Periodic{Period: 20 * ms}
	first := func(o *policy.Observation) policy.Decision {
		d := serve(0)
		d.Processor = int(o.Busy & 1) // the GPU if it is free
		return d
	}
	want := run(t, sim.Config{Scenario: s, Family: both(t), Processors: []string{"gpu", "cpu"}, Policy: "script", NewPolicy: scripted(first)}).Trace
	got, err := sim.ReplayArrivals(t.Context(), want, sim.Config{NewPolicy: scripted(first)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Records, got.Trace.Records); d != "" {
		t.Error(d)
	}
}
