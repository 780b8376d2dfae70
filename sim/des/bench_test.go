package des_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/sim/des"
)

// holdTimes are increments drawn beforehand, so that the benchmark measures the queue.
func holdTimes() []time.Duration {
	rng := rand.New(rand.NewPCG(1, 2))
	d := make([]time.Duration, 1<<14)
	for i := range d {
		d[i] = time.Duration(rng.ExpFloat64() * 1e9)
	}
	return d
}

// BenchmarkHold is the classical hold model: pop the first event, schedule one at an exponential
// distance, with a constant number pending.
func BenchmarkHold(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("des/pending=%d", n), func(b *testing.B) { benchHoldKernel(b, n) })
		b.Run(fmt.Sprintf("container-heap/pending=%d", n), func(b *testing.B) { benchHoldHeap(b, n) })
		b.Run(fmt.Sprintf("container-heap-pointers/pending=%d", n), func(b *testing.B) { benchHoldPointers(b, n) })
	}
}

func benchHoldKernel(b *testing.B, n int) {
	k := des.New()
	h := &holder{times: holdTimes(), left: b.N}
	h.self = k.Register(h)
	for i := range n {
		k.At(h.times[i], des.Completion, h.self, des.Event{Arg: uint64(i)})
	}
	b.ReportAllocs()
	b.ResetTimer()
	k.Run(des.Forever)
}

// holder schedules one event for each one handled.
type holder struct {
	times []time.Duration
	self  des.HandlerID
	next  int
	left  int
}

func (h *holder) Handle(k *des.Kernel, ev des.Event) {
	if h.left--; h.left <= 0 {
		k.Stop()
	}
	h.next = (h.next + 1) & (len(h.times) - 1)
	k.After(h.times[h.next], des.Completion, h.self, ev)
}

func benchHoldHeap(b *testing.B, n int) {
	times := holdTimes()
	var q refQueue
	for i := range n {
		heap.Push(&q, refEvent{at: times[i], seq: uint64(i)})
	}
	next, seq := 0, uint64(n)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		ev := heap.Pop(&q).(refEvent)
		next = (next + 1) & (len(times) - 1)
		seq++
		heap.Push(&q, refEvent{at: ev.at + times[next], seq: seq})
	}
}

func benchHoldPointers(b *testing.B, n int) {
	times := holdTimes()
	var q refPointers
	for i := range n {
		heap.Push(&q, &refEvent{at: times[i], seq: uint64(i)})
	}
	next, seq := 0, uint64(n)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		ev := heap.Pop(&q).(*refEvent)
		next = (next + 1) & (len(times) - 1)
		seq++
		heap.Push(&q, &refEvent{at: ev.at + times[next], seq: seq})
	}
}

// BenchmarkMM1 simulates the M/M/1 queue at load 0.8; an operation is one event, two to a customer.
func BenchmarkMM1(b *testing.B) {
	b.Run("des", func(b *testing.B) {
		b.ReportAllocs()
		q := newStation(1, 2, 0.8, exponential)
		q.run(uint64(b.N)/2+1, 0)
	})
	b.Run("container-heap-closures", benchMM1Closures)
}

// benchMM1Closures is the usual way of writing it: container/heap with pointers to events that hold a
// closure. The handlers do what those of the des benchmark do, random numbers included.
func benchMM1Closures(b *testing.B) {
	b.ReportAllocs()
	var q refClosures
	rng := rand.New(rand.NewPCG(1, 2))
	var now time.Duration
	var seq uint64
	after := func(mean float64, fn func()) {
		seq++
		at := now + time.Duration(rng.ExpFloat64()*mean)
		heap.Push(&q, &refClosure{refEvent{at: at, seq: seq}, fn})
	}
	var waiting []time.Duration
	var arrive, depart func()
	arrive = func() {
		waiting = append(waiting, now)
		if len(waiting) == 1 {
			after(1e9, func() { depart() })
		}
		after(1.25e9, func() { arrive() })
	}
	depart = func() {
		waiting = waiting[1:]
		if len(waiting) > 0 {
			after(1e9, func() { depart() })
		}
	}
	after(1.25e9, func() { arrive() })
	b.ResetTimer()
	for range b.N {
		ev := heap.Pop(&q).(*refClosure)
		now = ev.at
		ev.fn()
	}
}
