// Package board holds boards as data: processors and their clock steps, memory, power modes, rails, trip
// points, and the coefficients of the power and thermal models, each number with where it comes from. What
// no document says is an assumption, is marked as one, and can be overridden; what a document says cannot.
//
// The built-in boards are YAML files in this package; [Load] reads others. Files are hostile until
// validated: unknown and repeated keys, numbers without units or without a source, anchors, tags and
// anything oversized are refused with file, line and key.
//
// The package simulates nothing and reads no hardware: package host looks at the machine it runs on.
package board

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Board is one kind of board.
type Board struct {
	// Name is the file's base name without its extension. It does not stand in the file.
	Name        string
	Title       string
	Description string // optional
	// Models are texts of which one is part of what the device tree calls the board's model. Optional.
	Models []string
	// Sources are what the numbers' origins refer to.
	Sources    []Source
	Processors []Processor
	Memory     Memory
	// DefaultMode is the name of the power mode that the board starts in; empty if it has no modes.
	DefaultMode string
	Modes       []PowerMode
	Power       Power
	Thermal     Thermal
	// Scaling has measurements that say how latency depends on clock and co-runners. Optional.
	Scaling []ScalingData
}

// Source is a document that numbers come from.
type Source struct {
	ID   string
	Kind SourceKind
	Text string // title, author, year, section: enough to find it
}

// SourceKind says how far a source is to be trusted.
type SourceKind string

// Kinds of sources.
const (
	Primary   SourceKind = "primary"   // the vendor's or the kernel's own document or code, or a measurement's own report
	Secondary SourceKind = "secondary" // somebody's copy or report of it
	Derived   SourceKind = "derived"   // computed from numbers of other sources, as the text says
)

// Processor is something that runs inferences.
type Processor struct {
	Name string // "cpu" or "gpu", as families and scenarios call it
	Origin
	Kind  ProcessorKind
	Model string
	// Cores are CPU cores, or the GPU's lanes for float32; Clusters are groups of cores with one clock,
	// or the GPU's multiprocessors.
	Cores    Number[int]
	Clusters Number[int]           // optional
	Peak     Number[FLOPS]         // float32 at the top clock; optional
	Clocks   Clocks                // ascending
	Stall    Number[time.Duration] // for which a clock change stops it; optional
	Effect   Number[time.Duration] // until a requested clock is in force; optional
}

// ProcessorKind is CPU or GPU.
type ProcessorKind string

// Kinds of processors.
const (
	CPU ProcessorKind = "cpu"
	GPU ProcessorKind = "gpu"
)

// Memory is the memory that the processors share.
type Memory struct {
	Origin
	Kind          string // "LPDDR4x"
	Size          Number[Bytes]
	Clocks        Clocks      // ascending
	BytesPerClock Number[int] // that the bus moves at most
	Stall         Number[time.Duration]
	Effect        Number[time.Duration]
}

// Bandwidth returns the peak bandwidth at a clock.
func (m *Memory) Bandwidth(clock unit.Hertz) BytesPerSecond {
	return BytesPerSecond(float64(clock) * float64(m.BytesPerClock.Value))
}

// PowerMode caps clocks and cores.
type PowerMode struct {
	Name string
	ID   int // the vendor's number
	Origin
	Budget Number[unit.Watts] // that the name promises; nothing enforces it. Optional
	Cores  Number[int]        // CPU cores that are on
	Max    []ClockLimit
	Min    []ClockLimit       // optional
	Memory Number[unit.Hertz] // largest clock of the memory; optional
	// Warn and Critical are the currents of the input rail at which the board throttles and resets.
	// Optional.
	Warn, Critical Number[Amperes]
}

// ClockLimit is a bound on one processor's clock.
type ClockLimit struct {
	Processor string
	Clock     Number[unit.Hertz]
}

// Power has the coefficients of the power model:
//
//	draw = what is fixed + energy per byte x bandwidth + sum over processors of
//	       idle (1 + leakage (temperature - 25 C)) + full x utilisation x (clock / top clock)^exponent
//
// where utilisation is the share of all cores that is busy. It is the usual C V^2 f with voltage
// following clock; the exponent stands for both.
type Power struct {
	Origin
	Fixed   []FixedPower // of everything but the processors, memory idle
	Energy  Number[JoulesPerByte]
	Leakage Number[float64] // growth of idle power per kelvin, a fraction
	Parts   []PartPower
	// InputRail is the rail that the whole board draws from, Input its voltage. Optional.
	InputRail string
	Input     Number[Volts]
	Rails     []Rail // others that the board measures; optional
}

