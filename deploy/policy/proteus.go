package policy

import "time"

// Proteus chooses the level for the demand and lets batches grow as long as the head allows: Proteus'
// accuracy scaling with its batching.
//
// Every period the most accurate level is loaded whose throughput bears beta times the demand, an
// exponentially weighted mean of the arrivals per second. A level's throughput is that of the largest batch
// which takes less than half of the time from arrival to deadline. With q requests waiting
//
//   - the head is dropped if it would be late alone;
//   - if q is the largest batch, or one request more could not be served in time for the head, a batch is
//     served, as large as the head allows;
//   - otherwise it waits for a request more until the last moment at which q still are in time.
//
// Source: S. Ahmad et al., "Proteus: A High-Throughput Inference-Serving System with Accuracy Scaling", ASPLOS
// 2024; its simulator, read as code.
type Proteus struct {
	model     *Model
	processor int
	beta      float64
	weight    float64
	period    time.Duration

	level   int
	largest int           // batch at the level
	chosen  time.Duration // when the level was, -1: never
	second  int64         // number of the second that is being counted
	count   int           // arrivals in it
	demand  float64       // per second
	begun   bool
	last    time.Duration // latest arrival seen
	lastID  int64
}

var _ Policy = (*Proteus)(nil)

// Reasons of Proteus; it shares ReasonHopeless.
const (
	ReasonFull   Reason = "full"   // the batch is as large as it may get in time
	ReasonGather Reason = "gather" // it waits for the batch to grow
)

var proteusEntry = entry{
	info: Info{
		Name:    "proteus",
		Usage:   "proteus",
		Summary: "Proteus: the most accurate level that bears the demand, and batches that grow as long as the head allows",
		Fidelity: "From the code of its simulator (accscale): demand as an exponentially weighted mean with com 1.6 (weight 1/2.6) of one-second counts, " +
			"beta 1.05 lowered by 0.05 until something is feasible, throughput at the largest batch below half of the deadline, the latest start of a batch, the " +
			"dropped head. There an integer programme places variants on many devices every 10 to 20 s; on one device its answer is the most accurate level that bears the demand. " +
			"Requests overdue by twice the deadline are dropped there; here a head that cannot make it always is. A batch that waits for the last " +
			"moment is late under any noise: so it is in the paper. Without batches in the family nothing ever waits.",
		Params: []Param{
			{"beta", "105%", "share of the demand that the level must bear, 5% to 1000%"},
			{"com", "1.6", "centre of mass of the demand's weights in seconds, 0 to 1000"},
			{"period", "10s", "time between choices of a level, 1ms to 1h"},
			processorParam,
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &Proteus{
			model: m, processor: s.processor(m), beta: s.ratio("beta", 0.05, 10),
			weight: 1 / (1 + s.ratio("com", 0, 1000)), period: s.duration("period", time.Millisecond, time.Hour),
			chosen: -1,
		}
		p.largest = m.Levels[0].Largest(p.processor)
		return p, nil
	},
}

// Spec returns "proteus".
func (p *Proteus) Spec() string { return "proteus" }

// Observe learns nothing: Proteus trusts its table.
func (p *Proteus) Observe(Completion) {}

// Decide serves, drops or waits. Only calls that it does not answer by waiting count arrivals or choose a level for longer.
func (p *Proteus) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	first := p.chosen < 0
	if first {
		p.choose(o)
	}
	d := p.batch(o)
	if d.Action == Wait {
		if first {
			p.chosen = -1
		}
		return d
	}
	p.look(o)
	if o.Now-p.chosen >= p.period {
		p.choose(o)
	}
	return d
}

// batch decides at the present level.
func (p *Proteus) batch(o *Observation) Decision {
	l := &p.model.Levels[p.level]
	waiting := min(len(o.Queue), p.largest)
	d := Decision{Action: Serve, Level: p.level, Processor: p.processor, Reason: ReasonFull}
	size := waiting
	if due := o.Queue[0].Deadline; due != 0 {
		left := due - o.Now
		for size > 0 && l.Of(p.processor, size) > left {
			size--
		}
		if size == 0 {
			return Decision{Action: Drop, Reason: ReasonHopeless}
		}
		if size == waiting && size < p.largest && len(o.Queue) == waiting {
			if start := due - l.Of(p.processor, size); start > o.Now {
				return Decision{Action: Wait, Until: start, Reason: ReasonGather}
			}
		}
	}
	if size > 1 {
		d.Batch = size
	}
	return d
}

// look counts the arrivals of each second.
func (p *Proteus) look(o *Observation) {
	for i := range o.Queue {
		r := &o.Queue[i]
		if p.begun && (r.Arrival < p.last || r.Arrival == p.last && r.ID <= p.lastID) {
			continue
		}
		p.last, p.lastID = r.Arrival, r.ID
		second := int64(r.Arrival / time.Second)
		if !p.begun {
			p.begun, p.second = true, second
		}
		for gone := 0; p.second < second; gone++ {
			p.demand += float64(p.weight * (float64(p.count) - p.demand))
			p.count = 0
			if p.second++; gone > 100 { // next to nothing is left
				p.demand, p.second = 0, second
			}
		}
		p.count++
	}
}

// choose loads the most accurate level that bears the demand, or the one with the highest throughput.
func (p *Proteus) choose(o *Observation) {
	p.chosen = o.Now
	due := max(o.Queue[0].Deadline-o.Queue[0].Arrival, 0)
	if o.Queue[0].Deadline == 0 {
		due = o.Limit
	}
	level, largest, most := -1, 1, -1.0
	for beta := p.beta; level < 0 && beta > 0; beta -= 0.05 {
		for l := range p.model.Levels {
			batch, throughput := p.throughput(l, due)
			if throughput >= float64(beta*p.demand) {
				level, largest = l, batch // levels ascend in accuracy
			}
		}
	}
	if level < 0 {
		for l := range p.model.Levels {
			if batch, throughput := p.throughput(l, due); throughput > most {
				level, largest, most = l, batch, throughput
			}
		}
	}
	p.level, p.largest = level, largest
}

// throughput returns the largest batch of a level that takes less than half of due, at least 1, and how many
// requests per second it serves, rounded down.
func (p *Proteus) throughput(level int, due time.Duration) (batch int, perSecond float64) {
	l := &p.model.Levels[level]
	batch = 1
	for b := 2; b <= l.Largest(p.processor) && (due == 0 || l.Of(p.processor, b) < due/2); b++ {
		batch = b
	}
	return batch, float64(int64(batch) * int64(time.Second) / int64(l.Of(p.processor, batch)))
}
