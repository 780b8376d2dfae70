package trace_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// concurrent is a trace of a batch of three on one processor and a single request beside it on another.
func concurrent(t testing.TB) *trace.Trace {
	tr := &trace.Trace{Header: header(t)}
	tr.Header.Concurrent = true
	for i := range tr.Header.Family.Levels {
		tr.Header.Family.Levels[i].Latencies[0].Batches = []unit.Nanoseconds{100, 140}
	}
	var queue []policy.Request
	for i := range int64(4) {
		queue = append(queue, policy.Request{ID: i, Arrival: time.Duration(i), Deadline: time.Duration(i) + 150})
	}
	for i, q := range queue {
		r := trace.Record{
			Request: q.ID, Arrival: q.Arrival, Deadline: q.Deadline,
			Observation: policy.Observation{Now: 5, Level: -1, Processor: -1},
			Decision:    policy.Decision{Action: policy.Serve, Level: 2, Batch: 3, Reason: "plan"},
			Start:       11, End: 151, Outcome: trace.OnTime,
		}
		switch i {
		case 0:
			r.Observation.Queue, r.Observation.Waiting, r.Outcome = queue, 4, trace.Late
		case 3:
			r.Observation = policy.Observation{Now: 6, Level: 2, Busy: 1, Queue: queue[3:], Waiting: 1}
			r.Decision = policy.Decision{Action: policy.Serve, Processor: 1, Reason: "plan"}
			r.Start, r.End = 6, 16
		}
		tr.Records = append(tr.Records, r)
	}
	return tr
}

func TestConcurrent(t *testing.T) {
	tr := concurrent(t)
	file := text(t, tr)
	if rows := lines(file); !strings.Contains(rows[1], ",last_processor,busy,waiting,") || !strings.Contains(rows[1], ",processor,batch,reason,") ||
		rows[3] != "1,1,151,5,-1,-1,0,0,0,0,,serve,2,0,3,plan,11,151,on-time\n" {
		t.Errorf("written as\n%s", file)
	}
	got, err := trace.Read("", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tr.Records, got.Records); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	told := 0
	for i := range got.Records {
		if c, ok := got.Records[i].Completion(); ok {
			told++
			if c.Batch != got.Records[i].Decision.Batch {
				t.Errorf("completion %+v", c)
			}
		}
	}
	if told != 2 {
		t.Errorf("%d completions of two inferences", told)
	}
}

func TestConcurrentErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*trace.Trace)
		message string
	}{
		"header":        {func(tr *trace.Trace) { tr.Header.Concurrent = false }, "does not say concurrent"},
		"busy":          {func(tr *trace.Trace) { tr.Records[3].Observation.Busy = 4 }, "busy processors"},
		"on a busy one": {func(tr *trace.Trace) { tr.Records[3].Observation.Busy = 2 }, "processor 1 is busy"},
		"too large":     {func(tr *trace.Trace) { tr.Records[0].Decision.Batch = 4 }, "batch 4"},
		"not in view": {func(tr *trace.Trace) {
			tr.Records[0].Observation.Queue, tr.Records[0].Observation.Waiting = tr.Records[0].Observation.Queue[:2], 2
		}, "in view"},
		"another end":      {func(tr *trace.Trace) { tr.Records[1].End++ }, "decision, start or end"},
		"another decision": {func(tr *trace.Trace) { tr.Records[2].Decision.Level = 1 }, "decision, start or end"},
		"another request":  {func(tr *trace.Trace) { tr.Records[1], tr.Records[2] = tr.Records[2], tr.Records[1] }, "not the next"},
		"asked":            {func(tr *trace.Trace) { tr.Records[1].Observation.Queue = tr.Records[3].Observation.Queue }, "the queue shows"},
		"another time":     {func(tr *trace.Trace) { tr.Records[1].Observation.Now++ }, "another observation"},
		"half failed":      {func(tr *trace.Trace) { tr.Records[1].Outcome = trace.Failed }, "outcome failed"},
		"left out":         {func(tr *trace.Trace) { tr.Records = append(tr.Records[:2], tr.Records[3]) }, "another observation"},
		"wait":             {func(tr *trace.Trace) { tr.Records[3].Decision = policy.Decision{Action: policy.Wait, Reason: "busy"} }, "does not follow"},
	} {
		tr := concurrent(t)
		c.change(tr)
		if _, err := tr.WriteTo(new(bytes.Buffer)); err == nil || !strings.Contains(err.Error(), c.message) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.message)
		}
	}
}