// FixedPower is a part of the board that draws the same all the time.
type FixedPower struct {
	Name string
	Draw Number[unit.Watts]
}

// PartPower is the power of one processor.
type PartPower struct {
	Processor string
	Origin
	Idle     Number[unit.Watts] // at 25 C
	Full     Number[unit.Watts] // on top of idle, all cores busy at the top clock
	Exponent Number[float64]
}

// Rail is a supply whose power the board measures.
type Rail struct {
	Name  string
	Feeds []string // processors, fixed parts or "memory"
}

// Thermal is a chain of two nodes: the power heats the die, which gives heat to the heat sink, which
// gives it to the air.
type Thermal struct {
	Origin
	Ambient        Number[unit.Celsius]
	DieResistance  Number[KelvinPerWatt] // die to sink
	DieCapacity    Number[JoulesPerKelvin]
	SinkResistance Number[KelvinPerWatt] // sink to air
	SinkCapacity   Number[JoulesPerKelvin]
	Poll           Number[time.Duration] // how often the temperature is looked at; optional
	Trips          []Trip
}

// Trip is a temperature at which something happens.
type Trip struct {
	Name string
	Origin
	Kind       TripKind
	Parts      []string // processors that it concerns; none: all
	At         Number[unit.Celsius]
	Hysteresis Number[unit.Celsius] // below At by which it ends; optional
	Speed      Number[float64]      // of the fan, a fraction of its fastest; fans only
}

// TripKind says what happens at a trip.
type TripKind string

// Kinds of trips.
const (
	Throttle TripKind = "throttle" // clocks are lowered step by step
	Hard     TripKind = "hard"     // clocks drop to the lowest
	Critical TripKind = "critical" // the board shuts down
	Fan      TripKind = "fan"      // the fan turns at a speed
)

// Origin says where a number comes from.
type Origin struct {
	// Source is the ID of one of the board's sources; of an assumption it is the reason, in words.
	Source     string
	Assumption bool
}

// Processor returns the processor of that name, or nil.
func (b *Board) Processor(name string) *Processor {
	i := slices.IndexFunc(b.Processors, func(p Processor) bool { return p.Name == name })
	if i < 0 {
		return nil
	}
	return &b.Processors[i]
}

// Mode returns the power mode of that name or number, or nil.
func (b *Board) Mode(name string) *PowerMode {
	i := slices.IndexFunc(b.Modes, func(m PowerMode) bool { return m.Name == name })
	if i < 0 {
		i = slices.IndexFunc(b.Modes, func(m PowerMode) bool { return strconv.Itoa(m.ID) == name })
	}
	if i < 0 {
		return nil
	}
	return &b.Modes[i]
}

// Steps returns the clock steps of a processor that a power mode leaves, ascending; a nil mode leaves
// all. It returns nil for a processor that the board does not have.
func (b *Board) Steps(processor string, mode *PowerMode) []unit.Hertz {
	p := b.Processor(processor)
	if p == nil {
		return nil
	}
	low, high := unit.Hertz(0), unit.Hertz(math.Inf(1))
	if mode != nil {
		low, high = limit(mode.Min, processor, low), limit(mode.Max, processor, high)
	}
	var steps []unit.Hertz
	for _, c := range p.Clocks.Values {
		if c >= low && c <= high {
			steps = append(steps, c)
		}
	}
	return steps
}

func limit(limits []ClockLimit, processor string, otherwise unit.Hertz) unit.Hertz {
	for _, l := range limits {
		if l.Processor == processor {
			return l.Clock.Value
		}
	}
	return otherwise
}

// Assumptions returns the keys of all numbers that are assumptions, in the order of the file.
func (b *Board) Assumptions() []string {
	var keys []string
	b.schema().visit("", func(key string, q quantity) {
		if q.origin().Assumption {
			keys = append(keys, key)
		}
	})
	return keys
}
