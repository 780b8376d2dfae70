package sim_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

const ms = time.Millisecond

func paper(t testing.TB) *family.Family {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// levelsOf returns the paper's family with other latencies, one level for each.
func levelsOf(t testing.TB, latencies ...time.Duration) *family.Family {
	t.Helper()
	f := paper(t)
	f.Levels = f.Levels[:len(latencies)]
	for i, d := range latencies {
		f.Levels[i].Latencies[0].Latency = unit.Nanos(d)
	}
	return f
}

func builtin(t testing.TB, name string) *traffic.Scenario {
	t.Helper()
	s, err := traffic.Builtin(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t testing.TB, c sim.Config) *sim.Result {
	t.Helper()
	r, err := sim.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bytesOf returns a trace as its file.
func bytesOf(t testing.TB, tr *trace.Trace) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := trace.NewWriter(&b, tr.Header)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range tr.Records {
		if err := w.Write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// script is a policy that does what a function says.
type script func(o *policy.Observation) policy.Decision

func (s script) Spec() string                                 { return "script" }
func (s script) Decide(o *policy.Observation) policy.Decision { return s(o) }
func (s script) Observe(policy.Completion)                    {}

// scripted returns a NewPolicy that builds it and takes no parameters but those named.
func scripted(decide script) func(string, map[string]string, *policy.Model) (policy.Policy, error) {
	return func(_ string, params map[string]string, _ *policy.Model) (policy.Policy, error) {
		for name := range params {
			return nil, &unknownParameter{name}
		}
		return decide, nil
	}
}

type unknownParameter struct{ name string }

func (e *unknownParameter) Error() string { return "parameter " + e.name + " is unknown" }

func serve(level int) policy.Decision {
	return policy.Decision{Action: policy.Serve, Level: level, Reason: "test"}
}

func request(id int64, arrival time.Duration) policy.Request {
	return policy.Request{ID: id, Arrival: arrival}
}
