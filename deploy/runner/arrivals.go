package runner

import (
	"math/rand/v2"
	"time"
)

// streamArrivals is the seed's stream of Poisson arrivals.
const streamArrivals = 1

// schedule hands out requests' arrival times in order.
type schedule struct {
	kind     Arrivals
	period   time.Duration
	requests int64         // 0: without end
	duration time.Duration // 0: without end
	rng      *rand.Rand
	given    int64         // requests handed out
	next     time.Duration // arrival of the next
	// Of a closed loop: when the clients that wait for no answer send again, ascending, and how many wait for one. There is a
	// client for each processor.
	ready []time.Duration
	away  int
}

func newSchedule(c *Config) *schedule {
	s := &schedule{kind: c.Arrivals, period: c.Period, requests: c.Requests, duration: c.Duration,
		rng: rand.New(rand.NewPCG(c.Seed, streamArrivals)), ready: make([]time.Duration, max(1, len(c.Processors)))}
	if s.kind == Poisson {
		s.next = s.gap()
	}
	return s
}

// held reports whether no request arrives before another is done with, if then: every client of a closed loop waits for an answer, or
// would send after the end.
func (s *schedule) held() bool {
	return s.kind == ClosedLoop && (len(s.ready) == 0 || s.duration > 0 && s.next >= s.duration)
}

// gap returns the time between two arrivals.
func (s *schedule) gap() time.Duration {
	if s.kind == Poisson {
		return time.Duration(float64(s.period) * s.rng.ExpFloat64())
	}
	return s.period
}

// over reports whether no request will arrive any more.
func (s *schedule) over() bool {
	return s.requests > 0 && s.given >= s.requests || s.duration > 0 && s.away == 0 && s.next >= s.duration
}

// due returns the next request and its arrival if it has arrived by now.
func (s *schedule) due(now time.Duration) (id int64, arrival time.Duration, ok bool) {
	if s.held() || s.over() || s.next > now {
		return 0, 0, false
	}
	id, arrival = s.given, s.next
	s.given++
	if s.kind != ClosedLoop {
		s.next += s.gap()
		return id, arrival, true
	}
	s.away++
	s.ready = append(s.ready[:0], s.ready[1:]...)
	if len(s.ready) > 0 {
		s.next = s.ready[0]
	}
	return id, arrival, true
}

// done says that a request is done with, which lets a client of a closed loop send the next.
func (s *schedule) done(now time.Duration) {
	if s.away > 0 {
		s.away--
		s.ready = append(s.ready, now+s.period)
		s.next = s.ready[0]
	}
}
