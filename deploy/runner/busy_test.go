package runner_test

import (
	"testing"

	"github.com/dynofa/dynofa/deploy/trace"
)

// checkBusy holds a trace to what several processors can do: a processor serves one request at a time, a decision is for a free one, and the
// busy ones of an observation are those whose inference was decided before and has not ended. Records of a processor that hung, and of
// inputs that could not be prepared, must not be among them.
func checkBusy(t *testing.T, tr *trace.Trace) {
	t.Helper()
	ends := make([]trace.Record, len(tr.Header.Family.Processors())) // last inference of each processor
	seen := map[int64]bool{}
	for i, r := range tr.Records {
		if seen[r.Request] {
			t.Errorf("record %d: request %d has two outcomes", i, r.Request)
		}
		seen[r.Request] = true
		if !r.Asked() {
			continue
		}
		var busy uint64
		for p, last := range ends {
			if last.End > r.Observation.Now {
				busy |= 1 << p
			}
		}
		if r.Observation.Busy != busy {
			t.Errorf("record %d: busy %b, by the times %b", i, r.Observation.Busy, busy)
		}
		if !r.Outcome.Answered() && r.Outcome != trace.Failed {
			continue
		}
		last := &ends[r.Decision.Processor]
		if r.Start < last.End {
			t.Errorf("record %d: starts at %v on processor %d, which serves until %v", i, r.Start, r.Decision.Processor, last.End)
		}
		*last = r
	}
}
