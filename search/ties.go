package search

import (
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

// Comparer tells how sure the difference of two predicted latencies is. *lut.Predictor is one.
type Comparer interface {
	Latency
	// StandardError returns that of a's predicted latency.
	StandardError(a supernet.Arch) (unit.Nanoseconds, error)
	// Difference returns how much slower b is than a, and the standard error of that.
	Difference(a, b supernet.Arch) (difference, standardError unit.Nanoseconds, err error)
}

// AccuracyError is how far accuracies of networks of one resolution are to be trusted.
type AccuracyError struct {
	Resolution int               `json:"r"`
	Bar        accuracy.ErrorBar `json:"bar"`
}

// AccuracyErrors returns the error bars of a predictor at resolutions, nil if it does not know them.
func AccuracyErrors(p accuracy.Predictor, resolutions []int) []AccuracyError {
	b, ok := p.(interface {
		ErrorBar(r int) (accuracy.ErrorBar, error)
	})
	if !ok {
		return nil
	}
	var list []AccuracyError
	for _, r := range resolutions {
		bar, err := b.ErrorBar(r)
		if err != nil {
			return nil
		}
		list = append(list, AccuracyError{r, bar})
	}
	return list
}

// Tie says of a network of a front from which others it cannot be told apart.
type Tie struct {
	// Latency and Accuracy count the networks of the front, itself not, whose latency or accuracy does not
	// differ from its own by more than the 95% interval of the difference. They are -1 where nothing is
	// known of the errors.
	Latency, Accuracy int
	// Both counts those that are tied in both: nothing is known that speaks for one of them. It is that of
	// the known one where the other is not known, and -1 where neither is.
	Both int
	// First is the index of the first network of the front that it is tied with in that sense, its own if
	// there is none before.
	First int
}

// Ties compares all pairs of a front: latencies by a table's intervals, accuracies by the predictor's errors.
// latency may be nil, and errors empty, where they are not known; a latency predictor that cannot tell is
// treated so too, and its reason is returned. It compares all pairs, O(n^2), in O(n) memory.
//
// Two predicted accuracies at one resolution share what the predictor gets wrong about all of them; only
// the relative error counts between them, and the whole between networks of different resolutions.
func Ties(front []Candidate, latency Comparer, errors []AccuracyError) (ties []Tie, reason error) {
	const z = 1.959963984540054 // 95% of a normal distribution
	bars := map[int]accuracy.ErrorBar{}
	for _, e := range errors {
		bars[e.Resolution] = e.Bar
	}
	known := [2]bool{latency != nil, len(errors) > 0}
	bar := make([]accuracy.ErrorBar, len(front))
	for i := range front {
		var ok bool
		if bar[i], ok = bars[front[i].Arch.R]; !ok {
			known[1] = false
		}
	}
	var own []spread
	if known[0] {
		if own, reason = spreads(front, latency); reason != nil {
			known[0] = false
		}
	}
	// A front of several objectives has thousands of networks: pairs are counted, not kept.
	byLatency, byAccuracy, byBoth := newTally(len(front)), newTally(len(front)), newTally(len(front))
	for i := range front {
		for j := range i {
			a, b := &front[j], &front[i]
			var l, c bool
			if known[0] && math.Abs(own[i].latency-own[j].latency) <= z*(own[i].err+own[j].err) {
				d, se, err := latency.Difference(a.Arch, b.Arch)
				if err != nil {
					known[0], reason = false, err
				}
				l = math.Abs(float64(d)) <= z*float64(se)
			}
			if known[1] {
				p, q := bar[j].StdDev, bar[i].StdDev
				if a.Arch.R == b.Arch.R {
					p, q = bar[j].Relative, bar[i].Relative
				}
				c = math.Abs(float64(a.Accuracy-b.Accuracy)) <= z*math.Hypot(float64(p), float64(q))
			}
			byLatency.add(l, i, j)
			byAccuracy.add(c, i, j)
			byBoth.add(l && c, i, j)
		}
	}
	if !known[0] && !known[1] && reason == nil {
		reason = fmt.Errorf("neither the latency table nor the accuracy predictor says how far to trust it")
	}
	ties = make([]Tie, len(front))
	for i := range front {
		t := &ties[i]
		*t = Tie{byLatency.n[i], byAccuracy.n[i], byBoth.n[i], byBoth.first[i]}
		if !known[1] {
			t.Accuracy, t.Both, t.First = -1, byLatency.n[i], byLatency.first[i]
		}
		if !known[0] {
			t.Latency, t.Both, t.First = -1, byAccuracy.n[i], byAccuracy.first[i]
		}
		if !known[0] && !known[1] {
			t.Both, t.First = -1, i
		}
	}
	return ties, reason
}

// tally counts, for each network, those that it is tied with, and keeps the first of them, or itself if
// there is none before.
type tally struct{ n, first []int }

func newTally(networks int) *tally {
	t := &tally{make([]int, networks), make([]int, networks)}
	for i := range t.first {
		t.first[i] = i
	}
	return t
}

// add counts a pair, j < i, if it is tied.
func (t *tally) add(tied bool, i, j int) {
	if tied {
		t.n[i]++
		t.n[j]++
		t.first[i] = min(t.first[i], j)
	}
}

// spread is a predicted latency with its standard error.
type spread struct{ latency, err float64 }

func spreads(front []Candidate, latency Comparer) ([]spread, error) {
	list := make([]spread, len(front))
	for i := range front {
		l, err := latency.Latency(front[i].Arch)
		if err != nil {
			return nil, err
		}
		se, err := latency.StandardError(front[i].Arch)
		if err != nil {
			return nil, err
		}
		list[i] = spread{float64(l), float64(se)}
	}
	return list, nil
}
