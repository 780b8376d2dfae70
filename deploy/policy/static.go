package policy

import (
	"fmt"
	"strconv"
)

// Static serves every request at one level: what a deployment without a runtime manager does.
type Static struct {
	level, processor int
}

var _ Policy = (*Static)(nil)

// ReasonStatic is Static's only reason.
const ReasonStatic Reason = "static"

var staticEntry = entry{
	info: Info{
		Name:     "static",
		Usage:    "static:LEVEL",
		Summary:  "serves every request at one level",
		Fidelity: "A baseline of our own: it drops nothing, however late.",
		Params:   []Param{processorParam},
	},
	build: func(arg string, s *settings, m *Model) (Policy, error) {
		level, err := strconv.Atoi(arg)
		if err != nil || level < 0 || level >= len(m.Levels) || strconv.Itoa(level) != arg {
			return nil, fmt.Errorf("level %.80q is not an integer in [0, %d]", arg, len(m.Levels)-1)
		}
		return &Static{level: level, processor: s.processor(m)}, nil
	},
}

// Spec returns "static:LEVEL".
func (s *Static) Spec() string { return "static:" + strconv.Itoa(s.level) }

// Decide serves at the level.
func (s *Static) Decide(o *Observation) Decision {
	if d, busy := occupied(o, s.processor); busy {
		return d
	}
	return Decision{Action: Serve, Level: s.level, Processor: s.processor, Reason: ReasonStatic}
}

// Observe learns nothing.
func (s *Static) Observe(Completion) {}
