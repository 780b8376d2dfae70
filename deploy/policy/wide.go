package policy

import (
	"math"
	"time"
)

// wide plans where requests are served in batches or on several processors: as [plan], but a label knows when
// each processor is free, and no more than wideLabels of them are kept for a request, those that promise most.
// So it is a beam search, not exact.
//
// Behind the requests in view the same table is used, which knows one processor and no batches. The time that
// it reckons with is the mean of the times at which the processors are free, weighted by their speeds, and an
// inference takes its share of that: divided by the requests of a batch of the size that was typical lately.
type wide struct {
	ways    []way
	share   []int64         // of each processor of the speed of all, in 1/65536
	busy    []time.Duration // of each processor: expected end of what it serves
	seen    []seen          // of each of several processors
	typical int64           // size of a batch, in 1/256
	fastest int             // of ways
	only    int16           // the only way to begin with: an index into ways, moveNone: all

	sets [MaxQueue + 1][wideLabels]wideLabel
	n    [MaxQueue + 1]int
}

const (
	wideLabels     = 20
	wideProcessors = 4 // that one policy uses; further ones are left alone
	wideBudget     = 2 // labels that one of a wide plan counts for
)

// way is a level on a processor with its batches, as it is at present.
type way struct {
	base             int // its index among the base options
	level, processor int
	rank             int // of its clock step, see supply.oneOf
	clock            int
	value            int64
	latency          [MaxBatch]int64 // in ticks, by batch size - 1
	cost             [MaxBatch]int64
	largest          int
}

// wideLabel is the state after some of the waiting requests.
type wideLabel struct {
	free   [wideProcessors]int64 // when each processor is, in ticks from now on
	loaded [wideProcessors]int8  // levels
	mean   int64                 // of free, weighted
	u      int64                 // value so far
	score  int64                 // with what is to come
	first  int16                 // what became of the head: an index into ways, or a move
	batch  int8                  // with it
}

// newWide returns what the base options need, nil if there is one processor and no batch.
func newWide(m *Model, base []option, e *supply) *wide {
	w := &wide{typical: 256, only: moveNone}
	fastest := make([]float64, len(m.Processors))
	batches, processors, last := false, 0, len(m.Levels)-1
	for i := range base {
		b := &base[i]
		l := &m.Levels[b.level]
		if b.processor >= wideProcessors {
			return nil // the only one that it was told to use
		}
		if fastest[b.processor] == 0 {
			processors++
		}
		if last < maxOptions || b.level == 0 || b.level*(maxOptions-1)/last != (b.level-1)*(maxOptions-1)/last {
			for rank := range e.few(m, b.processor) {
				w.ways = append(w.ways, way{base: i, level: b.level, processor: b.processor, rank: rank, largest: l.Largest(b.processor)})
			}
		}
		batches = batches || l.Largest(b.processor) > 1
		fastest[b.processor] = max(fastest[b.processor], 1/float64(l.Latency[b.processor]))
	}
	if processors < 2 && !batches {
		return nil
	}
	sum := 0.0
	for _, f := range fastest {
		sum += f
	}
	for _, f := range fastest {
		w.share = append(w.share, int64(math.Round(float64(f/sum*65536))))
	}
	w.busy = make([]time.Duration, len(m.Processors))
	if processors > 1 {
		w.seen = make([]seen, len(m.Processors))
	}
	return w
}

// refreshWide computes the ways as they are at present, and the times that the table's options take.
func (p *QDP) refreshWide() {
	w := p.wide
	w.fastest = 0
	for i := range w.ways {
		y := &w.ways[i]
		y.clock = p.supply.oneOf(p.model, &p.steps, y.processor, y.rank)
		l := &p.model.Levels[y.level]
		pace := p.present(y.processor).times(p.bias[y.base])
		for b := range y.largest {
			y.latency[b] = max(p.ticks(pace.of(l.At(y.processor, y.clock, b+1)))+1, 1)
			y.cost[b] = p.supply.cost(l, y.processor, y.clock, b+1)
		}
		y.value = p.worth(l)
		if y.latency[0] < w.ways[w.fastest].latency[0] {
			w.fastest = i
		}
	}
	for j := range p.options {
		o := &p.options[j]
		l := &p.model.Levels[o.level]
		b := min(int(w.typical+128)>>8, l.Largest(o.processor))
		if b > 1 {
			pace := p.present(o.processor).times(p.bias[p.find(o.level, o.processor)])
			o.latency = max(p.ticks(pace.of(l.At(o.processor, o.clock, b)))+1, 1)
			o.cost = p.supply.cost(l, o.processor, o.clock, b) / int64(b)
			for k, q := range p.noise.knot {
				o.knot[k] = o.latency * int64(q) >> 16
			}
			o.safe = o.latency * int64(p.noise.safe) >> 16
		}
		o.step = max(o.latency/int64(b)*w.share[o.processor]>>16, 1)
	}
}

