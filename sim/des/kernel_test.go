package des_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/sim/des"
)

// log is a handler that remembers what it was given.
type log struct {
	self  des.HandlerID
	lines []string
}

func newLog() (*des.Kernel, *log) {
	k, l := des.New(), &log{}
	l.self = k.Register(l)
	return k, l
}

func (l *log) Handle(k *des.Kernel, ev des.Event) {
	l.lines = append(l.lines, fmt.Sprintf("%v kind %d arg %d", k.Now(), ev.Kind, ev.Arg))
}

func ExampleKernel() {
	k := des.New()
	const frame, done = 1, 2
	var camera, worker des.HandlerID
	camera = k.Register(des.HandlerFunc(func(k *des.Kernel, ev des.Event) {
		fmt.Println(k.Now(), "frame", ev.Arg)
		k.After(12*time.Millisecond, des.Completion, worker, des.Event{Kind: done, Arg: ev.Arg})
		k.After(40*time.Millisecond, des.Arrival, camera, des.Event{Kind: frame, Arg: ev.Arg + 1})
	}))
	worker = k.Register(des.HandlerFunc(func(k *des.Kernel, ev des.Event) {
		fmt.Println(k.Now(), "answer", ev.Arg)
	}))
	k.At(0, des.Arrival, camera, des.Event{Kind: frame})
	fmt.Println(k.Run(60 * time.Millisecond))
	// Output:
	// 0s frame 0
	// 12ms answer 0
	// 40ms frame 1
	// 52ms answer 1
	// horizon
}

func ExampleKernel_AfterFunc() {
	k := des.New()
	deadline := k.AfterFunc(60*time.Millisecond, des.Deadline, func() { fmt.Println("missed") })
	k.AfterFunc(50*time.Millisecond, des.Completion, func() { fmt.Println("in time:", k.Cancel(deadline)) })
	fmt.Println(k.Run(des.Forever), "at", k.Now())
	// Output:
	// in time: true
	// drained at 50ms
}

func TestTiesByClassThenOrder(t *testing.T) {
	k, l := newLog()
	classes := []des.Class{des.Statistics, des.Arrival, des.Completion, des.ManagerTick, des.Arrival, des.ClockApplied, des.Deadline}
	for i, c := range classes {
		k.At(time.Second, c, l.self, des.Event{Kind: uint16(c), Arg: uint64(i)})
	}
	k.At(time.Second-1, des.Statistics, l.self, des.Event{Kind: 9, Arg: 9})
	k.Run(des.Forever)
	want := []string{
		"999.999999ms kind 9 arg 9",
		"1s kind 0 arg 2", "1s kind 1 arg 5", "1s kind 2 arg 1", "1s kind 2 arg 4",
		"1s kind 3 arg 6", "1s kind 4 arg 3", "1s kind 5 arg 0",
	}
	if d := cmp.Diff(want, l.lines); d != "" {
		t.Error(d)
	}
}

// An event for the present instant comes after the one being handled, even if its class is earlier, and
// before the instant's later classes.
func TestPresentInstant(t *testing.T) {
	k := des.New()
	var order []string
	add := func(name string) func() { return func() { order = append(order, name) } }
	k.AtFunc(time.Second, des.Arrival, func() {
		order = append(order, "arrival")
		k.AfterFunc(0, des.Completion, add("completion"))
	})
	k.AtFunc(time.Second, des.Statistics, add("statistics"))
	k.Run(des.Forever)
	if d := cmp.Diff([]string{"arrival", "completion", "statistics"}, order); d != "" {
		t.Error(d)
	}
}

