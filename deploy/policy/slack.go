package policy

import (
	"math"
	"math/bits"
	"time"
)

// Slack is our own manager in its simplest form: the most accurate level whose latency, as it
// is at present, fits what is left until the deadline.
//
// A level's latency is its prediction times the slow-down that completions show (see slowdown) times
// 1 + margin. A level fits if
//
//  1. the head of the queue would be answered by its deadline and within the limit,
//  2. every waiting request that is shown could be answered by its deadline at the same level, one after
//     the other; those that even the fastest level could not answer in time do not count; and
//  3. it is no slower than an even share of the time until a request that arrives now is due: that time,
//     taken to be as long as the head's, divided by the requests that wait and those to be expected
//     within it.
//
// The most accurate level that fits serves; if none does, the fastest, even if it will be late. Nothing
// is dropped and the manager never exits. A required accuracy changes nothing: the most accurate level
// that fits keeps it if any does.
//
// As many requests are expected as have arrived, per time of service, during the last services (some 32
// count). Arrivals at an idle processor make nobody wait and do not count, so a closed loop or a camera
// slower than the service is expected to bring none, and rule 3 asks for no more than the others.
//
// It manages one processor, as the paper's managers do. Choosing among several takes an observation that
// says which of them are free.
//
// Rule 1 alone is SuperServe's SlackFit (A. Khare et al., NSDI 2025) without batches, of which it is known
// that it does worse than always serving the fastest level once queues build. Rules 2 and 3 and the
// slow-down are ours.
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
	ReasonQueue Reason = "queue" // a more accurate level would take time that others need
	ReasonLate  Reason = "late"  // no level fits: the fastest serves
)

var slackEntry = entry{
	info: Info{
		Name:    "slack",
		Usage:   "slack",
		Summary: "the most accurate level whose present latency fits the slack of all waiting requests; never drops, never exits",
		Fidelity: "A rule of our own. Its core, the largest network that fits the head's slack, is that of SlackFit (SuperServe, NSDI " +
			"2025) without batches; the regard for queue and arrivals and the estimate of the slow-down are additions.",
		Params: []Param{
			{"deadband", "5%", "by how much the slow-down must have fallen before it is believed, 0% to 100%"},
			{"margin", "2%", "added to every predicted latency, 0% to 100%"},
			{"patience", "8", "inferences in a row that must show it, 1 to 1000"},
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
	if c.Processor != p.processor || c.Level < 0 || c.Level >= len(p.latency) {
		return
	}
	p.crowd.ended(c.End)
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
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	p.crowd.look(o)
	d := Decision{Action: Serve, Processor: p.processor, Reason: ReasonTop}
	head := headSlack(o)
	for d.Level = len(p.latency) - 1; d.Level >= 0; d.Level-- {
		switch {
		case p.now[d.Level] > head:
			if d.Reason == ReasonTop {
				d.Reason = ReasonSlack
			}
		case !p.queueFits(o, d.Level) || !p.shareFits(o, d.Level):
			d.Reason = ReasonQueue
		default:
			return d
		}
	}
	d.Level = p.fastest
	if p.now[d.Level] > head {
		d.Reason = ReasonLate
	}
	return d
}

// headSlack returns the time that an inference for the head may take if it begins now.
func headSlack(o *Observation) time.Duration {
	slack := time.Duration(math.MaxInt64)
	if due := o.Queue[0].Deadline; due != 0 {
		slack = due - o.Now
	}
	if o.Limit > 0 {
		slack = min(slack, o.Limit)
	}
	return slack
}

// queueFits reports whether the requests behind the head can be served in time at the level, those
// excepted that would be late at the fastest level too.
func (p *Slack) queueFits(o *Observation, level int) bool {
	at, least := p.now[level], p.now[p.fastest]
	end, soonest := at, least // since now
	for _, r := range o.Queue[1:] {
		end, soonest = sum(end, at), sum(soonest, least)
		if left := r.Deadline - o.Now; r.Deadline != 0 && end > left && soonest <= left {
			return false
		}
	}
	return true
}

// shareFits reports whether the level takes no more than an even share of the time until a request that
// arrives now is due. Without a deadline there is no such time.
func (p *Slack) shareFits(o *Observation, level int) bool {
	head := o.Queue[0]
	if head.Deadline == 0 {
		return true
	}
	due := max(head.Deadline-head.Arrival, 0)
	sharers := uint64(o.Waiting)<<8 + p.crowd.expected(due) // in 1/256
	hi, lo := bits.Mul64(sharers, uint64(p.now[level]))
	return hi < 1<<8 && time.Duration(hi<<56|lo>>8) <= due
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
	service  time.Duration // that recent service took, decaying
	waiting  int           // at the last decision, the head included
	decided  time.Duration // when that was
	end      time.Duration // of the service that it began
	served   bool          // a service has ended since then
}

const (
	crowdDecay   = 32 // services that count
	crowdLargest = 1 << 20
	longService  = time.Duration(1 << 50) // longer ones are ignored, so that sums stay far from overflow
)

// ended takes note of the end of a service.
func (c *crowd) ended(end time.Duration) { c.end, c.served = end, true }

// look counts who came during the last service: those who wait now and did not then, less those
// who came after it.
func (c *crowd) look(o *Observation) {
	took := c.end - c.decided
	if c.served && took > 0 && took < longService {
		came := o.Waiting - (c.waiting - 1)
		for i := range o.Queue {
			if o.Queue[i].Arrival >= c.end {
				came--
			}
		}
		c.arrivals += uint64(min(max(came, 0), crowdLargest))<<8 - c.arrivals/crowdDecay
		c.service += took - c.service/crowdDecay
	}
	c.waiting, c.decided, c.served = o.Waiting, o.Now, false
}

// expected returns how many requests are to be expected to arrive during d of service, in 1/256.
func (c *crowd) expected(d time.Duration) uint64 {
	if c.service <= 0 || c.arrivals == 0 {
		return 0
	}
	hi, lo := bits.Mul64(c.arrivals, uint64(d))
	if hi >= uint64(c.service) {
		return crowdLargest << 8
	}
	n, _ := bits.Div64(hi, lo, uint64(c.service))
	return min(n, crowdLargest<<8)
}
