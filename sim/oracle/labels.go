package oracle

import (
	"context"
	"math"
	"slices"
	"sort"
	"time"
)

// outcome is what solving an instance gives.
type outcome struct {
	exact   bool
	utility int64
	plan    []node // nil unless exact
	labels  int    // most alive at a time
}

// solver carries labels from request to request. Those of request i are the undominated ways to have
// dealt with requests 0 to i-1.
//
// Source: the Pareto labels of multi-criteria shortest paths (P. Hansen, "Bicriterion path problems",
// 1980; E. Q. V. Martins, "On a multicriteria shortest path problem", 1984), here on the line of
// requests, with time and utility as criteria. An inference never ends earlier for starting later, so
// a label that is free no later and has no less utility can do all that another can.
type solver struct {
	*instance
	sets  int // of labels: one per loaded level if switching takes time, otherwise one
	slack []time.Duration
	// late: batches with late members are considered, since they may be shorter than those without.
	late bool
	// exchange: factors are equal and batches are on time as a whole, see skipped.
	exchange bool
	// ring has the frontiers of the next batch+1 requests, sets each.
	ring [][]frontier
	now  []label
	// served and skipped part now by what became of the request before. A batch need not follow a request
	// that was given up if that could have been in it on time: in the place of the batch's last one it is
	// worth as much, and the last one is given up instead, which is the same question again, later. So
	// labels of skipped are extended by batches that end after the deadline of the request before. Without
	// exchange everything is in served.
	served, skipped []label
	options         [][]uint8 // levels worth considering, by batch size - 1
	plans           plans
	exact           bool
	most            int
}

// solve finds the best in-order schedule of an agreeable instance.
func (in *instance) solve(ctx context.Context) (outcome, error) {
	s := newSolver(in)
	for set := range s.sets {
		if set == s.initial || s.sets == 1 {
			s.at(0, set).push(candidate{node: -1})
		}
	}
	for i := range in.ids {
		if i%256 == 0 {
			if err := ctx.Err(); err != nil {
				return outcome{}, err
			}
		}
		alive := 0
		for set := range s.sets {
			alive += s.take(i, set)
			s.giveUp(i, set)
			s.serve(i, set)
		}
		s.most = max(s.most, alive)
		s.clear(i + s.batch + 1)
		if s.exact && s.plans.full() {
			s.plans.sweep(s.roots)
		}
	}
	return s.result(), nil
}

func newSolver(in *instance) *solver {
	s := &solver{instance: in, sets: 1, exact: true, late: in.unequal && in.batch > 1}
	for _, l := range in.levels {
		for b := 1; b < len(l.Latency); b++ {
			s.late = s.late || l.Latency[b] < l.Latency[b-1]
		}
	}
	if in.switchTime > 0 {
		s.sets = len(in.levels)
	}
	s.exchange = !in.unequal && !s.late
	s.slack = s.slacks()
	s.options = make([][]uint8, in.batch)
	for b := range s.options {
		s.options[b] = s.worth(b)
	}
	s.ring = make([][]frontier, in.batch+1)
	for i := range s.ring {
		s.ring[i] = make([]frontier, s.sets)
		s.clear(i)
	}
	return s
}

// worth returns the levels that are worth considering at a batch size: none if another one is as
// accurate and as fast. With switch times all are.
func (s *solver) worth(b int) []uint8 {
	var levels []uint8
	for l := range s.levels {
		if b >= len(s.levels[l].Latency) {
			continue
		}
		needed := true
		for o := range s.levels {
			if o == l || b >= len(s.levels[o].Latency) || s.sets > 1 {
				continue
			}
			worse := s.levels[o].Latency[b] > s.levels[l].Latency[b] || s.value[o] < s.value[l]
			same := s.levels[o].Latency[b] == s.levels[l].Latency[b] && s.value[o] == s.value[l]
			if !worse && (!same || o < l) {
				needed = false
			}
		}
		if needed {
			levels = append(levels, uint8(l))
		}
	}
	return levels
}

