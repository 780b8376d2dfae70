package runner

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// maxWaiting bounds the queue; what arrives beyond it is refused. A policy that never drops reaches
// it after hours of overload.
const maxWaiting = 1 << 20

// queue holds waiting requests in service order: earliest deadline, then arrival, then ID. Requests
// that all have the same time to their deadline arrive in that order, so a push is O(1) then.
type queue struct {
	items []policy.Request
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(r policy.Request) {
	if q.head > len(q.items)/2 && q.head > 64 {
		q.items = slices.Delete(q.items, 0, q.head)
		q.head = 0
	}
	at := len(q.items)
	if at > q.head && before(r, q.items[at-1]) < 0 {
		i, _ := slices.BinarySearchFunc(q.items[q.head:], r, func(a, b policy.Request) int { return before(a, b) })
		at = q.head + i
	}
	q.items = slices.Insert(q.items, at, r)
}

func (q *queue) pop() policy.Request {
	r := q.items[q.head]
	q.head++
	return r
}

// show writes the first requests to buf, at most policy.MaxQueue.
func (q *queue) show(buf []policy.Request) []policy.Request {
	waiting := q.items[q.head:]
	return append(buf[:0], waiting[:min(len(waiting), policy.MaxQueue)]...)
}

func before(a, b policy.Request) int {
	due := func(r policy.Request) time.Duration {
		if r.Deadline == 0 {
			return math.MaxInt64
		}
		return r.Deadline
	}
	return cmp.Or(cmp.Compare(due(a), due(b)), cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.ID, b.ID))
}
