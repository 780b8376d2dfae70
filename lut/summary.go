package lut

import (
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// MinP99 samples bound the 99th percentile from above with 95% confidence: 0.99^299 = 4.95%.
const MinP99 = 299

// Summarize returns the distribution of samples: smallest, mean, standard deviation (n-1), median
// (mean of the middle two), 90th and 99th percentile (the smallest sample that at least that share
// of all samples does not exceed) and the 95% interval of the median by order statistics. A number
// for which there are too few samples is NaN: the standard deviation below 2, the interval below 6,
// the 99th percentile below 299. No sample is ever left out. samples is not changed; they must be
// finite.
func Summarize(samples []unit.Nanoseconds) Latency { return SummarizeAt(samples, 0.05) }

// SummarizeAt is Summarize with an interval that misses the median with a probability of at most alpha, above 0 and below 1.
func SummarizeAt(samples []unit.Nanoseconds, alpha float64) Latency {
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
	if n >= MinP99 {
		l.P99 = at((n*99 + 99) / 100)
	}
	mean := sum(sorted, func(s float64) float64 { return s }, float64(n))
	l.Mean = unit.Nanoseconds(mean)
	if n > 1 {
		l.Std = unit.Nanoseconds(math.Sqrt(sum(sorted, func(s float64) float64 { return float64((s - mean) * (s - mean)) }, float64(n-1))))
	}
	if low, high, ok := stats.MedianRanksAt(n, alpha); ok {
		l.CILow, l.CIHigh = at(low), at(high)
	}
	return l
}

// sum returns the sum of a function of the samples over a number. It is exact where the sum of whole numbers is, and does not
// overflow where the quotient does not.
func sum(samples []unit.Nanoseconds, of func(float64) float64, over float64) float64 {
	total := 0.0
	for _, s := range samples {
		total += of(float64(s))
	}
	if !math.IsInf(total, 0) {
		return total / over
	}
	total = 0
	for _, s := range samples {
		total += of(float64(s)) / over
	}
	return total
}
