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

	// arrivals is the value of the next arrival, by cells from now on, as far as known: in groups of lanes.
	arrivals [reach/lanes + 1][lanes]int64
	known    [reach/lanes + 1]bool
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
	leastValue = int64(-1 << 62)
	indexBits  = 5 // of an index of a move
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

// merger extends the labels by a move, one after the other.
type merger struct {
	at    int // index of the label that it extends now
	move  int16
	takes int64 // ticks
	gain  int64 // from labels up to a time
	until int64
	lag   int64 // of takes, since another clock is in force
	less  int64 // value of the move that does not count
}

// expand plans for one request more: it merges what each move makes of the labels.
func (p *plan) expand(s options, m moves, switching int64) {
	const most = maxOptions + 2
	var heads [most]merger
	var next [most]int64 // the time of the first label of each that is not yet taken, and its index in the low bits
	var u [most]int64    // value of that label
	n := 0
	add := func(h merger) {
		if m.only != moveNone && m.only != h.move {
			return
		}
		h.at = -1
		heads[n] = h
		if t, value, ok := p.advance(s, &heads[n], &m, switching, leastValue); ok {
			next[n], u[n] = t<<indexBits|int64(n), value
			n++
		}
	}
	if m.drop {
		add(merger{move: moveDrop, until: math.MaxInt64})
	}
	if m.late {
		add(merger{move: moveLate, takes: s[0].latency, gain: -s[0].cost, until: math.MaxInt64})
	}
	for j := range s {
		add(p.moveTo(s, j, &m))
	}
	p.expanded += p.n * n
	labels, other := p.labels(), &p.memory[1-p.turn]
	out, best, last := 0, leastValue, int64(-1)
	for {
		first := int64(math.MaxInt64)
		for _, x := range next[:n] {
			first = min(first, x)
		}
		if first == math.MaxInt64 {
			break
		}
		t, i := first>>indexBits, first&(1<<indexBits-1)
		h := &heads[i]
		if u[i] >= best+leastGain {
			if t == last {
				out--
			}
			l := &other[out]
			*l = labels[h.at]
			l.t, l.u = t, u[i]
			if h.move >= 0 {
				l.last = h.move
			}
			if p.depth == 0 {
				l.first = h.move
			}
			best, last = u[i], t
			out++
		}
		next[i] = math.MaxInt64
		if t, value, ok := p.advance(s, h, &m, switching, best+leastGain); ok {
			next[i], u[i] = t<<indexBits|i, value
		}
	}
	p.turn = 1 - p.turn
	p.n = out
	p.depth++
}

// moveTo returns the move to option j, and until when a label of that time is sure to be followed by an answer in time.
func (p *plan) moveTo(s options, j int, m *moves) merger {
	o := &s[j]
	h := merger{move: int16(j), until: -1}
	if p.depth == 0 {
		h.lag = p.lag[j]
	}
	h.takes = max(o.latency+h.lag, 1)
	if more := o.net() - s[0].net(); m.caution > 0 && more > 0 {
		h.less = more >> 10 * m.caution
	}
	h.gain = o.net() - h.less
	if enough := max(o.safe, o.knot[knots-1]) + h.lag; m.limit >= enough && o.value > 0 {
		h.until = m.slack - enough
	}
	return h
}

// advance extends the next label that comes to a value of at least so much by the move, false if there is none from which
// the move makes sense. What is passed over is later than a label of more value.
func (p *plan) advance(s options, h *merger, m *moves, switching, least int64) (t, u int64, ok bool) {
	labels := p.labels()
	at := h.at + 1
	if switching == 0 || h.move < 0 {
		until, least := h.until, least-h.gain
		for at < len(labels) && labels[at].u < least && labels[at].t <= until {
			at++
		}
	}
	for ; at < len(labels); at++ {
		l := &labels[at]
		u = l.u + h.gain
		if l.t > h.until {
			r, ok := s.reward(int(h.move), min(m.slack-l.t, m.limit)-h.lag)
			if !ok {
				return 0, 0, false // later labels have less slack
			}
			u = l.u + r - h.less
		}
		if switching > 0 && h.move >= 0 && !s.same(l.last, h.move) {
			u -= switching
		}
		if u >= least {
			h.at = at
			return l.t + h.takes, u, true
		}
	}
	return 0, 0, false
}
