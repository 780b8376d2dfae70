package sim_test

import (
	"context"
	"fmt"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// The paper's figure 7 without a runtime manager: do frames keep the 60 ms after a training job
// starts?
func ExampleRun() {
	scenario, err := traffic.Builtin("fig7")
	if err != nil {
		fmt.Println(err)
		return
	}
	levels, err := family.PaperGPU6()
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := sim.Run(context.Background(), sim.Config{Scenario: scenario, Family: levels, Policy: "static:2"})
	if err != nil {
		fmt.Println(err)
		return
	}
	m := r.Metrics
	fmt.Printf("%d of %d on time (%.1f%%, 95%% interval %.1f%% to %.1f%%), mean accuracy %v (%s)\n",
		m.OnTime, m.Requests, 100*m.SLO.Share, 100*m.SLO.Low, 100*m.SLO.High, m.MeanAccuracy, m.AccuracyOrigins[0])
	for _, c := range m.Compliance {
		fmt.Printf("%v: %s: complies again: %v, %d of %d frames over the limit\n", c.At, c.What, c.Complied, c.Over, c.Frames)
	}
	// Output:
	// 50 of 207 on time (24.2%, 95% interval 18.8% to 30.4%), mean accuracy 76.13% (published)
	// 2.47s: a training job starts: complies again: false, 157 of 158 frames over the limit
}

func ExampleCompare() {
	scenario, err := traffic.Builtin("fig7")
	if err != nil {
		fmt.Println(err)
		return
	}
	levels, err := family.PaperGPU6()
	if err != nil {
		fmt.Println(err)
		return
	}
	results, err := sim.Compare(context.Background(), sim.Config{Scenario: scenario, Family: levels}, []string{"static:0", "static:3"}, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		c := r.Metrics.Compliance[0]
		fmt.Println(r.Trace.Header.Policy, r.Metrics.MeanAccuracy, c.Complied, c.Over)
	}
	// Output:
	// static:0 74.20% true 0
	// static:3 77.54% false 152
}
