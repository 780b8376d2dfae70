package runner

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// Clocks tells the clocks of processors. Only the runner's goroutine calls it.
type Clocks interface {
	// Read tells what holds of a processor's clock.
	Read(processor string) Held
}

// Governor sets the clocks of processors. Only the runner's goroutine calls it.
type Governor interface {
	// Set asks for a clock of a processor and returns the one that is held afterwards, 0 if none is, and an error if it could
	// not ask. It does not wait until the clock is in force.
	Set(processor string, clock unit.Hertz) (unit.Hertz, error)
}

// Held is what holds of a processor's clock. What is not known is 0.
type Held struct {
	Clock     unit.Hertz // that is held; 0: something else may move it
	Low, High unit.Hertz // that can be had at present
}

// Reasons of decisions when a clock is not the one that was asked for; see also ReasonClockDenied, if asking for it failed.
const (
	// ReasonClockLost: heat, a power mode or another program holds the clock elsewhere.
	ReasonClockLost policy.Reason = trace.OverridePrefix + "clock-lost"
)

// How often clocks are looked at while requests are served, and when one that was lost is asked for again: after the least time at
// first, then after twice as long each time, up to the most; after calm from the beginning.
const (
	clockEvery = 100 * time.Millisecond
	leastRetry = time.Second
	mostRetry  = 32 * time.Second
	calm       = time.Minute
)

// choosesClocks reports whether a policy wants the clocks left to it.
func choosesClocks(p policy.Policy) bool {
	g, ok := p.(policy.Governed)
	return ok && g.Governor() == "userspace"
}

// managed builds the policy and returns the family as it sees it: with the clock steps if it chooses among them.
func (c Config) managed() (policy.Policy, *policy.Model, family.Family, error) {
	plain := c.family()
	f := c.withSteps(plain)
	p, m, err := c.newPolicy(&f)
	if err != nil || len(f.Clocks) == 0 || choosesClocks(p) {
		return p, m, f, err
	}
	p, m, err = c.newPolicy(&plain)
	return p, m, plain, err
}

func (c Config) newPolicy(f *family.Family) (policy.Policy, *policy.Model, error) {
	m, err := policy.NewModel(f)
	if err != nil {
		return nil, nil, err
	}
	p, err := c.NewPolicy(c.Policy.Spec, c.Policy.Params, m)
	return p, m, err
}

// withSteps returns a family of some processors with all of their operating points.
func (c Config) withSteps(f family.Family) family.Family {
	f.Levels = slices.Clone(f.Levels)
	for i := range f.Levels {
		l := &f.Levels[i]
		l.Latencies = slices.Clone(l.Latencies)
		for k := range l.Latencies {
			all, _ := c.Family.Latency(i, l.Latencies[k].Processor)
			l.Latencies[k].Points = all.Points
		}
	}
	for _, clocks := range c.Family.Clocks {
		if slices.Contains(f.Processors(), clocks.Processor) {
			f.Clocks = append(f.Clocks, clocks)
		}
	}
	return f
}

// clock is a processor's clock as the run knows it.
type clock struct {
	name   string
	steps  []unit.Hertz
	at     int              // step that holds, or is nearest to what does
	wanted int              // step asked for last
	had    policy.StepRange // that can be asked for
	// After a loss: when the lost step is asked for again, 0: there was none; how long the time until then was; when it was lost.
	retry, backoff, lost time.Duration

	ClockReport
	setting samples
	began   []int64 // inferences by step
}

// ClockReport is what became of a processor's clock in a run whose policy chooses clocks.
type ClockReport struct {
	Processor string
	Set       bool        // clocks were set; else they stayed as they were
	Clock     unit.Hertz  // step that held in the end
	Steps     int         // among which the policy chooses
	Changes   int64       // clocks asked for
	Lost      int64       // times that the clock was not the one that was asked for
	At        []ClockUse  // of the steps at which inferences began, ascending
	Setting   lut.Latency // of asking for a clock, measured
	// Effect is the time from then until it is in force, and Source where that and the operating points come from: the bundle
	// says so, the run does not measure it.
	Effect time.Duration
	Source string
}

