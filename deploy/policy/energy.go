package policy

import "time"

// supply is what a planner knows about energy and clocks.
//
// An inference costs its energy at the operating point times the price of a joule, answered in time or not. What the
// board draws without it does not count: no decision changes that. So a slower clock is taken where what it saves is worth
// more than the time that it takes from those who wait or are to come, by the same plan and the same table as levels.
//
// A decision for another clock step begins at the step in force, since clocks take effect late. The plan knows that for
// the head; for those behind it it reckons with the step itself.
type supply struct {
	price    float64         // of a joule, in units of value
	clocked  bool            // there are steps to choose among
	capacity int             // options at most
	asked    []int           // step in force or asked for last, by processor
	late     []time.Duration // by which what runs takes longer because of its step, by processor
}

// maxCost bounds the cost of an inference: eight times the accuracy of 16 perfect answers.
const maxCost = unitValue << 7

// newSupply reads the parameter energy.
func newSupply(s *settings, m *Model, base []option) supply {
	p := supply{price: s.ratio("energy", 0, 1000) * float64(unitValue), capacity: len(base)}
	if p.price == 0 {
		return p
	}
	known := false
	p.capacity = 0
	for i := range base {
		b := &base[i]
		points := m.Levels[b.level].Points
		known = known || len(points) > 0 && len(points[b.processor]) > 0
		p.clocked = p.clocked || m.steps(b.processor) > 0
		p.capacity += max(m.steps(b.processor), 1)
	}
	if !known {
		s.fail("energy", "the family has no operating points, so nothing is known about the energy of its levels")
	}
	p.late = make([]time.Duration, len(m.Processors))
	for i := range m.Processors {
		p.asked = append(p.asked, m.steps(i)) // the governor userspace begins at the top
	}
	return p
}

// chooses reports whether decisions are for a clock step.
func (p *supply) chooses() bool { return p.clocked }

// span returns the first and the last clock step to be considered on a processor, of those in a range.
func (p *supply) span(m *Model, r *ranges, processor int) (low, high int) {
	if n := m.steps(processor); p.clocked && n > 0 {
		return r.span(processor, n)
	}
	return 0, 0
}

// few is the number of clock steps that are considered where plans are wide.
func (p *supply) few(m *Model, processor int) int {
	low, high := p.span(m, &ranges{}, processor)
	return min(high-low+1, 3)
}

// oneOf returns one of the few clock steps of a range: of rank 0 the top one, of 1 one between, of the last one the lowest one. Where
// there are fewer, some are the same.
func (p *supply) oneOf(m *Model, r *ranges, processor, rank int) int {
	low, high := p.span(m, r, processor)
	switch n := p.few(m, processor); {
	case rank == 0:
		return high
	case rank == n-1:
		return low
	}
	return (low + high) / 2
}

// cost returns what an inference costs.
func (p *supply) cost(l *LevelModel, processor, clock, size int) int64 {
	if p.price == 0 {
		return 0
	}
	return int64(min(float64(p.price*l.energy(processor, clock, size)), float64(maxCost)))
}

// lag returns by how much longer an inference takes at an option's clock step because another is in force when it begins;
// negative if that is a faster one. What was asked for last may be out of range by now.
func (p *supply) lag(m *Model, r *ranges, o *option) time.Duration {
	if o.clock == 0 || p.asked[o.processor] == o.clock {
		return 0
	}
	low, high := p.span(m, r, o.processor)
	l := &m.Levels[o.level]
	before, after := l.At(o.processor, min(max(p.asked[o.processor], low), high), 1), l.At(o.processor, o.clock, 1)
	effect := m.Clocks[o.processor].Effect
	if before <= effect {
		return before - after // it ends before the step is in force
	}
	return effect - scaled(effect, after, before)
}

// ask takes note of what begins.
func (p *supply) ask(m *Model, r *ranges, o *option) {
	if o.clock > 0 {
		p.late[o.processor] = p.lag(m, r, o)
		p.asked[o.processor] = o.clock
	}
}

// lagged returns by how much longer a finished inference was expected to take because of its clock step. One that ran at
// another step than was asked for tells which one holds.
func (p *supply) lagged(c *Completion) time.Duration {
	if c.Clock == 0 || !p.clocked {
		return 0
	}
	if p.asked[c.Processor] != c.Clock {
		p.asked[c.Processor], p.late[c.Processor] = c.Clock, 0
	}
	return p.late[c.Processor]
}

// Governor returns "userspace" if decisions are for clock steps, else nothing: the scenario's governor stays.
func (p *QDP) Governor() string {
	if p.supply.clocked {
		return "userspace"
	}
	return ""
}

var _ Governed = (*QDP)(nil)
