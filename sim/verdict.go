package sim

import (
	"fmt"
	"math"
)

// Verdict is what a run allows to say about a target for the share of requests on time.
type Verdict struct {
	Target     float64 `json:"target"`     // share of requests on time, in (0, 1)
	Confidence float64 `json:"confidence"` // in (0, 1)
	Misses     int     `json:"misses"`
	Requests   int     `json:"requests"`
	// Met reports that the share on time is at least Target with the confidence asked for: if it were not, so few
	// misses would be seen with a probability of at most 1-Confidence.
	Met bool `json:"met"`
	// Needed is the least number of requests at which so many misses meet the target.
	Needed int `json:"needed"`
	// Excluded reports the opposite of Met: if the target held, so many misses would be seen with a probability
	// of at most 1-Confidence. If neither is true, more requests are needed.
	Excluded bool `json:"excluded"`
}

// String says the verdict in a line.
func (v Verdict) String() string {
	target := fmt.Sprintf("%g%% on time at %g%% confidence", 100*v.Target, 100*v.Confidence)
	switch {
	case v.Met:
		return fmt.Sprintf("%s: met (%d misses of %d, %d requests needed)", target, v.Misses, v.Requests, v.Needed)
	case v.Excluded:
		return fmt.Sprintf("%s: not met (%d misses of %d)", target, v.Misses, v.Requests)
	}
	return fmt.Sprintf("%s: undecided (%d misses of %d; as few would do of %d requests)", target, v.Misses, v.Requests, v.Needed)
}

// maxNeeded bounds the search for the number of requests.
const maxNeeded = 1 << 29

// EarlyStopping is LoadGen's rule for ending a run before its full length: t misses of n requests meet the target p
// if the binomial distribution function at t, with n trials of probability 1-p, is at most 1-confidence. It takes
// requests for independent, which misses in a queue are not; so do LoadGen and its 99% confidence.
//
// It panics unless 0 <= misses <= requests, 0 < target < 1 and 0 < confidence < 1.
//
// Source: MLCommons, inference/loadgen/early_stopping.md and early_stopping.cc (Apache-2.0), where the tolerance is
// 0 and the confidence 0.99.
func EarlyStopping(misses, requests int, target, confidence float64) Verdict {
	if misses < 0 || misses > requests || !(target > 0 && target < 1) || !(confidence > 0 && confidence < 1) {
		panic(fmt.Sprintf("sim: a verdict on %d misses of %d at target %g and confidence %g", misses, requests, target, confidence))
	}
	v := Verdict{Target: target, Confidence: confidence, Misses: misses, Requests: requests}
	fails := func(n int) bool { return binomialCDF(misses, n, 1-target) > 1-confidence }
	v.Met = !fails(requests)
	low, high := misses, max(2*misses, 2) // fails(low): the distribution function is 1 there
	for fails(high) && high < maxNeeded {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if middle := low + (high-low)/2; fails(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	v.Needed = high
	if misses > 0 && !v.Met {
		v.Excluded = 1-binomialCDF(misses-1, requests, 1-target) <= 1-confidence
	}
	return v
}

// binomialCDF returns the probability of at most t successes in n trials of probability q. O(t), from the largest
// term down, in logarithms.
func binomialCDF(t, n int, q float64) float64 {
	if t >= n {
		return 1
	}
	lgamma := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	logTerm := func(k int) float64 {
		return lgamma(n) - lgamma(k) - lgamma(n-k) + float64(k)*math.Log(q) + float64(n-k)*math.Log1p(-q)
	}
	if mode := float64(n+1) * q; float64(t) > mode { // sum the smaller side
		upper := 0.0
		term := math.Exp(logTerm(t + 1))
		for k := t + 1; k <= n; k++ {
			upper += term
			if term < 1e-18*upper {
				break
			}
			term *= float64(n-k) / float64(k+1) * q / (1 - q)
		}
		return max(0, 1-upper)
	}
	sum, term := 0.0, math.Exp(logTerm(t))
	for k := t; k >= 0; k-- {
		sum += term
		if term < 1e-18*sum {
			break
		}
		term *= float64(k) / float64(n-k+1) * (1 - q) / q
	}
	return min(1, sum)
}
