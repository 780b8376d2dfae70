package platform

import (
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Report is what became of a board.
type Report struct {
	Board string `json:"board"`
	// Elapsed is the time from the start to the report, or to the shutdown.
	Elapsed time.Duration `json:"elapsed_ns"`
	Energy  Energy        `json:"energy"`
	Usage   Usage         `json:"usage"`
	// Temperature is the die's now; Peak the highest of those at the start, at polls and now.
	Temperature unit.Celsius      `json:"temperature_c"`
	Peak        unit.Celsius      `json:"peak_c"`
	Processors  []ProcessorReport `json:"processors"`
	// MemoryTransitions counts changes of the memory's clock.
	MemoryTransitions int `json:"memory_transitions"`
	// Down says why the board shut down; empty if it did not.
	Down string `json:"down,omitempty"`
	// Notes are doubts about the numbers.
	Notes []string `json:"notes,omitempty"`
}

// ProcessorReport is what became of a processor.
type ProcessorReport struct {
	Name string `json:"name"`
	// Clocks has an entry for each clock step that was in force.
	Clocks      []ClockReport `json:"clocks"`
	Transitions int           `json:"transitions"`
	// Throttled is the time for which heat or current allowed less than the power mode does.
	Throttled time.Duration `json:"throttled_ns"`
	// Utilisation is the mean share of all cores that was busy.
	Utilisation float64 `json:"utilisation"`
}

// ClockReport says how long a clock was in force.
type ClockReport struct {
	Clock unit.Hertz    `json:"clock_hz"`
	Time  time.Duration `json:"time_ns"`
}

// Usage is all that energy depends on beside the board's coefficients.
type Usage struct {
	Elapsed time.Duration `json:"elapsed_ns"`
	Bytes   float64       `json:"bytes"` // of memory traffic
	// Warmth is the integral of the die's temperature above 25 C, in kelvin seconds.
	Warmth float64 `json:"warmth_ks"`
	// Busy has, by processor and clock step, the seconds of all cores busy.
	Busy [][]float64 `json:"busy_s"`
}

// Energy is energy by what it went to.
type Energy struct {
	Total   unit.Joules `json:"total_j"`
	Fixed   unit.Joules `json:"fixed_j"` // everything but the processors and memory traffic
	Memory  unit.Joules `json:"memory_j"`
	Idle    unit.Joules `json:"idle_j"`    // of the processors, at 25 C
	Leakage unit.Joules `json:"leakage_j"` // what idle power grew by with temperature
	Busy    unit.Joules `json:"busy_j"`    // of the processors, on top of idle
	Rails   []Rail      `json:"rails,omitempty"`
}

// Rail is the energy that a rail fed.
type Rail struct {
	Name   string      `json:"name"`
	Energy unit.Joules `json:"energy_j"`
}

// Report returns what became of the board until the present time.
func (p *Platform) Report() *Report {
	now := p.now()
	die, _ := p.thermal.At(now)
	r := &Report{
		Board: p.board.Name, Elapsed: now, Temperature: die, Peak: unit.Celsius(max(p.peak, float64(die))),
		MemoryTransitions: p.memory.transitions, Down: p.down,
	}
	r.Usage = Usage{
		Elapsed: now, Warmth: p.thermal.Warmth(now),
		Bytes: p.memory.bytes + float64(p.memory.traffic*(now-p.memory.recorded).Seconds()),
	}
	for i := range p.processors {
		pr := &p.processors[i]
		if p.down == "" {
			pr.settle(now)
		}
		out := ProcessorReport{Name: pr.Name, Transitions: pr.transitions, Throttled: pr.throttled}
		busy := 0.0
		for step, spent := range pr.spent {
			busy += pr.busy[step]
			if spent > 0 {
				out.Clocks = append(out.Clocks, ClockReport{pr.Clocks.Values[step], spent})
			}
		}
		if now > 0 {
			out.Utilisation = busy / now.Seconds()
		}
		r.Usage.Busy = append(r.Usage.Busy, append([]float64(nil), pr.busy...))
		r.Processors = append(r.Processors, out)
		r.Notes = append(r.Notes, p.doubts(pr)...)
	}
	r.Energy = r.Usage.Energy(p.board)
	if n := len(p.board.Assumptions()); n > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("energy and temperature are modelled: %d numbers of board %s are assumptions", n, p.board.Name))
	}
	return r
}

// doubts returns what is to be said about latencies at the clocks at which a processor was busy.
func (p *Platform) doubts(pr *processor) []string {
	if !pr.scaled {
		return nil
	}
	scaling, err := p.board.ScalingOf(pr.Name)
	if err != nil {
		return []string{fmt.Sprintf("latencies on %s are taken for inverse to its clock: board %s has no measurements", pr.Name, p.board.Name)}
	}
	var notes []string
	for step, busy := range pr.busy {
		if busy == 0 {
			continue
		}
		_, doubts := scaling.Latency(pr.Clocks.Values[step], 0)
		for _, d := range doubts {
			notes = append(notes, d.Error())
		}
	}
	return notes
}

// Energy returns the energy of a usage by a board's coefficients, exactly: the model is linear in the integrals. It
// panics if the board has other processors or clock steps than the one that was used.
func (u *Usage) Energy(b *board.Board) Energy {
	return u.energy(b, coefficients{1, 1, 1, 1, 1, 1})
}

// Coefficients of the power model, for what varies them together.
const (
	cFixed = iota
	cMemory
	cIdle
	cLeakage
	cFull
	cExponent
	numCoefficients
)

var coefficientNames = [numCoefficients]string{"fixed power", "energy per byte", "idle power", "leakage", "full power", "exponent"}

// coefficients are factors on those of a board.
type coefficients [numCoefficients]float64

func (u *Usage) energy(b *board.Board, c coefficients) Energy {
	var e Energy
	fed := map[string]unit.Joules{}
	s := u.Elapsed.Seconds()
	for i := range b.Power.Fixed {
		f := &b.Power.Fixed[i]
		j := unit.Joules(float64(f.Draw.Value) * c[cFixed] * s)
		e.Fixed += j
		fed[f.Name] += j
	}
	e.Memory = unit.Joules(float64(b.Power.Energy.Value) * c[cMemory] * u.Bytes)
	fed["memory"] = e.Memory
	for i := range b.Power.Parts {
		part := &b.Power.Parts[i]
		idle := float64(part.Idle.Value) * c[cIdle]
		j := unit.Joules(idle * s)
		leak := unit.Joules(idle * float64(b.Power.Leakage.Value) * c[cLeakage] * u.Warmth)
		var busy unit.Joules
		for k := range b.Processors {
			if p := &b.Processors[k]; p.Name == part.Processor {
				steps := p.Clocks.Values
				for step, seconds := range u.Busy[k] {
					if seconds > 0 {
						share := math.Pow(float64(steps[step]/steps[len(steps)-1]), part.Exponent.Value*c[cExponent])
						busy += unit.Joules(float64(part.Full.Value) * c[cFull] * share * seconds)
					}
				}
			}
		}
		e.Idle += j
		e.Leakage += leak
		e.Busy += busy
		fed[part.Processor] = j + leak + busy
	}
	e.Total = e.Fixed + e.Memory + e.Idle + e.Leakage + e.Busy
	for i := range b.Power.Rails {
		r := Rail{Name: b.Power.Rails[i].Name}
		for _, part := range b.Power.Rails[i].Feeds {
			r.Energy += fed[part]
		}
		e.Rails = append(e.Rails, r)
	}
	return e
}
