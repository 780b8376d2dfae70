package des_test

import (
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/sim/des"
)

// service draws a service time with mean 1 s.
type service func(*rand.Rand) float64

func exponential(rng *rand.Rand) float64 { return rng.ExpFloat64() }
func constant(*rand.Rand) float64        { return 1 }

const (
	evArrive uint16 = iota
	evDepart
)

// station is a first-come first-served queue with one server and Poisson arrivals.
type station struct {
	k        *des.Kernel
	self     des.HandlerID
	arrivals *rand.Rand
	services *rand.Rand
	gap      float64 // mean, ns
	serve    service
	inside   []time.Duration // arrival times, a ring
	head, n  int
	left     uint64 // customers still to be counted
	skip     uint64 // customers not counted, at the start
	counted  uint64
	waited   float64 // s
}

func newStation(seed1, seed2 uint64, load float64, serve service) *station {
	s := &station{
		k: des.New(), gap: 1e9 / load, serve: serve, inside: make([]time.Duration, 1<<12),
		arrivals: rand.New(rand.NewPCG(seed1, 1)), services: rand.New(rand.NewPCG(seed2, 2)),
	}
	s.self = s.k.Register(s)
	return s
}

// run returns the mean wait in seconds of the given number of customers after a warm-up.
func (s *station) run(customers, warmUp uint64) float64 {
	s.left, s.skip = customers, warmUp
	s.nextArrival()
	s.k.Run(des.Forever)
	return s.waited / float64(s.counted)
}

func (s *station) nextArrival() {
	s.k.After(time.Duration(s.arrivals.ExpFloat64()*s.gap), des.Arrival, s.self, des.Event{Kind: evArrive})
}

func (s *station) Handle(k *des.Kernel, ev des.Event) {
	switch ev.Kind {
	case evArrive:
		s.nextArrival()
		s.inside[(s.head+s.n)&(len(s.inside)-1)] = k.Now()
		if s.n++; s.n == 1 {
			s.begin()
		}
		if s.n == len(s.inside) {
			panic("queue longer than the ring")
		}
	case evDepart:
		s.head = (s.head + 1) & (len(s.inside) - 1)
		if s.n--; s.n > 0 {
			s.begin()
		}
	}
}

// begin starts the service of the customer at the head and counts its wait.
func (s *station) begin() {
	switch {
	case s.skip > 0:
		s.skip--
	case s.left == 0:
		s.k.Stop()
	default:
		s.left--
		s.counted++
		s.waited += (s.k.Now() - s.inside[s.head]).Seconds()
	}
	s.k.After(time.Duration(s.serve(s.services)*1e9), des.Completion, s.self, des.Event{Kind: evDepart})
}

// TestMeanWait checks the kernel against queueing theory with independent replications. The mean wait
// before service is E[S] rho/(1-rho) for M/M/1 and half of that for M/D/1 (Pollaczek-Khinchine), with
// E[S] = 1 s. Seeds are fixed, so the outcome is too. Package sim is tested with more queues.
func TestMeanWait(t *testing.T) {
	const (
		replications = 20
		warmUp       = 10_000
		student      = 2.0930 // 97.5% quantile of Student's t with 19 degrees of freedom
	)
	tests := []struct {
		name      string
		seed      uint64
		customers uint64
		load      float64
		serve     service
		want      float64
		within    float64 // largest relative half-width
	}{
		{"M/M/1", 1000, 90_000, 0.8, exponential, 4, 0.02},
		{"M/D/1", 2000, 90_000, 0.8, constant, 2, 0.02},
		{"M/M/1 at 95%", 3000, 170_000, 0.95, exponential, 19, 0.05},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var waits [replications]float64
			var wg sync.WaitGroup
			for i := range waits {
				wg.Go(func() {
					seed := tt.seed + uint64(i)
					waits[i] = newStation(seed, seed, tt.load, tt.serve).run(tt.customers, warmUp)
				})
			}
			wg.Wait()
			mean, halfWidth := interval(waits[:], student)
			t.Logf("mean wait %.4f s +- %.4f (%.2f%%), theory %g s", mean, halfWidth, 100*halfWidth/tt.want, tt.want)
			if halfWidth > tt.within*tt.want {
				t.Errorf("half-width %.4f is more than %g%% of %g", halfWidth, 100*tt.within, tt.want)
			}
			if d := math.Abs(mean - tt.want); d >= 3*halfWidth {
				t.Errorf("mean wait %.4f is %.4f off %g, more than 3 half-widths of %.4f", mean, d, tt.want, halfWidth)
			}
		})
	}
}

// interval returns the mean and the half-width of its confidence interval for a given quantile.
func interval(x []float64, quantile float64) (mean, halfWidth float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	var squares float64
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return mean, quantile * math.Sqrt(squares/(n-1)/n)
}
