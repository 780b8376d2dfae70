package profile_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/lut/profile"
)

// synthetic is a latency with median 1 ms: lognormal noise, a share of spikes of up to ten times,
// which leave the median where it is, and a drift that grows linearly over the first 400 samples.
type synthetic struct {
	sigma, spikes, drift, target float64
}

func (s synthetic) slow(i int) float64 { return 1 + s.drift*min(1, float64(i)/400) }

func (s synthetic) draw(rng *rand.Rand, i int) time.Duration {
	v := math.Exp(s.sigma * rng.NormFloat64())
	if v > 1 && rng.Float64() < 2*s.spikes {
		v *= 1 + 9*rng.Float64()
	}
	return time.Duration(1e6 * v * s.slow(i))
}

// median solves for the median of the mixture over the first n samples by bisection. Spikes lie above
// it unless the drift is larger than the noise.
func (s synthetic) median(n int) float64 {
	low, high := 0.5, 2.0
	for range 60 {
		m := (low + high) / 2
		below := 0.0
		for i := range n {
			below += 0.5 * math.Erfc(-math.Log(m/s.slow(i))/s.sigma/math.Sqrt2)
		}
		if below < 0.5*float64(n) {
			low = m
		} else {
			high = m
		}
	}
	return 1e6 * low
}

// TestStoppingRuleCoverage runs the whole rule (looks, stopping when the interval is narrow, the
// interval that is reported then) 2,000 times for each kind of latency: it has to contain the median
// of what was sampled in 93% to 97% of the runs. The standard error of the count is 0.49%.
func TestStoppingRuleCoverage(t *testing.T) {
	const runs, most = 2000, 5000
	for _, c := range []synthetic{
		{0.02, 0, 0, 0.01}, {0.05, 0, 0, 0.01}, {0.1, 0, 0, 0.01}, {0.1, 0, 0, 0.03}, {0.2, 0, 0, 0.02},
		{0.05, 0.05, 0, 0.01}, {0.05, 0.02, 0.05, 0.01}, {0.1, 0.05, 0.05, 0.01}, {0.05, 0.2, 0, 0.01},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(1, math.Float64bits(c.sigma+c.spikes)))
			hits, total := 0, 0
			medians := map[int]float64{}
			n := runs
			if testing.Short() {
				n = 400
			}
			for range n {
				var samples []time.Duration
				for {
					samples = append(samples, c.draw(rng, len(samples)))
					if profile.IsLook(len(samples)) {
						l := profile.SummarizeLook(samples)
						if profile.Precise(l, c.target) || len(samples) > most {
							k := len(samples)
							if _, ok := medians[k]; !ok {
								medians[k] = c.median(k)
							}
							if float64(l.CILow) <= medians[k] && medians[k] <= float64(l.CIHigh) {
								hits++
							}
							total += k
							break
						}
					}
				}
			}
			got := float64(hits) / float64(n)
			t.Logf("coverage %.2f%%, %.0f samples on average", 100*got, float64(total)/float64(n))
			slack := 0.0
			if testing.Short() {
				slack = 0.03
			}
			if got < 0.93-slack || got > 0.97+slack {
				t.Errorf("coverage %.4f", got)
			}
		})
	}
}

// TestLooks gives the rounds at which the rule looks: each half as many more, rounded up.
func TestLooks(t *testing.T) {
	var looks []int
	for n := range 320 {
		if profile.IsLook(n) {
			looks = append(looks, n)
		}
	}
	if got := fmt.Sprint(looks); got != "[12 18 27 41 62 93 140 210 315]" {
		t.Errorf("looks %s", got)
	}
}
