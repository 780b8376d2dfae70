package trace_test

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// header returns a header with a family of six levels on two processors; the second one's latencies
// are invented.
func header(t testing.TB) trace.Header {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	for i := range f.Levels {
		f.Levels[i].Latencies = append(f.Levels[i].Latencies, family.Latency{
			Processor: "cpu", Latency: unit.Milliseconds(100 * float64(i+1)), Origin: lut.Modelled, Source: "invented for a test",
		})
	}
	return trace.Header{
		Version: trace.FormatVersion, Program: "dynofa <test> & \"co\"", Kind: trace.Simulated, Policy: "slack",
		Params: map[string]string{"margin": "5%", "patience": "4"}, Scenario: "fig7", Seed: math.MaxUint64,
		Notes: []string{"accuracy is a stand-in", "é\u2028"}, Family: *f,
	}
}

// number returns a random size: often small, sometimes the largest.
func number(rng *rand.Rand) int64 {
	if rng.IntN(20) == 0 {
		return math.MaxInt64
	}
	return rng.Int64() >> rng.IntN(63)
}

// records returns valid records of every kind with arbitrary numbers.
func records(rng *rand.Rand, n int) []trace.Record {
	var out []trace.Record
	var now time.Duration
	outcomes := []trace.Outcome{trace.OnTime, trace.Late, trace.Failed, trace.Dropped, trace.Refused}
	for range n {
		r := trace.Record{Request: number(rng), Arrival: time.Duration(number(rng)), Deadline: time.Duration(number(rng))}
		r.Outcome = outcomes[rng.IntN(len(outcomes))]
		r.Start = time.Duration(number(rng))
		r.End = r.Start + time.Duration(number(rng))%(math.MaxInt64-r.Start+1)
		now += time.Duration(rng.Int64N(1e12))
		o := &r.Observation
		o.Now, o.Level, o.Processor = now, rng.IntN(7)-1, rng.IntN(3)-1
		o.Limit, o.MinAccuracy = time.Duration(number(rng)), unit.Accuracy(rng.Float64())
		if rng.IntN(3) == 0 {
			o.MinAccuracy = unit.Accuracy(rng.IntN(2))
		}
		if r.Outcome != trace.Refused || rng.IntN(2) == 0 {
			o.Waiting = 1 + rng.IntN(2*policy.MaxQueue)
			o.Queue = append(o.Queue, policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline})
			for len(o.Queue) < min(o.Waiting, policy.MaxQueue) {
				o.Queue = append(o.Queue, policy.Request{ID: number(rng), Arrival: time.Duration(number(rng)), Deadline: time.Duration(number(rng))})
			}
		}
		r.Decision.Reason = []policy.Reason{"fits", "a", "runner-safe-level", "0-9"}[rng.IntN(4)]
		switch r.Outcome {
		case trace.Dropped:
			r.Decision.Action = policy.Drop
		case trace.Refused:
			r.Decision.Action = policy.Exit
		default:
			r.Decision.Action, r.Decision.Level, r.Decision.Processor = policy.Serve, rng.IntN(6), rng.IntN(2)
		}
		out = append(out, r)
	}
	return out
}

// text returns what is written for a trace.
func text(t testing.TB, tr *trace.Trace) string {
	t.Helper()
	var b bytes.Buffer
	n, err := tr.WriteTo(&b)
	if err != nil {
		t.Fatal(err)
	}
	if n != int64(b.Len()) {
		t.Fatalf("WriteTo returns %d, wrote %d bytes", n, b.Len())
	}
	return b.String()
}

// small is a trace of three records with round numbers.
func small(t testing.TB) *trace.Trace {
	request := func(i int64) policy.Request {
		return policy.Request{ID: i, Arrival: time.Duration(i) * 100, Deadline: time.Duration(i)*100 + 60}
	}
	tr := &trace.Trace{Header: header(t)}
	for i := range int64(3) {
		q := request(i)
		tr.Records = append(tr.Records, trace.Record{
			Request: i, Arrival: q.Arrival, Deadline: q.Deadline,
			Observation: policy.Observation{Now: q.Arrival, Level: -1, Processor: -1, Queue: []policy.Request{q, request(i + 1)},
				Waiting: 2, Limit: 70, MinAccuracy: 0.76},
			Decision: policy.Decision{Action: policy.Serve, Level: 4, Processor: 1, Reason: "fits"},
			Start:    q.Arrival + 1, End: q.Arrival + 51, Outcome: trace.OnTime,
		})
	}
	return tr
}

// lines returns the lines of a text, each with its line feed.
func lines(s string) []string { return slices.Collect(strings.Lines(s)) }