// ClockUse is how many inferences began at a clock step.
type ClockUse struct {
	Clock      unit.Hertz
	Inferences int64
}

// nearest returns the step nearest to a clock.
func (c *clock) nearest(h unit.Hertz) int {
	best := len(c.steps)
	for i, s := range c.steps {
		if math.Abs(float64(s-h)) < math.Abs(float64(c.steps[best-1]-h)) {
			best = i + 1
		}
	}
	return best
}

// tolerance is the share by which the system's clocks may differ from the steps in the family.
const tolerance = 0.01

// limits returns the steps that the system leaves; where it leaves none, the one nearest to what it does.
func (c *clock) limits(h Held) (low, high int) {
	low, high = 1, len(c.steps)
	if h.High > 0 {
		for high > 1 && float64(c.steps[high-1]) > float64(h.High)*(1+tolerance) {
			high--
		}
	}
	for low < len(c.steps) && float64(c.steps[low-1]) < float64(h.Low)*(1-tolerance) {
		low++
	}
	return min(low, high), high
}

// step returns the step that holds. Where something may move the clock it is the highest that it may be moved to.
func (c *clock) step(h Held) int {
	if h.Clock > 0 {
		return c.nearest(h.Clock)
	}
	_, high := c.limits(h)
	return high
}

// startClocks takes over the clocks, at the highest step that can be had: a policy begins with that.
func (r *run) startClocks() {
	for i, m := range r.model.Clocks {
		if len(m.Steps) == 0 || !choosesClocks(r.policy) {
			r.clocks = append(r.clocks, clock{})
			continue
		}
		name := r.model.Processors[i]
		c := clock{name: name, steps: m.Steps, began: make([]int64, len(m.Steps)), ClockReport: ClockReport{Processor: name, Set: r.Governor != nil, Steps: len(m.Steps), Effect: m.Effect}}
		if described := r.Family.ClocksOf(name); described != nil {
			c.Source = described.Source
		}
		r.clocks = append(r.clocks, c)
	}
	r.look(0, true)
	for i := range r.clocks {
		if c := &r.clocks[i]; len(c.steps) > 0 && r.Governor != nil {
			r.ask(0, c, int(c.had.High))
		}
	}
	r.show()
}

// watchClocks looks at the clocks from time to time.
func (r *run) watchClocks(now time.Duration) {
	if len(r.clocks) > 0 && now >= r.looked+clockEvery {
		r.look(now, false)
		r.show()
	}
}

// look finds what holds of the clocks, and what can be had.
func (r *run) look(now time.Duration, first bool) {
	r.looked = now
	for i := range r.clocks {
		c := &r.clocks[i]
		if len(c.steps) == 0 {
			continue
		}
		h := r.read(c)
		switch {
		case r.Governor == nil: // whoever sets it may do so
			c.at = c.step(h)
			c.allow(c.at, c.at)
		case first:
			c.at = c.step(h)
			c.allow(c.limits(h))
		case c.retry > 0 && now < c.retry:
			c.at = c.step(h)
			if c.had.Low == c.had.High {
				c.allow(c.at, c.at)
			} else if low, high := c.limits(h); high < int(c.had.High) { // it has become hotter
				c.allow(low, high)
			}
		case c.retry > 0:
			r.again(now, c, h)
		case c.step(h) != c.at || h.Clock == 0:
			r.loseClock(now, c, nil)
		default:
			c.allow(c.limits(h))
		}
	}
}

func (c *clock) allow(low, high int) { c.had = policy.StepRange{Low: uint8(low), High: uint8(high)} }

// read tells what holds; without anybody to tell nothing does.
func (r *run) read(c *clock) Held {
	if r.Clocks == nil {
		return Held{}
	}
	return r.Clocks.Read(c.name)
}

// show lets the policy see the steps that can be had. Who got the ones before keeps them.
func (r *run) show() {
	same := len(r.observed.Steps) == len(r.clocks)
	for i := range r.clocks {
		same = same && r.observed.Steps[i] == r.clocks[i].had
	}
	if same {
		return
	}
	r.observed.Steps = make([]policy.StepRange, len(r.clocks))
	for i := range r.clocks {
		r.observed.Steps[i] = r.clocks[i].had
	}
}

