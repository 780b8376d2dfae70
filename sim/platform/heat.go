package platform

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
)

// zone is a trip point, or the warning current of the input rail, with what it has done.
type zone struct {
	trip  *board.Trip // nil of the input rail
	on    bool
	steps int // clock steps taken away
}

func newZones(b *board.Board) []zone {
	zones := make([]zone, 1, 1+len(b.Thermal.Trips))
	for i := range b.Thermal.Trips {
		zones = append(zones, zone{trip: &b.Thermal.Trips[i]})
	}
	return zones
}

// concerns reports whether a zone limits a processor.
func (z *zone) concerns(name string) bool {
	return z.trip == nil || len(z.trip.Parts) == 0 || slices.Contains(z.trip.Parts, name)
}

// pass takes a look at a quantity: at or above the limit the zone takes away one step more, and below the limit less
// the hysteresis it gives one back, as the kernel's step_wise thermal governor does.
func (z *zone) pass(value, limit, hysteresis float64, most int) {
	switch {
	case value >= limit:
		z.on = true
		z.steps = min(z.steps+1, most)
	case value < limit-hysteresis:
		z.on = false
		z.steps = max(0, z.steps-1)
	}
}

// look is one poll of temperature and current.
func (p *Platform) look() {
	now := p.kernel.Now()
	die, _ := p.thermal.At(now)
	p.peak = max(p.peak, float64(die))
	if !p.stopped {
		p.kernel.After(p.poll, des.ManagerTick, p.self, des.Event{Kind: evPoll})
	}
	amperes := p.current(float64(die))
	for i := range p.zones {
		z := &p.zones[i]
		if z.trip == nil {
			if !p.noPower && p.lookAtCurrent(z, amperes) {
				return
			}
			continue
		}
		if p.noTemperature {
			continue // the trip stays as it is, as the kernel's does when its zone cannot be read
		}
		limit, hysteresis := float64(z.trip.At.Value), float64(z.trip.Hysteresis.Value)
		z.pass(float64(die), limit, hysteresis, 1<<20)
		if z.trip.Kind == board.Critical && z.on {
			p.shutDown(fmt.Sprintf("%s: the die is at %v", z.trip.Name, die))
			return
		}
	}
	p.limit()
}

// current returns the current of the input rail, 0 if its voltage is not known.
func (p *Platform) current(die float64) float64 {
	if volts := float64(p.board.Power.Input.Value); volts > 0 {
		return (p.watts + float64(p.power.perKelvin*(die-leakageAt))) / volts
	}
	return 0
}

// lookAtCurrent reports whether the board has shut down.
func (p *Platform) lookAtCurrent(z *zone, amperes float64) bool {
	if p.mode == nil {
		return false
	}
	if c := &p.mode.Critical; c.Known() && amperes >= float64(c.Value) {
		p.shutDown(fmt.Sprintf("%s: the board draws %v", p.mode.Name, unit.Watts(amperes*float64(p.board.Power.Input.Value))))
		return true
	}
	if w := &p.mode.Warn; w.Known() {
		z.pass(amperes, float64(w.Value), 0, 1<<20)
	} else {
		z.on, z.steps = false, 0
	}
	return false
}

// limit takes over what the zones allow.
func (p *Platform) limit() {
	now := p.kernel.Now()
	for i := range p.processors {
		pr := &p.processors[i]
		away := 0
		for j := range p.zones {
			z := &p.zones[j]
			if !z.concerns(pr.Name) {
				continue
			}
			z.steps = min(z.steps, len(pr.Clocks.Values))
			switch {
			case z.trip == nil || z.trip.Kind == board.Throttle:
				away = max(away, z.steps)
			case z.trip.Kind == board.Hard && z.on:
				away = pr.high
			}
		}
		if limit := max(pr.low, pr.high-away); limit != pr.cap {
			pr.settle(now)
			pr.cap = limit
			p.govern(i)
		}
	}
}

// shutDown ends everything.
func (p *Platform) shutDown(reason string) {
	now := p.kernel.Now()
	for i := range p.processors {
		pr := &p.processors[i]
		pr.settle(now)
		p.kernel.Cancel(pr.ending)
	}
	p.memory.account(now, 0)
	p.thermal.advance(now)
	p.down, p.downAt, p.stopped = reason, now, true
	p.owner.Down(reason)
}

// Readings is what the board's sensors and interfaces tell.
type Readings struct {
	// Temperature is the die's, Power the whole board's. Both are NaN while their sensor is lost.
	Temperature unit.Celsius
	Power       unit.Watts
	// Clocks are those in force, by processor, Limits the largest that mode and heat allow at the moment.
	Clocks, Limits []unit.Hertz
	Memory         unit.Hertz
	Mode           string // name of the power mode, empty if the board has none
}

// Read returns the readings at the present time. It allocates.
func (p *Platform) Read() Readings {
	r := Readings{Temperature: p.Temperature(), Power: p.Power(), Memory: p.memory.Clocks.Values[p.memory.at]}
	if p.mode != nil {
		r.Mode = p.mode.Name
	}
	if p.noTemperature {
		r.Temperature = unit.Celsius(math.NaN())
	}
	if p.noPower {
		r.Power = unit.Watts(math.NaN())
	}
	for i := range p.processors {
		pr := &p.processors[i]
		r.Clocks = append(r.Clocks, pr.Clocks.Values[pr.at])
		r.Limits = append(r.Limits, pr.Clocks.Values[min(pr.cap, pr.high)])
	}
	return r
}

// Temperature returns the die's temperature at the present time.
func (p *Platform) Temperature() unit.Celsius {
	die, _ := p.thermal.At(p.now())
	return die
}

// Power returns what the board draws at the present time.
func (p *Platform) Power() unit.Watts {
	if p.down != "" {
		return 0
	}
	return unit.Watts(p.watts + float64(p.power.perKelvin*float64(p.Temperature()-leakageAt)))
}

// now returns the present time, or that of the shutdown.
func (p *Platform) now() time.Duration {
	if p.down != "" {
		return p.downAt
	}
	return p.kernel.Now()
}
