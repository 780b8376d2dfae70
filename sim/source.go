package sim

import (
	"math/rand/v2"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// source hands out the requests of a run in order of arrival.
type source interface {
	// next returns the next request, false if none is known yet.
	next() (policy.Request, bool)
	// after returns the request that follows what became of one at the given time, false if that
	// brings about none.
	after(at time.Duration, answered bool) (policy.Request, bool)
	// about returns a guess at the number of requests, not negative.
	about() int
}

// scenarioSource plays a scenario's arrivals.
type scenarioSource struct {
	scenario *traffic.Scenario
	arrivals traffic.Source
	rng      *rand.Rand
	closed   bool
	think    time.Duration // of a closed loop
	pace     time.Duration // of a closed loop that gets no answers
	handed   int64
}

func newScenarioSource(s *traffic.Scenario, seed uint64, replication int) *scenarioSource {
	src := &scenarioSource{scenario: s, arrivals: s.Arrivals.Source(), rng: traffic.Stream(seed, replication, "arrivals")}
	if loop, ok := s.Arrivals.(traffic.ClosedLoop); ok {
		src.closed, src.think = true, loop.Think
		src.pace = max(loop.Think, s.Limit)
		if s.Limit == 0 {
			src.pace = max(loop.Think, unanswered)
		}
	}
	return src
}

// unanswered is how long a closed-loop user who gets no answer and has no limit waits at least before
// asking again.
const unanswered = 10 * time.Millisecond

func (s *scenarioSource) about() int {
	n := trace.MaxRecords
	if s.scenario.Requests > 0 {
		n = int(min(s.scenario.Requests, trace.MaxRecords))
	}
	if s.scenario.Duration > 0 {
		n = min(n, int(min(s.scenario.Arrivals.Rate()*s.scenario.Duration.Seconds()*1.1, trace.MaxRecords))+100)
	}
	return n
}

func (s *scenarioSource) next() (policy.Request, bool) {
	at, ok := s.arrivals.Next(s.rng)
	if !ok {
		return policy.Request{}, false
	}
	return s.request(at)
}

// after continues a closed loop: Think after an answer. A user who gets none notices at the deadline,
// so that a policy which gives requests up does not meet endlessly many of them.
func (s *scenarioSource) after(at time.Duration, answered bool) (policy.Request, bool) {
	switch {
	case !s.closed:
		return policy.Request{}, false
	case answered:
		return s.request(at + s.think)
	}
	return s.request(at + s.pace)
}

func (s *scenarioSource) request(at time.Duration) (policy.Request, bool) {
	if s.scenario.Duration > 0 && at >= s.scenario.Duration || s.scenario.Requests > 0 && s.handed >= s.scenario.Requests {
		return policy.Request{}, false
	}
	r := policy.Request{ID: s.handed, Arrival: at}
	if s.scenario.Limit > 0 {
		r.Deadline = at + s.scenario.Limit
	}
	s.handed++
	return r, true
}
