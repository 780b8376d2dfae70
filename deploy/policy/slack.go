package policy

import (
	"math"
	"math/bits"
	"time"
)

// Slack is our own manager in its simplest form: the most accurate level whose latency, as it
// is at present, fits what is left until the deadline.
//
// A level's latency is its prediction times the slow-down that completions show (see the comment on
// slowdown) times 1 + margin. A level fits if
//
//  1. the head of the queue would be answered by its deadline and within the limit,
//  2. every waiting request that is shown and can still be answered in time could be answered at the same
//     level, one after the other, and
//  3. so could the requests that are to be expected while the head is served, at the fastest level, by a
//     deadline as far from their arrival as the head's. As many arrive as have arrived per time of service
//     lately, rounded up; a closed loop or a camera slower than the service brings none.
//
// The most accurate level that fits serves; if none does, the fastest, even if it will be late. Nothing
// is dropped and the manager never exits.
//
// Rule 1 alone is SuperServe's SlackFit without batches (A. Khare et al., NSDI 2025), of which it is known
// that at batch 1 it does worse than the fastest level alone once queues build; rules 2 and 3 and the
// estimate of the slow-down are ours.
type Slack struct {
	processor int
	latency   []time.Duration // predicted, per level
	now       []time.Duration // at present, per level: predicted x slow-down x margin
	fastest   int
	margin    factor
	slow      slowdown
	crowd     crowd
}

var _ Policy = (*Slack)(nil)

// Reasons of Slack.
const (
	ReasonTop   Reason = "top"   // the most accurate level fits
	ReasonSlack Reason = "slack" // a more accurate level would be too late for the head, or above the limit
	ReasonQueue Reason = "queue" // a more accurate level would make others late
	ReasonLate  Reason = "late"  // no level fits: the fastest serves
)

