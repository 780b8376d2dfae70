package platform

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

// EventKind says what happens to a board from outside.
type EventKind string

// Kinds of events, with the fields of Event that they use.
const (
	CoRunnerOn  EventKind = "co-runner-on"  // CoRunner starts, or replaces the one of its name
	CoRunnerOff EventKind = "co-runner-off" // CoRunner of that Name ends
	ModeSet     EventKind = "mode"          // Mode is in force: cores at once, clocks as they take effect
	ClockSet    EventKind = "clock"         // Processor goes under Userspace at the least step not below Clock
	GovernorSet EventKind = "governor"      // Processor goes under Governor
	AmbientSet  EventKind = "ambient"       // the air has the temperature Ambient
	SensorLost  EventKind = "sensor-lost"   // Sensor cannot be read: trips that need it stay as they are
	SensorBack  EventKind = "sensor-back"   // Sensor can be read again
	SlowdownSet EventKind = "slowdown"      // latencies on Processor are Slowdown times as long, co-runners apart
)

// EventKinds returns all kinds.
func EventKinds() []EventKind {
	return []EventKind{CoRunnerOn, CoRunnerOff, ModeSet, ClockSet, GovernorSet, AmbientSet, SensorLost, SensorBack, SlowdownSet}
}

// Sensors of a board.
const (
	TemperatureSensor = "temperature"
	PowerSensor       = "power"
)

// Event is something that happens to a board. Fields that its kind does not use are zero.
type Event struct {
	At        time.Duration // since the start, not negative
	Kind      EventKind
	Processor string
	CoRunner  CoRunner
	Mode      string // name or number
	Clock     unit.Hertz
	Governor  Governor
	Ambient   unit.Celsius
	Slowdown  float64 // positive
	Sensor    string  // TemperatureSensor, PowerSensor, or empty for both
	What      string  // for people; any kind
}

// CoRunner is a program beside the inferences, which never ends by itself.
type CoRunner struct {
	Name      string // names it among the co-runners; required
	Processor string
	// Threads is the number of cores that it wants, or the share of the GPU; 0: its demand is not modelled and
	// costs no power, its interference is everything.
	Threads float64
	// Bandwidth is the memory traffic at the reference clock, when nobody slows it down.
	Bandwidth board.BytesPerSecond
	// Interference is the factor by which inferences on the same processor take longer because of it, beyond what they
	// lose by sharing cores and bandwidth with it; at least 1, or 0 for 1. A profile's factor measures both at once:
	// with it, leave Threads at 0.
	Interference float64
}

// Validate returns an error for an event that cannot happen to a board.
func (e *Event) Validate(b *board.Board) error {
	if e.At < 0 {
		return errors.New("it is before the start")
	}
	needs := func(name string) error {
		if b.Processor(name) == nil {
			return fmt.Errorf("%s: %q is no processor of board %s", e.Kind, name, b.Name)
		}
		return nil
	}
	switch e.Kind {
	case CoRunnerOn:
		if err := e.CoRunner.validate(); err != nil {
			return err
		}
		return needs(e.CoRunner.Processor)
	case CoRunnerOff:
		if e.CoRunner.Name == "" {
			return errors.New("a co-runner without a name ends")
		}
	case ModeSet:
		if b.Mode(e.Mode) == nil {
			return fmt.Errorf("board %s has no power mode %q", b.Name, e.Mode)
		}
	case ClockSet:
		if !(e.Clock > 0) {
			return fmt.Errorf("clock of %g Hz", float64(e.Clock))
		}
		return needs(e.Processor)
	case GovernorSet:
		return errors.Join(needs(e.Processor), e.Governor.Validate())
	case AmbientSet:
		if !(e.Ambient >= -60 && e.Ambient <= 200) {
			return fmt.Errorf("ambient temperature of %g C is outside [-60, 200]", float64(e.Ambient))
		}
	case SlowdownSet:
		if !(e.Slowdown > 0) || math.IsInf(e.Slowdown, 0) {
			return fmt.Errorf("slow-down %g is not positive", e.Slowdown)
		}
		return needs(e.Processor)
	case SensorLost, SensorBack:
		if e.Sensor != "" && e.Sensor != TemperatureSensor && e.Sensor != PowerSensor {
			return fmt.Errorf("sensor %.40q is neither %s nor %s", e.Sensor, TemperatureSensor, PowerSensor)
		}
	default:
		return fmt.Errorf("kind %.40q is none of %v", string(e.Kind), EventKinds())
	}
	return nil
}

