package host

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

// BoardName is the name of the board that this machine is.
const BoardName = "host"

// AsBoard describes a machine as a board: the built-in one whose model it is, or else what its kernel tells of cores, clocks,
// memory and trip points, with everything that it does not tell marked as an assumption. It returns an error if the machine
// tells nothing of its processors.
func AsBoard(fsys fs.FS) (*board.Board, error) {
	m := ReadMachine(fsys)
	for _, name := range board.Builtins() {
		b, err := board.Builtin(name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(b.Models, func(text string) bool { return strings.Contains(m.Board.Model, text) }) {
			b.Description = strings.TrimSpace(fmt.Sprintf("%s This machine calls itself %s.", b.Description, m.Board.Model))
			b.Name = BoardName
			return b, b.Validate()
		}
	}
	if m.CPU.Present == 0 {
		return nil, fmt.Errorf("host: this machine does not say how many processors it has")
	}
	r := reader{fsys}
	told := board.Origin{Source: "kernel"}
	b := &board.Board{
		Name:        BoardName,
		Title:       "This machine: " + orElse(m.Board.Model, "a computer without a name"),
		Description: "What the kernel tells, read when this was written. It has no modes, and nothing about its power was measured.",
		Sources: []board.Source{{ID: told.Source, Kind: board.Primary, Text: strings.TrimSpace(fmt.Sprintf(
			"sysfs and procfs of %s, %s %s", orElse(m.Board.Model, "this machine"), orElse(m.Kernel.Name, "kernel"), m.Kernel.Release))}},
	}
	policies := r.policies()
	cpu := board.Processor{
		Name: "cpu", Kind: board.CPU, Model: orElse(m.CPU.Model, "unknown"), Origin: told,
		Cores: board.Number[int]{Value: m.CPU.Present, Origin: told}, Clocks: r.clocks(m, policies, told),
	}
	if n := len(policies); n > 0 && n <= m.CPU.Present {
		cpu.Clusters = board.Number[int]{Value: n, Origin: told}
	}
	b.Processors = []board.Processor{cpu}
	b.Memory = board.Memory{Kind: "memory", Size: board.Number[board.Bytes]{Value: board.Bytes(m.MemoryBytes), Origin: told}}
	if m.MemoryBytes <= 0 {
		b.Memory.Size = board.Number[board.Bytes]{Value: 4 << 30, Origin: assumed("the kernel does not say how much there is")}
	}
	bus := assumed("the kernel does not tell: some 12.8 GB/s, as of a small board")
	b.Memory.Clocks = board.Clocks{Values: []unit.Hertz{1600e6}, Origin: bus}
	b.Memory.BytesPerClock = board.Number[int]{Value: 8, Origin: bus}
	unmeasured := assumed("nothing was measured on this machine: of the order of a small board; compare policies, not watts")
	b.Power = board.Power{
		Origin:  unmeasured,
		Fixed:   []board.FixedPower{{Name: "rest", Draw: board.Number[unit.Watts]{Value: 2, Origin: unmeasured}}},
		Energy:  board.Number[board.JoulesPerByte]{Value: 88e-12, Origin: unmeasured},
		Leakage: board.Number[float64]{Value: 0.005, Origin: unmeasured},
		Parts: []board.PartPower{{
			Processor: "cpu", Origin: unmeasured, Idle: board.Number[unit.Watts]{Value: 0.5, Origin: unmeasured},
			Full: board.Number[unit.Watts]{Value: unit.Watts(1.2 * float64(m.CPU.Present)), Origin: unmeasured}, Exponent: board.Number[float64]{Value: 1.24, Origin: unmeasured},
		}},
	}
	b.Thermal = board.Thermal{
		Origin: unmeasured, Ambient: board.Number[unit.Celsius]{Value: 25, Origin: unmeasured},
		DieResistance: board.Number[board.KelvinPerWatt]{Value: 0.5, Origin: unmeasured}, DieCapacity: board.Number[board.JoulesPerKelvin]{Value: 5, Origin: unmeasured},
		SinkResistance: board.Number[board.KelvinPerWatt]{Value: 2, Origin: unmeasured}, SinkCapacity: board.Number[board.JoulesPerKelvin]{Value: 120, Origin: unmeasured},
		Trips: r.trips(told),
	}
	return b, b.Validate()
}

func assumed(why string) board.Origin { return board.Origin{Source: why, Assumption: true} }

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// clocks returns the steps of the first policy's clock, or what else is known of it.
func (r reader) clocks(m Machine, policies []Policy, told board.Origin) board.Clocks {
	const step = 100e6
	if len(policies) == 0 {
		if m.CPU.Clock > 0 {
			return board.Clocks{Values: []unit.Hertz{m.CPU.Clock}, Origin: told}
		}
		return board.Clocks{Values: []unit.Hertz{1e9}, Origin: assumed("the kernel does not tell the clock")}
	}
	var all []unit.Hertz
	for _, word := range strings.Fields(r.text(path.Join("sys/devices/system/cpu/cpufreq", policies[0].Name, "scaling_available_frequencies"))) {
		if kilohertz, err := strconv.ParseInt(word, 10, 32); err == nil && kilohertz > 0 {
			all = append(all, unit.Hertz(kilohertz)*1e3)
		}
	}
	slices.Sort(all)
	if all = slices.Compact(all); len(all) > 0 {
		return board.Clocks{Values: all, Origin: told}
	}
	p := policies[0]
	low, high := p.HardwareMin, p.HardwareMax
	if low <= 0 || high < low {
		return board.Clocks{Values: []unit.Hertz{max(p.Current, 1e9)}, Origin: assumed("the kernel does not tell the clock's limits")}
	}
	for c := low; c < high; c += step {
		all = append(all, c)
	}
	return board.Clocks{Values: append(all, high), Origin: assumed("steps of 100 MHz between the limits that the kernel tells")}
}

// trips returns the passive and critical trip points of the first thermal zone that has any.
func (r reader) trips(told board.Origin) []board.Trip {
	for _, dir := range r.list("sys/class/thermal", "thermal_zone") {
		var trips []board.Trip
		for i := range 16 {
			prefix := path.Join(dir, fmt.Sprintf("trip_point_%d_", i))
			kind := map[string]board.TripKind{"passive": board.Throttle, "critical": board.Critical}[r.text(prefix+"type")]
			at, ok := r.millidegrees(prefix + "temp")
			if kind == "" || !ok || at <= 0 || at > 200 {
				continue
			}
			t := board.Trip{Name: fmt.Sprintf("trip_%d", i), Kind: kind, Origin: told, At: board.Number[unit.Celsius]{Value: at, Origin: told}}
			if h, ok := r.millidegrees(prefix + "hyst"); ok && h > 0 && h <= 100 {
				t.Hysteresis = board.Number[unit.Celsius]{Value: h, Origin: told}
			}
			trips = append(trips, t)
		}
		if len(trips) > 0 {
			return trips
		}
	}
	return []board.Trip{{Name: "critical", Kind: board.Critical, Origin: assumed("the kernel tells of no trip points"),
		At: board.Number[unit.Celsius]{Value: 105, Origin: assumed("the kernel tells of no trip points")}}}
}

// millidegrees reads a temperature in thousandths of a degree.
func (r reader) millidegrees(name string) (unit.Celsius, bool) {
	milli, ok := r.number(name)
	return unit.Celsius(milli) / 1000, ok
}
