package profile

import (
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
	// MinP99 samples bound the 99th percentile from above with 95% confidence.
	MinP99 = lut.MinP99
)

// Summarize is lut.Summarize of durations.
func Summarize(samples []time.Duration) lut.Latency { return summarize(samples, 0.05) }

// summarize is Summarize with an interval that misses the median with a probability of at most alpha.
func summarize(samples []time.Duration, alpha float64) lut.Latency {
	times := make([]unit.Nanoseconds, len(samples))
	for i, d := range samples {
		times[i] = unit.Nanos(d)
	}
	return lut.SummarizeAt(times, alpha)
}

// HalfWidth returns half the width of the median's 95% interval relative to the median, NaN if the
// interval is not known.
func HalfWidth(l lut.Latency) float64 {
	return float64(l.CIHigh-l.CILow) / 2 / float64(l.P50)
}
