package profile_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/profile"
)

func TestSummarize(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name                                    string
		samples                                 []time.Duration
		min, p50, p90, p99, mean, std, lo, high float64
	}{
		{"one", []time.Duration{7}, 7, 7, 7, nan, 7, nan, nan, nan},
		// Mean 25, squared deviations 225+25+25+225 = 500, 500/3 = 166.67, root 12.910.
		{"four unordered", []time.Duration{40, 10, 30, 20}, 10, 25, 40, nan, 25, 12.909944487358056, nan, nan},
		// Six samples: the interval is the whole range. Mean 11, squares 100+81+64+49+36+1936... by
		// hand: deviations -10 -9 -8 -7 -6 40, squares sum 100+81+64+49+36+1600 = 1930, /5 = 386.
		{"six with a spike that stays", []time.Duration{1, 2, 3, 4, 5, 51}, 1, 3.5, 51, nan, 11, math.Sqrt(386), 1, 51},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := profile.Summarize(c.samples)
			if err := l.Validate(); err != nil {
				t.Error(err)
			}
			if l.N != len(c.samples) {
				t.Errorf("N = %d", l.N)
			}
			for _, s := range []struct {
				name      string
				got, want float64
			}{
				{"min", float64(l.Min), c.min}, {"p50", float64(l.P50), c.p50}, {"p90", float64(l.P90), c.p90}, {"p99", float64(l.P99), c.p99},
				{"mean", float64(l.Mean), c.mean}, {"std", float64(l.Std), c.std}, {"low", float64(l.CILow), c.lo}, {"high", float64(l.CIHigh), c.high},
			} {
				if math.IsNaN(s.got) != math.IsNaN(s.want) || math.Abs(s.got-s.want) > 1e-9 {
					t.Errorf("%s = %g, want %g", s.name, s.got, s.want)
				}
			}
		})
	}
}

func TestSummarizeClaimsP99From299Samples(t *testing.T) {
	samples := make([]time.Duration, 299)
	for i := range samples {
		samples[i] = time.Duration(i + 1)
	}
	if l := profile.Summarize(samples[:298]); !math.IsNaN(float64(l.P99)) {
		t.Errorf("298 samples claim a p99 of %v", l.P99)
	}
	// The smallest rank with at least 99% of 299 = 296.01 samples at or below it is 297.
	if l := profile.Summarize(samples); l.P99 != 297 || l.P90 != 270 {
		t.Errorf("p99 = %v, p90 = %v, want 297 and 270", float64(l.P99), float64(l.P90))
	}
}

func TestSummarizeOfNothing(t *testing.T) {
	if l := profile.Summarize(nil); l.N != 0 || !math.IsNaN(float64(l.Central())) {
		t.Errorf("got %+v", l)
	}
}

// TestMedianIntervalCoverage draws 4,000 sets of n lognormal samples (sigma 0.3, one in 20 a spike
// of up to 10x) and counts how often the interval contains the true median. By the theory the
// coverage is exactly 1 - 2 P(B <= low-1), whatever the distribution; 4 standard errors of the
// simulation are allowed.
func TestMedianIntervalCoverage(t *testing.T) {
	const sets, median = 4000, 1e6
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		n    int
		want float64 // by the binomial distribution
	}{{6, 0.96875}, {10, 0.978516}, {30, 0.957226}, {31, 0.970566}, {100, 0.964800}} {
		hits := 0
		for range sets {
			samples := make([]time.Duration, c.n)
			for i := range samples {
				v := median * math.Exp(0.3*rng.NormFloat64())
				if v > median && rng.IntN(10) == 0 { // a spike leaves the median where it is
					v *= 1 + 9*rng.Float64()
				}
				samples[i] = time.Duration(v)
			}
			if l := profile.Summarize(samples); l.CILow <= unit.Nanoseconds(median) && unit.Nanoseconds(median) <= l.CIHigh {
				hits++
			}
		}
		got := float64(hits) / sets
		t.Logf("n = %d: coverage %.2f%%, theory %.2f%%", c.n, 100*got, 100*c.want)
		if tolerance := 4 * math.Sqrt(c.want*(1-c.want)/sets); math.Abs(got-c.want) > tolerance {
			t.Errorf("n = %d: coverage %.4f, want %.4f +- %.4f", c.n, got, c.want, tolerance)
		}
	}
}
