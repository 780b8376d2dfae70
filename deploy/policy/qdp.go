package policy

import (
	"math"
	"math/bits"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// QDP plans: a dynamic programme over the requests that wait, with the value of a Markov decision
// process for those that are to come.
//
// What it maximises is the sum over requests of the accuracy of their level times the probability to be
// on time, plus a price for being on time and less a cost per switch, which are 0 by default. With the parameter
// doubt a share of what a level is worth more than the fastest is not counted where the head is concerned: what a slower
// inference brings is known, what it costs those that come rests on a law that was estimated. The less is known of the
// gaps, and the more they scatter, the larger it is; it is next to nothing for a camera. It knows
//
//   - the law of the gaps between arrivals: the last 256 (see gaps);
//   - by what factor each processor is slower than the table at present (see pace), and each level's own
//     error of the table;
//   - the law of the noise, with a generalised-Pareto tail (see spread).
//
// With the parameter energy a level costs what its inference draws, and where the model has clock steps each level is
// tried at each of them (see energy.go).
//
// For the requests in view it tries every level and processor, and giving the request up, and keeps the
// plans that are not both later and worse than another (see plan). Behind the last request in view, and
// behind the request at which the number of labels is used up, it reckons with the value of the waiting
// time (see values), so it falls back to a table of levels by slack. The table is iterated in
// Observe, never in Decide.
//
// A head that every level would miss is served at the fastest, unless others wait and profit: then it is given up, but no
// more than drops in a row. With hopeless=drop a head that waits alone is given up too, where that is worth more than its
// chance. But where next to nothing would be in time any more, and after many drops in a row, a head that would be in time by
// the table is served, to see whether what slows down has gone (see probes).
//
// Everything is counted in integers or computed with rounded operations, so it decides alike on every
// machine. A decision takes time bounded by the parameter labels.
type QDP struct {
	model   *Model
	base    []option // every level on every processor, level and processor only
	bias    []factor // of base: the table's own error
	trials  []uint8  // of base: ratios that went into the bias, at most slowPace
	options options  // at present
	late    option   // the fastest at present
	swift   int64    // ticks that the fastest takes by the table
	pace    []pace   // by processor
	noise   spread
	values  values
	plan    plan
	wide    *wide // nil with one processor and no batches
	state
	rest int   // inferences until the values are improved again
	only int16 // the only first step to be considered, moveNone: all are

	supply supply // what energy costs, and clocks

	drops, labels  int
	strict         bool // hopeless requests are given up when alone too
	price, penalty int64
	switching      int64
	unsure         float64 // standard errors of the mean gap that are taken off
}

// state is what looking at an observation changes, but for what is computed from it.
type state struct {
	gaps         gaps
	due, meanDue time.Duration // from arrival to deadline, 0: not known
	limit        int64         // of an inference, in ticks
	floor        unit.Accuracy
	steps        ranges // clock steps that can be had
	stale        bool   // options are not up to date
	row          int    // drops in a row
	doubts       doubts // about processors that were left alone
}

var _ Policy = (*QDP)(nil)

// Reasons of QDP; it shares ReasonTop and ReasonLate.
const (
	ReasonPlan  Reason = "plan"  // best for the requests in view and those expected
	ReasonTable Reason = "table" // the same, but labels ran out before the end of the view
	ReasonDrop  Reason = "drop"  // given up, others profit
)

const (
	sweepsAfter = 8 // of the values after a change
	sweepsFirst = 24
	calm        = unitValue >> 7 // a sweep that changes no value by more is followed by
	calmFor     = 3              // inferences without one

	probeAfter  = 16      // drops in a row
	probeChance = 1 << 12 // of 2^16
)

var qdpEntry = entry{
	info: Info{
		Name:    "qdp",
		Usage:   "qdp",
		Summary: "plans levels for all waiting requests, with the long-run value of the waiting time behind them",
		Fidelity: "A method of our own. That the value of the waiting time is a Markov decision process follows from Lindley's recursion; " +
			"the planner is the hindsight optimum's dynamic programme on what is known. No published policy looks at arrivals.",
		Params: []Param{
			{"doubt", "0", "standard errors of the mean gap, relative to it, that are taken off what a level is worth more than the fastest where the head is concerned, 0 to 100"},
			{"drops", "1", "requests that may be given up in a row, 0 to 1000000"},
			{"energy", "0", "what a joule costs in accuracy, as a share such as 2%, 0 to 1000; above 0 the policy chooses the clock too, where the family has operating points"},
			{"floor_price", "0", "what a level costs per missing accuracy, as a multiple of what it lacks, 0 to 100"},
			{"hopeless", "serve", "what becomes of a request that every level would miss while no other waits: serve or drop"},
			{"labels", "512", "labels that a plan may expand before it falls back to the table, 0 to 100000"},
			{"miss_target", "0", "probability to be late that no level may exceed where the fastest does not, 0% to 50%; 0%: no bound"},
			{"price", "0", "what an answer in time is worth beside its accuracy, 0 to 100"},
			{"processor", "", "the only processor that serves; by default all of the model's"},
			{"switch_cost", "0", "accuracy that a change of level must bring, 0% to 100%"},
			{"table", "", "what a policy that was simulated had learned of arrivals and solved for, as 'policy tune' stores it; by default it begins with a guess"},
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &QDP{
			model: m, drops: s.count("drops", 0, 1e6), labels: s.count("labels", 0, 1e5),
			strict:    s.choice("hopeless", "serve", "drop") == 1,
			price:     toValue(s.ratio("price", 0, 100)),
			penalty:   int64(math.Round(float64(s.ratio("floor_price", 0, 100) * 1024))),
			unsure:    s.ratio("doubt", 0, 100),
			switching: toValue(s.ratio("switch_cost", 0, 1)),
			pace:      make([]pace, len(m.Processors)),
			only:      moveNone,
		}
		only := -1
		if s.text("processor") != "" {
			only = s.processor(m)
		}
		for level := range m.Levels {
			for processor := range m.Processors {
				if only < 0 && processor < wideProcessors || processor == only {
					p.base = append(p.base, option{level: level, processor: processor})
				}
			}
		}
		for i := range p.pace {
			p.pace[i] = newPace()
		}
		p.bias = make([]factor, len(p.base))
		for i := range p.bias {
			p.bias[i] = unity
		}
		p.trials = make([]uint8, len(p.base))
		p.supply = newSupply(s, m, p.base)
		p.options = make(options, 0, p.supply.capacity)
		p.noise.init(s.ratio("miss_target", 0, 0.5))
		p.wide = newWide(m, p.base, &p.supply)
		if text := s.text("table"); text != "" {
			t, err := parseTable(text)
			if err != nil {
				s.fail("table", "%w", err)
				return nil, nil
			}
			p.load(t)
		}
		p.guess()
		return p, nil
	},
}

func toValue(accuracy float64) int64 {
	return int64(math.Round(float64(accuracy * float64(unitValue))))
}

// guess solves for what is believed before anything is known: what a table says, or that requests are due in twice the time of the
// most accurate level, and come at that distance.
func (p *QDP) guess() {
	p.limit = maxTicks
	if p.due == 0 { // no table was given
		longest := p.base[len(p.base)-1]
		p.due = min(p.model.Levels[longest.level].Latency[longest.processor], maxSpan/2) * 2
	}
	p.prepare()
	p.gaps.refresh(p.due)
	p.iterate(sweepsFirst)
	p.due, p.stale, p.gaps.stale = 0, true, true
}

// Spec returns "qdp".
func (p *QDP) Spec() string { return "qdp" }

// ticks converts a time that is not negative, rounded down and cut to maxTicks.
func (p *QDP) ticks(d time.Duration) int64 {
	hi, lo := bits.Mul64(uint64(d), uint64(dueTicks))
	if hi >= uint64(p.due) {
		return maxTicks
	}
	q, _ := bits.Div64(hi, lo, uint64(p.due))
	return int64(min(q, uint64(maxTicks)))
}

// signed converts a time that may be negative.
func (p *QDP) signed(d time.Duration) int64 {
	if d < 0 {
		return -p.ticks(-d)
	}
	return p.ticks(d)
}

// slack returns the ticks until a request is due, negative if it was before.
func (p *QDP) slack(r *Request, now time.Duration) int64 {
	switch left := r.Deadline - now; {
	case r.Deadline == 0:
		return maxTicks
	case left < 0:
		return -p.ticks(-left) - 1
	default:
		return p.ticks(left)
	}
}

// follow keeps up with what the requests ask for.
func (p *QDP) follow(o *Observation) {
	span := o.Limit
	if head := &o.Queue[0]; head.Deadline != 0 {
		span = max(head.Deadline-head.Arrival, 1)
	}
	if span > 0 {
		span = min(span, maxSpan)
		if p.meanDue == 0 {
			p.meanDue = span
		}
		p.meanDue += (span - p.meanDue) / 8
		if off := p.meanDue - p.due; p.due == 0 || off > p.due/16 || -off > p.due/16 {
			p.due = max(p.meanDue, 1)
			p.stale, p.gaps.stale = true, true
		}
	}
	if p.floor != o.MinAccuracy {
		p.floor, p.stale = o.MinAccuracy, true
	}
	if p.supply.chooses() && p.steps.take(o.Steps) {
		p.stale = true
	}
	if p.due == 0 {
		return
	}
	p.limit = maxTicks
	if o.Limit > 0 {
		p.limit = p.ticks(o.Limit)
	}
	if p.stale {
		p.prepare()
	}
}

// Decide plans for the requests in view and answers with the first step.
func (p *QDP) Decide(o *Observation) Decision {
	if p.wide != nil {
		return p.decideWide(o)
	}
	if d, busy := occupied(o, p.base[0].processor); busy {
		return d
	}
	p.gaps.look(o)
	p.follow(o)
	if p.due == 0 { // nobody ever was in a hurry
		p.due = maxSpan
		p.prepare()
		p.due, p.stale = 0, true
		return p.serve(len(p.options)-1, ReasonTop)
	}
	best := p.search(o)
	switch {
	case best.first == moveDrop:
		p.row++
		return Decision{Action: Drop, Reason: ReasonDrop}
	case best.first == moveLate:
		return p.begin(&p.late, ReasonLate)
	case int(best.first) == len(p.options)-1:
		return p.serve(int(best.first), ReasonTop)
	case p.plan.depth < len(o.Queue):
		return p.serve(int(best.first), ReasonTable)
	}
	return p.serve(int(best.first), ReasonPlan)
}

func (p *QDP) serve(j int, reason Reason) Decision { return p.begin(&p.options[j], reason) }

// begin serves the head alone with an option.
func (p *QDP) begin(o *option, reason Reason) Decision {
	p.row = 0
	p.supply.ask(p.model, &p.steps, o)
	return Decision{Action: Serve, Level: o.level, Processor: o.processor, Clock: o.clock, Reason: reason}
}

// search returns the best label of the deepest plan.
func (p *QDP) search(o *Observation) label {
	p.lay(o)
	best, _ := p.best(o)
	return best
}

// lay expands labels as far as they go.
func (p *QDP) lay(o *Observation) {
	loaded := int16(-1)
	for j := range p.options {
		if p.options[j].level == o.Level && p.options[j].processor == o.Processor {
			loaded = int16(j)
		}
	}
	switching := p.switching
	p.plan.start(loaded)
	if p.supply.chooses() {
		for j := range p.options {
			p.plan.lag[j] = p.signed(p.supply.lag(p.model, &p.steps, &p.options[j]))
		}
	}
	for i := range o.Queue {
		need := p.plan.n * (len(p.options) + 1)
		if i > 0 && (p.plan.expanded+need > p.labels || need > maxLabels) {
			return
		}
		m := moves{slack: p.slack(&o.Queue[i], o.Now), limit: p.limit}
		m.drop, m.late = p.drops > 0, p.drops == 0
		if i == 0 {
			_, served := p.options.reward(0, min(m.slack, m.limit)-p.plan.lag[0])
			hopeless := !served
			m.drop = p.row < p.drops && (o.Waiting > 1 || p.strict) && !p.probes(m.slack)
			m.late = hopeless
		}
		m.only = moveNone
		if i == 0 {
			m.only, m.caution = p.only, p.caution()
		}
		step := switching
		if i == 0 && loaded < 0 && o.Level < 0 {
			step = 0 // nothing is loaded
		}
		p.plan.expand(p.options, m, step)
	}
}

// probes reports whether a request is served although it may hardly be in time, to see whether that is still so: by the table
// it would be, and hardly any would be at present, even without waiting, or many were given up in a row. Otherwise nothing might
// be served ever again, and nothing learned.
func (p *QDP) probes(slack int64) bool {
	return slack >= p.swift && (p.row >= probeAfter || p.noise.chance(p.late.latency, min(dueTicks, p.limit)) < probeChance)
}

// caution returns the share of what a level is worth more than the fastest that is not counted for the head, of 1024.
func (p *QDP) caution() int64 { return int64(min(float64(p.unsure*p.gaps.doubt), 1) * 1024) }

// best values the labels by what comes behind them.
func (p *QDP) best(o *Observation) (best label, value int64) {
	l := &p.plan
	p.look(o)
	value = math.MinInt64
	for _, x := range l.labels() {
		if v := x.u + p.behind(o, x.t); v > value {
			best, value = x, v
		}
	}
	return best, value
}
