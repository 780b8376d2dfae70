package trace_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// record runs a policy on requests that come every 50 ms with 60 ms to the deadline, on one
// processor whose latencies are the table's until request 100 and half as long again from then on. An Exit
// refuses the rest, as the runner does.
func record(t *testing.T, spec string, params map[string]string, n int64) *trace.Trace {
	t.Helper()
	tr := &trace.Trace{Name: "run.csv", Header: header(t)}
	tr.Header.Policy, tr.Header.Params = spec, params
	m, err := policy.NewModel(&tr.Header.Family)
	if err != nil {
		t.Fatal(err)
	}
	p, err := policy.New(spec, params, m)
	if err != nil {
		t.Fatal(err)
	}
	arrival := func(i int64) time.Duration { return time.Duration(i) * 50 * time.Millisecond }
	rng := rand.New(rand.NewPCG(5, 5))
	level, processor := -1, -1
	var free time.Duration
	ended := false
	for i := range n {
		now := max(free, arrival(i))
		r := trace.Record{Request: i, Arrival: arrival(i), Deadline: arrival(i) + 60*time.Millisecond, Start: now, End: now}
		if ended {
			r.Outcome, r.Decision = trace.Refused, policy.Decision{Action: policy.Exit, Reason: "ended"}
			tr.Records = append(tr.Records, r)
			continue
		}
		o := policy.Observation{Now: now, Level: level, Processor: processor, Limit: 60 * time.Millisecond, MinAccuracy: 0.76}
		for j := i; j < n && arrival(j) <= now; j++ {
			if o.Waiting++; len(o.Queue) < policy.MaxQueue {
				o.Queue = append(o.Queue, policy.Request{ID: j, Arrival: arrival(j), Deadline: arrival(j) + 60*time.Millisecond})
			}
		}
		r.Observation, r.Decision = o, p.Decide(&o)
		switch r.Decision.Action {
		case policy.Exit:
			ended, r.Outcome = true, trace.Refused
		case policy.Drop:
			r.Outcome = trace.Dropped
		default:
			factor := 0.9 + 0.2*rng.Float64()
			if i >= 100 {
				factor *= 1.5
			}
			level, processor = r.Decision.Level, r.Decision.Processor
			r.End = now + time.Duration(float64(m.Levels[level].Latency[processor])*factor)
			free = r.End
			if r.Outcome = trace.OnTime; r.End > r.Deadline {
				r.Outcome = trace.Late
			}
			if i%37 == 5 { // a failed inference takes time, but is not reported
				r.Outcome = trace.Failed
				break
			}
			c, _ := r.Completion()
			p.Observe(c)
		}
		tr.Records = append(tr.Records, r)
	}
	return tr
}

// Every policy repeats its recorded decisions after a trip through the file.
func TestReplay(t *testing.T) {
	for _, c := range []struct {
		spec   string
		params map[string]string
		asked  func(n int) bool
	}{
		{"static:2", nil, func(n int) bool { return n == 600 }},
		{"slack", nil, func(n int) bool { return n == 600 }},
		{"slack", map[string]string{"margin": "20%"}, func(n int) bool { return n == 600 }},
		{"ladder", nil, func(n int) bool { return n < 600 }}, // leaves service: the test of not asking
		{"ladder", map[string]string{"initial_level": "1", "window": "3", "warmup": "0"}, func(n int) bool { return n <= 600 }},
	} {
		recorded := record(t, c.spec, c.params, 600)
		tr, err := trace.Read("run.csv", strings.NewReader(text(t, recorded)))
		if err != nil {
			t.Fatal(err)
		}
		report, err := trace.Replay(tr)
		if err != nil || report.Equal != report.N || report.First != nil || report.N+report.NotAsked != 600 || !c.asked(report.N) {
			t.Errorf("%s %v: %+v, %v; want all equal", c.spec, c.params, report, err)
		}
	}
}

