package oracle

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// label is a way to have come to a request: the server is free at a time, with a utility.
type label struct {
	free    time.Duration
	utility int64
	node    int32 // of the plan
}

// candidate is a label that may turn out to be dominated. It comes from one by serving, or is one.
type candidate struct {
	free    time.Duration
	utility int64
	node    int32 // of the label that it comes from
	level   uint8
	batch   uint8  // 0: nothing was served since that label
	at      uint16 // its interval in the frontier
}

// buckets is the number of intervals of time in which a frontier sieves candidates.
const buckets = 512

// frontier collects the candidates of one request, with one level loaded, and sieves out what is
// surely dominated: by a candidate of an earlier interval of time with at least its utility. That takes
// one comparison for most.
type frontier struct {
	// base is the time up to which it makes no difference when the server is free.
	base       time.Duration
	shift      uint
	candidates []candidate
	dealt      []candidate // scratch
	// best[q] is the largest utility in the intervals before q; best[0] in interval 0, which holds
	// everything up to base.
	best [buckets]int64
	// lead[q] is the candidate of interval q with the largest utility so far, the earliest of equals.
	lead [buckets]lead
}

// lead is a time and a utility.
type lead struct {
	free    time.Duration
	utility int64
}

// reset empties the frontier for times in [base, end]; others are taken too.
func (f *frontier) reset(base, end time.Duration) {
	f.base, f.shift = base, 0
	for end > base && uint64(end-base)>>f.shift >= buckets-1 {
		f.shift++
	}
	f.candidates = f.candidates[:0]
	for q := range f.best {
		f.best[q] = -1
		f.lead[q].utility = -1
	}
}

// interval returns the interval of a time: the least q whose end, base + q<<shift, is not before it.
func (f *frontier) interval(free time.Duration) int {
	after := uint64(max(0, free-f.base))
	return int(min(buckets-1, (after+1<<f.shift-1)>>f.shift))
}

// push adds a candidate.
func (f *frontier) push(c candidate) {
	if q := f.interval(c.free); c.utility > f.best[q] {
		f.keep(q, c)
	}
}

// keep adds a candidate of interval q that is not dominated by what is known.
func (f *frontier) keep(q int, c candidate) {
	switch l := &f.lead[q]; {
	case c.utility <= l.utility && c.free >= l.free:
		return
	case c.utility >= l.utility:
		l.free, l.utility = c.free, c.utility
	}
	c.at = uint16(q)
	f.candidates = append(f.candidates, c)
	if q > 0 {
		q++
	}
	if q > buckets {
		return
	}
	for i, best := range f.best[q:] {
		if best >= c.utility {
			return
		}
		f.best[q+i] = c.utility
	}
}

// pareto sorts the candidates and removes the dominated ones, so that times and utilities both ascend
// strictly. Of those up to base one of the largest utility stays. Which one of equals stays depends on
// the candidates only, so that equal problems have equal solutions.
func (f *frontier) pareto() []candidate {
	f.sort()
	kept := f.candidates[:0]
	highest := int64(math.MinInt64)
	for _, c := range f.candidates {
		if c.utility > highest {
			highest = c.utility
			kept = append(kept, c)
		}
	}
	f.candidates = kept
	return kept
}

// sort orders the candidates by time, then falling utility, less those that are seen to be dominated
// now that all of them are known: it deals them out to their intervals and sorts each.
func (f *frontier) sort() {
	var first [buckets + 1]int32 // of each interval
	kept := f.candidates[:0]
	for _, c := range f.candidates {
		q := int(c.at) % buckets
		if q == 0 && (first[1] > 0 || c.utility < f.best[0]) || q > 0 && c.utility <= f.best[q] {
			continue
		}
		first[q+1]++
		kept = append(kept, c)
	}
	for q := range buckets {
		first[q+1] += first[q]
	}
	f.dealt = slices.Grow(f.dealt[:0], len(kept))[:len(kept)]
	next := first
	for _, c := range kept {
		q := int(c.at) % buckets
		f.dealt[next[q]] = c
		next[q]++
	}
	for q := range buckets {
		if part := f.dealt[first[q]:first[q+1]]; len(part) > 1 {
			sortCandidates(part)
		}
	}
	f.candidates, f.dealt = f.dealt, kept[:0]
}

// sortCandidates is fast for few of them.
func sortCandidates(c []candidate) {
	if len(c) > 24 {
		slices.SortFunc(c, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.free, b.free), cmp.Compare(b.utility, a.utility))
		})
		return
	}
	for i := 1; i < len(c); i++ {
		x, k := c[i], i
		for ; k > 0 && (x.free < c[k-1].free || x.free == c[k-1].free && x.utility > c[k-1].utility); k-- {
			c[k] = c[k-1]
		}
		c[k] = x
	}
}
