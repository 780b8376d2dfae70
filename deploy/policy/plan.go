package policy

import "math"

// plan is the dynamic programme over the requests that wait: labels of the time at which the processor
// is free and the value so far, none of which is worse than another in both.
type plan struct {
	memory   [2][maxLabels]label
	turn     int // which of memory holds the labels
	n        int // labels
	expanded int // since the start of the decision
	depth    int // requests that are planned

	arrivals [reach + 1]int64  // value of the next arrival, by cells from now on
	known    int               // of these, how many are computed
	lag      [maxOptions]int64 // by which the head takes longer with each option, since another clock is in force
	from     int               // cells since the last arrival
	rest     int64             // mass of gaps that are not shorter
}

// label is the state after some of the waiting requests.
type label struct {
	t     int64 // when the processor is free, in ticks from now on
	u     int64 // value so far
	first int16 // what became of the head: a move
	last  int16 // option that served last
}

// Moves that are no option.
const (
	moveDrop int16 = -1
	moveLate int16 = -2 // serve at the fastest option, too late
	moveNone int16 = -3
)

const (
	maxLabels  = 1024
	maxOptions = 16
	leastGain  = unitValue >> 20 // a later label must be better by as much
)

// start begins with the processor free now, and an option loaded, -1 for another level.
func (p *plan) start(loaded int16) {
	p.memory[p.turn][0] = label{first: moveNone, last: loaded}
	p.n, p.expanded, p.depth = 1, 0, 0
}

// labels returns the labels in order of time and value.
func (p *plan) labels() []label { return p.memory[p.turn][:p.n] }

// moves says what may be done with a request.
type moves struct {
	slack      int64 // from now to its deadline, in ticks
	limit      int64 // of an inference
	drop, late bool
	only       int16 // the only move, moveNone: all
	caution    int64 // share of the additional value of slower options that does not count, of 1024
}

// merger holds the cheapest label of a move that is not yet taken.
type merger struct {
	at   int // index of the label that it extends
	t, u int64
	move int16
}

// expand plans for one request more.
func (p *plan) expand(s options, m moves, switching int64) {
	var heads [maxOptions + 2]merger
	n := 0
	add := func(move int16) {
		if m.only != moveNone && m.only != move {
			return
		}
		heads[n] = merger{at: -1, move: move}
		if p.advance(s, &heads[n], &m, switching, math.MinInt64) {
			n++
		}
	}
	if m.drop {
		add(moveDrop)
	}
	if m.late {
		add(moveLate)
	}
	for j := range s {
		add(int16(j))
	}
	p.expanded += p.n * n
	labels, other := p.labels(), &p.memory[1-p.turn]
	out, best := 0, int64(-1<<62)
	for n > 0 {
		first := 0
		for i := 1; i < n; i++ {
			if h := &heads[i]; h.t < heads[first].t || h.t == heads[first].t && h.u > heads[first].u {
				first = i
			}
		}
		h := &heads[first]
		if h.u >= best+leastGain {
			l := label{t: h.t, u: h.u, first: labels[h.at].first, last: labels[h.at].last}
			if h.move >= 0 {
				l.last = h.move
			}
			if p.depth == 0 {
				l.first = h.move
			}
			best = h.u
			other[out] = l
			out++
		}
		if !p.advance(s, h, &m, switching, best+leastGain) {
			n--
			heads[first] = heads[n]
		}
	}
	p.turn = 1 - p.turn
	p.n = out
	p.depth++
}

// advance extends the next label by a move that comes to a value of at least so much, or else the last one from which the
// move makes sense; false if there is none. What is passed over is later than a label of more value.
func (p *plan) advance(s options, h *merger, m *moves, switching, least int64) bool {
	any := false
	for {
		next := merger{at: h.at + 1, move: h.move}
		if next.at >= p.n || !p.extend(s, &next, m, switching) {
			return any
		}
		*h, any = next, true
		if h.u >= least {
			return true
		}
	}
}

// extend extends a label by a move, false if that makes no sense.
func (p *plan) extend(s options, h *merger, m *moves, switching int64) bool {
	l := &p.memory[p.turn][h.at]
	h.t, h.u = l.t, l.u
	switch h.move {
	case moveDrop:
	case moveLate:
		h.t += s[0].latency
		h.u -= s[0].cost
	default:
		lag := int64(0)
		if p.depth == 0 {
			lag = p.lag[h.move]
		}
		r, ok := s.reward(int(h.move), min(m.slack-l.t, m.limit)-lag)
		if !ok {
			return false // later labels have less slack
		}
		h.t += max(s[h.move].latency+lag, 1)
		h.u += r
		if more := s[h.move].net() - s[0].net(); m.caution > 0 && more > 0 {
			h.u -= more >> 10 * m.caution
		}
		if switching > 0 && !s.same(l.last, h.move) {
			h.u -= switching
		}
	}
	return true
}
