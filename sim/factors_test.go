package sim_test

import (
	"math"
	"testing"

	"github.com/dynofa/dynofa/datasets/noise"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim"
)

// TestBurstsAreReproduced goes all the way round: a trace with bursts of misses, a model fitted to its inferences, and a run with that model
// have the same share of misses and the same P(miss|miss), while independent noise of the same spread has not. A camera at 10 per
// second leaves no queue, so that misses follow each other for no other reason.
func TestBurstsAreReproduced(t *testing.T) {
	s := &traffic.Scenario{
		Name: "camera", Family: "paper-gpu6", Processor: "gpu", Seed: 7, Limit: 75 * ms, Requests: 100_000,
		Arrivals: traffic.Periodic{Period: 200 * ms},
		Noise:    traffic.Noise{Kind: traffic.Burst, Bursts: noise.Model{Sigma: 0.03, Threshold: 1.2, Enter: 0.002, Stay: 0.75, Scale: 0.4, Shape: 0.1, Persist: 0.6}},
	}
	play := func(n traffic.Noise, seed uint64) sim.Metrics {
		again := *s
		again.Noise = n
		return run(t, sim.Config{Scenario: &again, Family: paper(t), Policy: "static:3", Seed: seed}).Metrics
	}
	measured := run(t, sim.Config{Scenario: s, Family: paper(t), Policy: "static:3"})
	factors, err := sim.Factors(measured.Trace)
	if err != nil || len(factors) != 100_000 {
		t.Fatalf("%d factors, %v", len(factors), err)
	}
	m, err := noise.Fit(factors, 0.993)
	if err != nil {
		t.Fatal(err)
	}
	want := measured.Metrics
	got := play(traffic.Noise{Kind: traffic.Burst, Bursts: *m}, 8)
	sum, squares := 0.0, 0.0
	for _, f := range factors {
		sum += math.Log(f)
		squares += math.Log(f) * math.Log(f)
	}
	n := float64(len(factors))
	independent := play(traffic.Noise{Kind: traffic.Lognormal, Sigma: math.Sqrt(squares/n - sum/n*sum/n)}, 9)
	t.Logf("P(miss) %.4f, fitted %.4f, lognormal %.4f; P(miss|miss) %.3f, %.3f, %.3f", 1-want.SLO.Share, 1-got.SLO.Share, 1-independent.SLO.Share,
		want.MissAfterMiss.Share, got.MissAfterMiss.Share, independent.MissAfterMiss.Share)
	if math.Abs((1-got.SLO.Share)/(1-want.SLO.Share)-1) > 0.2 || math.Abs(got.MissAfterMiss.Share-want.MissAfterMiss.Share) > 0.06 || want.MissAfterMiss.Share < 0.5 {
		t.Errorf("misses %+v, then %+v; fitted %+v, then %+v", want.SLO, want.MissAfterMiss, got.SLO, got.MissAfterMiss)
	}
	if independent.MissAfterMiss.Share > 0.3 {
		t.Errorf("independent noise has P(miss|miss) %v too", independent.MissAfterMiss.Share)
	}
}
