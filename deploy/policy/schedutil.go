package policy

import (
	"fmt"
	"strconv"
)

// Schedutil serves every request at one level and leaves the clocks to the governor schedutil: what Linux does
// with a static network.
type Schedutil struct{ Static }

var _ Policy = (*Schedutil)(nil)

// Governed is a policy that runs under a clock governor of its own, whatever the scenario says.
type Governed interface {
	// Governor returns the governor's name as Linux has it, such as "schedutil"; nothing if any will do.
	Governor() string
}

var _ Governed = (*Schedutil)(nil)

var schedutilEntry = entry{
	info: Info{
		Name:    "schedutil+static",
		Usage:   "schedutil+static:LEVEL",
		Summary: "serves every request at one level, under the clock governor schedutil",
		Fidelity: "The baseline of the energy comparisons of Dynamic-OFA's group: one network, clocks by Linux' schedutil (1.25 times the utilisation, read as code). " +
			"The policy only asks for the governor; whoever runs it has to set it. Where clocks are not modelled it is static.",
		Params: []Param{processorParam},
	},
	build: func(arg string, s *settings, m *Model) (Policy, error) {
		level, err := strconv.Atoi(arg)
		if err != nil || level < 0 || level >= len(m.Levels) || strconv.Itoa(level) != arg {
			return nil, fmt.Errorf("level %.80q is not an integer in [0, %d]", arg, len(m.Levels)-1)
		}
		return &Schedutil{Static{level: level, processor: s.processor(m)}}, nil
	},
}

// Spec returns "schedutil+static:LEVEL".
func (s *Schedutil) Spec() string { return "schedutil+" + s.Static.Spec() }

// Governor returns "schedutil".
func (s *Schedutil) Governor() string { return "schedutil" }
