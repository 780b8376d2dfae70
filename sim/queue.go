package sim

import (
	"cmp"
	"slices"

	"github.com/dynofa/dynofa/deploy/policy"
)

// waiting is a request in the queue, with the luck it will have.
type waiting struct {
	policy.Request
	noise float64 // factor on its latency, without a calibration
	luck  luck    // with one
}

// compare orders requests by deadline, then arrival, then number; one without a deadline comes after
// all that have one.
func compare(a, b waiting) int {
	if (a.Deadline == 0) != (b.Deadline == 0) {
		if a.Deadline == 0 {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(a.Deadline, b.Deadline), cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.ID, b.ID))
}

// queue holds the waiting requests in order of service. Adding costs O(1) where requests arrive in
// that order, as they do when all have the same time, and O(waiting) at worst; taking costs O(1)
// amortised.
type queue struct {
	items []waiting
	head  int // items before it are gone
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) add(w waiting) {
	if q.head > 32 && q.head > len(q.items)/2 {
		q.items = q.items[:copy(q.items, q.items[q.head:])]
		q.head = 0
	}
	live := q.items[q.head:]
	if n := len(live); n == 0 || compare(live[n-1], w) < 0 {
		q.items = append(q.items, w)
		return
	}
	i, _ := slices.BinarySearchFunc(live, w, compare)
	q.items = slices.Insert(q.items, q.head+i, w)
}

func (q *queue) take() waiting {
	w := q.items[q.head]
	q.head++
	return w
}

// show appends the first requests, at most policy.MaxQueue of them.
func (q *queue) show(to []policy.Request) []policy.Request {
	for _, w := range q.items[q.head:min(len(q.items), q.head+policy.MaxQueue)] {
		to = append(to, w.Request)
	}
	return to
}
