package des_test

import (
	"time"

	"github.com/dynofa/dynofa/sim/des"
)

// refEvent and the queues below are the plain way with container/heap, the oracle of the order and the peer
// of the benchmarks.
type refEvent struct {
	at    time.Duration
	class des.Class
	seq   uint64
	arg   uint64
}

func (a refEvent) before(b refEvent) bool {
	if a.at != b.at {
		return a.at < b.at
	}
	if a.class != b.class {
		return a.class < b.class
	}
	return a.seq < b.seq
}

type refQueue []refEvent

func (q refQueue) Len() int           { return len(q) }
func (q refQueue) Less(i, j int) bool { return q[i].before(q[j]) }
func (q refQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *refQueue) Push(x any)        { *q = append(*q, x.(refEvent)) }
func (q *refQueue) Pop() any {
	old := *q
	ev := old[len(old)-1]
	*q = old[:len(old)-1]
	return ev
}

type refPointers []*refEvent

func (q refPointers) Len() int           { return len(q) }
func (q refPointers) Less(i, j int) bool { return q[i].before(*q[j]) }
func (q refPointers) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *refPointers) Push(x any)        { *q = append(*q, x.(*refEvent)) }
func (q *refPointers) Pop() any {
	old := *q
	ev := old[len(old)-1]
	*q = old[:len(old)-1]
	return ev
}

type refClosure struct {
	refEvent
	fn func()
}

type refClosures []*refClosure

func (q refClosures) Len() int           { return len(q) }
func (q refClosures) Less(i, j int) bool { return q[i].before(q[j].refEvent) }
func (q refClosures) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *refClosures) Push(x any)        { *q = append(*q, x.(*refClosure)) }
func (q *refClosures) Pop() any {
	old := *q
	ev := old[len(old)-1]
	*q = old[:len(old)-1]
	return ev
}
