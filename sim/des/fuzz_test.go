package des_test

import (
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/sim/des"
)

// FuzzOperations reads bytes as operations and carries them out on the kernel and on a list that is searched
// for its minimum: both must handle the same events at the same times and agree on every answer.
func FuzzOperations(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3})
	f.Add([]byte{0, 9, 0, 0, 9, 0, 0, 9, 5, 3, 0, 4, 20})
	f.Add([]byte{1, 5, 0, 0, 5, 1, 2, 1, 3, 3, 0, 3, 0, 3, 0})
	f.Add([]byte("every operation has an operand and an order that nobody planned"))
	f.Fuzz(func(t *testing.T, program []byte) {
		m := newMirror(t)
		for len(program) >= 3 {
			m.operate(program[0], program[1], program[2])
			program = program[3:]
		}
		m.run(des.Forever)
		if m.k.Pending() != 0 || len(m.list) != 0 {
			t.Fatalf("%d events left on the kernel, %d in the list", m.k.Pending(), len(m.list))
		}
	})
}

// mirror is a kernel beside its reference.
type mirror struct {
	t       *testing.T
	k       *des.Kernel
	self    des.HandlerID
	now     time.Duration
	list    []refEvent // pending
	handles []des.Handle
	seq     uint64
	got     []uint64 // args in the order in which the kernel handled them
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{t: t, k: des.New()}
	m.self = m.k.Register(des.HandlerFunc(func(_ *des.Kernel, ev des.Event) { m.got = append(m.got, ev.Arg) }))
	return m
}

func (m *mirror) operate(op, a, b byte) {
	switch op % 6 {
	case 0, 1: // schedule a value event
		m.schedule(time.Duration(a), des.Class(b%6), false)
	case 2: // schedule a function
		m.schedule(time.Duration(a), des.Class(b%6), true)
	case 3: // cancel any event ever scheduled
		if len(m.handles) > 0 {
			m.cancel((int(a)<<8 | int(b)) % len(m.handles))
		}
	case 4:
		m.run(m.now + time.Duration(a))
	case 5:
		want := m.first(des.Forever)
		if got := m.k.Step(); got != (want >= 0) {
			m.t.Fatalf("Step = %v with %d events in the list", got, len(m.list))
		}
		if want >= 0 {
			m.expect(want)
		}
	}
	if m.k.Pending() != len(m.list) {
		m.t.Fatalf("Pending = %d, want %d", m.k.Pending(), len(m.list))
	}
}

func (m *mirror) schedule(d time.Duration, c des.Class, asFunc bool) {
	arg := m.seq
	if asFunc {
		m.handles = append(m.handles, m.k.AfterFunc(d, c, func() { m.got = append(m.got, arg) }))
	} else {
		m.handles = append(m.handles, m.k.After(d, c, m.self, des.Event{Arg: arg}))
	}
	m.list = append(m.list, refEvent{at: m.now + d, class: c, seq: m.seq, arg: arg})
	m.seq++
}

func (m *mirror) cancel(i int) {
	at := slices.IndexFunc(m.list, func(ev refEvent) bool { return ev.arg == uint64(i) })
	if got := m.k.Cancel(m.handles[i]); got != (at >= 0) {
		m.t.Fatalf("Cancel of event %d = %v, pending is %v", i, got, at >= 0)
	}
	if at >= 0 {
		m.list = slices.Delete(m.list, at, at+1)
	}
}

// first returns the index of the next event not later than until, or -1.
func (m *mirror) first(until time.Duration) int {
	best := -1
	for i, ev := range m.list {
		if ev.at <= until && (best < 0 || ev.before(m.list[best])) {
			best = i
		}
	}
	return best
}

// expect checks that the oldest unchecked event of the kernel is the list's event i, and removes both.
func (m *mirror) expect(i int) {
	ev := m.list[i]
	if len(m.got) == 0 || m.got[0] != ev.arg {
		m.t.Fatalf("kernel handled %v, want event %d first", m.got, ev.arg)
	}
	m.got = m.got[1:]
	m.list = slices.Delete(m.list, i, i+1)
	m.now = ev.at
}

func (m *mirror) run(until time.Duration) {
	m.k.Run(until)
	for i := m.first(until); i >= 0; i = m.first(until) {
		m.expect(i)
	}
	if len(m.got) > 0 {
		m.t.Fatalf("kernel handled events too many: %v", m.got)
	}
	if until != des.Forever {
		m.now = until
	}
	if m.k.Now() != m.now {
		m.t.Fatalf("Now = %v, want %v", m.k.Now(), m.now)
	}
}
