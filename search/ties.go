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
// treated so too, and its reason is returned. It compares those whose intervals overlap, O(n^2) at worst.
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
	for i := range front {
		if _, ok := bars[front[i].Arch.R]; !ok {
			known[1] = false
		}
	}
	var own []spread
	if known[0] {
		if own, reason = spreads(front, latency); reason != nil {
			known[0] = false
		}
	}
	tied := make([][2][]bool, len(front))
	for i := range front {
		tied[i] = [2][]bool{make([]bool, len(front)), make([]bool, len(front))}
	}
	for i := range front {
		for j := range i {
			a, b := &front[j], &front[i]
			if known[0] && math.Abs(own[i].latency-own[j].latency) <= z*(own[i].err+own[j].err) {
				d, se, err := latency.Difference(a.Arch, b.Arch)
				if err != nil {
					known[0], reason = false, err
				}
				tied[i][0][j] = math.Abs(float64(d)) <= z*float64(se)
				tied[j][0][i] = tied[i][0][j]
			}
			if known[1] {
				p, q := bars[a.Arch.R].StdDev, bars[b.Arch.R].StdDev
				if a.Arch.R == b.Arch.R {
					p, q = bars[a.Arch.R].Relative, bars[b.Arch.R].Relative
				}
				tied[i][1][j] = math.Abs(float64(a.Accuracy-b.Accuracy)) <= z*math.Hypot(float64(p), float64(q))
				tied[j][1][i] = tied[i][1][j]
			}
		}
	}
	if !known[0] && !known[1] && reason == nil {
		reason = fmt.Errorf("neither the latency table nor the accuracy predictor says how far to trust it")
	}
	ties = make([]Tie, len(front))
	for i := range front {
		t := Tie{First: i}
		for j := range front {
			l, a := tied[i][0][j], tied[i][1][j]
			t.Latency += one(l)
			t.Accuracy += one(a)
			both := (l || !known[0]) && (a || !known[1]) && j != i && (known[0] || known[1])
			if t.Both += one(both); both && j < t.First {
				t.First = j
			}
		}
		if !known[0] {
			t.Latency = -1
		}
		if !known[1] {
			t.Accuracy = -1
		}
		if !known[0] && !known[1] {
			t.Both = -1
		}
		ties[i] = t
	}
	return ties, reason
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

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
