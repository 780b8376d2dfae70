package search

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Latency predictors may know more than latencies. *lut.Predictor has all of these.
type (
	// Tailed predicts the latency that 99 of 100 inferences stay below.
	Tailed interface {
		P99(a supernet.Arch) (unit.Nanoseconds, error)
	}
	// Powered predicts the energy of one inference.
	Powered interface {
		Energy(a supernet.Arch) (unit.Joules, error)
	}
	// Punctual predicts the probability that one inference takes no longer than a limit.
	Punctual interface {
		Meets(a supernet.Arch, limit unit.Nanoseconds) (float64, error)
	}
)

// predictor returns what works out a quantity of an operating point. It tries it on one network, so that a
// table that cannot say is refused before a search.
func predictor(p Problem, q Quantity, at Latency) (func(a supernet.Arch) (float64, error), error) {
	var f func(a supernet.Arch) (float64, error)
	switch q.Kind {
	case KindP99:
		if t, ok := at.(Tailed); ok {
			f = func(a supernet.Arch) (float64, error) { v, err := t.P99(a); return float64(v), err }
		}
	case KindEnergy:
		if t, ok := at.(Powered); ok {
			f = func(a supernet.Arch) (float64, error) { v, err := t.Energy(a); return float64(v), err }
		}
	case KindMeets:
		if t, ok := at.(Punctual); ok {
			f = func(a supernet.Arch) (float64, error) { return t.Meets(a, q.Limit) }
		}
	}
	if f == nil {
		return nil, fmt.Errorf("operating point %q predicts latencies only", q.Point)
	}
	if rs := p.Resolutions(); len(rs) > 0 {
		a := p.Space.Smallest()
		a.R = rs[0]
		if c, err := p.Space.Canonical(a); err == nil {
			if _, err := f(c); err != nil {
				return nil, fmt.Errorf("operating point %q: %w", q.Point, err)
			}
		}
	}
	return f, nil
}

// at returns the latency predictor of an operating point, nil if there is none of that name.
func (p Problem) at(name string) Latency {
	if name == p.Point {
		return p.Latency
	}
	for _, point := range p.Also {
		if point.Name == name {
			return point.Latency
		}
	}
	return nil
}

// counts are what blocks add up to.
type counts struct{ macs, params, activations int64 }

// slotsOf returns the slots of the problem's space by resolution.
func slotsOf(p Problem) [][]supernet.Slot {
	rs := p.Resolutions()
	if len(rs) == 0 {
		return [][]supernet.Slot{}
	}
	slots := make([][]supernet.Slot, rs[len(rs)-1]+1)
	for _, r := range rs {
		slots[r] = p.Space.Slots(r)
	}
	return slots
}

// count adds up the blocks of a canonical architecture.
func count(slots []supernet.Slot, a *supernet.Arch) counts {
	var n counts
	for i := range slots {
		if sl := &slots[i]; sl.Active(a.D) {
			b := sl.Block(sl.Choice(*a))
			n.macs += b.MACs()
			n.params += b.Params()
			n.activations = max(n.activations, b.Activations())
		}
	}
	return n
}