var slackEntry = entry{
	info: Info{
		Name:    "slack",
		Usage:   "slack",
		Summary: "the most accurate level whose present latency fits the slack of all waiting requests; never drops, never exits",
		Fidelity: "A rule of our own. Its core, the largest network that fits the head's slack, is SlackFit's (SuperServe, NSDI 2025) " +
			"without batches; looking at the queue and the arrivals, and the estimate of the slow-down, are additions.",
		Params: []Param{
			{"deadband", "5%", "by how much the slow-down must have fallen before it is believed, 0% to 100%"},
			{"margin", "2%", "added to every predicted latency, 0% to 100%"},
			{"patience", "8", "inferences for which it must have fallen, 1 to 1000"},
			processorParam,
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &Slack{
			processor: s.processor(m),
			margin:    fromShare(s.ratio("margin", 0, 1)),
			slow:      newSlowdown(s.count("patience", 1, 1000), s.ratio("deadband", 0, 1)),
			latency:   make([]time.Duration, len(m.Levels)),
			now:       make([]time.Duration, len(m.Levels)),
		}
		for i, l := range m.Levels {
			p.latency[i] = l.Latency[p.processor]
			if p.latency[i] <= p.latency[p.fastest] { // the more accurate of equally fast ones
				p.fastest = i
			}
		}
		p.scale()
		return p, nil
	},
}

// Spec returns "slack".
func (p *Slack) Spec() string { return "slack" }

// Observe updates the slow-down.
func (p *Slack) Observe(c Completion) {
	p.crowd.served(c.Start, c.End)
	if c.Processor != p.processor || c.Level < 0 || c.Level >= len(p.latency) {
		return
	}
	p.slow.observe(ratioOf(c.Latency(), p.latency[c.Level]))
	p.scale()
}

// scale brings the latencies up to date.
func (p *Slack) scale() {
	f := p.slow.value.times(p.margin)
	for i, d := range p.latency {
		p.now[i] = f.of(d)
	}
}

// Decide picks the level for the head of the queue.
func (p *Slack) Decide(o *Observation) Decision {
	p.crowd.look(o)
	d := Decision{Action: Serve, Level: p.fastest, Processor: p.processor, Reason: ReasonLate}
	head := slackOf(o.Queue[0], o)
	reason := ReasonTop
	for level := len(p.latency) - 1; level >= 0; level-- {
		switch {
		case p.now[level] > head:
			if reason == ReasonTop {
				reason = ReasonSlack
			}
		case !p.fitsQueue(o, level) || !p.fitsExpected(o, level):
			reason = ReasonQueue
		default:
			d.Level, d.Reason = level, reason
			return d
		}
	}
	if reason == ReasonQueue { // the head could be in time, the others not: no level helps them but the fastest
		d.Reason = ReasonQueue
	}
	return d
}

// slackOf returns the time that an inference for r may take if it begins now.
func slackOf(r Request, o *Observation) time.Duration {
	slack := time.Duration(math.MaxInt64)
	if r.Deadline != 0 {
		slack = r.Deadline - o.Now
	}
	if o.Limit > 0 {
		slack = min(slack, o.Limit)
	}
	return slack
}

// fitsQueue reports whether the requests behind the head can all be served in time at the level,
// those excepted that would be late at the fastest level too.
func (p *Slack) fitsQueue(o *Observation, level int) bool {
	at, least := p.now[level], p.now[p.fastest]
	finish, soonest := at, least
	for _, r := range o.Queue[1:] {
		finish, soonest = sum(finish, at), sum(soonest, least)
		if r.Deadline != 0 && finish > r.Deadline-o.Now && soonest <= r.Deadline-o.Now {
			return false
		}
	}
	return true
}

// fitsExpected reports whether the requests to be expected while the level serves the head can be
// served in time after those that wait.
func (p *Slack) fitsExpected(o *Observation, level int) bool {
	head := o.Queue[0]
	if head.Deadline == 0 {
		return true
	}
	at, least := p.now[level], p.now[p.fastest]
	n := p.crowd.expected(at)
	finish, soonest := at, least
	for range len(o.Queue) - 1 {
		finish, soonest = sum(finish, at), sum(soonest, least)
	}
	due := head.Deadline - head.Arrival
	for range min(n, MaxQueue) {
		finish, soonest = sum(finish, least), sum(soonest, least)
	}
	return finish <= due || soonest > due
}

// sum adds without overflow; neither is negative.
func sum(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// crowd estimates how many requests arrive while the processor serves, per time of service. Arrivals
// at an idle processor do not count: they make nobody wait.
type crowd struct {
	arrivals uint64        // during recent service, in 1/256, decaying
	service  time.Duration // of the same time, decaying
	waiting  int           // at the last decision, the head included
	start    time.Duration // of the last service
	end      time.Duration
	pending  bool // a service has ended since the last decision
}

const crowdDecay = 32 // services that count

func (c *crowd) served(start, end time.Duration) {
	if end > start {
		c.start, c.end, c.pending = start, end, true
	}
}

// look counts who came during the last service.
func (c *crowd) look(o *Observation) {
	if c.pending {
		came := o.Waiting - (c.waiting - 1)
		for i := range o.Queue {
			if o.Queue[i].Arrival >= c.end {
				came--
			}
		}
		c.arrivals += uint64(max(came, 0))<<8 - c.arrivals/crowdDecay
		c.service += (c.end - c.start) - c.service/crowdDecay
		c.pending = false
	}
	c.waiting = o.Waiting
}

// expected returns how many requests are to be expected during d, rounded up.
func (c *crowd) expected(d time.Duration) int {
	if c.service <= 0 || c.arrivals == 0 {
		return 0
	}
	hi, lo := bits.Mul64(c.arrivals, uint64(d))
	if hi >= uint64(c.service) {
		return MaxQueue
	}
	n, _ := bits.Div64(hi, lo, uint64(c.service))
	return int(min((n+255)>>8, MaxQueue))
}
