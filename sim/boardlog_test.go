package sim_test

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// The log has the clock changes of the scenario, power that rises with work, and changes nothing about the run.
func TestBoardLog(t *testing.T) {
	s, err := traffic.Parse("s.yaml", []byte(poissonHead+"board: jetson-xavier-nx\nmode: MODE_15W_6CORE\nevents: [{at: 10s, kind: clock, processor: gpu, to: 510MHz}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	c := sim.Config{Scenario: s, Family: f, Policy: "slack"}
	plain, err := sim.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = c.OnBoard(); err != nil {
		t.Fatal(err)
	}
	log := sim.NewBoardLog(c.Board.Board)
	c.Board.Sample = log.Sample
	logged, err := sim.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if plain.Fingerprint != logged.Fingerprint {
		t.Error("the log changes the run")
	}
	byName := map[string][]trace.CounterPoint{}
	for _, counter := range log.Counters() {
		byName[counter.Name] = counter.Points
	}
	gpu := byName["gpu clock (MHz)"]
	if len(gpu) != 2 || gpu[0].Value != 1109.25 || gpu[1].Value != 510 || gpu[1].At < 10*time.Second || gpu[1].At > 10*time.Second+10*time.Millisecond {
		t.Errorf("GPU clock %v", gpu)
	}
	low, high := byName["power (W)"][0].Value, 0.0
	for _, p := range byName["power (W)"] {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	if !(low > 0.5 && high > low+0.5) {
		t.Errorf("power between %g and %g W", low, high)
	}
	if n := len(byName["temperature (C)"]); n < 10 {
		t.Errorf("%d temperatures", n)
	}
	var out bytes.Buffer
	if err := logged.Trace.WritePerfetto(&out, trace.PerfettoOptions{Counters: log.Counters()}); err != nil || out.Len() < 1000 {
		t.Errorf("%d bytes, %v", out.Len(), err)
	}
}
