package lut_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// trueLatency is a block's median latency on the tests' device: a CPU with 5 us per block, 5e9
// multiply-accumulates and 1e10 parameters per second.
func trueLatency(b supernet.Block) float64 {
	return 5e3 + float64(b.MACs())/5 + float64(b.Params())/10
}

// noisy returns what n samples of lognormal noise with the given standard deviation would give, the
// median drawn from its distribution for large n.
func noisy(rng *rand.Rand, median, sigma float64, n int) lut.Latency {
	se := math.Sqrt(math.Pi/2) * sigma / math.Sqrt(float64(n))
	p50 := median * math.Exp(se*rng.NormFloat64())
	at := func(z float64) unit.Nanoseconds { return unit.Nanoseconds(p50 * math.Exp(z)) }
	return lut.Latency{N: n, Min: at(-3 * sigma), P50: at(0), P90: at(1.2816 * sigma), P99: at(2.3263 * sigma),
		Mean: at(sigma * sigma / 2), Std: unit.Nanoseconds(p50 * sigma), CILow: at(-1.96 * se), CIHigh: at(1.96 * se), Grade: lut.GradeA}
}

// synthetic returns a table as a careful measurement gives it: 400 samples with 3% noise per entry,
// and 12 whole networks whose latency is the sum of their blocks within 1%.
func synthetic(t testing.TB, s *supernet.Space, seed uint64, resolutions ...int) *lut.Table {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	tab := &lut.Table{
		Space:  s.Name,
		Point:  lut.OperatingPoint{Device: "board", Processor: "cpu", Threads: 1, Batch: 1, Precision: "fp32"},
		Origin: lut.Measured,
		Source: "synthetic",
		Grade:  lut.GradeA,
	}
	for _, r := range resolutions {
		blocks, err := s.DistinctBlocks(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: noisy(rng, trueLatency(b), 0.03, 400)})
		}
	}
	tab.Networks = wholeNetworks(t, s, rng, 12, 0.01, resolutions...)
	return tab
}

// wholeNetworks returns n random networks with the true sums of their blocks, each off by a factor
// that is lognormal with standard deviation sigma.
func wholeNetworks(t testing.TB, s *supernet.Space, rng *rand.Rand, n int, sigma float64, resolutions ...int) []lut.NetworkLatency {
	t.Helper()
	var networks []lut.NetworkLatency
	for range n {
		a := s.Random(rng, resolutions[rng.IntN(len(resolutions))])
		blocks, err := s.Blocks(a)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0.0
		for _, b := range blocks {
			sum += trueLatency(b)
		}
		networks = append(networks, lut.NetworkLatency{Arch: a.String(), Latency: noisy(rng, sum*math.Exp(sigma*rng.NormFloat64()), 0.02, 400)})
	}
	return networks
}