// slacks returns for each request the latest time of which it makes no difference whether the server is
// free then or long before: single requests at the best level from there on are all on time until the
// server has caught up with the arrivals. Whatever schedule an earlier server follows, the later one gains no less
// by them, request for request, until that schedule starts a batch at which the later server is free
// as well; at the latest that is the first batch after it has caught up. With switch times it also matters
// which level is loaded, so there it is the request's arrival. The last entry is for the time after all
// requests.
func (s *solver) slacks() []time.Duration {
	n := len(s.ids)
	slack := make([]time.Duration, n+1)
	slack[n] = math.MaxInt64
	best := s.best()
	for i := n - 1; i >= 0; i-- {
		slack[i] = s.arrival[i]
		if s.sets > 1 {
			continue
		}
		work := float64(s.levels[best].Latency[0]) * s.factor[i]
		if t, ok := s.profile.latestStart(s.arrival[i], min(s.deadline[i], slack[i+1]), work); ok {
			slack[i] = max(slack[i], t)
		}
	}
	return slack
}

func (s *solver) at(i, set int) *frontier { return &s.ring[i%len(s.ring)][set] }

// clear makes room for the labels of request i.
func (s *solver) clear(i int) {
	n := len(s.ids)
	if i > n {
		return
	}
	end := time.Duration(0)
	if i > 0 {
		end = s.deadline[i-1]
	}
	for set := range s.sets {
		s.at(i, set).reset(s.slack[i], end)
	}
}

// take makes the labels of request i in one set the current ones, and returns their number.
func (s *solver) take(i, set int) int {
	s.now, s.served, s.skipped = s.now[:0], s.served[:0], s.skipped[:0]
	for _, c := range s.at(i, set).pareto() {
		l := label{free: c.free, utility: c.utility, node: c.node}
		if c.batch > 0 && s.exact {
			l.node = s.plans.add(node{parent: c.node, first: int32(i) - int32(c.batch), level: c.level, batch: c.batch})
		}
		s.now = append(s.now, l)
		if s.exchange && c.batch == 0 && i > 0 {
			s.skipped = append(s.skipped, l)
		} else {
			s.served = append(s.served, l)
		}
	}
	s.at(i, set).candidates = s.at(i, set).candidates[:0]
	if n := len(s.now); n > s.maxLabels {
		s.merge()
		s.served, s.skipped = append(s.served[:0], s.now...), s.skipped[:0]
	}
	return len(s.now)
}

// merge halves the number of labels: each pair becomes one that is free when the earlier one is, with
// the utility of the later one. No schedule may do that well.
func (s *solver) merge() {
	s.exact = false
	half := s.now[:0]
	for k := 0; k < len(s.now); k += 2 {
		half = append(half, label{free: s.now[k].free, utility: s.now[min(k+1, len(s.now)-1)].utility, node: -1})
	}
	s.now = half
}

// giveUp carries the current labels past request i.
func (s *solver) giveUp(i, set int) {
	next := s.at(i+1, set)
	for _, l := range s.now {
		next.push(candidate{free: l.free, utility: l.utility, node: l.node})
	}
}

// serve extends the current labels by batches that start with request i.
func (s *solver) serve(i, set int) {
	s.extendAll(s.served, i, set, 0)
	if len(s.skipped) > 0 {
		s.extendAll(s.skipped, i, set, s.deadline[i-1])
	}
}

// extendAll extends labels by batches that start with request i and end after a time.
func (s *solver) extendAll(labels []label, i, set int, after time.Duration) {
	if len(labels) == 0 {
		return
	}
	from := 0 // the last label that waits for the arrivals, or the first one
	for b, options := range s.options {
		if i+b >= len(s.ids) {
			return
		}
		arrived := s.arrival[i+b]
		for from+1 < len(labels) && labels[from+1].free <= arrived {
			from++
		}
		for _, level := range slices.Backward(options) {
			x := extension{
				labels: labels[from:], arrived: arrived, set: set, level: int(level), after: after,
				work:  float64(s.levels[level].Latency[b]) * s.factor[i],
				first: i, batch: b + 1,
			}
			x.target = s.at(i+b+1, 0)
			if s.sets > 1 {
				x.target = s.at(i+b+1, x.level)
				if x.level != set {
					x.delay = s.switchTime
				}
			}
			switch {
			case s.late || x.delay > 0:
				s.extendLate(&x)
			case len(s.profile) > 0:
				s.extendSlowed(&x)
			default:
				s.extend(&x)
			}
		}
	}
}

