package policy

import (
	"math"
	"time"
)

// ModelSwitching serves at the level whose effective accuracy, accuracy times the share of requests on
// time, is the highest at the present load: Model-Switching.
//
// The load is the number of arrivals in a window over its length. The share on time at a level comes from
// the paper's offline profiling there; here it is that of an M/D/1 queue at the level's predicted latency,
// 0 from the load on that it cannot bear.
//
// Source: J. Zhang et al., "Model-Switching: Dealing with Fluctuating Workloads in Machine-Learning-as-a-
// Service Systems", HotCloud 2020. A. Erlang, 1909, for the waiting time of the M/D/1 queue.
type ModelSwitching struct {
	processor int
	latency   []time.Duration
	accuracy  []float64
	fastest   int
	window    time.Duration

	ring     [windowSize]time.Duration // arrivals, the oldest at first
	first, n int
	last     time.Duration // latest arrival seen
	lastID   int64
	seen     bool
}

var _ Policy = (*ModelSwitching)(nil)

// ReasonLoad is ModelSwitching's reason if a level bears the load, ReasonOverload if none does.
const (
	ReasonLoad     Reason = "load"
	ReasonOverload Reason = "overload"
)

const windowSize = 1024

var modelSwitchingEntry = entry{
	info: Info{
		Name:    "model-switching",
		Usage:   "model-switching",
		Summary: "Model-Switching: the level with the best effective accuracy at the load of the last second",
		Fidelity: "The idea, effective accuracy by load, is from the paper's abstract; that the load is measured over 1 s is from memory. The paper " +
			"profiles the share on time by running; here it is that of the M/D/1 queue, which is exact for Poisson arrivals without noise. As in the paper, the queue and the " +
			"slow-down are not looked at and nothing is dropped. At most 1024 arrivals in a window are counted.",
		Params: []Param{
			processorParam,
			{"window", "1s", "time over which arrivals are counted, 1ms to 1h"},
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &ModelSwitching{processor: s.processor(m), window: s.duration("window", time.Millisecond, time.Hour)}
		for l := range m.Levels {
			p.latency = append(p.latency, m.Levels[l].Latency[p.processor])
			p.accuracy = append(p.accuracy, float64(m.Levels[l].Accuracy))
			if p.latency[l] < p.latency[p.fastest] {
				p.fastest = l
			}
		}
		return p, nil
	},
}

// Spec returns "model-switching".
func (p *ModelSwitching) Spec() string { return "model-switching" }

// Observe learns nothing: only arrivals count.
func (p *ModelSwitching) Observe(Completion) {}

// Decide picks the level for the load.
func (p *ModelSwitching) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	p.count(o)
	rate := float64(p.n) / float64(p.window)
	due := float64(1 << 62)
	if head := &o.Queue[0]; head.Deadline != 0 {
		due = float64(max(head.Deadline-head.Arrival, 0))
	}
	if o.Limit > 0 {
		due = min(due, float64(o.Limit))
	}
	d := Decision{Action: Serve, Level: p.fastest, Processor: p.processor, Reason: ReasonOverload}
	best := 0.0
	for l, latency := range p.latency {
		service := float64(latency)
		if value := float64(p.accuracy[l] * onTimeMD1(float64(rate*service), due/service)); value > best {
			d.Level, d.Reason, best = l, ReasonLoad, value
		}
	}
	return d
}

// count keeps the arrivals of the window.
func (p *ModelSwitching) count(o *Observation) {
	for i := range o.Queue {
		r := &o.Queue[i]
		if p.seen && (r.Arrival < p.last || r.Arrival == p.last && r.ID <= p.lastID) {
			continue
		}
		p.seen, p.last, p.lastID = true, r.Arrival, r.ID
		if p.n == windowSize {
			p.first, p.n = (p.first+1)%windowSize, p.n-1
		}
		p.ring[(p.first+p.n)%windowSize] = r.Arrival
		p.n++
	}
	for p.n > 0 && o.Now-p.ring[p.first] > p.window {
		p.first, p.n = (p.first+1)%windowSize, p.n-1
	}
}

// onTimeMD1 returns the probability that a customer of an M/D/1 queue with the given load is done within
// due services of arriving.
//
//	P(W <= t) = (1 - load) sum over k = 0..t of (load (k-t))^k / k! exp(-load (k-t))
//
// The sum alternates; with t cut to 20 services it keeps 6 digits, and what is cut off counts as on time
// only at loads where next to nobody waits that long.
func onTimeMD1(load, due float64) float64 {
	t := min(due-1, 20)
	if t < 0 || load >= 1 {
		return 0
	}
	sum, factorial := 0.0, 1.0
	for k := 0.0; k <= t; k++ {
		if k > 0 {
			factorial = float64(factorial * k)
		}
		x := float64(load * (k - t))
		term := exp(-x) / factorial
		for range int(k) {
			term = float64(term * x)
		}
		sum += term
	}
	return math.Min(math.Max(float64((1-load)*sum), 0), 1)
}
