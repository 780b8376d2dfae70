package oracle_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/sim/oracle"
)

// load makes a problem of Poisson arrivals and eight levels of 14 to 40 ms; eight requests take
// efficiency x 8 times as long as one.
func load(n int, rate float64, limit time.Duration, batch int, efficiency float64) oracle.Problem {
	rng := rand.New(rand.NewPCG(1, 0xbe9c))
	var p oracle.Problem
	at := 0.0
	for i := range n {
		at += rng.ExpFloat64() / rate
		a := time.Duration(at * 1e9)
		p.Requests = append(p.Requests, policy.Request{ID: int64(i), Arrival: a, Deadline: a + limit})
	}
	accuracy := []unit.Accuracy{0.71348, 0.7289, 0.74868, 0.75528, 0.7671, 0.7754, 0.7834, 0.7903}
	latency := []time.Duration{14120, 16850, 19440, 22310, 26070, 30150, 34890, 40020}
	for l := range accuracy {
		level := oracle.Level{Accuracy: accuracy[l]}
		for b := 1; b <= batch; b++ {
			one := float64(latency[l]) * 1e3
			level.Latency = append(level.Latency, time.Duration(one*(1+efficiency*float64(b-1))))
		}
		p.Levels = append(p.Levels, level)
	}
	return p
}

// BenchmarkSolve solves 1e5 requests at 8 levels in batches of up to 8, under loads from easy to
// hopeless. The bar is 5 s each; the last one, whose deadlines are long, is beyond it.
func BenchmarkSolve(b *testing.B) {
	ms := time.Millisecond
	for _, c := range []struct {
		rate       float64
		limit      time.Duration
		efficiency float64
	}{
		{15, 60 * ms, 0.5}, {30, 60 * ms, 0.5}, {60, 60 * ms, 0.5}, {60, 100 * ms, 0.5}, {60, 100 * ms, 0.8},
		{120, 100 * ms, 0.5}, {45, 120 * ms, 0.5}, {300, 100 * ms, 0.2}, {60, 300 * ms, 0.5},
	} {
		b.Run(fmt.Sprintf("rate=%g/limit=%v/efficiency=%g", c.rate, c.limit, c.efficiency), func(b *testing.B) {
			measure(b, load(100_000, c.rate, c.limit, 8, c.efficiency))
		})
	}
}

// BenchmarkSolveWith adds what makes it harder, at 30 requests per second due after 60 ms: noise, a
// slow-down that comes and goes every 5 s, both, and a switch time of 5 ms (at 1e4 requests, since every
// level then has labels of its own).
func BenchmarkSolveWith(b *testing.B) {
	base := load(100_000, 30, 60*time.Millisecond, 8, 0.5)
	noisy, slowed, switching := base, base, base
	rng := rand.New(rand.NewPCG(2, 2))
	for range noisy.Requests {
		noisy.Factors = append(noisy.Factors, math.Exp(0.1*rng.NormFloat64()))
	}
	for k := range 700 {
		slowed.Profile = append(slowed.Profile, oracle.Step{At: time.Duration(5*k) * time.Second, Slowdown: 1 + 0.5*float64(k%2)})
	}
	both := slowed
	both.Factors = noisy.Factors
	switching.Requests = base.Requests[:10_000]
	switching.SwitchTime = 5 * time.Millisecond
	b.Run("noise", func(b *testing.B) { measure(b, noisy) })
	b.Run("slow-down", func(b *testing.B) { measure(b, slowed) })
	b.Run("both", func(b *testing.B) { measure(b, both) })
	b.Run("switching", func(b *testing.B) { measure(b, switching) })
}

func measure(b *testing.B, p oracle.Problem) {
	b.ReportAllocs()
	for b.Loop() {
		s, err := oracle.Solve(context.Background(), p)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.Labels), "labels")
		b.ReportMetric(100*float64(s.EffectiveAccuracy()), "accuracy%")
	}
}

// BenchmarkBound bounds 1e5 requests for two servers: interval cuts.
func BenchmarkBound(b *testing.B) {
	p := load(100_000, 60, 60*time.Millisecond, 8, 0.5)
	p.Servers = 2
	measure(b, p)
}
