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
	batch   uint8 // 0: nothing was served since that label
	before  int32 // the candidate that came before it in its interval of the frontier, as in newest
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
	// newest[q] is the number of the candidate that came last in interval q, from 1 on, 0 if there is none.
	newest [buckets]int32
	sorted []candidate // scratch
	// best[q] is the largest utility in the intervals before q; best[0] in interval 0, which holds
	// everything up to base.
	best [buckets]int64
}

// reset empties the frontier for times in [base, end]; others are taken too.
func (f *frontier) reset(base, end time.Duration) {
	f.base, f.shift = base, 0
	for end > base && uint64(end-base)>>f.shift >= buckets-1 {
		f.shift++
	}
	f.candidates = f.candidates[:0]
	clear(f.newest[:])
	for q := range f.best {
		f.best[q] = -1
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

// keep adds a candidate of interval q whose utility exceeds best[q], unless the one that came last in the interval dominates it,
// or in its place if it is dominated itself.
func (f *frontier) keep(q int, c candidate) {
	last := f.newest[q]
	c.before = last
	if last > 0 {
		switch l := &f.candidates[last-1]; {
		case q == 0 || c.free <= l.free && c.utility >= l.utility:
			c.before = l.before
			*l = c
			last = -1
		case c.free >= l.free && c.utility <= l.utility:
			return
		}
	}
	if last >= 0 {
		f.candidates = append(f.candidates, c)
		f.newest[q] = int32(len(f.candidates))
	}
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
	kept := f.sorted[:0]
	highest := int64(math.MinInt64)
	for q, n := range f.newest {
		if n == 0 {
			continue
		}
		begin := len(kept)
		for ; n > 0; n = f.candidates[n-1].before {
			if c := &f.candidates[n-1]; q == 0 || c.utility > f.best[q] { // now that all of them are known
				kept = append(kept, *c)
			}
		}
		sortCandidates(kept[begin:])
		part := kept[begin:]
		kept = kept[:begin]
		for _, c := range part {
			if c.utility > highest {
				highest = c.utility
				kept = append(kept, c)
			}
		}
	}
	f.candidates, f.sorted = kept, f.candidates[:0]
	return kept
}

// sortCandidates orders candidates by time, then falling utility, then from the last to the first. It is fast for few of them.
func sortCandidates(c []candidate) {
	if len(c) > 24 {
		slices.Reverse(c)
		slices.SortStableFunc(c, func(a, b candidate) int {
			return cmp.Or(cmp.Compare(a.free, b.free), cmp.Compare(b.utility, a.utility))
		})
		return
	}
	for i := 1; i < len(c); i++ {
		x, k := c[i], i
		for ; k > 0 && (x.free < c[k-1].free || x.free == c[k-1].free && x.utility >= c[k-1].utility); k-- {
			c[k] = c[k-1]
		}
		c[k] = x
	}
}
