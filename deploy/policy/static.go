package policy

import (
	"fmt"
	"strconv"
)

// Static serves every request at one level: spec "static:L", on the processor where that level is
// predicted to be fastest. It has no parameters. It is the baseline of every comparison.
type Static struct {
	level, processor int
}

var _ Policy = (*Static)(nil)

// ReasonStatic is Static's only reason.
const ReasonStatic Reason = "static"

func newStatic(argument string, _ *parameters, m *Model) (Policy, error) {
	level, err := strconv.Atoi(argument)
	if err != nil || level < 0 || level >= len(m.Levels) {
		return nil, fmt.Errorf("want static:L with a level L in [0, %d]", len(m.Levels)-1)
	}
	return &Static{level, m.Levels[level].fastest()}, nil
}

// fastest returns the processor of the smallest predicted latency, the first of equals.
func (l LevelModel) fastest() int {
	best := 0
	for p, latency := range l.Latency {
		if latency < l.Latency[best] {
			best = p
		}
	}
	return best
}

// Spec implements Policy.
func (s *Static) Spec() string { return "static:" + strconv.Itoa(s.level) }

// Decide implements Policy.
func (s *Static) Decide(*Observation) Decision {
	return Decision{Action: Serve, Level: s.level, Processor: s.processor, Reason: ReasonStatic}
}

// Observe implements Policy; it learns nothing.
func (s *Static) Observe(Completion) {}
