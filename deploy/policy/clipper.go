package policy

import "time"

// Clipper adapts by additive increase and multiplicative decrease, as Clipper adapts its batch size. With
// batches of one there is only the level to adapt, so it is the level that goes up by a constant after
// each answer in time, and down by a share after each late one.
//
// Requests whose deadline has passed are dropped, as in Clipper.
//
// Source: D. Crankshaw et al., "Clipper: A Low-Latency Online Prediction Serving System", NSDI 2017,
// section 4.3.
type Clipper struct {
	processor, top int
	step, keep     factor
	value          factor // level, as a fixed-point number
	limit          time.Duration
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
		Summary: "Clipper's additive increase and multiplicative decrease, of the level instead of the batch",
		Fidelity: "Clipper adapts the batch size of one model, not the model; with batches of one the same law is applied to the level, so this " +
			"is an adaptation and not Clipper. The decrease by 10% is the paper's; the increase is ours, since levels are fewer than requests in a batch. Dropping what has " +
			"expired and serving by deadline are from the code, whose later versions estimate latencies by regression instead (not reproduced).",
		Params: []Param{
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
		p.value = factor(s.count("initial_level", 0, p.top)) * unity
		return p, nil
	},
}

// Spec returns "clipper".
func (p *Clipper) Spec() string { return "clipper" }

// Observe adapts.
func (p *Clipper) Observe(c Completion) {
	late := c.Deadline != 0 && c.End > c.Deadline || p.limit > 0 && c.Latency() > p.limit
	if late {
		p.value = p.value.times(p.keep)
		return
	}
	p.value = min(p.value+p.step, factor(p.top)*unity)
}

// Decide serves at the adapted level, rounded down.
func (p *Clipper) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	p.limit = o.Limit
	if due := o.Queue[0].Deadline; due != 0 && due <= o.Now {
		return Decision{Action: Drop, Reason: ReasonExpired}
	}
	return Decision{Action: Serve, Level: int(p.value / unity), Processor: p.processor, Reason: ReasonAdapted}
}
