// Package trace is the record of a run: what happened to each request, with the whole observation
// and decision behind it. Simulator and runner write the same format, so a recorded run can be
// replayed through a policy or simulated afresh.
package trace

import (
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
)

// Outcome is what became of a request.
type Outcome string

// Outcomes.
const (
	OnTime  Outcome = "on-time" // answered by its deadline, or it had none
	Late    Outcome = "late"    // answered after its deadline
	Dropped Outcome = "dropped" // given up by the policy
	Refused Outcome = "refused" // the manager had ended
	Failed  Outcome = "failed"  // the inference returned an error
)

// Answered reports whether the request got a result, in time or not.
func (o Outcome) Answered() bool { return o == OnTime || o == Late }

// Record is one request. Times are since the start of the run.
type Record struct {
	Request     int64
	Arrival     time.Duration
	Deadline    time.Duration // absolute; 0: none
	Observation policy.Observation
	Decision    policy.Decision
	Start, End  time.Duration // of the inference; both the time of the decision if there was none
	Outcome     Outcome
}

// Header says what run a trace records and holds all that a replay needs.
type Header struct {
	Version  int               // of the format; see FormatVersion
	Program  string            // that wrote it, with version
	Kind     string            // "simulated" or "measured"
	Policy   string            // spec, for policy.New
	Params   map[string]string // the policy's parameters
	Scenario string            // name, or empty
	Seed     uint64
	Family   family.Family
	Notes    []string // doubts that travel with the trace
}

// FormatVersion is the version of the format that this program writes.
const FormatVersion = 1

// Trace is a recorded run, records in order of decision.
type Trace struct {
	Header  Header
	Records []Record
}
