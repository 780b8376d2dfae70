package profile

import (
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// Smallest sample sizes for which a claim can be made without assuming a distribution.
const (
	// MinMedian samples give a 95% interval of the median: the range of n samples misses the
	// median with probability 2^(1-n), and 2^-5 = 3.1% is the first below 5%.
	MinMedian = stats.MinMedian
	// MinP99 samples bound the 99th percentile from above with 95% confidence: 0.99^299 = 4.95%.
	MinP99 = 299
)

// Summarize returns the distribution of samples: smallest, mean, standard deviation (n-1), median
// (mean of the middle two), 90th and 99th percentile (the smallest sample that at least that share
// of all samples does not exceed) and the 95% interval of the median by order statistics. A number
// for which there are too few samples is NaN: the standard deviation below 2, the interval below
// MinMedian, the 99th percentile below MinP99. No sample is ever left out. samples is not changed.
func Summarize(samples []time.Duration) lut.Latency { return summarize(samples, 0.05) }

// summarize is Summarize with an interval that misses the median with a probability of at most alpha.
func summarize(samples []time.Duration, alpha float64) lut.Latency {
	l := lut.Unknown()
	n := len(samples)
	l.N = n
	if n == 0 {
		return l
	}
	sorted := slices.Sorted(slices.Values(samples))
	at := func(rank int) unit.Nanoseconds { return unit.Nanos(sorted[rank-1]) } // 1-based
	l.Min = at(1)
	l.P50 = (at((n+1)/2) + at(n/2+1)) / 2
	l.P90 = at(rank(n, 90))
	if n >= MinP99 {
		l.P99 = at(rank(n, 99))
	}
	l.Mean, l.Std = moments(sorted)
	if low, high, ok := stats.MedianRanksAt(n, alpha); ok {
		l.CILow, l.CIHigh = at(low), at(high)
	}
	return l
}

// rank returns the 1-based rank of a percentile among n samples.
func rank(n, percent int) int { return (n*percent + 99) / 100 }

// moments returns mean and standard deviation of the samples, summed in the order given.
func moments(samples []time.Duration) (mean, std unit.Nanoseconds) {
	sum := 0.0
	for _, d := range samples {
		sum += float64(d)
	}
	m := sum / float64(len(samples))
	if len(samples) < 2 {
		return unit.Nanoseconds(m), unit.Nanoseconds(math.NaN())
	}
	squares := 0.0
	for _, d := range samples {
		squares += float64((float64(d) - m) * (float64(d) - m))
	}
	return unit.Nanoseconds(m), unit.Nanoseconds(math.Sqrt(squares / float64(len(samples)-1)))
}

// HalfWidth returns half the width of the median's 95% interval relative to the median, NaN if the
// interval is not known.
func HalfWidth(l lut.Latency) float64 {
	return float64(l.CIHigh-l.CILow) / 2 / float64(l.P50)
}
