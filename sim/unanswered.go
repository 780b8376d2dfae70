package sim

import (
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// giveUp records a request that gets no inference.
func (s *server) giveUp(r policy.Request, o policy.Observation, d policy.Decision, outcome trace.Outcome) {
	s.record(trace.Record{
		Request: r.ID, Arrival: r.Arrival, Deadline: r.Deadline,
		Observation: o, Decision: d, Start: o.Now, End: o.Now, Outcome: outcome,
	})
	s.expect(s.source.after(o.Now, false))
}

// exit ends the manager: nobody who waits is answered.
func (s *server) exit(w waiting, o policy.Observation, d policy.Decision) {
	s.ended, s.end = true, policy.Decision{Action: policy.Exit, Reason: d.Reason}
	s.giveUp(w.Request, o, d, trace.Refused)
	for s.queue.len() > 0 {
		s.refuse(s.queue.take().Request)
	}
}

// refuse records a request that finds no manager; the observation has no queue, since nobody was
// asked.
func (s *server) refuse(r policy.Request) {
	o := s.observe()
	o.Waiting = 0
	s.giveUp(r, o, s.end, trace.Refused)
}
