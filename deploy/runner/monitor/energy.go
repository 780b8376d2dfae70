package monitor

import (
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Energy is what went through one rail.
type Energy struct {
	Rail   string
	Joules unit.Joules
	// Error is the standard error that sampling alone makes: between two samples the power may have been anything between
	// them, evenly distributed and independent from one interval to the next. The sensor's own error comes on top.
	Error unit.Joules
	// Span is the time that Joules is over; Missed is time in which the sensor did not answer, which counts in neither.
	Span, Missed time.Duration
}

// Mean returns the mean power, 0 without a span.
func (e Energy) Mean() unit.Watts {
	if e.Span <= 0 {
		return 0
	}
	return unit.Watts(float64(e.Joules) / e.Span.Seconds())
}

// meter integrates rails by the trapezoidal rule.
type meter struct {
	rails map[string]*railMeter
	order []string // of first appearance
}

type railMeter struct {
	energy   Energy
	at       time.Duration
	watts    float64
	variance float64 // of the integral, in J^2
}

// add takes in the readings of one moment. An interval longer than longest counts as missed.
func (m *meter) add(at time.Duration, rails []host.Rail, longest time.Duration) {
	if m.rails == nil {
		m.rails = map[string]*railMeter{}
	}
	for _, r := range rails {
		watts := float64(r.Watts)
		if math.IsNaN(watts) || math.IsInf(watts, 0) {
			continue
		}
		rail, known := m.rails[r.Name]
		if !known {
			m.rails[r.Name] = &railMeter{energy: Energy{Rail: r.Name}, at: at, watts: watts}
			m.order = append(m.order, r.Name)
			continue
		}
		switch gap := at - rail.at; {
		case gap <= 0:
			continue
		case gap > longest:
			rail.energy.Missed += gap
		default:
			s := gap.Seconds()
			rail.energy.Joules += unit.Joules((rail.watts + watts) / 2 * s)
			rail.energy.Span += gap
			rail.variance += (watts - rail.watts) * (watts - rail.watts) * s * s / 12
		}
		rail.at, rail.watts = at, watts
	}
}

// energies returns every rail in the order in which they appeared.
func (m *meter) energies() []Energy {
	all := make([]Energy, 0, len(m.order))
	for _, name := range m.order {
		e := m.rails[name].energy
		e.Error = unit.Joules(math.Sqrt(m.rails[name].variance))
		all = append(all, e)
	}
	return all
}

// inputs are the names of rails that supply everything: Jetson modules' (VDD_IN), and those of older carriers.
var inputs = []string{"VDD_IN", "POM_5V_IN", "5V_IN", "VIN_SYS_5V0"}

// Watts returns the power of the whole device: of the rail that supplies everything, or the sum of all if none is known by
// name; false without rails.
func Watts(rails []host.Rail) (unit.Watts, bool) {
	var sum unit.Watts
	for _, r := range rails {
		for _, name := range inputs {
			if r.Name == name {
				return r.Watts, true
			}
		}
		sum += r.Watts
	}
	return sum, len(rails) > 0
}
