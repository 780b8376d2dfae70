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
	// coarse is h in units of 256.
	coarse [waits + 1]int64
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
)

// sweep improves the values once. Without drops a hopeless head takes the time of the fastest option.
func (v *values) sweep(s options, limit int64, drops bool, law *gaps) {
	v.coarsen()
	longest := min(waits+int(s[len(s)-1].latency/cellTicks)+1, reach)
	for x := range v.g {
		if x > longest {
			v.g[x] = v.g[longest]
			continue
		}
		v.g[x] = v.next(x, 0, law.total, &law.mass)
	}
	var first int64
	for i := range v.h {
		w := int64(i) * cellTicks
		best := v.after(w)
		if !drops {
			best = v.after(w+s[0].step) - s[0].cost
		}
		for j := range s {
			r, ok := s.reward(j, min(dueTicks-w, limit))
			if !ok {
				if j > 0 {
					break
				}
				continue
			}
			best = max(best, r+v.after(w+s[j].step))
		}
		if i == 0 {
			first = best
		}
		v.h[i] = best - first
	}
	v.gain = first
	v.coarsen()
}

func (v *values) coarsen() {
	for i, h := range v.h {
		v.coarse[i] = h >> 8
	}
}

// next returns E h((x - G)+) for cells x, where gaps G of less than the first from cells are excluded and
// total is the mass that is left.
func (v *values) next(x, from int, total int64, mass *[reach]int64) int64 {
	if total <= 0 {
		return v.h[0]
	}
	// h is 0 at 0, so that gaps of x or more bring nothing.
	var sum, beyond int64
	k, end := from, min(x, reach)
	for ; k < min(end, x-waits); k++ {
		beyond += mass[k]
	}
	if k < end {
		values := v.coarse[x-end+1 : x-k+1]
		for i, m := range mass[k:end] {
			sum += m * values[len(values)-1-i]
		}
	}
	sum += beyond * v.coarse[waits]
	return v.h[0] + (sum/total)<<8
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
