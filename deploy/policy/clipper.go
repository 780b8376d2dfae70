package policy

import "time"

// Clipper adapts its batch size by additive increase and multiplicative decrease: it goes up by a constant after
// each batch in time, and down by a share after each late one, at one level. In families without batches there
// is only the level to adapt, so the same law is applied to that.
//
// Requests whose deadline has passed are dropped, as in Clipper.
//
// Source: D. Crankshaw et al., "Clipper: A Low-Latency Online Prediction Serving System", NSDI 2017,
// section 4.3.
type Clipper struct {
	processor  int
	level      int // of all batches
	least, top int // batch or level
	step, keep factor
	value      factor // batch or level, as a fixed-point number
	batching   bool
	limit      time.Duration
}

var _ Policy = (*Clipper)(nil)

// Reasons of Clipper.
const (
	ReasonAdapted Reason = "aimd"
	ReasonExpired Reason = "expired" // the deadline has passed: dropped
)

var clipperEntry = entry{
	info: Info{
		Name:    "clipper",
		Usage:   "clipper",
		Summary: "Clipper's additive increase and multiplicative decrease of the batch, or of the level in families without batches",
		Fidelity: "Clipper adapts the batch size of one model: here at the level initial_level, where the family has batches there. Without batches the same law is applied to the level, so that " +
			"is an adaptation and not Clipper. The decrease by 10% is the paper's; the increases are ours (the paper says a fixed amount). Dropping what has " +
			"expired and serving by deadline are from the code, whose later versions estimate latencies by regression instead (not reproduced).",
		Params: []Param{
			{"batch_increase", "1", "requests that a batch in time adds to the next, 0 to 8"},
			{"decrease", "10%", "share of the level that a late answer takes away, 0% to 100%"},
			{"increase", "0.1", "levels that an answer in time adds, 0 to 64"},
			{"initial_level", "0", "level to begin with, from 0"},
			processorParam,
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &Clipper{
			processor: s.processor(m), top: len(m.Levels) - 1,
			step: fromShare(s.ratio("increase", 0, 64)) - unity,
			keep: 2*unity - fromShare(s.ratio("decrease", 0, 1)),
		}
		p.level = s.count("initial_level", 0, p.top)
		p.value = factor(p.level) * unity
		increase := fromShare(s.ratio("batch_increase", 0, MaxBatch)) - unity
		if most := m.Levels[p.level].Largest(p.processor); most > 1 {
			p.batching, p.least, p.top, p.value, p.step = true, 1, most, unity, increase
		}
		return p, nil
	},
}

// Spec returns "clipper".
func (p *Clipper) Spec() string { return "clipper" }

// Observe adapts.
func (p *Clipper) Observe(c Completion) {
	late := c.Deadline != 0 && c.End > c.Deadline || p.limit > 0 && c.Latency() > p.limit
	if late {
		p.value = max(p.value.times(p.keep), factor(p.least)*unity)
		return
	}
	p.value = min(p.value+p.step, factor(p.top)*unity)
}

// Decide serves the adapted batch, or at the adapted level, rounded down.
func (p *Clipper) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	p.limit = o.Limit
	if due := o.Queue[0].Deadline; due != 0 && due <= o.Now {
		return Decision{Action: Drop, Reason: ReasonExpired}
	}
	d := Decision{Action: Serve, Level: int(p.value / unity), Processor: p.processor, Reason: ReasonAdapted}
	if p.batching {
		d.Level = p.level
		if n := min(int(p.value/unity), len(o.Queue)); n > 1 {
			d.Batch = n
		}
	}
	return d
}