// A changed decision is found, with its line; it does not disturb the others unless the policy
// remembers what it decided.
func TestReplayDifference(t *testing.T) {
	tr := record(t, "static:2", nil, 50)
	recorded := policy.Decision{Action: policy.Serve, Level: 3, Reason: policy.ReasonStatic}
	tr.Records[17].Decision = recorded
	tr.Records[30].Decision.Reason = "other"
	report, err := trace.Replay(tr)
	if err != nil {
		t.Fatal(err)
	}
	want := trace.Difference{Record: 18, Line: 20, Request: 17, Recorded: recorded,
		Replayed: policy.Decision{Action: policy.Serve, Level: 2, Reason: policy.ReasonStatic}}
	if report.N != 50 || report.Equal != 48 || report.First == nil || *report.First != want {
		t.Errorf("report %+v, first %+v; want %+v", report, report.First, want)
	}
	if line := lines(text(t, tr))[want.Line-1]; !strings.HasPrefix(line, "17,") {
		t.Errorf("line %d is %q, want that of request 17", want.Line, line)
	}
}

// Decisions of the caller are not compared, but what came of them is shown to the policy.
func TestReplayOverridden(t *testing.T) {
	tr := record(t, "ladder", nil, 60)
	tr.Records[3].Decision.Reason = trace.OverridePrefix + "safe-level"
	tr.Records[3].Decision.Level = 0
	report, err := trace.Replay(tr)
	if err != nil || report.Overridden != 1 || report.N != 59 {
		t.Fatalf("%+v, %v", report, err)
	}
}

// What-if: another policy on the recorded observations.
func TestReplayWith(t *testing.T) {
	tr := record(t, "static:2", nil, 50)
	report, err := trace.ReplayWith(tr, "static:4", nil)
	if err != nil || report.N != 50 || report.Equal != 0 || report.First.Replayed.Level != 4 {
		t.Errorf("%+v, %v", report, err)
	}
	for _, spec := range []string{"", "nonsense", "static:9"} {
		if _, err := trace.ReplayWith(tr, spec, nil); err == nil || !strings.Contains(err.Error(), "trace: run.csv: replay: ") {
			t.Errorf("policy %q: error %v", spec, err)
		}
	}
}

// Completions reach the policy in order of end, then request, before the first decision that is not
// before them, whatever the order of the records. The ladder is the witness: it goes down once 20
// slow latencies are in its window, and those of 90 ms and more do not count, so it tells apart when
// the last one arrived.
func TestReplayOrder(t *testing.T) {
	tr := record(t, "static:4", nil, 1)
	first := tr.Records[0]
	tr.Header.Policy, tr.Header.Params = "ladder", map[string]string{"warmup": "0", "window": "1"}
	tr.Records = nil
	at := func(i int64, now, start, end time.Duration, level int) {
		r := first
		r.Request, r.Arrival, r.Deadline = i, 0, 0
		r.Observation.Now, r.Observation.Queue, r.Observation.Waiting = now, []policy.Request{{ID: i}}, 1
		r.Observation.MinAccuracy = 0
		r.Start, r.End = start, end
		r.Decision = policy.Decision{Action: policy.Serve, Level: level, Reason: policy.ReasonStay}
		if level < 4 {
			r.Decision.Reason = policy.ReasonTooSlow
		}
		tr.Records = append(tr.Records, r)
	}
	const ms = time.Millisecond
	at(0, 0, 0, 10*ms, 4)               // the first image of a process is never taken: i = 0 <= warmup
	at(1, 20*ms, 20*ms, 100*ms, 4)      // 80 ms, ends last but is the first image taken: i = 1
	at(2, 21*ms, 25*ms, 99*ms, 4)       // 74 ms, ends before the former: the window holds 80 ms at 100 ms
	at(3, 99*ms-1, 99*ms, 100*ms, 4)    // nothing has ended but request 0
	at(4, 99*ms, 150*ms, 151*ms, 3)     // request 2 ended now: 74 ms > 60 ms
	at(5, 100*ms, 160*ms, 161*ms, 3)    // requests 1 and 3 end now, but at level 4: not seen at level 3
	at(6, 1000*ms, 1000*ms, 1001*ms, 3) // nothing slow at level 3
	tr.Records[6].Decision.Reason = policy.ReasonStay
	tr.Records[5].Decision.Reason = policy.ReasonStay
	report, err := trace.Replay(tr)
	if err != nil || report.Equal != 7 {
		t.Errorf("%+v, %v, first difference %v", report, err, report.First)
	}
}
