package policy

import "time"

// StaticDrop serves at one level what that level can still answer in time, and gives up the rest: the
// strongest way to serve without a runtime manager.
type StaticDrop struct {
	level, processor int
	latency          time.Duration // predicted, with the margin
}

var _ Policy = (*StaticDrop)(nil)

// ReasonHopeless is the reason of policies for giving up what they hold to be late whatever they do.
const ReasonHopeless Reason = "hopeless"

var staticDropEntry = entry{
	info: Info{
		Name:    "static-drop",
		Usage:   "static-drop",
		Summary: "serves at one level, and drops requests that it would answer too late by the table",
		Fidelity: "The usual hard baseline, with a batch of one. Dropping by predicted finish is AlpaServe's admission rule (read as code: reject " +
			"if the predicted finish plus 4 ms is after the deadline), applied at the head of the queue instead of at arrival; the 4 ms are the parameter margin.",
		Params: []Param{
			{"level", "0", "the level, from 0"},
			{"margin", "0s", "time that must be left at the predicted end, 0s to 1h"},
			processorParam,
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &StaticDrop{level: s.count("level", 0, len(m.Levels)-1), processor: s.processor(m)}
		p.latency = sum(m.Levels[p.level].Latency[p.processor], s.duration("margin", 0, time.Hour))
		return p, nil
	},
}

// Spec returns "static-drop".
func (p *StaticDrop) Spec() string { return "static-drop" }

// Decide serves or drops.
func (p *StaticDrop) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	if due := o.Queue[0].Deadline; due != 0 && p.latency > due-o.Now {
		return Decision{Action: Drop, Reason: ReasonHopeless}
	}
	return Decision{Action: Serve, Level: p.level, Processor: p.processor, Reason: ReasonStatic}
}

// Observe learns nothing.
func (p *StaticDrop) Observe(Completion) {}
