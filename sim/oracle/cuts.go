package oracle

import (
	"cmp"
	"context"
	"math"
	"math/bits"
	"slices"
	"time"
)

// cutting is the linear relaxation with interval cuts, by its dual. With shares z of requests r at
// options o (a level in a batch, of accuracy A and work w per request) it is
//
//	max sum A[o] z[r,o]   so that   sum over o of z[r,o] <= 1                            for each request
//	                                sum over r inside I of w[r,o] z[r,o] <= capacity(I)  for each interval
//
// A request is inside if it arrives and is due there; then all of a batch with it that is on time is
// served there. With prices on the work done in each interval the requests fall apart:
//
//	sum over I of price(I) capacity(I) + sum over r of max(0, max over o of A[o] - price(r) w[r,o])
//
// where price(r) is the sum over the intervals that r is inside of. Whatever the prices, no schedule is
// worth more (weak duality), so it is safe to stop at any time.
//
// Source: interval cuts and Lagrangian relaxation are textbook material (A. M. Geoffrion, "Lagrangean relaxation
// for integer programming", 1974); the step rule is that of J. Duchi, E. Hazan, Y. Singer, "Adaptive
// subgradient methods", 2011, and the best prices seen are kept.
type cutting struct {
	in     *instance
	clock  workClock
	slack  float64 // work that rounding the end of an inference may save
	scales []scale
	// options of request r are work[first[r]:first[r+1]] and value, with both ascending, work per value
	// too. The work is in units of unit.
	first []int32
	work  []float64
	value []float64
	unit  float64
	price []float64 // of each request
	used  []float64 // work of each request at these prices
}

// scale has the intervals of one length, 2^exponent ns, that start at multiples of a quarter of it.
type scale struct {
	exponent int
	base     int64     // number of the first interval
	capacity []float64 // in units of work
	price    []float64
	squares  []float64 // of the subgradients so far
	sums     []float64 // scratch, one longer
}

const (
	cutRounds    = 400
	maxIntervals = 1 << 19 // of one length
)

// cuts returns an upper bound on the utility of requests with a deadline.
func (in *instance) cuts(ctx context.Context, servers int) (float64, error) {
	if len(in.ids) == 0 {
		return 0, nil
	}
	c := &cutting{in: in, clock: in.profile.clock(), price: make([]float64, len(in.ids)), used: make([]float64, len(in.ids))}
	lowest, _ := in.profile.extremes()
	c.slack = 1 / lowest
	c.choices()
	if len(c.work) == 0 {
		return 0, nil // nothing can be on time
	}
	c.intervals(servers)
	best := math.Inf(1)
	for round := range cutRounds {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		best = min(best, c.evaluate())
		c.step(round)
	}
	return best * (1 + 1e-9), nil // sums are rounded
}

// option is a way to serve a request: its share of the work and what it is worth.
type option struct{ work, value float64 }

// choices lists the options of each request that can be on time at all, less those that no price makes
// the best: what remains has falling value per work.
func (c *cutting) choices() {
	var options []option
	c.first = append(c.first, 0)
	least := slices.Min(c.in.factor)
	for i := range c.in.ids {
		options = c.possible(options[:0], i, least)
		slices.SortFunc(options, func(a, b option) int {
			return cmp.Or(cmp.Compare(a.work, b.work), cmp.Compare(b.value, a.value))
		})
		hull := len(c.work)
		for _, o := range options {
			if n := len(c.value); n > hull && o.value <= c.value[n-1] || o.value <= 0 {
				continue
			}
			for len(c.work) > hull && c.above(hull, o) {
				c.work, c.value = c.work[:len(c.work)-1], c.value[:len(c.value)-1]
			}
			c.work, c.value = append(c.work, o.work), append(c.value, o.value)
		}
		c.first = append(c.first, int32(len(c.work)))
	}
	for _, w := range c.work {
		c.unit += w / float64(len(c.work))
	}
	c.unit = max(1, c.unit)
	for i := range c.work {
		c.work[i] /= c.unit
	}
}

// possible appends the options of request i: each level in the batch of the least work per request that
// fits between arrival and deadline.
func (c *cutting) possible(options []option, i int, least float64) []option {
	in := c.in
	if in.deadline[i] <= in.arrival[i] {
		return options
	}
	window := c.clock.done(in.deadline[i]) - c.clock.done(in.arrival[i])
	for l, level := range in.levels {
		work := math.Inf(1)
		for b, latency := range level.Latency {
			factor := in.factor[i]
			if b > 0 {
				factor = least
			}
			if whole := max(0, float64(float64(latency)*factor)-c.slack); whole <= window*(1+1e-12) {
				work = min(work, whole/float64(b+1))
			}
		}
		if !math.IsInf(work, 1) {
			options = append(options, option{work, fromFixed(in.value[l])})
		}
	}
	return options
}