func TestRunHorizonAndStop(t *testing.T) {
	k, l := newLog()
	for i := range 3 {
		k.At(time.Duration(i+1)*time.Second, des.Arrival, l.self, des.Event{Arg: uint64(i)})
	}
	type state struct {
		Outcome des.Outcome
		Now     time.Duration
		Events  uint64
		Pending int
	}
	check := func(name string, got des.Outcome, want state) {
		t.Helper()
		if d := cmp.Diff(want, state{got, k.Now(), k.Events(), k.Pending()}); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	check("before the first", k.Run(time.Second-1), state{des.Horizon, time.Second - 1, 0, 3})
	check("an event at the horizon belongs to the run", k.Run(time.Second), state{des.Horizon, time.Second, 1, 2})
	k.AtFunc(1500*time.Millisecond, des.ManagerTick, k.Stop)
	check("stopped", k.Run(10*time.Second), state{des.Stopped, 1500 * time.Millisecond, 2, 2})
	if at, ok := k.Next(); at != 2*time.Second || !ok {
		t.Errorf("Next = %v, %v, want 2s, true", at, ok)
	}
	check("drained keeps the horizon", k.Run(10*time.Second), state{des.Drained, 10 * time.Second, 4, 0})
	k.AtFunc(11*time.Second, des.Arrival, func() {})
	check("Forever keeps the last event", k.Run(des.Forever), state{des.Drained, 11 * time.Second, 5, 0})
	if k.Step() {
		t.Error("Step on an empty kernel reports an event")
	}
	if at, ok := k.Next(); ok {
		t.Errorf("Next on an empty kernel = %v, true", at)
	}
}

func TestCancel(t *testing.T) {
	k, l := newLog()
	a := k.At(time.Second, des.Arrival, l.self, des.Event{Arg: 1})
	b := k.At(2*time.Second, des.Arrival, l.self, des.Event{Arg: 2})
	var self des.Handle
	self = k.AtFunc(3*time.Second, des.Deadline, func() {
		if k.Cancel(self) {
			t.Error("an event cancelled itself while being handled")
		}
	})
	if !k.Cancel(b) || k.Cancel(b) {
		t.Error("the first Cancel must report true, the second false")
	}
	if got := k.Pending(); got != 2 {
		t.Errorf("Pending = %d, want 2", got)
	}
	k.Run(des.Forever)
	if k.Cancel(a) || k.Cancel(b) || k.Cancel(self) || k.Cancel(des.Handle{}) {
		t.Error("Cancel of an event that is over reports true")
	}
	if d := cmp.Diff([]string{"1s kind 0 arg 1"}, l.lines); d != "" {
		t.Error(d)
	}
	// The slots are reused now: old handles must not reach the new events.
	c := k.After(1, des.Arrival, l.self, des.Event{})
	d := k.After(1, des.Arrival, l.self, des.Event{})
	e := k.After(1, des.Arrival, l.self, des.Event{})
	if k.Cancel(a) || k.Cancel(b) || k.Cancel(self) {
		t.Error("an old handle cancelled a new event")
	}
	if !k.Cancel(c) || !k.Cancel(d) || !k.Cancel(e) {
		t.Error("a new event could not be cancelled")
	}
	k.After(1, des.Arrival, l.self, des.Event{})
	f := k.After(1, des.Arrival, l.self, des.Event{})
	k.Reset()
	k.After(1, des.Arrival, l.self, des.Event{})
	k.After(1, des.Arrival, l.self, des.Event{})
	if k.Cancel(f) {
		t.Error("a handle from before Reset cancelled an event")
	}
}

// Cancelling most of a large queue clears the heap at once instead of carrying the entries along.
func TestCancelMany(t *testing.T) {
	k, l := newLog()
	const n = 10_000
	handles := make([]des.Handle, n)
	for i := range handles {
		handles[i] = k.At(time.Duration(i%7)*time.Second, des.Arrival, l.self, des.Event{Arg: uint64(i)})
	}
	for i, h := range handles {
		if i%100 != 0 && !k.Cancel(h) {
			t.Fatalf("event %d could not be cancelled", i)
		}
	}
	if got := k.Pending(); got != n/100 {
		t.Errorf("Pending = %d, want %d", got, n/100)
	}
	k.Run(des.Forever)
	if got := len(l.lines); got != n/100 {
		t.Errorf("%d events handled, want %d", got, n/100)
	}
}

func TestProgrammerMistakesPanic(t *testing.T) {
	k, l := newLog()
	k.Run(time.Second)
	tests := []struct {
		name string
		call func()
		want string
	}{
		{"past", func() { k.At(time.Second-1, des.Arrival, l.self, des.Event{}) }, "in the past"},
		{"negative delay", func() { k.After(-1, des.Arrival, l.self, des.Event{}) }, "in the past"},
		{"beyond the end of time", func() { k.After(des.Forever, des.Arrival, l.self, des.Event{}) }, "beyond the largest time"},
		{"func in the past", func() { k.AtFunc(0, des.Arrival, func() {}) }, "in the past"},
		{"nil func", func() { k.AfterFunc(0, des.Arrival, nil) }, "nil function"},
		{"class", func() { k.After(0, des.Statistics+1, l.self, des.Event{}) }, "unknown event class 6"},
		{"handler", func() { k.After(0, des.Arrival, l.self+1, des.Event{}) }, "handler 1 is not registered"},
		{"nil handler", func() { k.Register(nil) }, "nil handler"},
		{"run into the past", func() { k.Run(0) }, "in the past"},
		{"nested run", func() { k.AfterFunc(0, des.Arrival, func() { k.Run(des.Forever) }); k.Run(des.Forever) }, "from a handler"},
		{"nested step", func() { k.AfterFunc(0, des.Arrival, func() { k.Step() }); k.Run(des.Forever) }, "from a handler"},
		{"nested reset", func() { k.AfterFunc(0, des.Arrival, k.Reset); k.Run(des.Forever) }, "from a handler"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, tt.want) {
					t.Errorf("panic %q does not say %q", got, tt.want)
				}
			}()
			tt.call()
		})
	}
	// A panicking handler leaves a kernel that can go on.
	k.After(time.Second, des.Arrival, l.self, des.Event{})
	if got := k.Run(des.Forever); got != des.Drained || len(l.lines) != 1 {
		t.Errorf("after the panics: %v with %d events, want drained with 1", got, len(l.lines))
	}
}

func TestNames(t *testing.T) {
	got := fmt.Sprint(des.Completion, des.ClockApplied, des.Arrival, des.Deadline, des.ManagerTick, des.Statistics, des.Class(6),
		des.Drained, des.Horizon, des.Stopped, des.Outcome(3))
	want := "completion clock applied arrival deadline manager tick statistics Class(6) drained horizon stopped Outcome(3)"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestNoAllocationPerEvent(t *testing.T) {
	k := des.New()
	h := &holder{times: holdTimes(), left: math.MaxInt}
	h.self = k.Register(h)
	tick := func() {}
	for i := range 100 {
		k.At(h.times[i], des.Completion, h.self, des.Event{})
	}
	k.Run(time.Second) // the queue reaches its size
	k.Cancel(k.AfterFunc(0, des.Deadline, tick))
	allocs := testing.AllocsPerRun(100, func() {
		for range 100 {
			k.Step()
			k.AfterFunc(time.Millisecond, des.ManagerTick, tick) // bound before: no closure is made
			k.Cancel(k.After(time.Second, des.Deadline, h.self, des.Event{}))
			k.Step()
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations in 100 rounds, want 0", allocs)
	}
}
