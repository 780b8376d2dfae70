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
	app      traffic.App
	arrivals traffic.Source
	labels   traffic.Labelled // arrivals, if they carry labels
	rng      *rand.Rand
	handed   int64

	// Of closed loops.
	closed  bool
	think   time.Duration
	samples int           // of a query
	open    int           // requests of the present query that are not answered yet
	coming  int           // of the query that begins, yet to be handed out
	at      time.Duration // when it begins
}

func newScenarioSource(s *traffic.Scenario, seed uint64, replication int, name string) *scenarioSource {
	app := s.Applications()[0]
	src := &scenarioSource{scenario: s, app: app, arrivals: app.Arrivals.Source(), rng: traffic.Stream(seed, replication, streamName("arrivals", name))}
	src.labels, _ = src.arrivals.(traffic.Labelled)
	switch loop := app.Arrivals.(type) {
	case traffic.ClosedLoop:
		src.closed, src.think, src.samples = true, loop.Think, 1
	case traffic.LoadGen:
		src.samples, src.closed = loop.Closed()
	}
	src.open = src.samples
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
		n = min(n, int(min(s.app.Arrivals.Expected(s.scenario.Duration)*1.1, trace.MaxRecords))+100)
	}
	return n
}

func (s *scenarioSource) next() (policy.Request, bool) {
	if s.coming > 0 {
		s.coming--
		return s.request(s.at, traffic.Label{})
	}
	at, ok := s.arrivals.Next(s.rng)
	if !ok {
		return policy.Request{}, false
	}
	if s.labels != nil {
		return s.request(at, s.labels.Label())
	}
	return s.request(at, traffic.Label{})
}

// after continues a closed loop: Think after the last answer of a query. A user who gets none notices at the
// deadline, so that a policy which gives requests up does not meet endlessly many of them.
func (s *scenarioSource) after(at time.Duration, answered bool) (policy.Request, bool) {
	if !s.closed {
		return policy.Request{}, false
	}
	pause := s.think
	if !answered {
		pause = max(s.think, unanswered)
		if limit := s.scenario.LimitAt(s.app.Name, at); limit > 0 {
			pause = max(s.think, limit)
		}
	}
	s.at = max(s.at, at+pause)
	if s.open--; s.open > 0 {
		return policy.Request{}, false
	}
	s.open, s.coming = s.samples, s.samples-1
	return s.request(s.at, traffic.Label{})
}

func (s *scenarioSource) request(at time.Duration, label traffic.Label) (policy.Request, bool) {
	if s.scenario.Duration > 0 && at >= s.scenario.Duration || s.scenario.Requests > 0 && s.handed >= s.scenario.Requests {
		return policy.Request{}, false
	}
	r := policy.Request{ID: s.handed, Arrival: at}
	limit := label.Limit
	if limit == 0 {
		limit = s.scenario.LimitAt(s.app.Name, at)
	}
	if limit > 0 {
		r.Deadline = at + limit
	}
	s.handed++
	return r, true
}
