package sim_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

const onXavier = poissonHead + "board: jetson-xavier-nx\nmode: MODE_15W_4CORE\n"

// A scenario's board, mode, governor and events are played: at the GPU's clock of 803.25 MHz latencies are longer, with
// schedutil the processors use less energy, and hot air throttles.
func TestScenarioOnBoard(t *testing.T) {
	get := func(text string) *sim.Result {
		t.Helper()
		r, err := play(t, text, "static:0")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	base := get(onXavier)
	if base.Platform == nil || base.Metrics.Latency.P50 != 41158938 || base.Platform.Elapsed < 30*time.Second {
		t.Fatalf("median %v, platform %+v", base.Metrics.Latency.P50, base.Platform)
	}
	slow := get(strings.Replace(onXavier, "15W_4CORE", "10W_4CORE", 1))
	if ratio := float64(slow.Metrics.Latency.P50) / float64(base.Metrics.Latency.P50); ratio < 1.2 || ratio > 1.4 {
		t.Errorf("in a mode of 803 MHz latencies are %g times as long", ratio)
	}
	later := get(onXavier + "events:\n- {at: 10s, kind: clock, processor: gpu, to: 803.25MHz}\n- {at: 20s, kind: mode, to: MODE_15W_4CORE}\n")
	for _, rec := range later.Trace.Records {
		want := base.Metrics.Latency.P50
		if rec.Start > 10*time.Second+5*time.Millisecond { // Userspace keeps its clock in the new mode
			want = slow.Metrics.Latency.P50
		}
		if end := rec.End; rec.End-rec.Start != want && !(rec.Start < 10005*time.Millisecond && end > 10*time.Second) {
			t.Errorf("request %d at %v takes %v, want %v", rec.Request, rec.Start, rec.End-rec.Start, want)
		}
	}
	saving := get(onXavier + "governor: schedutil\n")
	if saving.Platform.Energy.Total >= base.Platform.Energy.Total || saving.Platform.Processors[1].Transitions < 10 {
		t.Errorf("schedutil takes %v, performance %v", saving.Platform.Energy.Total, base.Platform.Energy.Total)
	}
	hot := get(strings.Replace(onXavier, "30s", "600s", 1) + "events:\n- {at: 1s, kind: ambient, to: 82C}\n- {at: 590s, kind: sensor, sensor: temperature, to: lost}\n")
	if hot.Platform.Processors[1].Throttled < time.Minute || hot.Metrics.Latency.Max <= base.Metrics.Latency.Max {
		t.Errorf("in hot air: %+v", hot.Platform)
	}
	disturbed := get(onXavier + "disturbances: {gpu: [{at: 10s, slowdown: 1.5}]}\n")
	if got := disturbed.Metrics.Latency.Max; got != 61738407 {
		t.Errorf("beside a program that slows down by 1.5: %v", got)
	}
	for text, want := range map[string]string{
		strings.Replace(onXavier, "xavier", "savior", 1):                                         "no built-in board",
		strings.Replace(onXavier, "15W_4CORE", "99W", 1):                                         "no power mode",
		onXavier + "governor: ondemand\n":                                                        "governor",
		onXavier + "events: [{at: 1s, kind: mode, to: fast}]\n":                                  `no power mode "fast"`,
		poissonHead + "events: [{at: 1s, kind: ambient, to: 80C}]\n":                             "without a board",
		strings.Replace(onXavier, "processor: gpu", "processor: dla", 1):                         "dla",
		onXavier + "events: [{at: 1s, kind: clock, processor: dla, to: 1GHz}]\n":                 "no processor",
		poissonHead + "events: [{at: 1s, kind: sensor, sensor: temperature, to: lost}]\n":        "without a board",
		strings.Replace(onXavier, "jetson-xavier-nx\nmode: MODE_15W_4CORE", "raspberry-pi-4", 1): `no processor "gpu"`,
	} {
		if _, err := play(t, text, "static:0"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// The applications of a scenario run together on its board.
func TestApplications(t *testing.T) {
	s, err := traffic.Parse("two.yaml", []byte(`
board: jetson-xavier-nx
mode: MODE_20W_6CORE
duration: 30s
apps:
- {name: eye, family: paper-gpu6, processor: gpu, arrivals: {kind: periodic, period: 100ms}, limit: 100ms}
- {name: ear, family: paper-gpu6, processor: gpu, arrivals: {kind: poisson, rate: 5/s}, limit: 300ms, accuracy: 76%}
events:
- {at: 10s, kind: limit, to: 60ms, app: eye}
`))
	if err != nil {
		t.Fatal(err)
	}
	families := func(string) (*family.Family, error) { return family.PaperGPU6() }
	configs, err := sim.Applications(sim.Config{Scenario: s, Policy: "slack"}, families)
	if err != nil {
		t.Fatal(err)
	}
	results, err := sim.RunTogether(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != 2 || results[0].Metrics.Requests != 300 || results[1].Metrics.Requests < 100 {
		t.Fatalf("%d results: %d and %d requests", len(results), results[0].Metrics.Requests, results[1].Metrics.Requests)
	}
	shared := 0
	for i, r := range results {
		for _, rec := range r.Trace.Records {
			want := map[bool]time.Duration{true: 60 * ms, false: 100 * ms}[rec.Arrival >= 10*time.Second]
			if i == 1 {
				want = 300 * ms
			}
			if rec.Deadline-rec.Arrival != want {
				t.Fatalf("%s: request %d is due after %v, want %v", configs[i].App, rec.Request, rec.Deadline-rec.Arrival, want)
			}
		}
		if r.Metrics.Latency.Max > r.Metrics.Latency.Min*3/2 {
			shared++
		}
	}
	if shared != 2 {
		t.Error("the applications do not slow each other down")
	}
	if _, err := sim.Run(t.Context(), sim.Config{Scenario: s, Family: paper(t), Policy: "slack"}); err == nil || !strings.Contains(err.Error(), "run together") {
		t.Errorf("two applications alone: %v", err)
	}
}