// chance returns the probability, in units of 2^-16, that an inference of an expected latency ends within the
// slack.
func (s *spread) chance(latency, slack int64) int64 {
	if slack <= 0 {
		return 0
	}
	q := factor(maxFactor)
	if slack < latency<<15 {
		q = factor(slack<<16) / factor(latency)
	}
	switch {
	case q >= s.knot[knots-1]:
		return 1 << 16
	case q < s.knot[0]:
		return 0
	}
	i := 1
	for q >= s.knot[i] {
		i++
	}
	return knotAt[i-1] + (knotAt[i]-knotAt[i-1])*int64(q-s.knot[i-1])/int64(s.knot[i]-s.knot[i-1])
}

// decideWide plans as Decide does. A call that it answers by waiting leaves p as it was.
func (p *QDP) decideWide(o *Observation) Decision {
	before := p.state
	p.gaps.look(o)
	p.doubt(o)
	p.follow(o)
	if p.due == 0 {
		p.due = maxSpan
		p.prepare()
		p.due, p.stale = 0, true
		for j := len(p.options) - 1; j >= 0; j-- {
			if s := &p.options[j]; o.Busy>>s.processor&1 == 0 {
				return p.start(o, Decision{Action: Serve, Level: s.level, Processor: s.processor, Clock: s.clock, Reason: ReasonTop})
			}
		}
		return p.forget(before)
	}
	best := p.searchWide(o)
	d := Decision{Action: Serve, Reason: ReasonPlan}
	switch {
	case best == nil || best.first == moveNone:
		if o.Busy != 0 {
			return p.forget(before) // what is free is not managed
		}
		return p.start(o, Decision{Action: Serve, Level: p.late.level, Processor: p.late.processor, Clock: p.late.clock, Reason: ReasonLate})
	case best.first == moveDrop:
		p.row++
		return Decision{Action: Drop, Reason: ReasonDrop}
	case best.first == moveLate:
		d.Level, d.Processor, d.Clock, d.Reason = p.late.level, p.late.processor, p.late.clock, ReasonLate
	default:
		y := &p.wide.ways[best.first]
		d.Level, d.Processor, d.Clock = y.level, y.processor, y.clock
		if best.batch > 1 {
			d.Batch = int(best.batch)
		}
		if p.plan.depth < len(o.Queue) {
			d.Reason = ReasonTable
		}
	}
	if o.Busy>>d.Processor&1 == 1 {
		return p.forget(before)
	}
	return p.start(o, d)
}

// forget undoes what a call changed that is answered by waiting.
func (p *QDP) forget(before state) Decision {
	p.state = before
	p.stale = true // the options may have been computed anew
	return Decision{Action: Wait, Reason: ReasonBusy}
}

// start takes note of an inference.
func (p *QDP) start(o *Observation, d Decision) Decision {
	p.row = 0
	w := p.wide
	latency := p.model.Levels[d.Level].At(d.Processor, d.Clock, d.Batch)
	p.supply.ask(p.model, &p.steps, &option{level: d.Level, processor: d.Processor, clock: d.Clock})
	w.busy[d.Processor] = o.Now + p.present(d.Processor).times(p.bias[p.find(d.Level, d.Processor)]).of(latency)
	w.typical += (int64(d.Size())*256 - w.typical) / 16
	return d
}

