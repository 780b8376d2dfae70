package des_test

import (
	"container/heap"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/sim/des"
)

// TestOrderAgainstStableSort schedules everything beforehand: the order must be a stable sort's.
func TestOrderAgainstStableSort(t *testing.T) {
	for n := range 70 {
		rng := rand.New(rand.NewPCG(uint64(n), 3))
		k, _ := newLog()
		var got, want []refEvent
		h := k.Register(des.HandlerFunc(func(k *des.Kernel, ev des.Event) {
			got = append(got, refEvent{at: k.Now(), class: des.Class(ev.Kind), arg: ev.Arg})
		}))
		for i := range n * n {
			ev := refEvent{at: time.Duration(rng.IntN(n)), class: des.Class(rng.IntN(6)), arg: uint64(i)}
			want = append(want, ev)
			k.At(ev.at, ev.class, h, des.Event{Kind: uint16(ev.class), Arg: ev.arg})
		}
		slices.SortStableFunc(want, func(a, b refEvent) int {
			if a.at != b.at {
				return int(a.at - b.at)
			}
			return int(a.class) - int(b.class)
		})
		k.Run(des.Forever)
		if !slices.Equal(got, want) {
			t.Fatalf("order of %d events differs from a stable sort", n*n)
		}
	}
}

// branching schedules zero to three events for each one handled, from its own random numbers, so that the lazy
// root is filled by the first, and the rest go the ordinary way.
type branching struct {
	rng  *rand.Rand
	left int
	got  []refEvent
	add  func(at time.Duration, c des.Class, arg uint64)
	args uint64
}

func (b *branching) handle(ev refEvent) {
	b.got = append(b.got, ev)
	for range b.rng.IntN(4) {
		if b.left == 0 {
			return
		}
		b.left--
		b.args++
		b.add(ev.at+time.Duration(b.rng.IntN(50)), des.Class(b.rng.IntN(6)), b.args)
	}
}

// TestOrderAgainstContainerHeap runs the same branching process on the kernel and on container/heap.
func TestOrderAgainstContainerHeap(t *testing.T) {
	for seed := range uint64(200) {
		onKernel := &branching{rng: rand.New(rand.NewPCG(seed, 4)), left: 2000}
		k := des.New()
		self := k.Register(des.HandlerFunc(func(k *des.Kernel, ev des.Event) {
			onKernel.handle(refEvent{at: k.Now(), class: des.Class(ev.Kind), arg: ev.Arg})
		}))
		onKernel.add = func(at time.Duration, c des.Class, arg uint64) {
			k.At(at, c, self, des.Event{Kind: uint16(c), Arg: arg})
		}

		onHeap := &branching{rng: rand.New(rand.NewPCG(seed, 4)), left: 2000}
		var q refQueue
		var seq uint64
		onHeap.add = func(at time.Duration, c des.Class, arg uint64) {
			heap.Push(&q, refEvent{at: at, class: c, seq: seq, arg: arg})
			seq++
		}
		for i := range 20 {
			onKernel.add(time.Duration(i), des.Arrival, 0)
			onHeap.add(time.Duration(i), des.Arrival, 0)
		}
		k.Run(des.Forever)
		for q.Len() > 0 {
			ev := heap.Pop(&q).(refEvent)
			ev.seq = 0
			onHeap.handle(ev)
		}
		if len(onHeap.got) < 20 || !slices.Equal(onKernel.got, onHeap.got) {
			t.Fatalf("seed %d: %d events on the kernel differ from %d on container/heap", seed, len(onKernel.got), len(onHeap.got))
		}
	}
}

// integers runs a process on whole numbers only, so its fingerprint is the same on every architecture.
func integers(k *des.Kernel) uint64 {
	x := uint64(1)
	var self des.HandlerID
	self = k.Register(des.HandlerFunc(func(k *des.Kernel, ev des.Event) {
		x = x*6364136223846793005 + 1442695040888963407 // Knuth's MMIX generator
		h := k.After(time.Duration(x>>44), des.Class((x>>40)%6), self, des.Event{Kind: uint16(x), Arg: x})
		if x>>20&3 == 0 {
			k.Cancel(h)
			k.After(time.Duration(x>>50), des.Deadline, self, ev)
		}
	}))
	for i := range 10 {
		k.At(time.Duration(i), des.Arrival, self, des.Event{Arg: uint64(i)})
	}
	k.Run(100 * time.Millisecond)
	return k.Fingerprint()
}

