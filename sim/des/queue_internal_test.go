package des

import (
	"math"
	"testing"
	"time"
)

// When the sequence numbers run out they are given anew, and nobody notices.
func TestRenumber(t *testing.T) {
	run := func(start uint64) (fingerprint uint64, order []uint64) {
		k := New()
		k.seq = start
		var self HandlerID
		self = k.Register(HandlerFunc(func(k *Kernel, ev Event) {
			order = append(order, ev.Arg)
			if n := uint64(len(order)); n < 100 {
				k.After(time.Duration(n%5), Class(n%6), self, Event{Arg: 100 + n})
			}
		}))
		for i := range uint64(40) {
			k.At(time.Duration(i%3), Class(i%2), self, Event{Arg: i})
		}
		k.Run(Forever)
		return k.Fingerprint(), order
	}
	want, _ := run(0)
	for _, before := range []uint64{0, 1, 7, 39, 40, 41, 90} {
		got, order := run(maxSeq - before)
		if got != want || len(order) != 139 {
			t.Errorf("%d numbers before the end: fingerprint %#x after %d events, want %#x after 139", before, got, len(order), want)
		}
	}
}

// The last generation is followed by the first, never by that of the zero Handle.
func TestGenerationWraps(t *testing.T) {
	if got := next(math.MaxUint32); got != 1 {
		t.Errorf("generation after the last one = %d, want 1", got)
	}
	if got := next(1); got != 2 {
		t.Errorf("generation after 1 = %d, want 2", got)
	}
}

func TestTooManyPendingPanics(t *testing.T) {
	k := New()
	k.queue.slots = make([]slot, MaxPending)
	k.queue.free = MaxPending
	h := k.Register(HandlerFunc(func(*Kernel, Event) {}))
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	k.After(1, Arrival, h, Event{})
}

func TestTooManyHandlersPanic(t *testing.T) {
	k := New()
	k.handlers = make([]Handler, maxHandlers)
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	k.Register(HandlerFunc(func(*Kernel, Event) {}))
}
