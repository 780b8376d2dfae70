package policy

// values is the value of a waiting time: what requests from the present one on will bring in the long
// run, relative to a head that has not waited, if nothing is known but how long the head has waited.
// It is the solution of a Markov decision process on the waiting time w of the head, by Lindley's
// recursion:
//
//	h(w) = max{ drop: g(w), level m: R_m(w) + g(w + latency of m) } - gain
//	g(x) = E h((x - G)+), G the gap to the next arrival
//
// R_m(w) is the accuracy of m times the probability to be on time. Waiting times are in cells, of which
// perDue make the time from arrival to deadline. The iteration goes on for ever, a few steps after
// each inference, so the values follow arrivals and slow-down.
//
// Source: D. Lindley, "The theory of queues with a single server", 1952, for the recursion; M. Puterman,
// "Markov Decision Processes", 1994, section 8.5, for relative value iteration.
type values struct {
	h [waits + 1]int64
	g [reach + 1]int64
	// backwards is h in units of 256, last first: of a waiting time of c cells at reach + lanes - c. So what is not
	// positive is 0, and what is longer than waits counts as that much.
	backwards [reach + 2*lanes]int64
	// gain is the value per request in the long run.
	gain int64
}

const (
	perDue    = 64                        // cells from arrival to deadline
	waits     = 96                        // cells of waiting time; more counts as that much
	reach     = 160                       // cells of waiting time and latency
	cellTicks = 1 << 16                   // ticks in a cell
	dueTicks  = int64(perDue * cellTicks) // ticks from arrival to deadline
	maxTicks  = int64(1 << 30)            // that times are cut to
	unitValue = int64(1 << 30)            // value of an answer of accuracy 1
	lanes     = 4                         // cells that are computed together
)

// sweep improves the values once, and returns by how much one of them changed at most. Without drops a hopeless head takes
// the time of the fastest option.
func (v *values) sweep(s options, limit int64, drops bool, law *gaps) (change int64) {
	v.turn()
	longest := min(waits+int(s[len(s)-1].latency/cellTicks)+1, reach)
	for x := 0; x <= longest; x += lanes {
		four := v.next(x, 0, law.total, &law.mass)
		copy(v.g[x:], four[:])
	}
	for x := longest + 1; x < len(v.g); x++ {
		v.g[x] = v.g[longest]
	}
	var best [waits + 1]int64 // by waiting time
	if copy(best[:], v.g[:]); !drops {
		at := v.behind(s[0].step)
		for i := range best {
			best[i] = at.value(v, i) - s[0].cost
		}
	}
	var done [waits + 1]bool // no slower option is considered
	for j := range s {
		o := &s[j]
		at := v.behind(o.step)
		enough := max(o.safe, o.knot[knots-1])
		for i := range best {
			if done[i] {
				continue
			}
			slack := min(dueTicks-int64(i)*cellTicks, limit)
			r := o.net()
			if slack < enough || o.value == 0 {
				var ok bool
				if r, ok = s.reward(j, slack); !ok {
					done[i] = j > 0
					continue
				}
			}
			best[i] = max(best[i], r+at.value(v, i))
		}
	}
	v.gain = best[0]
	for i, b := range best {
		h := b - v.gain
		change = max(change, h-v.h[i], v.h[i]-h)
		v.h[i] = h
	}
	v.turn()
	return change
}

// turn brings backwards up to date.
func (v *values) turn() {
	const zero = reach + lanes // of a waiting time of 0
	last := v.h[waits] >> 8
	for i := range v.backwards[:zero-waits+1] {
		v.backwards[i] = last
	}
	for c := 1; c < waits; c++ {
		v.backwards[zero-c] = v.h[c] >> 8
	}
}

// next returns E h((x - G)+) for the lanes cells from x on, where gaps G of less than the first from cells are excluded
// and total is the mass that is left.
func (v *values) next(x, from int, total int64, mass *[reach]int64) (out [lanes]int64) {
	var sum [lanes]int64
	if end := min(x+lanes-1, reach); total > 0 && from < end {
		// h is 0 at 0, so that gaps of x or more bring nothing.
		sum = convolve(mass[from:end], v.backwards[reach+lanes-x-(lanes-1)+from:])
	}
	for i := range out {
		if out[i] = v.h[0]; total > 0 {
			out[i] += (sum[i] / total) << 8
		}
	}
	return out
}

// convolve returns sums of products of a with b from its index lanes-1 on, from the one before on, and so on.
func convolve(a, b []int64) [lanes]int64 {
	var s0, s1, s2, s3 int64 // in registers
	b0, b1, b2 := b[0], b[1], b[2]
	b = b[lanes-1:][:len(a)]
	for i, x := range a {
		b3 := b[i]
		s0 += x * b3
		s1 += x * b2
		s2 += x * b1
		s3 += x * b0
		b0, b1, b2 = b1, b2, b3
	}
	return [lanes]int64{s0, s1, s2, s3}
}

// after returns g at a time in ticks, at returns h.
func (v *values) after(x int64) int64 { return interpolate(v.g[:], x) }
func (v *values) at(w int64) int64    { return interpolate(v.h[:], w) }

// interpolate reads a table at a time in ticks, which is cut to the table.
func interpolate(table []int64, x int64) int64 {
	x = max(x, 0)
	i := int(x / cellTicks)
	if i >= len(table)-1 {
		return table[len(table)-1]
	}
	return table[i] + (table[i+1]-table[i])*(x%cellTicks)/cellTicks
}

// ahead is a time from a cell on.
type ahead struct {
	cells int
	rest  int64 // ticks
}

// behind returns a time in ticks, not negative.
func (v *values) behind(ticks int64) ahead {
	return ahead{cells: int(min(ticks/cellTicks, reach)), rest: ticks % cellTicks}
}

// value returns what after does for that time from a cell on.
func (a ahead) value(v *values, cell int) int64 {
	i := cell + a.cells
	if i >= reach {
		return v.g[reach]
	}
	low := v.g[i]
	return low + (v.g[i+1]-low)*a.rest/cellTicks
}
