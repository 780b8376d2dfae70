package sim_test

import (
	"testing"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/platform"
)

// BenchmarkBoard measures whole runs of the full board model, recording, metrics and report included: Poisson arrivals at
// 60% load with lognormal noise, a million requests each. s/Mreq is their CPU time on one core, the garbage
// collector's included.
func BenchmarkBoard(b *testing.B) {
	const requests = 1_000_000
	for _, one := range []struct {
		governor platform.Governor
		policy   string
	}{{platform.Performance, "slack"}, {platform.Schedutil, "slack"}, {platform.Performance, "qdp"}} {
		b.Run(one.policy+"/"+string(one.governor), func(b *testing.B) {
			governor := one.governor
			c := sim.Config{
				Family: paper(b), Policy: one.policy,
				Scenario: &traffic.Scenario{
					Name: "bench", Family: "paper-gpu6", Processor: "gpu", Arrivals: traffic.Poisson{PerSecond: 12}, Limit: 150 * ms,
					Requests: requests, InitialLevel: 3, Noise: traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.02},
				},
				Board: &platform.Config{Board: xavier(b), Mode: "8", Governors: map[string]platform.Governor{"cpu": governor, "gpu": governor}},
			}
			b.ReportAllocs()
			used := cpuTime(b)
			events := 0.0
			for b.Loop() {
				r := run(b, c)
				events += float64(r.Events)
			}
			used = cpuTime(b) - used
			b.ReportMetric(used.Seconds()/float64(b.N)*1e6/requests, "s/Mreq")
			b.ReportMetric(float64(used.Nanoseconds())/events, "ns/event")
		})
	}
}