// above reports whether the last option lies on or below the line from the one before it, or from
// doing nothing, to another.
func (c *cutting) above(hull int, o option) bool {
	n := len(c.work) - 1
	var before option
	if n > hull {
		before = option{c.work[n-1], c.value[n-1]}
	}
	return (o.value-before.value)*(c.work[n]-before.work) >= (c.value[n]-before.value)*(o.work-before.work)
}

// intervals makes the scales: from the shortest window of a request to all of them.
func (c *cutting) intervals(servers int) {
	in := c.in
	shortest := time.Duration(math.MaxInt64)
	for i := range in.ids {
		if w := in.deadline[i] - in.arrival[i]; w > 0 {
			shortest = min(shortest, w)
		}
	}
	earliest, latest := in.arrival[0], slices.Max(in.arrival)
	from := max(2, bits.Len64(uint64(shortest-1)))
	to := min(61, 1+bits.Len64(uint64(latest-earliest+4*shortest)))
	for (latest-earliest)>>(from-2) > maxIntervals {
		from++
	}
	for e := from; e <= to; e++ {
		s := scale{exponent: e, base: max(0, int64(earliest)>>(e-2)-4)}
		n := int64(latest)>>(e-2) - s.base + 1
		s.capacity, s.price = make([]float64, n), make([]float64, n)
		s.squares, s.sums = make([]float64, n), make([]float64, n+1)
		s.measure(in, c.clock)
		for k := range s.capacity {
			s.capacity[k] *= float64(servers) / c.unit
		}
		c.scales = append(c.scales, s)
	}
}

// measure sets the capacity of each interval to the work that fits between the first arrival and the last
// deadline inside.
func (s *scale) measure(in *instance, clock workClock) {
	first, last := make([]time.Duration, len(s.capacity)), make([]time.Duration, len(s.capacity))
	for r, a := range in.arrival {
		low, high := s.inside(a, in.deadline[r])
		if in.deadline[r] <= a {
			continue // never on time, and no interval has it
		}
		for k := low; k < high; k++ {
			if last[k] == 0 {
				first[k] = a // arrivals ascend
			}
			last[k] = max(last[k], in.deadline[r])
		}
	}
	for k := range s.capacity {
		if last[k] > 0 {
			s.capacity[k] = clock.done(last[k]) - clock.done(first[k])
		}
	}
}

// inside returns the intervals of a scale that a request is inside of, from low to high-1.
func (s *scale) inside(arrival, deadline time.Duration) (low, high int64) {
	shift := s.exponent - 2
	high = int64(arrival)>>shift + 1 - s.base
	low = max(0, int64((uint64(deadline)+1<<shift-1)>>shift)-4-s.base)
	return min(low, high), high
}

// evaluate returns the bound at the present prices, and notes what each request would use.
func (c *cutting) evaluate() float64 {
	clear(c.price)
	total := 0.0
	for i := range c.scales {
		s := &c.scales[i]
		for k, p := range s.price {
			s.sums[k+1] = s.sums[k] + p
			total += float64(p * s.capacity[k])
		}
		for r, a := range c.in.arrival {
			low, high := s.inside(a, c.in.deadline[r])
			c.price[r] += s.sums[high] - s.sums[low]
		}
	}
	for r, price := range c.price {
		best, used := 0.0, 0.0
		for o := c.first[r]; o < c.first[r+1]; o++ {
			if v := c.value[o] - float64(price*c.work[o]); v > best {
				best, used = v, c.work[o]
			}
		}
		c.used[r] = used
		total += best
	}
	return total
}

// step moves the prices against the subgradient.
func (c *cutting) step(round int) {
	pace := 1.0 / float64(len(c.scales))
	for i := range c.scales {
		s := &c.scales[i]
		clear(s.sums)
		for r, a := range c.in.arrival {
			low, high := s.inside(a, c.in.deadline[r])
			if low < high {
				s.sums[low] += c.used[r]
				s.sums[high] -= c.used[r]
			}
		}
		load := 0.0
		for k := range s.price {
			load += s.sums[k]
			g := s.capacity[k] - load
			s.squares[k] += float64(g * g)
			if s.squares[k] > 0 {
				s.price[k] = max(0, s.price[k]-pace*g/math.Sqrt(s.squares[k]))
			}
		}
		s.sums[0] = 0
	}
}
