package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// The tests of this file compare the simulator, with its arrivals, queue, processors, decisions and records, with what queueing
// theory says exactly. Each has seeds of its own, so that no stream of luck decides several; seeds are fixed, so the outcome is too.

// mean is the mean service time, and so the latency of the only level.
const mean = 50 * ms

// queueing is a comparison with a formula.
type queueing struct {
	name     string
	seed     uint64
	requests int64         // of a replication
	load     float64       // arrivals per mean service time
	limit    time.Duration // of the requests
	family   func(t testing.TB) *family.Family
	noise    traffic.Noise
	policy   func(rng *rand.Rand) script // nil: static:0
	measure  func(r *sim.Result, after time.Duration) float64
	want     float64
	within   float64 // largest half-width, relative to want; 0: 2%
}

const (
	replications = 20
	student      = 2.0930 // 97.5% quantile of Student's t with 19 degrees of freedom
)

// check simulates the replications, and holds their mean to the formula: its 95% interval is at most 2% (or within) wide to each side, and the formula's
// value is less than three half-widths off. The first twentieth of the time is warm-up.
func (q queueing) check(t *testing.T) {
	t.Helper()
	if reftest.RaceDetector {
		t.Skip("statistics of many events run without the race detector")
	}
	rate := q.load / mean.Seconds()
	f := q.family(t)
	configs := make([]sim.Config, replications)
	for i := range configs {
		s := &traffic.Scenario{
			Name: "queue", Family: f.Name, Processor: f.Processors()[0], Seed: q.seed, Noise: q.noise,
			Arrivals: traffic.Poisson{PerSecond: rate}, Requests: q.requests, Limit: q.limit,
		}
		configs[i] = sim.Config{Scenario: s, Family: f, Processors: f.Processors(), Policy: "static:0", Replication: i}
		if q.policy != nil {
			configs[i].Policy = "script"
			rng := rand.New(rand.NewPCG(q.seed, uint64(i)))
			configs[i].NewPolicy = scripted(q.policy(rng))
		}
	}
	after := time.Duration(float64(q.requests) / rate * 1e9 / 20)
	got := make([]float64, replications)
	if err := sim.Each(t.Context(), configs, 0, func(i int, r *sim.Result) { got[i] = q.measure(r, after) }); err != nil {
		t.Fatal(err)
	}
	m, half := interval(got, student)
	t.Logf("%.5g +- %.2g (%.2f%%), theory %.5g: off by %+.2f half-widths", m, half, 100*half/q.want, q.want, (m-q.want)/half)
	within := q.within
	if within == 0 {
		within = 0.02
	}
	if half > within*q.want {
		t.Errorf("the half-width %.3g is more than %g%% of %.5g", half, 100*within, q.want)
	}
	if math.Abs(m-q.want) >= 3*half {
		t.Errorf("%.5g is more than three half-widths of %.3g off %.5g", m, half, q.want)
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

// one is a family of one level on one processor, several that of one level on so many.
func one(t testing.TB) *family.Family { return levelsOf(t, mean) }

func several(n int) func(t testing.TB) *family.Family {
	return func(t testing.TB) *family.Family {
		f := levelsOf(t, mean)
		first := f.Levels[0].Latencies[0]
		f.Levels[0].Latencies = nil
		for i := range n {
			first.Processor = fmt.Sprintf("p%d", i)
			f.Levels[0].Latencies = append(f.Levels[0].Latencies, first)
		}
		return f
	}
}

// hyper is a family of two levels, of which hyperPolicy takes each at random: with exponential noise the service time is
// hyperexponential with balanced means, p L0 = (1-p) L1, and a squared coefficient of variation of 4:
// 2 p L0^2 + 2 (1-p) L1^2 = 5 for mean 1, that is p = (1 + sqrt(3/5))/2.
var hyperP = (1 + math.Sqrt(0.6)) / 2

func hyper(t testing.TB) *family.Family {
	l := float64(mean) / 2
	return levelsOf(t, time.Duration(l/hyperP), time.Duration(l/(1-hyperP)))
}

func hyperPolicy(rng *rand.Rand) script {
	return func(*policy.Observation) policy.Decision {
		if rng.Float64() < hyperP {
			return serve(0)
		}
		return serve(1)
	}
}

// anyFree serves on the first processor that is free.
func anyFree(*rand.Rand) script {
	return func(o *policy.Observation) policy.Decision {
		d := serve(0)
		for o.Busy>>d.Processor&1 == 1 {
			d.Processor++
		}
		return d
	}
}

// lossy does so too, and drops whoever did not find a processor free.
func lossy(rng *rand.Rand) script {
	serve := anyFree(rng)
	return func(o *policy.Observation) policy.Decision {
		if o.Queue[0].Arrival < o.Now {
			return policy.Decision{Action: policy.Drop, Reason: "lost"}
		}
		return serve(o)
	}
}

// places keeps at most so many requests waiting when an inference ends; more came when all places were taken. It drops
// the oldest in their place, which is all the same to the number of requests.
func places(waiting int) func(*rand.Rand) script {
	return func(*rand.Rand) script {
		return func(o *policy.Observation) policy.Decision {
			if o.Waiting > waiting {
				return policy.Decision{Action: policy.Drop, Reason: "full"}
			}
			return serve(0)
		}
	}
}

// The mean wait before service in mean service times, and shares of requests that are lost or late.
func meanWait(r *sim.Result, after time.Duration) float64 {
	sum, n := 0.0, 0.0
	for i := range r.Trace.Records {
		if rec := &r.Trace.Records[i]; rec.Arrival >= after {
			sum += float64(rec.Start-rec.Arrival) / float64(mean)
			n++
		}
	}
	return sum / n
}

func share(outcome trace.Outcome) func(r *sim.Result, after time.Duration) float64 {
	return func(r *sim.Result, after time.Duration) float64 {
		hits, n := 0.0, 0.0
		for i := range r.Trace.Records {
			if rec := &r.Trace.Records[i]; rec.Arrival >= after {
				n++
				if rec.Outcome == outcome {
					hits++
				}
			}
		}
		return hits / n
	}
}

var exponential = traffic.Noise{Kind: traffic.Exponential}

// erlangB is the share of requests that n servers lose at an offered load of a.
func erlangB(n int, a float64) float64 {
	b := 1.0
	for k := 1; k <= n; k++ {
		b = a * b / (float64(k) + a*b)
	}
	return b
}

// erlangC is the share of requests that wait for one of n servers.
func erlangC(n int, a float64) float64 {
	b := erlangB(n, a)
	return float64(n) * b / (float64(n) - a*(1-b))
}

// Source: L. Kleinrock, "Queueing systems", volume 1, 1975: 3.2 (M/M/1), 5.6 (Pollaczek-Khinchine), 3.4 to 3.6 (several servers, loss).
func TestQueueingTheory(t *testing.T) {
	for _, q := range []queueing{
		// rho/(1-rho)
		{name: "M/M/1", seed: 101, requests: 120_000, load: 0.8, family: one, noise: exponential, measure: meanWait, want: 4},
		{name: "M/M/1 at 95%", seed: 102, requests: 170_000, load: 0.95, family: one, noise: exponential, measure: meanWait, want: 19, within: 0.05},
		// rho/(1-rho) (1 + scv)/2
		{name: "M/D/1", seed: 103, requests: 40_000, load: 0.8, family: one, measure: meanWait, want: 2},
		{name: "M/H2/1", seed: 104, requests: 180_000, load: 0.8, family: hyper, policy: hyperPolicy, noise: exponential, measure: meanWait, want: 10},
		// C/(n - a)
		{name: "M/M/4", seed: 105, requests: 110_000, load: 3.2, family: several(4), policy: anyFree, noise: exponential, measure: meanWait, want: erlangC(4, 3.2) / 0.8},
		{name: "M/M/4/4", seed: 106, requests: 12_000, load: 3.2, family: several(4), policy: lossy, noise: exponential, measure: share(trace.Dropped), want: erlangB(4, 3.2)},
		{name: "M/D/4/4", seed: 107, requests: 8_000, load: 3.2, family: several(4), policy: lossy, measure: share(trace.Dropped), want: erlangB(4, 3.2)}, // insensitive
		// (1-rho) rho^5/(1-rho^6)
		{name: "M/M/1/5", seed: 108, requests: 40_000, load: 0.8, family: one, policy: places(4), noise: exponential, measure: share(trace.Dropped), want: 0.2 * math.Pow(0.8, 5) / (1 - math.Pow(0.8, 6))},
		// exp(-(mu-lambda) t), with t = 5 mean service times and so exp(-1)
		{name: "deadlines", seed: 109, requests: 60_000, load: 0.8, limit: 5 * mean, family: one, noise: exponential, measure: share(trace.Late), want: math.Exp(-1)},
	} {
		t.Run(q.name, q.check)
	}
}

// TestLittle counts requests in the system at regular times, independently of their responses: on average as many as arrive in a
// mean response time.
func TestLittle(t *testing.T) {
	s := &traffic.Scenario{
		Name: "queue", Family: "paper-gpu6", Processor: "p0", Seed: 110, Noise: exponential,
		Arrivals: traffic.Poisson{PerSecond: 1.6 / mean.Seconds()}, Requests: 40_000,
	}
	f := several(2)(t)
	r := run(t, sim.Config{Scenario: s, Family: f, Processors: f.Processors(), Policy: "script", NewPolicy: scripted(anyFree(nil))})
	records := r.Trace.Records
	end := time.Duration(0)
	response := 0.0
	changes := make([]int64, 0, 2*len(records)) // times, the lowest bit says arrival
	for i := range records {
		rec := &records[i]
		end = max(end, rec.End)
		response += float64(rec.End - rec.Arrival)
		changes = append(changes, int64(rec.Arrival)<<1|1, int64(rec.End)<<1)
	}
	slices.Sort(changes)
	inside, sum, samples, next := 0, 0.0, 0.0, 0
	for at := time.Duration(0); at < end; at += 10 * ms {
		for ; next < len(changes) && changes[next]>>1 <= int64(at); next++ {
			inside += int(changes[next]&1)*2 - 1
		}
		sum += float64(inside)
		samples++
	}
	l, w := sum/samples, response/float64(len(records))
	lambda := float64(len(records)) / float64(end)
	t.Logf("%.4f in the system, %.4f arrive in a response time", l, lambda*w)
	if math.Abs(l/(lambda*w)-1) > 0.005 {
		t.Errorf("%g in the system on average, but %g arrive in a mean response time", l, lambda*w)
	}
}
