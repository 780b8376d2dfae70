package policy

import (
	"math"
	"math/bits"
	"time"
)

// gaps is the law of the time between arrivals: the gaps that were observed last, rounded to cells of a
// grid so that the mean is kept. Its moments are not needed: the law itself goes into the table, so
// arrival rate, burstiness and the regularity of a camera all count.
type gaps struct {
	ring  [gapCount]time.Duration
	count int
	next  int

	seen     bool
	last     time.Duration // latest arrival seen
	lastID   int64
	free     time.Duration // end of the last inference
	idle     int           // arrivals in a row that found the processor idle, at most loopCap
	idleLow  time.Duration // of the time since the end of the inference before, over these
	idleHigh time.Duration
	gapLow   time.Duration
	gapHigh  time.Duration

	mass  [reach]int64 // by cells; what is missing to total is beyond
	total int64
	doubt float64         // relative standard error of the mean gap
	stale bool            // mass is not up to date
	share [gapCount]share // of each of the ring in mass
	due   time.Duration   // that all shares are for, 0: they are not up to date
	fresh int             // gaps that came since
}

// share says where a gap counts in the law: part of it in the cell behind that of its own, the rest in its own.
type share struct{ cell, part uint8 }

// beyond is the cell of gaps that are too long to count in any.
const beyond = reach - 1

const (
	gapCount = 256
	gapPrior = 4   // gaps that the prior counts as
	gapUnit  = 256 // mass of one gap
	loopSure = 8   // arrivals that show a closed loop
	loopCap  = 1 << 20
	maxSpan  = time.Duration(1 << 50) // 13 days; longer times are cut to it
)

// ended takes note of the end of an inference.
func (g *gaps) ended(end time.Duration) { g.free = end }

// look takes in those of the visible requests that arrived since the last look.
func (g *gaps) look(o *Observation) {
	for i := range o.Queue {
		r := &o.Queue[i]
		switch {
		case !g.seen:
			g.seen = true
		case r.Arrival > g.last:
			g.add(r.Arrival)
		case r.Arrival == g.last && r.ID > g.lastID:
			g.add(r.Arrival)
		default:
			continue
		}
		g.last, g.lastID = r.Arrival, r.ID
	}
}

func (g *gaps) add(arrival time.Duration) {
	gap := min(arrival-g.last, maxSpan)
	g.ring[g.next] = gap
	g.next = (g.next + 1) % gapCount
	g.count = min(g.count+1, gapCount)
	g.stale, g.fresh = true, g.fresh+1
	if arrival < g.free {
		g.idle = 0
		return
	}
	idle := min(arrival-g.free, maxSpan)
	if g.idle == 0 {
		g.idleLow, g.idleHigh, g.gapLow, g.gapHigh = idle, idle, gap, gap
	}
	g.idle = min(g.idle+1, loopCap)
	g.idleLow, g.idleHigh = min(g.idleLow, idle), max(g.idleHigh, idle)
	g.gapLow, g.gapHigh = min(g.gapLow, gap), max(g.gapHigh, gap)
}

// closed reports whether requests seem to wait for answers: all that came lately came a constant time
// after one, or at once. In such a loop nobody ever queues, and the gaps are the policy's own doing.
func (g *gaps) closed() bool {
	return g.idle >= loopSure &&
		(g.idleHigh <= g.gapLow/64 || (g.idleHigh-g.idleLow) < (g.gapHigh-g.gapLow)/8)
}

// refresh computes the law on a grid of cells of which perDue make due. The prior is an exponential law
// with mean due. Where the ring is full it only replaces what left by what came.
func (g *gaps) refresh(due time.Duration) {
	g.stale = false
	defer g.estimate()
	switch {
	case g.closed():
		clear(g.mass[:])
		g.total, g.due = gapUnit, 0
		return
	case g.due == due && g.fresh < gapCount:
		for i := range g.fresh {
			at := (g.next + gapCount - 1 - i) % gapCount
			g.weigh(at, -1)
			g.place(at, due)
			g.weigh(at, 1)
		}
		g.fresh = 0
		return
	}
	clear(g.mass[:])
	g.total, g.due, g.fresh = int64(g.count)*gapUnit, 0, 0
	if g.count == gapCount {
		g.due = due
	}
	for i := range g.count {
		g.place(i, due)
		g.weigh(i, 1)
	}
	if g.count < gapCount/4 {
		g.total += gapPrior * gapUnit
		left := int64(gapPrior * gapUnit * 64)
		for i := range g.mass {
			part := left / perDue
			g.mass[i] += part / 64
			left -= part
		}
	}
}

// estimate computes doubt from the law; what is beyond it counts as reach.
func (g *gaps) estimate() {
	var sum, squares int64 // of cells
	rest := g.total
	for k, m := range g.mass {
		rest -= m
		sum += int64(k) * m
		squares += int64(k*k) * m
	}
	sum += rest * reach
	squares += rest * reach * reach
	g.doubt = 0
	if sum > 0 {
		mean := float64(sum) / float64(g.total)
		variance := float64(squares)/float64(g.total) - float64(mean*mean)
		g.doubt = math.Sqrt(max(variance, 0)*gapUnit/float64(g.total)) / mean
	}
}

// place computes the share of a gap of the ring.
func (g *gaps) place(i int, due time.Duration) {
	g.share[i] = share{cell: beyond}
	hi, lo := bits.Mul64(uint64(g.ring[i]), perDue*gapUnit)
	if hi >= uint64(due) {
		return
	}
	if at, _ := bits.Div64(hi, lo, uint64(due)); at < beyond*gapUnit {
		g.share[i] = share{cell: uint8(at / gapUnit), part: uint8(at % gapUnit)}
	}
}

// weigh adds a gap of the ring so many times.
func (g *gaps) weigh(i int, times int64) {
	if s := g.share[i]; s.cell < beyond {
		g.mass[s.cell] += times * (gapUnit - int64(s.part))
		g.mass[s.cell+1] += times * int64(s.part)
	}
}
