// Package des is the discrete-event kernel under the simulator: a virtual clock, an event queue
// and a run loop.
//
// It is event-oriented: a model registers handlers, schedules value events for them, and keeps its
// state in plain data. Everything runs on the goroutine that calls [Kernel.Run]; the package starts
// none. Events are ordered by (time, [Class], order of scheduling), so ties are broken by rule and
// a run is a function of its inputs: the same calls give the same trajectory on every machine, and
// [Kernel.Fingerprint] condenses it into one number for regression tests. Scheduling, cancelling
// and dispatching allocate nothing once the queue has reached its largest size.
//
// The package refuses to know what is simulated: it has no processes, resources, random numbers or
// statistics, and imports nothing of the project. Parallel work is independent kernels, one per
// replication.
package des

import (
	"fmt"
	"math"
	"time"
)

// Forever is the horizon that no event lies beyond.
const Forever = time.Duration(math.MaxInt64)

// Outcome says why [Kernel.Run] returned.
type Outcome uint8

const (
	// Drained: no event is pending any more.
	Drained Outcome = iota
	// Horizon: events are pending, all of them later than the given time.
	Horizon
	// Stopped: a handler called Stop.
	Stopped
)

// String returns "drained", "horizon" or "stopped".
func (o Outcome) String() string {
	switch o {
	case Drained:
		return "drained"
	case Horizon:
		return "horizon"
	case Stopped:
		return "stopped"
	}
	return fmt.Sprintf("Outcome(%d)", uint8(o))
}

// Kernel is a virtual clock with its pending events. The zero value is ready to use, at time 0 and
// with no handlers.
//
// A Kernel is used by one goroutine at a time. Handlers may call every method except Run, Step and
// Reset.
type Kernel struct {
	now      time.Duration
	events   uint64 // executed
	print    fingerprint
	queue    queue
	handlers []Handler
	seq      uint64 // of the next event; below 1<<seqBits
	stopped  bool
	running  bool
}

// New returns an empty kernel at time 0.
func New() *Kernel { return new(Kernel) }

// Register makes a handler known and returns the number by which events name it. Numbers are given
// in the order of registration, and they are part of the fingerprint. It panics if h is nil or if
// 65,000 handlers are registered already.
func (k *Kernel) Register(h Handler) HandlerID {
	if h == nil {
		panic("des: nil handler registered")
	}
	if len(k.handlers) >= maxHandlers {
		panic("des: too many handlers registered")
	}
	k.handlers = append(k.handlers, h)
	return HandlerID(len(k.handlers) - 1)
}

// Now returns the simulated time since the start: the time of the event being handled or, between
// runs, of the last event or the horizon reached.
func (k *Kernel) Now() time.Duration { return k.now }

// Events returns the number of events handled so far; cancelled ones do not count.
func (k *Kernel) Events() uint64 { return k.events }

// Pending returns the number of events scheduled and neither handled nor cancelled.
func (k *Kernel) Pending() int { return k.queue.live() }

// At schedules an event at time t since the start and returns a handle for cancelling it.
//
// An event at the present time is allowed: it is handled after the present one even if its class
// comes first. At panics, since the model is wrong, if t lies in the past, the class is unknown, the
// handler is not registered, or [MaxPending] events are pending already. O(log pending).
func (k *Kernel) At(t time.Duration, c Class, h HandlerID, ev Event) Handle {
	if t < k.now || c >= numClasses || int(h) >= len(k.handlers) {
		k.refuse(t, c, h)
	}
	return k.insert(t, c, h, ev)
}

// After schedules an event at d from now; see [Kernel.At]. It panics if d is negative or leads
// beyond [Forever].
func (k *Kernel) After(d time.Duration, c Class, h HandlerID, ev Event) Handle {
	return k.At(k.now+d, c, h, ev)
}

// AtFunc schedules a call of fn at time t; see [Kernel.At]. Binding fn once and passing the same value
// again costs no allocation, a new closure for each event does. The fingerprint records time and
// class of such an event but cannot tell one function from another. It panics if fn is nil.
func (k *Kernel) AtFunc(t time.Duration, c Class, fn func()) Handle {
	if fn == nil {
		panic("des: nil function scheduled")
	}
	if t < k.now || c >= numClasses {
		k.refuse(t, c, funcHandler)
	}
	handle := k.insert(t, c, funcHandler, Event{})
	k.queue.setFunc(handle.slot, fn)
	return handle
}

