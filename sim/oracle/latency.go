package oracle

import (
	"math"
	"sort"
	"time"
)

// profile is a piecewise-constant slow-down.
type profile []Step

// at returns the index of the first step after t, and the slow-down at t.
func (p profile) at(t time.Duration) (next int, slow float64) {
	next = sort.Search(len(p), func(i int) bool { return p[i].At > t })
	if next == 0 {
		return 0, 1
	}
	return next, p[next-1].Slowdown
}

// finish returns when an inference ends that starts at start and would take work nanoseconds
// undisturbed, false if that is beyond maxTime. It computes what package sim computes, operation for
// operation, and never descends when start or work ascends.
func (p profile) finish(start time.Duration, work float64) (time.Duration, bool) {
	at := start
	next, slow := p.at(start)
	for {
		need := work * slow
		if next == len(p) || need <= float64(p[next].At-at) {
			if !(need < float64(maxTime-at)) {
				return 0, false
			}
			return max(at+time.Duration(math.Round(need)), start+1), true
		}
		work -= float64(p[next].At-at) / slow
		at, slow = p[next].At, p[next].Slowdown
		next++
	}
}

// latestStart returns the latest start from which work ends by end, false if it is before from.
func (p profile) latestStart(from, end time.Duration, work float64) (time.Duration, bool) {
	end = min(end, maxTime-1)
	ends := func(start time.Duration) bool {
		e, ok := p.finish(start, work)
		return ok && e <= end
	}
	if from >= end || !ends(from) {
		return 0, false
	}
	if len(p) == 0 {
		return end - max(1, time.Duration(math.Round(work))), true
	}
	low, high := from, end // ends(low), not ends(high)
	for high-low > 1 {
		if middle := low + (high-low)/2; ends(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low, true
}

// workClock says how much work a server does.
type workClock struct {
	profile
	before []float64 // work done before each step
}

func (p profile) clock() workClock {
	c := workClock{profile: p, before: make([]float64, len(p))}
	at, slow, sum := time.Duration(0), 1.0, 0.0
	for i, s := range p {
		if s.At > at {
			sum += float64(s.At-at) / slow
			at = s.At
		}
		c.before[i], slow = sum, s.Slowdown
	}
	return c
}

// done returns the work from 0 to t, in nanoseconds of undisturbed work.
func (c workClock) done(t time.Duration) float64 {
	next, slow := c.at(t)
	if next == 0 {
		return float64(t)
	}
	return c.before[next-1] + float64(t-max(0, c.profile[next-1].At))/slow
}

// extremes returns the least and the largest slow-down of all times.
func (p profile) extremes() (low, high float64) {
	low, high = 1, 1
	for _, s := range p {
		low, high = min(low, s.Slowdown), max(high, s.Slowdown)
	}
	return low, high
}
