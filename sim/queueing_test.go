package sim_test

import (
	"math"
	"testing"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim"
)

// TestMeanWait checks arrivals, queue, service and metrics together against queueing theory: Poisson
// arrivals at one static level are M/D/1, with exponential noise M/M/1. The mean wait before service is
// E[S] rho/(1-rho) for M/M/1 and half of that for M/D/1 (Pollaczek-Khinchine). With E[S] = 50 ms and
// rho = 0.6 that is 75 ms and 37.5 ms. (Package des is checked at rho = 0.8.) Seeds are fixed, so the
// outcome is too.
func TestMeanWait(t *testing.T) {
	const (
		replications = 20
		customers    = 22_000
		warmUp       = 1_000
		student      = 2.0930 // 97.5% quantile of Student's t with 19 degrees of freedom
	)
	tests := []struct {
		name  string
		seed  uint64
		noise traffic.Noise
		want  float64 // ms
	}{
		{"M/M/1", 11, traffic.Noise{Kind: traffic.Exponential}, 75},
		{"M/D/1", 12, traffic.Noise{}, 37.5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			configs := make([]sim.Config, replications)
			for i := range configs {
				configs[i] = sim.Config{
					Scenario: &traffic.Scenario{
						Name: "queue", Family: "paper-gpu6", Processor: "gpu", Seed: tt.seed, Noise: tt.noise,
						Arrivals: traffic.Poisson{PerSecond: 0.6 / 0.050}, Requests: customers + warmUp,
					},
					Family: levelsOf(t, 50*ms), Policy: "static:0", Replication: i,
				}
			}
			waits := make([]float64, replications) // means, ms
			err := sim.Each(t.Context(), configs, 0, func(i int, r *sim.Result) {
				for _, rec := range r.Trace.Records[warmUp:] {
					waits[i] += (rec.Start - rec.Arrival).Seconds() * 1e3 / customers
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			mean, half := interval(waits, student)
			t.Logf("mean wait %.3f ms +- %.3f (%.2f%%), theory %g ms: off by %+.2f half-widths", mean, half, 100*half/tt.want, tt.want, (mean-tt.want)/half)
			if half > 0.02*tt.want {
				t.Errorf("half-width %.3f ms is more than 2%% of %g ms", half, tt.want)
			}
			if math.Abs(mean-tt.want) >= 3*half {
				t.Errorf("mean wait %.3f ms is more than 3 half-widths of %.3f ms off %g ms", mean, half, tt.want)
			}
		})
	}
}

// TestDeadlineMisses checks the SLO attainment: in M/M/1 served in order of arrival the response
// exceeds t with probability exp(-(mu - lambda) t), with mu = 20/s, lambda = 12/s and t = 250 ms exp(-2).
func TestDeadlineMisses(t *testing.T) {
	const (
		replications = 20
		student      = 2.0930 // as above
	)
	configs := make([]sim.Config, replications)
	for i := range configs {
		configs[i] = sim.Config{
			Scenario: &traffic.Scenario{
				Name: "queue", Family: "paper-gpu6", Processor: "gpu", Seed: 13, Noise: traffic.Noise{Kind: traffic.Exponential},
				Arrivals: traffic.Poisson{PerSecond: 12}, Requests: 15_000, Limit: 250 * ms,
			},
			Family: levelsOf(t, 50*ms), Policy: "static:0", Replication: i,
		}
	}
	misses := make([]float64, replications)
	if err := sim.Each(t.Context(), configs, 0, func(i int, r *sim.Result) { misses[i] = 1 - r.Metrics.SLO.Share }); err != nil {
		t.Fatal(err)
	}
	mean, half := interval(misses, student)
	want := math.Exp(-2)
	t.Logf("missed %.4f +- %.4f, theory %.4f", mean, half, want)
	if half > 0.05*want || math.Abs(mean-want) >= 3*half {
		t.Errorf("missed %.4f +- %.4f, want %.4f within 3 half-widths of at most 5%%", mean, half, want)
	}
}

// interval returns the mean and the half-width of its confidence interval for a quantile of Student's t.
func interval(x []float64, student float64) (mean, half float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	var squares float64
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, student * math.Sqrt(squares/(n-1)/n)
}
