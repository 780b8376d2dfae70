package des

import (
	"math"
	"math/bits"
	"slices"
	"time"
)

// An item's low word is class, sequence number and slot, from the top. The slot never decides an
// order, for sequence numbers of pending events differ.
const (
	slotBits = 24
	seqBits  = 36
	maxSeq   = 1<<seqBits - 1
)

// MaxPending is the largest number of events that can wait in a kernel at once, cancelled ones that
// have not been cleared away included. Only a model that runs away reaches it.
const MaxPending = 1 << slotBits

// item is an entry of the heap: a 128-bit key that also says where the event's data lies.
type item struct {
	at  uint64 // ns since the start; times are never negative
	low uint64
}

func newItem(t time.Duration, c Class, seq uint64, i uint32) item {
	return item{at: uint64(t), low: uint64(c)<<(seqBits+slotBits) | seq<<slotBits | uint64(i)}
}

func (it item) class() Class { return Class(it.low >> (seqBits + slotBits)) }
func (it item) slot() uint32 { return uint32(it.low & (1<<slotBits - 1)) }

// before returns 1 if a comes before b and 0 otherwise: the borrow of a 128-bit subtraction, with no
// branch for the processor to guess.
func before(a, b item) int {
	_, borrow := bits.Sub64(a.low, b.low, 0)
	_, borrow = bits.Sub64(a.at, b.at, borrow)
	return int(borrow)
}

// slot holds the data of one pending event. generation changes whenever the event is over, by being
// handled or cancelled. In a free slot, arg is the next free one.
type slot struct {
	arg        uint64
	generation uint32
	handler    HandlerID
	kind       uint16
}

// queue is a binary heap of items with a lazy root, over a table of slots.
//
// Lazy root: popping leaves a hole at the root, which the next push fills with one sift down; only if
// none comes before the next peek does the last item move there. Since most handlers schedule exactly one
// event, this halves the work. Heap invariant, the hole aside: heap[i] is not before heap[(i-1)/2].
type queue struct {
	heap  []item
	hole  bool // heap[0] has been popped
	slots []slot
	free  uint32   // first free slot, the last one freed; len(slots) if there is none
	funcs []func() // parallel to slots as far as it goes
	stale int      // cancelled items still in the heap
}

// live returns the number of events that are neither handled nor cancelled.
func (q *queue) live() int {
	n := len(q.heap) - q.stale
	if q.hole {
		n--
	}
	return n
}

// grow adds a free slot when there is none.
func (q *queue) grow() {
	n := len(q.slots)
	if n >= MaxPending {
		panic("des: more than MaxPending events are pending")
	}
	q.slots = append(q.slots, slot{arg: uint64(n + 1), generation: 1})
}

// release ends the event in slot i and makes the slot free.
func (q *queue) release(i uint32) {
	s := &q.slots[i]
	s.generation = next(s.generation)
	s.arg = uint64(q.free)
	q.free = i
}

// next returns the generation after g; it skips 0, the zero Handle's.
func next(g uint32) uint32 {
	if g == math.MaxUint32 {
		return 1
	}
	return g + 1
}

func (q *queue) setFunc(i uint32, fn func()) {
	for len(q.funcs) <= int(i) {
		q.funcs = append(q.funcs, nil)
	}
	q.funcs[i] = fn
}

func (q *queue) takeFunc(i uint32) func() {
	fn := q.funcs[i]
	q.funcs[i] = nil
	return fn
}

// peek returns the first live item, and clears away cancelled ones before it.
func (q *queue) peek() (item, bool) {
	q.fill()
	for len(q.heap) > 0 {
		it := q.heap[0]
		if q.slots[it.slot()].handler != cancelled {
			return it, true
		}
		q.drop()
	}
	return item{}, false
}

// drop removes the item at the root, which was cancelled.
func (q *queue) drop() {
	q.stale--
	q.release(q.heap[0].slot())
	q.hole = true
	q.fill()
}

// fill closes the hole with the last item.
func (q *queue) fill() {
	if !q.hole {
		return
	}
	q.hole = false
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap = q.heap[:n]
	if n > 0 {
		siftDown(q.heap, 0, last)
	}
}

// cancel ends the event named by h if it is pending.
func (q *queue) cancel(h Handle) bool {
	if int(h.slot) >= len(q.slots) || q.slots[h.slot].generation != h.generation {
		return false
	}
	s := &q.slots[h.slot]
	if s.handler == funcHandler {
		q.funcs[h.slot] = nil
	}
	s.handler = cancelled
	s.generation = next(s.generation)
	q.stale++
	if q.stale >= 64 && q.stale > len(q.heap)/2 {
		q.compact()
	}
	return true
}

// compact removes all cancelled items. O(len(heap)), after as many cancellations as half of that.
func (q *queue) compact() {
	q.fill()
	kept := q.heap[:0]
	for _, it := range q.heap {
		if i := it.slot(); q.slots[i].handler == cancelled {
			q.release(i)
			continue
		}
		kept = append(kept, it)
	}
	q.heap = kept
	q.stale = 0
	for i := len(kept)/2 - 1; i >= 0; i-- {
		siftDown(kept, i, kept[i])
	}
}

// renumber gives the pending events the sequence numbers 0, 1, ... in their order, and returns the
// next one. It makes the number of events in a run unlimited.
func (q *queue) renumber() uint64 {
	q.fill()
	slices.SortFunc(q.heap, func(a, b item) int { return before(b, a) - before(a, b) })
	for n, it := range q.heap { // a sorted slice is a heap
		q.heap[n] = newItem(time.Duration(it.at), it.class(), uint64(n), it.slot())
	}
	return uint64(len(q.heap))
}

// reset removes all events and keeps the memory. Generations go on, so that old handles stay harmless.
func (q *queue) reset() {
	for i := range q.slots {
		s := &q.slots[i]
		s.generation = next(s.generation)
		s.arg = uint64(i + 1)
	}
	clear(q.funcs)
	q.heap, q.hole, q.free, q.stale = q.heap[:0], false, 0, 0
}

// siftDown puts it where it belongs, at or below position i, whose item is lost. Slicing the pair of
// children costs one bounds check where indexing them costs three.
func siftDown(h []item, i int, it item) {
	c := 2*i + 1
	for c+1 < len(h) {
		pair := h[c : c+2 : c+2]
		if l, r := pair[0].at, pair[1].at; l != r { // as nearly always: the sign of a difference of times below 2^63
			c += int((r - l) >> 63)
		} else {
			c += before(pair[1], pair[0])
		}
		first := h[c]
		if before(first, it) == 0 {
			h[i] = it
			return
		}
		h[i] = first
		i = c
		c = 2*i + 1
	}
	if c < len(h) && before(h[c], it) == 1 {
		h[i] = h[c]
		i = c
	}
	h[i] = it
}

// siftUp puts it where it belongs, at or above position i, whose item is lost.
func siftUp(h []item, i int, it item) {
	for i > 0 {
		p := (i - 1) / 2
		if before(it, h[p]) == 0 {
			break
		}
		h[i] = h[p]
		i = p
	}
	h[i] = it
}
