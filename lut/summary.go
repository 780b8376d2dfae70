package lut

import (
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// Summarize returns the distribution of samples: smallest, mean, standard deviation (n-1), median
// (mean of the middle two), 90th and 99th percentile (the smallest sample that at least that share
// of all samples does not exceed) and the 95% interval of the median by order statistics. A number
// for which there are too few samples is NaN: the standard deviation below 2, the interval below 6,
// the 99th percentile below 299. No sample is ever left out. samples is not changed; they must be
// finite.
func Summarize(samples []unit.Nanoseconds) Latency {
	l := Unknown()
	n := len(samples)
	l.N = n
	if n == 0 {
		return l
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := func(rank int) unit.Nanoseconds { return sorted[rank-1] } // 1-based
	l.Min = at(1)
	l.P50 = at((n+1)/2)/2 + at(n/2+1)/2
	l.P90 = at((n*90 + 99) / 100)
	if n >= tailSamples {
		l.P99 = at((n*99 + 99) / 100)
	}
	sum := 0.0
	for _, s := range sorted {
		sum += float64(s) / float64(n)
	}
	l.Mean = unit.Nanoseconds(sum)
	if n > 1 {
		squares := 0.0
		for _, s := range sorted {
			d := float64(s) - sum
			squares += float64(d*d) / float64(n-1)
		}
		l.Std = unit.Nanoseconds(math.Sqrt(squares))
	}
	if low, high, ok := stats.MedianRanks(n); ok {
		l.CILow, l.CIHigh = at(low), at(high)
	}
	return l
}
