// Package traffic describes what happens to a system from outside: when requests arrive, by when they
// are due, and how co-running programs slow the processors down. A [Scenario] is one such description,
// read from a YAML file or built in; [Stream] gives the named random streams that play it.
//
// The package simulates nothing and knows boards, families and policies only as names, which whoever
// runs the scenario resolves. Files are hostile until validated: unknown and repeated keys, numbers
// without units, anchors, tags and anything oversized are refused with file, line and key.
package traffic

import (
	"maps"
	"sort"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Scenario is a situation that policies are compared in. Fields without a stated default are
// required.
type Scenario struct {
	// Name is the file's base name without its extension. It does not stand in the file.
	Name string
	// Title is one line for headings; Description says what is shown; Sources name where the
	// numbers come from. All optional.
	Title, Description string
	Sources            []string

	// Family names the family of sub-networks: a built-in one such as "paper-gpu6", or one in the study.
	Family string
	// Processor names the processor that serves, as the family knows it. Processors names all that may
	// serve if they are several, Processor first; nil if there is only the one.
	Processor  string
	Processors []string
	// Board names the board that the scenario runs on, with its clocks, power and temperature; empty: a processor
	// of which nothing but the family's latencies is known. Mode is the board's power mode and Governor the rule that
	// sets its clocks; empty: the board's default.
	Board, Mode, Governor string

	Arrivals Arrivals
	// Limit is the deadline of each request relative to its arrival, and the latency that the manager is
	// asked to keep. 0: none.
	Limit time.Duration
	// Accuracy is the accuracy that the manager is asked to keep, 0: none.
	Accuracy unit.Accuracy
	// InitialLevel is the level loaded at the start, 0 (the least accurate) by default. Whether the family
	// has it is checked by whoever resolves the family.
	InitialLevel int

	// Duration and Requests end the arrivals, whichever comes first: none at or after Duration, no more than
	// Requests. 0: not limited by this one; at least one is given.
	Duration time.Duration
	Requests int64

	// Seed is the root of the random streams, 0 by default.
	Seed uint64
	// Disturbances has the slow-downs of each processor that has any, ascending by Processor.
	Disturbances []Disturbance
	// CoRunners come and go at random.
	CoRunners []CoRunner
	// Events are what else changes, ascending in At.
	Events []Event
	// Apps are the applications if there are several, or if the only one has a name. Then Family, Processor,
	// Processors, Arrivals, Limit, Accuracy and InitialLevel above are zero.
	Apps []App
	// Noise multiplies each inference's latency. The zero value is none.
	Noise Noise

	// SwitchTimes is the time for which a policy's way of switching levels stops service, by the policy's
	// name, such as "ladder". 0 where absent.
	SwitchTimes map[string]time.Duration
	// Policies has parameters of policies by the policy's name, as text that the policy reads.
	Policies map[string]map[string]string
}

// Disturbance is what co-running programs do to one processor.
type Disturbance struct {
	Processor string
	Profile   Profile
}

// Slowdown returns the factor by which inferences on a processor take longer at time t since the start;
// 1 if nothing is known about it.
func (s *Scenario) Slowdown(processor string, t time.Duration) float64 {
	return s.Profile(processor).At(t)
}

// Profile returns the slow-down of a processor over time, which is empty if it has none. The result
// shares memory with the scenario.
func (s *Scenario) Profile(processor string) Profile {
	for _, d := range s.Disturbances {
		if d.Processor == processor {
			return d.Profile
		}
	}
	return nil
}

// SwitchTime returns the time that one switch of levels costs the named policy.
func (s *Scenario) SwitchTime(policy string) time.Duration { return s.SwitchTimes[policy] }

// Params returns a copy of the parameters of the named policy, empty if it has none.
func (s *Scenario) Params(policy string) map[string]string {
	params := maps.Clone(s.Policies[policy])
	if params == nil {
		params = map[string]string{}
	}
	return params
}

// Step is the beginning of a time with a constant slow-down.
type Step struct {
	At       time.Duration // since the start
	Slowdown float64       // latency factor from here on, in [MinSlowdown, MaxSlowdown]; 1: undisturbed
	What     string        // what happens, for people; optional
}

// Profile is a piecewise-constant slow-down: steps ascending in At, each in force until the next. Before
// the first one it is 1.
type Profile []Step

// At returns the slow-down at time t. O(log steps).
func (p Profile) At(t time.Duration) float64 {
	n := p.after(t)
	if n == 0 {
		return 1
	}
	return p[n-1].Slowdown
}

// Next returns the first step after time t, or false if none follows. O(log steps).
func (p Profile) Next(t time.Duration) (Step, bool) {
	n := p.after(t)
	if n == len(p) {
		return Step{}, false
	}
	return p[n], true
}

// after returns the index of the first step after t.
func (p Profile) after(t time.Duration) int {
	return sort.Search(len(p), func(i int) bool { return p[i].At > t })
}

// Random reports whether replications of the scenario differ: whether anything in it is drawn.
func (s *Scenario) Random() bool {
	if s.Noise.Kind != "" && s.Noise.Kind != NoNoise || len(s.CoRunners) > 0 {
		return true
	}
	for _, a := range s.Applications() {
		switch a := a.Arrivals.(type) {
		case ClosedLoop, Recorded:
		case Periodic:
			if a.Jitter > 0 {
				return true
			}
		case LoadGen:
			if a.Scenario == Server {
				return true
			}
		default:
			return true
		}
	}
	return false
}