// extension is one way to serve from all current labels on.
type extension struct {
	labels  []label
	target  *frontier
	arrived time.Duration // of the whole batch
	delay   time.Duration // for switching
	after   time.Duration // that the batch has to end
	work    float64
	first   int
	batch   int
	level   int
	set     int
}

func (x *extension) candidate(l *label, end time.Duration, utility int64) candidate {
	return candidate{free: end, utility: utility, node: l.node, level: uint8(x.level), batch: uint8(x.batch)}
}

// extend serves batches that are on time as a whole, undisturbed.
func (s *solver) extend(x *extension) {
	if !(x.work < float64(maxTime)) {
		return
	}
	takes := max(1, time.Duration(math.Round(x.work)))
	latest := min(s.deadline[x.first], maxTime-1) - takes
	gain := int64(x.batch) * s.value[x.level]
	from := 0
	if early := x.after - takes; early >= x.arrived { // labels free by then end too early
		from = sort.Search(len(x.labels), func(k int) bool { return x.labels[k].free > early })
	}
	n := len(x.labels)
	if latest < x.arrived {
		return
	}
	if x.labels[n-1].free > latest {
		n = sort.Search(n, func(k int) bool { return x.labels[k].free > latest })
	}
	// From the last one on: then each raises the frontier up to where the one before it did.
	target, labels, stride := x.target, x.labels, leastStride
	round := time.Duration(1)<<target.shift - 1 - target.base + takes
	at := func(free time.Duration) int { // as interval
		return int(min(uint64(max(free+round, 0))>>target.shift, buckets-1)) % buckets
	}
	waiting := 0 // labels that wait for the arrivals: the first at most
	if labels[0].free < x.arrived {
		waiting = 1
	}
	for least := max(from, waiting); n > least; {
		// If the last of some labels is not worth it by the time of the first, none is.
		next := max(n-stride, least)
		if labels[n-1].utility+gain <= target.best[at(labels[next].free)] {
			n, stride = next, 2*stride
			continue
		}
		stride = leastStride
		for next = max(n-stride, least); n > next; n-- {
			l := &labels[n-1]
			if q, utility := at(l.free), l.utility+gain; utility > target.best[q] { // push, in place
				target.keep(q, x.candidate(l, l.free+takes, utility))
			}
		}
	}
	if n > from {
		target.push(x.candidate(&labels[0], x.arrived+takes, labels[0].utility+gain))
	}
}

// leastStride is the number of labels that are looked at together.
const leastStride = 4

// extendSlowed serves batches that are on time as a whole, under a slow-down.
func (s *solver) extendSlowed(x *extension) {
	gain := int64(x.batch) * s.value[x.level]
	for k := range x.labels {
		l := &x.labels[k]
		end, ok := s.profile.finish(max(l.free, x.arrived), x.work)
		if !ok || end > s.deadline[x.first] {
			return
		}
		if end <= x.after {
			continue
		}
		x.target.push(x.candidate(l, end, l.utility+gain))
	}
}

// extendLate serves batches of which some are on time, or none: that loads a level.
func (s *solver) extendLate(x *extension) {
	loads := x.delay > 0 && (x.batch == 1 || s.late)
	for k := range x.labels {
		l := &x.labels[k]
		end, ok := s.profile.finish(max(l.free, x.arrived)+x.delay, x.work)
		if !ok {
			return
		}
		if end <= x.after {
			continue
		}
		onTime := x.batch
		for onTime > 0 && s.deadline[x.first+x.batch-onTime] < end {
			onTime--
		}
		if onTime == 0 && !loads {
			return
		}
		x.target.push(x.candidate(l, end, l.utility+int64(onTime)*s.value[x.level]))
	}
}

// roots visits the plans of all candidates.
func (s *solver) roots(visit func(n *int32)) {
	for i := range s.ring {
		for set := range s.ring[i] {
			candidates := s.ring[i][set].candidates
			for k := range candidates {
				visit(&candidates[k].node)
			}
		}
	}
}

// result takes the best label after all requests.
func (s *solver) result() outcome {
	best := outcome{utility: -1}
	last := int32(-1)
	for set := range s.sets {
		s.take(len(s.ids), set)
		for _, l := range s.now {
			if l.utility > best.utility {
				best.utility, last = l.utility, l.node
			}
		}
	}
	best.exact, best.labels = s.exact, s.most
	if s.exact {
		best.plan = s.plans.path(last)
	}
	return best
}
