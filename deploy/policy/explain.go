package policy

import (
	"math"
	"time"
)

// Alternative is something that could have been decided, as the policy saw it.
type Alternative struct {
	Action           Action
	Level, Processor int // 0 unless Serve
	Clock            int // step as in a Decision: the best one where there is a choice
	// Latency is that of the inference as the policy reckons with it at present, 0 unless Serve.
	Latency time.Duration
	// Margin is the time that an inference begun now would leave of the head's slack; negative: it would be
	// late. The largest duration without deadline and limit; 0 unless Serve.
	Margin time.Duration
	// Chance is the probability to be in time that the policy assigns, Value what the policy maximises, less
	// that of the best alternative: 0 for the best one, in accuracy per request. Both NaN for policies that have none, or
	// for alternatives that were not considered.
	Chance, Value float64
}

// explainer is a policy that has more to say than the table.
type explainer interface {
	explain(o *Observation) []Alternative
}

// Explain returns what a policy could have decided about an observation: each level on each processor,
// then to drop the request. It is to be called before Decide for that observation, changes nothing in
// the policy, and may take its time; Decide pays nothing for it. To explain a recorded decision, feed a
// fresh policy with everything that was recorded before it.
func Explain(p Policy, m *Model, o *Observation) []Alternative {
	if e, ok := p.(explainer); ok {
		return e.explain(o)
	}
	return byTable(m, o, func(level, processor int) time.Duration { return m.Levels[level].Latency[processor] })
}

// byTable lists the alternatives with given latencies.
func byTable(m *Model, o *Observation, latency func(level, processor int) time.Duration) []Alternative {
	slack := headSlack(o)
	var all []Alternative
	for level := range m.Levels {
		for processor := range m.Processors {
			a := Alternative{Action: Serve, Level: level, Processor: processor, Latency: latency(level, processor), Margin: slack, Chance: math.NaN(), Value: math.NaN()}
			if slack != math.MaxInt64 {
				a.Margin = slack - a.Latency
			}
			all = append(all, a)
		}
	}
	return append(all, Alternative{Action: Drop, Chance: math.NaN(), Value: math.NaN()})
}

// explain lists latencies at present, of the managed processor.
func (p *Slack) explain(o *Observation) []Alternative {
	m := &Model{Processors: []string{""}, Levels: make([]LevelModel, len(p.now))}
	all := byTable(m, o, func(level, _ int) time.Duration { return p.now[level] })
	for i := range p.now {
		all[i].Processor = p.processor
	}
	return all
}

// explain adds what the filter believes.
func (p *Alert) explain(o *Observation) []Alternative {
	m := &Model{Processors: []string{""}, Levels: make([]LevelModel, len(p.latency))}
	all := byTable(m, o, func(level, _ int) time.Duration { return time.Duration(min(p.mu*p.latency[level], 1e18)) })
	best := 0.0
	for l := range p.latency {
		all[l].Processor = p.processor
		all[l].Chance = p.chance(l, headSlack(o))
		all[l].Value = all[l].Chance * p.accuracy[l]
		best = max(best, all[l].Value)
	}
	for l := range p.latency {
		all[l].Value -= best
	}
	return all
}

// explain repeats the decision on a copy and keeps the best plan of each first step.
func (p *QDP) explain(o *Observation) []Alternative {
	c := p.clone()
	c.gaps.look(o)
	if c.wide != nil {
		c.doubt(o)
	}
	c.follow(o)
	all := byTable(c.model, o, func(level, processor int) time.Duration {
		if i := c.find(level, processor); i >= 0 {
			return c.present(processor).times(c.bias[i]).of(c.model.Levels[level].Latency[processor])
		}
		return c.model.Levels[level].Latency[processor]
	})
	if c.due == 0 {
		return all
	}
	if c.wide != nil {
		c.explainWide(o, all)
		return all
	}
	value := c.firstSteps(o)
	best := int64(math.MinInt64)
	for _, v := range value {
		best = max(best, v)
	}
	note := func(a *Alternative, v int64) {
		if v > math.MinInt64 {
			a.Value = float64(v-best) / float64(unitValue)
		}
	}
	slack := min(c.slack(&o.Queue[0], o.Now), c.limit)
	for j := range c.options {
		s := &c.options[j]
		a := &all[s.level*len(c.model.Processors)+s.processor]
		if !c.clocked(a, s.clock, value[j], best, headSlack(o)) {
			continue // another clock is better
		}
		a.Chance = float64(s.onTime(slack)) / 65536
		note(a, value[j])
	}
	note(&all[len(all)-1], value[len(c.options)])
	return all
}

