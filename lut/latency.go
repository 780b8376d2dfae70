package lut

import (
	"errors"
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Latency is the distribution of one block's (or network's) latency. A statistic that its source
// does not give is NaN; N is zero if even the count is unknown. Use NewLatency or Unknown, not the
// zero value.
type Latency struct {
	N                  int // samples
	Min, P50, P90, P99 unit.Nanoseconds
	Mean, Std          unit.Nanoseconds
	CILow, CIHigh      unit.Nanoseconds // 95% confidence interval of the median
	// Preempted counts the samples during which the system gave the processor to somebody else. They
	// are among the N if the statistics rest on them, and beside the N if they were set aside: a
	// warning says which.
	Preempted int
	Grade     Grade
	// Samples are the N samples that the statistics rest on; nil where they are not known, as in most
	// tables of others. Copies of a Latency share them.
	Samples *Samples
	// Warnings say what is doubtful; every report that uses the entry repeats them.
	Warnings []string
}

// Unknown returns a Latency in which every statistic is unknown.
func Unknown() Latency {
	nan := unit.Nanoseconds(math.NaN())
	return Latency{Min: nan, P50: nan, P90: nan, P99: nan, Mean: nan, Std: nan, CILow: nan, CIHigh: nan}
}

// MeanOnly returns a Latency of which only count, mean and standard deviation are known, as in the
// published tables.
func MeanOnly(n int, mean, std unit.Nanoseconds) Latency {
	l := Unknown()
	l.N, l.Mean, l.Std = n, mean, std
	return l
}

// Central returns the value that predictions add up: the median, or the mean where no median is
// known.
func (l Latency) Central() unit.Nanoseconds {
	if !math.IsNaN(float64(l.P50)) {
		return l.P50
	}
	return l.Mean
}

// Validate returns an error for an entry that no measurement can give: no central value, a
// negative or infinite statistic, quantiles out of order, or a median outside its interval.
func (l Latency) Validate() error {
	var errs []error
	if math.IsNaN(float64(l.Central())) {
		errs = append(errs, errors.New("neither median nor mean is known"))
	}
	if l.N < 0 {
		errs = append(errs, fmt.Errorf("sample count %d is negative", l.N))
	}
	if l.Preempted < 0 {
		errs = append(errs, fmt.Errorf("count of preempted samples %d is negative", l.Preempted))
	}
	if err := l.Grade.Validate(); err != nil {
		errs = append(errs, err)
	}
	if err := l.Samples.validate(l.N); err != nil {
		errs = append(errs, err)
	}
	for _, s := range []struct {
		name  string
		value unit.Nanoseconds
	}{{"min", l.Min}, {"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}, {"mean", l.Mean}, {"std", l.Std}, {"ci low", l.CILow}, {"ci high", l.CIHigh}} {
		if s.value < 0 || math.IsInf(float64(s.value), 0) {
			errs = append(errs, fmt.Errorf("%s is %g ns", s.name, float64(s.value)))
		}
	}
	previous, name := math.Inf(-1), ""
	for _, s := range []struct {
		name  string
		value unit.Nanoseconds
	}{{"min", l.Min}, {"p50", l.P50}, {"p90", l.P90}, {"p99", l.P99}} {
		v := float64(s.value)
		if math.IsNaN(v) {
			continue
		}
		if v < previous {
			errs = append(errs, fmt.Errorf("%s is below %s", s.name, name))
		}
		previous, name = v, s.name
	}
	if l.CILow > l.CIHigh || l.P50 < l.CILow || l.P50 > l.CIHigh {
		errs = append(errs, fmt.Errorf("the median's interval [%g, %g] ns is reversed or does not hold the median", float64(l.CILow), float64(l.CIHigh)))
	}
	return errors.Join(errs...)
}
