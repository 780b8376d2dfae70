package platform_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

// customers arrive at a GPU that all of them share.
type customers struct {
	*bench
	rng      *rand.Rand
	law      func(*rand.Rand) float64 // of work, mean 1
	left     int
	warmUp   uint64
	arrived  []time.Duration // by tag
	response float64         // s, summed up
	counted  float64
	inside   float64 // looked at regularly, summed up
	looks    float64
}

const (
	evCustomer uint16 = iota
	evLook
)

func (c *customers) Handle(k *des.Kernel, ev des.Event) {
	if ev.Kind == evLook {
		c.inside += float64(len(c.arrived) - len(c.ended))
		c.looks++
		if c.left > 0 {
			k.After(3*time.Second, des.Statistics, 1, ev)
		}
		return
	}
	c.Start(platform.Work{Tag: uint64(len(c.arrived)), Processor: gpu, Nanoseconds: 1e9 * c.law(c.rng)})
	c.arrived = append(c.arrived, k.Now())
	if c.left--; c.left > 0 {
		k.After(time.Duration(c.rng.ExpFloat64()*1.25e9), des.Arrival, 1, ev)
	}
}

// TestProcessorSharing: with Poisson arrivals at a load of 0.8, the mean response of processor sharing is E[S]/(1 - rho), 5 s for
// a mean of 1 s, whatever the law of the service time; and there are as many inside as arrive in that time, 4 (Little).
//
// Source: L. Kleinrock, "Queueing systems", volume 2, 1976, section 4.4.
func TestProcessorSharing(t *testing.T) {
	const (
		replications = 20
		student      = 2.0930 // 97.5% quantile of Student's t with 19 degrees of freedom
		load, want   = 0.8, 5.0
	)
	p := (1 + math.Sqrt(0.6)) / 2 // balanced means, squared coefficient of variation 4
	for _, tt := range []struct {
		name string
		seed uint64
		n    int
		law  func(*rand.Rand) float64
	}{
		{"M/M/1-PS", 201, 60_000, (*rand.Rand).ExpFloat64},
		{"M/D/1-PS", 202, 30_000, func(*rand.Rand) float64 { return 1 }},
		{"M/H2/1-PS", 203, 90_000, func(rng *rand.Rand) float64 {
			if rng.Float64() < p {
				return rng.ExpFloat64() / (2 * p)
			}
			return rng.ExpFloat64() / (2 * (1 - p))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if reftest.RaceDetector {
				t.Skip("statistics of many events run without the race detector")
			}
			var responses, inside [replications]float64
			var wg sync.WaitGroup
			for i := range replications {
				wg.Go(func() {
					c := &customers{bench: start(t, platform.Config{Board: lab(t), Poll: 24 * time.Hour}), rng: rand.New(rand.NewPCG(tt.seed, uint64(i))), law: tt.law, left: tt.n, warmUp: 1000}
					c.next = func(tag uint64) {
						if tag >= c.warmUp {
							c.response += (c.k.Now() - c.arrived[tag]).Seconds()
							c.counted++
						}
					}
					c.k.Register(c)
					c.k.At(0, des.Arrival, 1, des.Event{Kind: evCustomer})
					c.k.At(0, des.Statistics, 1, des.Event{Kind: evLook})
					c.k.Run(time.Duration(tt.n)*1250*ms*2 + time.Hour)
					responses[i], inside[i] = c.response/c.counted, c.inside/c.looks
				})
			}
			wg.Wait()
			check := func(what string, x []float64, want float64) {
				mean, squares := 0.0, 0.0
				for _, v := range x {
					mean += v / replications
				}
				for _, v := range x {
					squares += (v - mean) * (v - mean)
				}
				half := student * math.Sqrt(squares/(replications-1)/replications)
				t.Logf("%s %.4f +- %.4f (%.2f%%), theory %g: off by %+.2f half-widths", what, mean, half, 100*half/want, want, (mean-want)/half)
				if half > 0.02*want {
					t.Errorf("%s: half-width %g is more than 2%% of %g", what, half, want)
				}
				if math.Abs(mean-want) >= 3*half {
					t.Errorf("%s: %g is more than 3 half-widths of %g off %g", what, mean, half, want)
				}
			}
			check("response", responses[:], want)
			check("inside", inside[:], want*load)
		})
	}
}
