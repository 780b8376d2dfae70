package sim_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// play runs a scenario text under a policy.
func play(t *testing.T, text, policy string) (*sim.Result, error) {
	t.Helper()
	s, err := traffic.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	return sim.Run(context.Background(), sim.Config{Scenario: s, Family: f, Policy: policy})
}

const poissonHead = "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: poisson, rate: 10/s}\nlimit: 100ms\naccuracy: 75%\nduration: 30s\n"

// Steps of the deadline and of the accuracy floor reach requests that arrive, and observations, from then on.
func TestLimitAndAccuracySteps(t *testing.T) {
	r, err := play(t, poissonHead+"events:\n- {at: 10s, kind: limit, to: 200ms}\n- {at: 15s, kind: accuracy, to: 77%}\n- {at: 20s, kind: limit, to: 0s}\n", "slack")
	if err != nil {
		t.Fatal(err)
	}
	for _, rec := range r.Trace.Records {
		limit := 100 * time.Millisecond
		switch {
		case rec.Arrival >= 20*time.Second:
			limit = 0
		case rec.Arrival >= 10*time.Second:
			limit = 200 * time.Millisecond
		}
		if want := rec.Arrival + limit; limit > 0 && rec.Deadline != want || limit == 0 && rec.Deadline != 0 {
			t.Errorf("request %d arrives at %v and is due at %v", rec.Request, rec.Arrival, rec.Deadline)
		}
		if want := map[bool]float64{false: 0.75, true: 0.77}[rec.Observation.Now >= 15*time.Second]; float64(rec.Observation.MinAccuracy) != want {
			t.Errorf("at %v the accuracy asked for is %v", rec.Observation.Now, rec.Observation.MinAccuracy)
		}
	}
}

// While its sensor is lost, a policy learns nothing: beside a co-runner slack goes on as if there were none. The
// trace replays all the same.
func TestSensorLoss(t *testing.T) {
	head := strings.NewReplacer("100ms", "60ms", "{kind: poisson, rate: 10/s}", "{kind: periodic, period: 200ms}").Replace(poissonHead) + "disturbances: {gpu: [{at: 10s, slowdown: 1.4}]}\n"
	sighted, err := play(t, head, "slack")
	if err != nil {
		t.Fatal(err)
	}
	lost, err := play(t, head+"events:\n- {at: 10s, kind: sensor, sensor: latency, to: lost}\n- {at: 20s, kind: sensor, sensor: latency, to: back}\n", "slack")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]trace.Span{{From: 10 * time.Second, To: 20 * time.Second}}, lost.Trace.Header.Blind); d != "" {
		t.Error(d)
	}
	if lost.Metrics.OnTime >= sighted.Metrics.OnTime {
		t.Errorf("%d on time without a sensor, %d with it", lost.Metrics.OnTime, sighted.Metrics.OnTime)
	}
	report, err := trace.Replay(lost.Trace)
	if err != nil || report.Equal != report.N {
		t.Errorf("replay: %+v, %v", report, err)
	}
}

// A query of LoadGen's multi-stream is eight samples at once, the next query comes when all are answered.
func TestMultiStream(t *testing.T) {
	r, err := play(t, "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: multi-stream}\nrequests: 80\n", "static:0")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Trace.Records) != 80 {
		t.Fatalf("%d records", len(r.Trace.Records))
	}
	for i, rec := range r.Trace.Records {
		want := time.Duration(0)
		if i >= 8 {
			want = r.Trace.Records[i/8*8-1].End
		}
		if rec.Arrival != want {
			t.Errorf("sample %d arrives at %v, want %v", i, rec.Arrival, want)
		}
	}
}

// Co-runners come and go as ProfileIn says, in each replication otherwise.
func TestCoRunners(t *testing.T) {
	r, err := play(t, poissonHead+"co_runners:\n- {processor: gpu, on: 1s, off: 1s, slowdown: [1.3, 1.6]}\n", "static:2")
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Profile) < 10 || len(r.Metrics.Compliance) == 0 {
		t.Fatalf("%d steps, %d rises", len(r.Profile), len(r.Metrics.Compliance))
	}
	if d := cmp.Diff(r.Scenario.ProfileIn("gpu", r.Scenario.Seed, 0), r.Profile); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(r.Scenario.ProfileIn("gpu", r.Scenario.Seed, 1), r.Profile); d == "" {
		t.Error("both replications have the same co-runner")
	}
}

// One application with a name is played like one without.
func TestOneApplication(t *testing.T) {
	plain, err := play(t, poissonHead+"events: [{at: 9s, kind: limit, to: 80ms}]\n", "slack")
	if err != nil {
		t.Fatal(err)
	}
	named, err := play(t, "apps:\n- {name: eye, family: paper-gpu6, processor: gpu, arrivals: {kind: poisson, rate: 10/s}, limit: 100ms, accuracy: 75%}\n"+
		"duration: 30s\nevents: [{at: 9s, kind: limit, to: 80ms, app: eye}]\n", "slack")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plain.Trace.Records, named.Trace.Records); d != "" {
		t.Error(d)
	}
}
