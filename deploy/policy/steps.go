package policy

import "fmt"

// StepRange are the clock steps of a processor that can be had, both included, as in a Decision: 1 is the first. The zero
// value stands for all of them, and for a processor without steps.
type StepRange struct{ Low, High uint8 }

// Steps returns the clock steps of a processor that can be had under an observation, both 0 without steps.
func (m *Model) Steps(o *Observation, processor int) (low, high int) {
	n := m.steps(processor)
	if n == 0 {
		return 0, 0
	}
	if len(o.Steps) > processor && o.Steps[processor] != (StepRange{}) {
		return int(o.Steps[processor].Low), int(o.Steps[processor].High)
	}
	return 1, n
}

// CheckSteps returns an error unless the observation's clock steps are the model's.
func (m *Model) CheckSteps(o *Observation) error {
	if len(o.Steps) != 0 && len(o.Steps) != len(m.Processors) {
		return fmt.Errorf("clock steps of %d processors of %d", len(o.Steps), len(m.Processors))
	}
	for i, s := range o.Steps {
		if n := m.steps(i); s != (StepRange{}) && (s.Low < 1 || s.Low > s.High || int(s.High) > n) {
			return fmt.Errorf("clock steps %d to %d of %s are not within 1 to %d", s.Low, s.High, m.Processors[i], n)
		}
	}
	return nil
}

// checkClock returns an error if a decision is for a clock step that cannot be had.
func (d Decision) checkClock(m *Model, o *Observation) error {
	if d.Action != Serve || d.Clock == 0 {
		return nil
	}
	if low, high := m.Steps(o, d.Processor); d.Clock < low || d.Clock > high {
		return fmt.Errorf("clock step %d cannot be had, only %d to %d", d.Clock, low, high)
	}
	return nil
}

// ranges are clock steps by processor, in a form that is copied like a number.
type ranges [maxProcessors]StepRange

// take takes over the clock steps of an observation and reports whether they are others than before.
func (r *ranges) take(steps []StepRange) bool {
	changed := false
	for i := range r {
		var s StepRange
		if i < len(steps) {
			s = steps[i]
		}
		if r[i] != s {
			r[i], changed = s, true
		}
	}
	return changed
}

// span returns the first and the last clock step of a processor with n of them.
func (r *ranges) span(processor, n int) (low, high int) {
	if s := r[processor]; s != (StepRange{}) {
		return int(s.Low), min(int(s.High), n)
	}
	return 1, n
}