// AfterFunc schedules a call of fn at d from now; see [Kernel.AtFunc].
func (k *Kernel) AfterFunc(d time.Duration, c Class, fn func()) Handle {
	return k.AtFunc(k.now+d, c, fn)
}

// Cancel removes a pending event and reports whether there was one: false means that the event has
// been handled, is being handled or was cancelled before, or that h is the zero Handle. O(1)
// amortised; the entry in the queue goes when its time comes or when such entries prevail.
func (k *Kernel) Cancel(h Handle) bool { return k.queue.cancel(h) }

// Run handles events in order until none is left at or before the given time, or until a handler
// calls Stop, and says which. Unless stopped it leaves the clock at until, or at the last event for
// [Forever]. Later calls go on from there. It panics if until lies in the past or if called from a
// handler.
func (k *Kernel) Run(until time.Duration) Outcome {
	if until < k.now {
		panic(fmt.Sprintf("des: Run until %v called at %v: in the past", until, k.now))
	}
	k.enter()
	defer k.leave()
	for k.dispatch(until) {
		if k.stopped {
			return Stopped
		}
	}
	if until != Forever {
		k.now = until
	}
	if k.queue.live() == 0 {
		return Drained
	}
	return Horizon
}

// Step handles the next event and reports whether there was one. It panics if called from a handler.
func (k *Kernel) Step() bool {
	k.enter()
	defer k.leave()
	return k.dispatch(Forever)
}

// Stop makes Run return after the event being handled. Between runs it does nothing.
func (k *Kernel) Stop() { k.stopped = true }

// Next returns the time of the next event, or false if none is pending.
func (k *Kernel) Next() (time.Duration, bool) {
	it, ok := k.queue.peek()
	return time.Duration(it.at), ok
}

// Reset returns the kernel to time 0 with no events and a fresh fingerprint, and keeps the handlers and
// the memory: the next run is the same as on a new kernel with the same handlers. Handles from before
// name nothing any more. It panics if called from a handler.
func (k *Kernel) Reset() {
	if k.running {
		panic("des: Reset called from a handler")
	}
	k.queue.reset()
	k.now, k.events, k.print, k.seq = 0, 0, fingerprint{}, 0
}

// enter marks the kernel as running.
func (k *Kernel) enter() {
	if k.running {
		panic("des: Run or Step called from a handler")
	}
	k.running, k.stopped = true, false
}

// leave undoes enter, after a panicking handler too.
func (k *Kernel) leave() { k.running = false }

// dispatch handles the next event if it is not later than until, and reports whether it did.
func (k *Kernel) dispatch(until time.Duration) bool {
	q := &k.queue
	if q.hole {
		q.fill()
	}
	for len(q.heap) > 0 {
		it := q.heap[0]
		if it.at > uint64(until) {
			return false
		}
		i := it.slot()
		s := q.slots[i]
		if s.handler == cancelled {
			q.drop()
			continue
		}
		k.now = time.Duration(it.at)
		k.events++
		k.print.event(it.at, it.class(), s)
		q.hole = true
		q.release(i)
		if s.handler == funcHandler {
			q.takeFunc(i)()
		} else {
			k.handlers[s.handler].Handle(k, Event{Kind: s.kind, Arg: s.arg})
		}
		return true
	}
	return false
}

// insert schedules an event as the newest of its time and class.
func (k *Kernel) insert(t time.Duration, c Class, h HandlerID, ev Event) Handle {
	q := &k.queue
	i := q.free
	if int(i) >= len(q.slots) {
		q.grow()
	}
	s := &q.slots[i]
	q.free = uint32(s.arg)
	s.arg, s.handler, s.kind = ev.Arg, h, ev.Kind
	generation := s.generation
	if k.seq > maxSeq {
		k.seq = q.renumber()
	}
	it := newItem(t, c, k.seq, i)
	k.seq++
	if q.hole {
		q.hole = false
		siftDown(q.heap, 0, it)
	} else {
		q.heap = append(q.heap, it)
		siftUp(q.heap, len(q.heap)-1, it)
	}
	return Handle{slot: i, generation: generation}
}

// refuse panics with the reason why an event cannot be scheduled.
func (k *Kernel) refuse(t time.Duration, c Class, h HandlerID) {
	switch {
	case t < k.now:
		panic(fmt.Sprintf("des: event of class %v scheduled for %v at %v: in the past, or beyond the largest time", c, t, k.now))
	case c >= numClasses:
		panic(fmt.Sprintf("des: unknown event class %d", c))
	default:
		panic(fmt.Sprintf("des: handler %d is not registered", h))
	}
}
