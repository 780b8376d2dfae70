package sim

import (
	"math"
	"slices"
	"time"
)

// Summary describes a sample of times. All are 0 for an empty sample.
type Summary struct {
	N int `json:"n"`
	// Quantiles are sample values: the least that a share of at least q of the sample does not
	// exceed.
	Min time.Duration `json:"min_ns"`
	P50 time.Duration `json:"p50_ns"`
	P90 time.Duration `json:"p90_ns"`
	P99 time.Duration `json:"p99_ns"` // the maximum below 100 values
	Max time.Duration `json:"max_ns"`
	// Mean is rounded to the nanosecond, Std is the sample's standard deviation (divisor N-1).
	Mean time.Duration `json:"mean_ns"`
	Std  time.Duration `json:"std_ns"`
}

// Summarize describes a sample, which it leaves as it is. O(n log n).
func Summarize(sample []time.Duration) Summary { return summarize(slices.Clone(sample)) }

// summarize describes a sample, which it sorts.
func summarize(sorted []time.Duration) Summary {
	n := len(sorted)
	if n == 0 {
		return Summary{}
	}
	slices.Sort(sorted)
	at := func(q float64) time.Duration { return sorted[max(0, int(math.Ceil(q*float64(n)))-1)] }
	var sum float64
	for _, d := range sorted {
		sum += float64(d)
	}
	mean := sum / float64(n)
	var squares float64
	for _, d := range sorted {
		off := float64(d) - mean
		squares += float64(off * off)
	}
	s := Summary{N: n, Min: sorted[0], P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: sorted[n-1], Mean: time.Duration(math.Round(mean))}
	if n > 1 {
		s.Std = time.Duration(math.Round(math.Sqrt(squares / float64(n-1))))
	}
	return s
}

// Proportion is a share of trials with its confidence interval.
type Proportion struct {
	Hits   int `json:"hits"`
	Trials int `json:"trials"`
	// Share is Hits / Trials, 0 without trials.
	Share float64 `json:"share"`
	// Low and High bound the share with 95% confidence; [0, 1] without trials. The interval takes
	// trials for independent, which misses in a queue are not: they come in bursts.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// NewProportion computes share and interval. It panics unless 0 <= hits <= trials.
//
// Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
// Journal of the American Statistical Association 22, 1927: the score interval.
func NewProportion(hits, trials int) Proportion {
	if hits < 0 || hits > trials {
		panic("sim: a proportion's hits are outside [0, trials]")
	}
	p := Proportion{Hits: hits, Trials: trials, High: 1}
	if trials == 0 {
		return p
	}
	const z = 1.959963984540054 // 97.5% quantile of the standard normal distribution
	n := float64(trials)
	p.Share = float64(hits) / n
	middle := p.Share + z*z/(2*n)
	half := z * math.Sqrt(float64(p.Share*(1-p.Share))/n+z*z/(4*n*n))
	if hits > 0 { // else exactly 0
		p.Low = max(0, (middle-half)/(1+z*z/n))
	}
	if hits < trials { // else exactly 1
		p.High = min(1, (middle+half)/(1+z*z/n))
	}
	return p
}