func (c *CoRunner) validate() error {
	switch {
	case c.Name == "":
		return errors.New("a co-runner has no name")
	case !(c.Threads >= 0 && c.Threads <= 1024):
		return fmt.Errorf("co-runner %s: %g threads are outside [0, 1024]", c.Name, c.Threads)
	case !(c.Bandwidth >= 0 && c.Bandwidth <= 1e15):
		return fmt.Errorf("co-runner %s: bandwidth %g B/s is outside [0, 1e15]", c.Name, float64(c.Bandwidth))
	case c.Interference != 0 && !(c.Interference >= 1 && c.Interference <= 1e6):
		return fmt.Errorf("co-runner %s: interference %g is outside [1, 1e6]", c.Name, c.Interference)
	}
	return nil
}

// maxCoRunners bounds the co-runners at a time whose demand is modelled; the rest of maxActivities is for inferences.
const maxCoRunners = 128

// checkCoRunners returns an error if more co-runners than maxCoRunners are to run at a time.
func checkCoRunners(events []Event) error {
	order := make([]int, len(events))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(events[i].At, events[j].At) })
	on := map[string]bool{}
	for _, i := range order {
		c := &events[i].CoRunner
		switch events[i].Kind {
		case CoRunnerOff:
			delete(on, c.Name)
		case CoRunnerOn:
			if delete(on, c.Name); c.Threads > 0 || c.Bandwidth > 0 {
				on[c.Name] = true
			}
		}
		if len(on) > maxCoRunners {
			return fmt.Errorf("event %d at %v: more than %d co-runners at a time", i+1, events[i].At, maxCoRunners)
		}
	}
	return nil
}

// coRunner is a co-runner that runs. Its number is its place in the list, from 1 on.
type coRunner struct {
	CoRunner
	on bool
}

// apply makes an event happen; the caller shares anew.
func (p *Platform) apply(e *Event) {
	now := p.kernel.Now()
	switch e.Kind {
	case CoRunnerOn:
		p.endCoRunner(e.CoRunner.Name)
		p.startCoRunner(e.CoRunner)
	case CoRunnerOff:
		p.endCoRunner(e.CoRunner.Name)
	case ModeSet:
		p.setMode(p.board.Mode(e.Mode))
	case ClockSet:
		i := p.Processor(e.Processor)
		pr := &p.processors[i]
		pr.governor, pr.chosen = Userspace, len(pr.Clocks.Values)-1
		if step := slices.IndexFunc(pr.Clocks.Values, func(c unit.Hertz) bool { return c >= e.Clock }); step >= 0 {
			pr.chosen = step
		}
		p.govern(i)
	case GovernorSet:
		i := p.Processor(e.Processor)
		p.processors[i].governor = e.Governor
		p.govern(i)
	case AmbientSet:
		p.thermal.SetAmbient(now, e.Ambient)
	case SensorLost, SensorBack:
		lost := e.Kind == SensorLost
		if e.Sensor != PowerSensor {
			p.noTemperature = lost
		}
		if e.Sensor != TemperatureSensor {
			p.noPower = lost
		}
	case SlowdownSet:
		pr := &p.processors[p.Processor(e.Processor)]
		pr.slowdown = e.Slowdown
		p.interfere()
	}
}

func (p *Platform) startCoRunner(c CoRunner) {
	number := slices.IndexFunc(p.coRunners, func(o coRunner) bool { return !o.on })
	if number < 0 {
		p.coRunners = append(p.coRunners, coRunner{})
		number = len(p.coRunners) - 1
	}
	p.coRunners[number] = coRunner{c, true}
	if c.Threads > 0 || c.Bandwidth > 0 {
		p.add(Work{Processor: p.Processor(c.Processor), Nanoseconds: math.Inf(1), Threads: c.Threads}, number+1)
		p.running[len(p.running)-1].bandwidth = float64(c.Bandwidth) / 1e9
	}
	p.interfere()
}

func (p *Platform) endCoRunner(name string) {
	number := slices.IndexFunc(p.coRunners, func(o coRunner) bool { return o.on && o.Name == name })
	if number < 0 {
		return
	}
	p.coRunners[number].on = false
	if i := slices.IndexFunc(p.running, func(a activity) bool { return a.coRunner == number+1 }); i >= 0 {
		p.remove(i)
	}
	p.interfere()
}

// interfere computes the processors' factors on latency.
func (p *Platform) interfere() {
	for i := range p.processors {
		p.processors[i].interference = p.processors[i].slowdown
	}
	for _, c := range p.coRunners {
		if c.on && c.Interference > 1 {
			p.processors[p.Processor(c.Processor)].interference *= c.Interference
		}
	}
}

func (p *Platform) setMode(m *board.PowerMode) {
	now := p.kernel.Now()
	p.mode = m
	p.requestMemory(p.memory.stepOf(m))
	for i := range p.processors {
		pr := &p.processors[i]
		pr.settle(now)
		p.bound(i)
		if pr.governor != Schedutil && pr.governor != Userspace {
			pr.want = pr.choose()
		}
		p.govern(i)
	}
	p.limit()
}
