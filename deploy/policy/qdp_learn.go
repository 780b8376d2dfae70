package policy

import (
	"math"
	"time"
)

// Observe learns from an inference and brings the values up to date.
func (p *QDP) Observe(c Completion) {
	p.gaps.ended(c.End)
	i := p.find(c.Level, c.Processor)
	if i < 0 || c.Size() > p.model.Levels[c.Level].Largest(c.Processor) {
		return
	}
	if c.Clock < 0 || c.Clock > p.model.steps(c.Processor) {
		return
	}
	p.believe(&c)
	changed := p.learn(i, &c)
	if p.due == 0 {
		return
	}
	p.prepare()
	if p.gaps.stale {
		p.gaps.refresh(p.due)
	}
	switch {
	case changed:
		p.iterate(sweepsAfter)
	case p.rest > 0:
		p.rest--
	case p.iterate(1) < calm:
		p.rest = calmFor
	}
}

func (p *QDP) find(level, processor int) int {
	for i := range p.base {
		if p.base[i].level == level && p.base[i].processor == processor {
			return i
		}
	}
	return -1
}

// learn takes in the latency of a batch at a base option, and reports whether the environment changed.
func (p *QDP) learn(i int, c *Completion) bool {
	b := &p.base[i]
	predicted := p.bias[i].of(p.model.Levels[b.level].At(b.processor, c.Clock, c.Size()))
	r := ratioOf(c.Latency()-p.supply.lagged(c), max(predicted, 1))
	n := &p.noise
	band := max(unity+unity/20, n.knot[knotBand]+(n.knot[knotBand]-min(n.knot[knotBand], unity))/4)
	v := p.pace[b.processor].observe(r, band, max(n.knot[knotHigh], unity+unity/50), min(n.knot[knotLow], unity-unity/50))
	if v.older > 0 {
		n.add(v.older)
	}
	if v.noise > 0 {
		n.add(v.noise)
		p.trials[i] = min(p.trials[i]+1, slowPace)
		p.bias[i] = min(max(moved(p.bias[i], p.bias[i].times(v.noise), max(uint64(p.trials[i]), 16)), unity/2), 2*unity)
	}
	n.refresh()
	p.stale = true
	return v.change
}

// prepare computes the options as they are at present.
func (p *QDP) prepare() {
	p.stale = false
	s := p.options[:0]
	p.late = option{}
	shortest, swift := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	for i := range p.base {
		o := p.base[i]
		l := &p.model.Levels[o.level]
		f := p.present(o.processor).times(p.bias[i])
		low, high := p.supply.span(p.model, &p.steps, o.processor)
		for o.clock = low; o.clock <= high; o.clock++ {
			expected := f.of(l.At(o.processor, o.clock, 1))
			swift = min(swift, p.bias[i].of(l.At(o.processor, o.clock, 1)))
			o.latency = max(p.ticks(expected)+1, 1)
			o.cost = p.supply.cost(l, o.processor, o.clock, 1)
			if expected < shortest {
				shortest, p.late = expected, o
			}
			o.value, o.step = p.worth(l), o.latency
			s = s.insert(o)
		}
	}
	p.swift = p.ticks(swift)
	if p.supply.chooses() {
		s = s.within(dueTicks)
	}
	p.options = s.thin()
	for j := range p.options {
		o := &p.options[j]
		for k, q := range p.noise.knot {
			o.knot[k] = o.latency * int64(q) >> 16
		}
		o.safe = o.latency * int64(p.noise.safe) >> 16
	}
	if p.wide != nil {
		p.refreshWide()
	}
}

// worth returns the value of an answer of a level in time.
func (p *QDP) worth(l *LevelModel) int64 {
	value := toValue(float64(l.Accuracy)) + p.price
	if lack := p.floor - l.Accuracy; lack > 0 {
		value = max(value-toValue(float64(lack))*p.penalty/1024, 0)
	}
	return value
}

// iterate improves the values so many times, and returns by how much the last time changed one of them at most.
func (p *QDP) iterate(n int) (change int64) {
	for range n {
		change = p.values.sweep(p.options, p.limit, p.drops > 0, &p.gaps)
	}
	return change
}