// explainWide fills in the best plan of each first step.
func (p *QDP) explainWide(o *Observation, all []Alternative) {
	best := int64(math.MinInt64)
	value := make([]int64, len(p.wide.ways)+1)
	for i := range value {
		c := p.clone()
		c.wide.only = int16(i)
		if i == len(p.wide.ways) {
			c.wide.only = moveDrop
		}
		value[i] = math.MinInt64
		if l := c.searchWide(o); l != nil && l.first != moveNone {
			value[i] = l.score
			best = max(best, l.score)
		}
	}
	note := func(a *Alternative, v int64) {
		if v > math.MinInt64 {
			a.Value = float64(v-best) / float64(unitValue)
		}
	}
	slack := min(p.slack(&o.Queue[0], o.Now), p.limit)
	for i := range p.wide.ways {
		y := &p.wide.ways[i]
		a := &all[y.level*len(p.model.Processors)+y.processor]
		if !p.clocked(a, y.clock, value[i], best, headSlack(o)) {
			continue
		}
		a.Chance = float64(p.noise.chance(y.latency[0], slack)) / 65536
		note(a, value[i])
	}
	note(&all[len(all)-1], value[len(value)-1])
}

// clocked makes an alternative one at a clock step, and reports whether it is better there than at the step that it had.
func (p *QDP) clocked(a *Alternative, clock int, value, best int64, slack time.Duration) bool {
	if clock == 0 {
		return true
	}
	if a.Clock > 0 && (value == math.MinInt64 || float64(value-best)/float64(unitValue) <= a.Value) {
		return false
	}
	f := p.present(a.Processor).times(p.bias[p.find(a.Level, a.Processor)])
	a.Clock, a.Latency = clock, f.of(p.model.Levels[a.Level].At(a.Processor, clock, 1))
	if slack != math.MaxInt64 {
		a.Margin = slack - a.Latency
	}
	return true
}

// firstSteps returns the value of the best plan that begins with each option, and with a drop;
// math.MinInt64 for those that are never best.
func (p *QDP) firstSteps(o *Observation) []int64 {
	out := make([]int64, len(p.options)+1)
	for i := range out {
		c := p.clone()
		c.gaps.look(o)
		c.follow(o)
		c.only = int16(i)
		if i == len(p.options) {
			c.only = moveDrop
		}
		c.lay(o)
		out[i] = math.MinInt64
		if c.plan.n > 0 {
			_, out[i] = c.best(o)
		}
	}
	return out
}

// clone returns a policy that shares only the model.
func (p *QDP) clone() *QDP {
	c := *p
	c.base = append([]option(nil), p.base...)
	c.bias = append([]factor(nil), p.bias...)
	c.trials = append([]uint8(nil), p.trials...)
	c.options = append(make(options, 0, p.supply.capacity), p.options...)
	c.pace = append([]pace(nil), p.pace...)
	c.supply.asked = append([]int(nil), p.supply.asked...)
	c.supply.late = append([]time.Duration(nil), p.supply.late...)
	if p.wide != nil {
		w := *p.wide
		w.ways = append([]way(nil), w.ways...)
		w.share = append([]int64(nil), w.share...)
		w.busy = append([]time.Duration(nil), w.busy...)
		c.wide = &w
	}
	return &c
}