// TestFingerprintGolden pins order, hash and bookkeeping at once. The number is what the kernel gave when the
// tests above first passed; it may change only together with a stated change of order or hash.
func TestFingerprintGolden(t *testing.T) {
	const want = 0x8fb488ef282500f2
	k := des.New()
	got := integers(k)
	if got != want || k.Events() < 1000 {
		t.Errorf("fingerprint %#x after %d events, want %#x", got, k.Events(), uint64(want))
	}
	k.Reset()
	if k.Now() != 0 || k.Events() != 0 || k.Pending() != 0 || k.Fingerprint() != 0 {
		t.Error("Reset leaves something behind")
	}
	var wg sync.WaitGroup
	var prints [4]uint64
	for i := range prints {
		wg.Go(func() { prints[i] = integers(des.New()) })
	}
	wg.Wait()
	if d := cmp.Diff([4]uint64{got, got, got, got}, prints); d != "" {
		t.Errorf("concurrent runs differ: %s", d)
	}
}

func TestResetRepeats(t *testing.T) {
	k := des.New()
	h := &holder{times: holdTimes(), left: 5000}
	h.self = k.Register(h)
	run := func() uint64 {
		h.next, h.left = 0, 5000
		for i := range 50 {
			k.At(h.times[i], des.Completion, h.self, des.Event{Arg: uint64(i)})
		}
		k.Cancel(k.AfterFunc(1, des.Deadline, func() {}))
		k.Run(des.Forever)
		return k.Fingerprint()
	}
	first := run()
	k.Reset()
	if second := run(); first != second || first == 0 {
		t.Errorf("fingerprints %#x and, after Reset, %#x", first, second)
	}
}

// Every ingredient reaches the fingerprint; what does not happen leaves no mark.
func TestFingerprintIngredients(t *testing.T) {
	print := func(change func(k *des.Kernel, h des.HandlerID)) uint64 {
		k := des.New()
		h := k.Register(des.HandlerFunc(func(*des.Kernel, des.Event) {}))
		k.Register(des.HandlerFunc(func(*des.Kernel, des.Event) {}))
		change(k, h)
		k.At(100, des.Arrival, h, des.Event{Kind: 1, Arg: 1})
		k.Run(des.Forever)
		return k.Fingerprint()
	}
	base := print(func(k *des.Kernel, h des.HandlerID) { k.At(1, des.Arrival, h, des.Event{Kind: 1, Arg: 1}) })
	different := map[string]func(k *des.Kernel, h des.HandlerID){
		"time":    func(k *des.Kernel, h des.HandlerID) { k.At(2, des.Arrival, h, des.Event{Kind: 1, Arg: 1}) },
		"class":   func(k *des.Kernel, h des.HandlerID) { k.At(1, des.Deadline, h, des.Event{Kind: 1, Arg: 1}) },
		"handler": func(k *des.Kernel, h des.HandlerID) { k.At(1, des.Arrival, h+1, des.Event{Kind: 1, Arg: 1}) },
		"kind":    func(k *des.Kernel, h des.HandlerID) { k.At(1, des.Arrival, h, des.Event{Kind: 2, Arg: 1}) },
		"payload": func(k *des.Kernel, h des.HandlerID) { k.At(1, des.Arrival, h, des.Event{Kind: 1, Arg: 2}) },
		"absent":  func(*des.Kernel, des.HandlerID) {},
		"mix":     func(k *des.Kernel, h des.HandlerID) { k.Mix(0); k.At(1, des.Arrival, h, des.Event{Kind: 1, Arg: 1}) },
	}
	seen := map[uint64]string{base: "base"}
	for name, change := range different {
		got := print(change)
		if other, ok := seen[got]; ok {
			t.Errorf("%s gives the fingerprint of %s", name, other)
		}
		seen[got] = name
	}
	cancelled := print(func(k *des.Kernel, h des.HandlerID) {
		k.Cancel(k.At(3, des.Arrival, h, des.Event{Kind: 7, Arg: 7}))
		k.At(1, des.Arrival, h, des.Event{Kind: 1, Arg: 1})
	})
	if cancelled != base {
		t.Error("a cancelled event changes the fingerprint")
	}
}
