package sim

import (
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Agreement counts for how many requests of a trace another one has the same action and, if they are served, the same
// level: how far a simulation of the recorded arrivals decides as the recorded run did. Requests are told by their numbers;
// those that one of the traces lacks, or about which the policy was not asked, do not count.
func Agreement(recorded, other *trace.Trace) Proportion {
	decisions := make(map[int64]policy.Decision, len(other.Records))
	for i := range other.Records {
		if r := &other.Records[i]; r.Asked() {
			decisions[r.Request] = r.Decision
		}
	}
	same, all := 0, 0
	for i := range recorded.Records {
		r := &recorded.Records[i]
		d, ok := decisions[r.Request]
		if !ok || !r.Asked() {
			continue
		}
		all++
		if d.Action == r.Decision.Action && d.Level == r.Decision.Level && d.Processor == r.Decision.Processor {
			same++
		}
	}
	return NewProportion(same, all)
}
