package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
)

// MSER5 returns how many values at the beginning of a series belong to the transient: a multiple of 5, and at most
// half of them. It cuts where the standard error of the mean of the rest, in batches of five, is least. A cut at the
// bound says that the series is too short, or not stationary at all.
//
// Source: K. P. White, M. J. Cobb, S. C. Spratt, "A comparison of five steady-state truncation heuristics for
// simulation", WSC 2000; the bound at one half is theirs.
func MSER5(series []float64) int {
	const size = 5
	n := len(series) / size
	if n < 4 {
		return 0
	}
	batches := make([]float64, n)
	for i := range batches {
		for _, v := range series[i*size : (i+1)*size] {
			batches[i] += v / size
		}
	}
	best, cut := 0.0, 0
	var sum, squares float64
	for d := n - 1; d >= 0; d-- { // the batches d to n-1
		sum += batches[d]
		squares += float64(batches[d] * batches[d])
		rest := float64(n - d)
		if d > n/2 {
			continue
		}
		error2 := max(0, squares-float64(sum*sum)/rest) / (rest * rest)
		if d == n/2 || error2 <= best {
			best, cut = error2, d
		}
	}
	return cut * size
}

// WarmUp returns how many requests, in order of arrival, MSER5 takes for the transient of a run: by their response
// time, or the time until they were given up.
func WarmUp(t *trace.Trace) int {
	order := byArrival(t.Records)
	series := make([]float64, len(order))
	for i, r := range order {
		series[i] = float64(r.End - r.Arrival)
	}
	return MSER5(series)
}

// byArrival returns the records in order of arrival, then number.
func byArrival(records []trace.Record) []*trace.Record {
	order := make([]*trace.Record, len(records))
	for i := range records {
		order[i] = &records[i]
	}
	compare := func(a, b *trace.Record) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Request, b.Request))
	}
	if !slices.IsSortedFunc(order, compare) {
		slices.SortFunc(order, compare)
	}
	return order
}

// MeasureAfter is Measure without the first requests, in order of arrival: what is left of a run when its warm-up is
// cut off. Compliance counts rises of the slow-down after the cut only.
func MeasureAfter(t *trace.Trace, profile traffic.Profile, cut int) Metrics {
	if cut <= 0 {
		return Measure(t, profile)
	}
	order := byArrival(t.Records)
	if cut >= len(order) {
		return Measure(&trace.Trace{Header: t.Header}, nil)
	}
	first := order[cut]
	rest := &trace.Trace{Name: t.Name, Header: t.Header}
	var from time.Duration = first.Arrival
	for i := range t.Records {
		r := &t.Records[i]
		if r.Arrival > first.Arrival || r.Arrival == first.Arrival && r.Request >= first.Request {
			rest.Records = append(rest.Records, *r)
		}
	}
	m := Measure(rest, profile)
	m.Compliance = slices.DeleteFunc(m.Compliance, func(c Compliance) bool { return c.At < from })
	return m
}