// searchWide returns the most promising label, nil if there is none.
func (p *QDP) searchWide(o *Observation) *wideLabel {
	w := p.wide
	p.look(o)
	clear(w.n[:])
	root := wideLabel{first: moveNone}
	for i := range root.loaded {
		root.loaded[i] = -1
	}
	for i := range min(len(w.busy), wideProcessors) {
		if o.Busy>>i&1 == 1 {
			root.free[i] = p.ticks(max(w.busy[i]-o.Now, 1)) + 1
		}
		root.mean += root.free[i] * w.share[i] >> 16
	}
	if o.Processor >= 0 && o.Processor < wideProcessors {
		root.loaded[o.Processor] = int8(o.Level)
	}
	w.sets[0][0], w.n[0] = root, 1
	expanded := 0
	p.plan.depth = 0
	for i := range o.Queue {
		if i > 0 && expanded >= p.labels/wideBudget {
			break
		}
		for k := range w.n[i] {
			expanded += p.expandWide(o, i, k)
		}
		p.plan.depth = i + 1
	}
	var best *wideLabel
	for i := p.plan.depth; i <= len(o.Queue); i++ {
		for k := range w.n[i] {
			if l := &w.sets[i][k]; best == nil || l.score > best.score {
				best = l
			}
		}
	}
	return best
}

// expandWide extends a label by request i, alone and in batches, and returns how many labels that gave.
func (p *QDP) expandWide(o *Observation, i, k int) (expanded int) {
	w := p.wide
	l := w.sets[i][k]
	slack := p.slack(&o.Queue[i], o.Now)
	left := len(o.Queue) - i
	any, caution := false, p.caution()
	for j := range w.ways {
		y := &w.ways[j]
		if i == 0 && w.only != moveNone && w.only != int16(j) {
			continue
		}
		within := min(slack-l.free[y.processor], p.limit)
		for b := 1; b <= min(y.largest, left); b++ {
			if b > 2 && b != 4 && b != 6 && b != 8 && b != left && b != y.largest {
				continue
			}
			chance := p.noise.chance(y.latency[b-1], within)
			if chance == 0 || p.noise.safe > 0 && within < y.latency[b-1]*int64(p.noise.safe)>>16 && (j != w.fastest || b > 1) &&
				within >= w.ways[w.fastest].latency[0]*int64(p.noise.safe)>>16 {
				break
			}
			any = true
			expanded++
			next := l
			next.free[y.processor] += y.latency[b-1]
			next.mean += y.latency[b-1] * w.share[y.processor] >> 16
			next.u += int64(b)*(y.value*chance>>16) - y.cost[b-1]
			if l.loaded[y.processor] != int8(y.level) && l.loaded[y.processor] >= 0 {
				next.u -= p.switching
			}
			next.loaded[y.processor] = int8(y.level)
			if i == 0 {
				next.first, next.batch = int16(j), int8(b)
				if more := y.value - y.cost[0] - w.ways[w.fastest].value + w.ways[w.fastest].cost[0]; more > 0 {
					next.u -= int64(b) * (more >> 10 * caution)
				}
			}
			p.keepWide(o, i+b, &next)
		}
	}
	drop, late := p.drops > 0, p.drops == 0
	if i == 0 {
		drop = p.row < p.drops && (o.Waiting > 1 || p.strict) && !p.probes(slack)
		late = !any
		if w.only != moveNone {
			drop, late = w.only == moveDrop && drop, false
		}
	}
	if drop {
		next := l
		if i == 0 {
			next.first = moveDrop
		}
		expanded++
		p.keepWide(o, i+1, &next)
	}
	if late {
		next := l
		takes := p.late.latency
		next.free[p.late.processor] += takes
		next.mean += takes * w.share[p.late.processor] >> 16
		next.u -= p.late.cost
		if i == 0 {
			next.first = moveLate
		}
		expanded++
		p.keepWide(o, i+1, &next)
	}
	return expanded
}

// keepWide adds a label after so many requests, unless it is worse than one that is there, and in the place of
// the least promising one if there are too many.
func (p *QDP) keepWide(o *Observation, depth int, l *wideLabel) {
	w := p.wide
	p.plan.depth = depth
	l.score = l.u - p.values.gain*int64(depth) + p.behind(o, l.mean)
	set := w.sets[depth][:w.n[depth]]
	worst := 0
	for k := range set {
		s := &set[k]
		if s.u >= l.u && s.free[0] <= l.free[0] && s.free[1] <= l.free[1] && s.free[2] <= l.free[2] && s.free[3] <= l.free[3] {
			return
		}
		if s.score < set[worst].score {
			worst = k
		}
	}
	switch {
	case w.n[depth] < wideLabels:
		w.sets[depth][w.n[depth]] = *l
		w.n[depth]++
	case l.score > set[worst].score:
		set[worst] = *l
	}
}
