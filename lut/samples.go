package lut

import (
	"fmt"
	"time"
)

// Samples are the single times behind a Latency, in the order in which they were taken.
type Samples struct {
	Times []time.Duration // at least one, none negative
}

// validate returns an error for samples that cannot be those of a distribution of n.
func (s *Samples) validate(n int) error {
	if s == nil {
		return nil
	}
	if len(s.Times) != n || n == 0 {
		return fmt.Errorf("%d samples stand behind a distribution of %d", len(s.Times), n)
	}
	for i, t := range s.Times {
		if t < 0 {
			return fmt.Errorf("sample %d is %v", i, t)
		}
	}
	return nil
}

// sampleSums adds up the i-th samples of several distributions, times[j] of the j-th, for as many as
// all have; nil if one of them has none. Samples of one position were taken at about the same time.
func sampleSums(all []*Samples, times []float64) []float64 {
	n := 0
	for i, s := range all {
		if s == nil {
			return nil
		}
		if i == 0 || len(s.Times) < n {
			n = len(s.Times)
		}
	}
	sums := make([]float64, n)
	for j, s := range all {
		for i := range sums {
			sums[i] += float64(times[j] * float64(s.Times[i]))
		}
	}
	return sums
}
