package des

import "fmt"

// Class ranks events that fall on the same instant; a lower class is handled first. The order lets
// a model read the state that a real platform would see: what finished has finished, and a new
// clock is in force, before a request arrives; a deadline is checked before the manager looks, and
// statistics see the instant's final state.
type Class uint8

// The classes, in the order in which they are handled.
const (
	Completion   Class = iota // a job ends
	ClockApplied              // a clock or mode change takes effect
	Arrival                   // a request arrives
	Deadline                  // a request's time is up
	ManagerTick               // the runtime manager looks
	Statistics                // a sample is taken
	numClasses
)

var classNames = [numClasses]string{"completion", "clock applied", "arrival", "deadline", "manager tick", "statistics"}

// String returns the class's name in lower case.
func (c Class) String() string {
	if c < numClasses {
		return classNames[c]
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Event is what a handler is given. Both fields belong to the model; the zero value is an event of
// kind 0 without payload.
type Event struct {
	Kind uint16
	Arg  uint64 // payload, usually an index into the model's tables
}

// HandlerID names a registered handler.
type HandlerID uint16

// Handler reacts to events. Handle runs at k.Now() and may schedule, cancel and stop.
type Handler interface {
	Handle(k *Kernel, ev Event)
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(k *Kernel, ev Event)

// Handle calls f.
func (f HandlerFunc) Handle(k *Kernel, ev Event) { f(k, ev) }

// Handle names one scheduled event of one kernel. The zero Handle names none. It stays harmless
// after its event has been handled, since the generation tells a reused slot (for 2^32 - 1 reuses).
type Handle struct {
	slot       uint32
	generation uint32 // never 0 in a slot
}

const (
	maxHandlers = 65000
	funcHandler = HandlerID(65535) // the slot holds a function
	cancelled   = HandlerID(65534) // the slot's event was cancelled, its item is still in the heap
)