// setClock asks for the clock that was decided, unless it holds already. If it cannot be had, the record says which one holds, and the
// safe level serves.
func (r *run) setClock(rec *trace.Record) {
	d := &rec.Decision
	if d.Clock == 0 || len(r.clocks) == 0 {
		return
	}
	c := &r.clocks[d.Processor]
	if c.at != d.Clock && r.Governor != nil {
		r.ask(rec.Observation.Now, c, d.Clock)
	}
	if c.at != d.Clock {
		d.Clock, d.Reason = c.at, r.safeReason
	}
	c.began[d.Clock-1]++
}

// ask asks for a step.
func (r *run) ask(now time.Duration, c *clock, step int) {
	if err := r.request(c, step); err != nil || c.at != step {
		r.loseClock(now, c, err)
	}
}

// request asks for a step, and finds which one holds then.
func (r *run) request(c *clock, step int) error {
	c.wanted = step
	began := r.now()
	held, err := r.Governor.Set(c.name, c.steps[step-1])
	c.setting.add(r.now() - began)
	c.Changes++
	if held > 0 {
		c.at = c.nearest(held)
		return err
	}
	if c.at = c.step(r.read(c)); err == nil {
		err = fmt.Errorf("something else may move the clock of %s", c.name)
	}
	return err
}

// loseClock deals with a clock that is not the one that was asked for: the safe level serves at once, and the policy is told what can be
// had. What a limit leaves can be; else only what holds, until it is tried again.
func (r *run) loseClock(now time.Duration, c *clock, err error) {
	h := r.read(c)
	c.at = c.step(h)
	low, high := c.limits(h)
	reason, detail := ReasonClockLost, fmt.Sprintf("%s: %v was asked for", c.name, c.steps[c.wanted-1])
	switch {
	case err != nil:
		reason, detail = ReasonClockDenied, detail+": "+err.Error()
		low, high = c.at, c.at
	case c.wanted > high || c.wanted < low:
		detail += fmt.Sprintf(", but only %v to %v can be had", c.steps[low-1], c.steps[high-1])
	default:
		detail += ", but something else has moved it"
		low, high = c.at, c.at
	}
	c.allow(low, high)
	if c.backoff == 0 || now > c.lost+c.backoff+calm {
		c.backoff = leastRetry / 2
	}
	c.Lost++
	c.lost = now
	c.later(now)
	detail += fmt.Sprintf("; it is at %v or near it, and asked for again in %v", c.steps[c.at-1], c.backoff)
	r.raise(now, Alarm{Reason: reason, Detail: detail})
}

// later puts off asking again.
func (c *clock) later(now time.Duration) {
	c.backoff = min(2*c.backoff, mostRetry)
	c.retry = now + c.backoff
}

// again asks for the step that was lost, unless a limit still forbids it. That it stays lost is no news.
func (r *run) again(now time.Duration, c *clock, h Held) {
	low, high := c.limits(h)
	if c.wanted < low || c.wanted > high {
		c.at = c.step(h)
		c.allow(low, high)
		c.later(now)
		return
	}
	if err := r.request(c, c.wanted); err != nil || c.at != c.wanted {
		c.later(now)
		if c.had.Low == c.had.High {
			c.allow(c.at, c.at)
		}
		return
	}
	c.retry = 0
	c.allow(c.limits(r.read(c)))
	r.Logger.Info("a clock can be set again", "processor", c.name, "clock", c.steps[c.at-1])
}

// clockReports sums up the clocks, nil if the policy chooses none.
func (r *run) clockReports() []ClockReport {
	var list []ClockReport
	for i := range r.clocks {
		if c := &r.clocks[i]; len(c.steps) > 0 {
			c.Clock, c.Setting, c.At = c.steps[c.at-1], c.setting.latency(), nil
			for k, n := range c.began {
				if n > 0 {
					c.At = append(c.At, ClockUse{c.steps[k], n})
				}
			}
			list = append(list, c.ClockReport)
		}
	}
	return list
}
