package sim_test

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim"
)

// BenchmarkRun measures whole runs, recording and metrics included: Poisson arrivals at 60% load.
func BenchmarkRun(b *testing.B) {
	for _, spec := range []string{"static:3", "ladder", "slack"} {
		b.Run(spec, func(b *testing.B) {
			c := sim.Config{Family: paper(b), Policy: spec, Scenario: &traffic.Scenario{
				Name: "bench", Family: "paper-gpu6", Processor: "gpu", Arrivals: traffic.Poisson{PerSecond: 12}, Limit: 150 * ms,
				Requests: 100_000, InitialLevel: 3, Noise: traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.02},
			}}
			b.ReportAllocs()
			requests := 0
			for b.Loop() {
				requests += run(b, c).Metrics.Requests
			}
			b.ReportMetric(float64(requests)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
