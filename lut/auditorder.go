package lut

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Limits of the checks of order.
const (
	// faultyInversions is the share of inverted pairs above which they are a fault. Real kernels
	// invert now and then: an implementation for 3x3 may be worse than that for 5x5.
	faultyInversions = 0.05
	// faultyFall is the fall of a column's sum, relative to the column before it, that is a fault.
	faultyFall = 0.01
	// flatGain is the growth of latency per growth of multiply-accumulates (both as logarithms)
	// below which latency does not follow the choice. Published tables of CPUs have 0.8 to 2.
	flatGain = 0.1
	// fewPairs is below how many pairs nothing is called flat.
	fewPairs = 10
)

// axis is a choice of the space along which latency should rise.
type axis struct {
	name        string
	order, flat Code
	size        func(supernet.Block) int
	without     func(supernet.Block) supernet.Block
}

func (a *auditor) kernels() error {
	return a.pairs(axis{"kernel", CodeKernelOrder, CodeKernelFlat,
		func(b supernet.Block) int { return b.Kernel },
		func(b supernet.Block) supernet.Block { b.Kernel = 0; return b }})
}

func (a *auditor) expands() error {
	return a.pairs(axis{"expand ratio", CodeExpandOrder, CodeExpandFlat,
		func(b supernet.Block) int { return b.Mid },
		func(b supernet.Block) supernet.Block { b.Mid = 0; return b }})
}

// pairs compares neighbours along an axis.
func (a *auditor) pairs(x axis) error {
	var gains []float64
	var evidence []ranked
	raw, count, of := 0, 0, 0
	for _, group := range a.groups(x) {
		for i := 1; i < len(group); i++ {
			small, large := group[i-1], group[i]
			of++
			ratio := float64(large.Latency.Central() / small.Latency.Central())
			if gain := math.Log(ratio) / math.Log(float64(large.Key.Block.MACs())/float64(small.Key.Block.MACs())); !math.IsNaN(gain) {
				gains = append(gains, gain)
			}
			if !(large.Latency.Central() < small.Latency.Central()) {
				continue
			}
			raw++
			if overlap(small.Latency, large.Latency) {
				continue
			}
			count++
			evidence = append(evidence, ranked{1 - ratio, Evidence{large.Key.String(), fmt.Sprintf("%v, %s below the %v of the next smaller %s %d",
				large.Latency.Central(), percent(1-ratio), small.Latency.Central(), x.name, x.size(small.Key.Block))}})
		}
	}
	switch {
	case of == 0:
		a.skip(x.order, "no two entries differ in the %s alone", x.name)
	case raw == 0:
		a.pass(x.order, "in %d pairs of entries that differ in the %s alone, the larger costs no less", of, x.name)
	default:
		f := Finding{Code: x.order, Severity: Doubt, Count: count, Of: of, Raw: raw, Evidence: worst(evidence)}
		f.Message = fmt.Sprintf("the larger %s is cheaper in %d of %d pairs of entries that differ in nothing else", x.name, raw, of)
		switch {
		case count == 0:
			f.Severity = Note
			f.Message += ", in each within the intervals of both"
		case count < raw:
			f.Message += fmt.Sprintf(", in %d of them outside the intervals of both", count)
		}
		if float64(count) > faultyInversions*float64(of) {
			f.Severity = Fault
		}
		a.find(f)
	}
	a.flat(x.flat, x.name, gains)
	return nil
}

// flat judges how latency follows arithmetic.
func (a *auditor) flat(code Code, name string, gains []float64) {
	if len(gains) < fewPairs {
		a.skip(code, "%d pairs of entries are too few to tell", len(gains))
		return
	}
	gain := round2(median(gains))
	if gain >= flatGain {
		a.pass(code, "latency grows with the %s: by x^%.2f where multiply-accumulates grow by x, in the median of %d pairs", name, gain, len(gains))
		return
	}
	low := 0
	for _, g := range gains {
		if g < flatGain {
			low++
		}
	}
	a.find(Finding{Code: code, Severity: Doubt, Count: low, Of: len(gains),
		Message: fmt.Sprintf("latency does not follow the %s: it grows by x^%.2f where multiply-accumulates grow by x, in the median of %d pairs; "+
			"launches were timed, because they dominate or because nobody waited for the device", name, gain, len(gains))})
}

// round2 rounds to what a message shows, so that no "-0.00" comes out.
func round2(f float64) float64 { return math.Round(f*100)/100 + 0 }

// groups returns the entries of inverted residuals and bottlenecks that differ in one choice alone, by rising size,
// the groups in the order of the table.
func (a *auditor) groups(x axis) [][]Entry {
	var groups [][]Entry
	index := map[Key]int{}
	for _, e := range a.entries {
		if e.Key.Block.Mid == 0 { // no choice of either
			continue
		}
		k := Key{e.Key.Resolution, x.without(e.Key.Block)}
		i, ok := index[k]
		if !ok {
			i = len(groups)
			index[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], e)
	}
	for _, g := range groups {
		slices.SortFunc(g, func(p, q Entry) int { return x.size(p.Key.Block) - x.size(q.Key.Block) })
	}
	return groups
}

// overlap reports whether both intervals are known and have a point in common.
func overlap(a, b Latency) bool { return a.CIHigh >= b.CILow && b.CIHigh >= a.CILow }

// column is the sum of all entries at one resolution.
type column struct {
	resolution int
	n          int
	sum        float64 // ns
	macs       float64
	half       float64 // half the sum's interval; NaN if an entry has none
}

// columns compares the sums of all entries, resolution by resolution.
func (a *auditor) columns() error {
	columns, err := a.sumColumns()
	if err != nil {
		return err
	}
	if len(columns) < 2 {
		a.skip(CodeResolutionOrder, "fewer than two resolutions have all their entries")
		a.skip(CodeResolutionFlat, "fewer than two resolutions have all their entries")
		return nil
	}
	var evidence []ranked
	raw, at, largest := 0, 0, 0.0
	for i := 1; i < len(columns); i++ {
		low, high := columns[i-1], columns[i]
		if high.sum > low.sum {
			continue
		}
		raw++
		fall := 1 - high.sum/low.sum
		if low.sum-high.sum <= math.Hypot(low.half, high.half) {
			continue
		}
		if fall >= largest {
			largest, at = fall, outlier(columns, i)
		}
		evidence = append(evidence, ranked{fall, Evidence{fmt.Sprintf("r=%d", low.resolution),
			fmt.Sprintf("%.1f ms over %d entries, and %.1f ms at r=%d: %s less", low.sum/1e6, low.n, high.sum/1e6, high.resolution, percent(fall))}})
	}
	steps, count := len(columns)-1, len(evidence)
	if raw == 0 {
		a.pass(CodeResolutionOrder, "the sum of all entries rises with each of %d steps in resolution", steps)
	} else {
		f := Finding{Code: CodeResolutionOrder, Severity: Doubt, Count: count, Of: steps, Raw: raw, Evidence: worst(evidence)}
		f.Message = fmt.Sprintf("the sum of all entries does not rise in %d of %d steps to a higher resolution", raw, steps)
		if count > 0 {
			f.Message += "; " + outOfOrder(columns, at)
		} else {
			f.Severity = Note
			f.Message += ", in each within the interval of the sums"
		}
		if largest > faultyFall {
			f.Severity = Fault
		}
		a.find(f)
	}
	a.flatColumns(columns)
	return nil
}

// outlier returns which column a fall from i-1 to i is to be put down to: the one without which the others
// fall less, and if that is equal the one whose time for its arithmetic is further from the others'.
func outlier(columns []column, i int) int {
	a, b := fallsWithout(columns, i-1), fallsWithout(columns, i)
	if b < a || b == a && oddity(columns, i) > oddity(columns, i-1) {
		return i
	}
	return i - 1
}

// fallsWithout adds up by how much the sums of all columns but one fall, in nanoseconds.
func fallsWithout(columns []column, without int) float64 {
	falls, before := 0.0, 0.0
	for i, c := range columns {
		if i != without {
			falls += max(0, before-c.sum)
			before = c.sum
		}
	}
	return falls
}

// oddity is how far a column's time for each multiply-accumulate is from the median of the others', as a
// magnitude of logarithms.
func oddity(columns []column, of int) float64 {
	var others []float64
	for i, c := range columns {
		if i != of {
			others = append(others, c.sum/c.macs)
		}
	}
	return math.Abs(math.Log(columns[of].sum / columns[of].macs / median(others)))
}

// outOfOrder names a column and the range of all others.
func outOfOrder(columns []column, at int) string {
	low, high := math.Inf(1), 0.0
	for i, c := range columns {
		if i != at {
			low, high = min(low, c.sum), max(high, c.sum)
		}
	}
	return fmt.Sprintf("r=%d is the most out of order with %.1f ms, the others have %.1f to %.1f ms", columns[at].resolution, columns[at].sum/1e6, low/1e6, high/1e6)
}

func (a *auditor) flatColumns(columns []column) {
	first, last := columns[0], columns[len(columns)-1]
	gain := math.Log(last.sum/first.sum) / math.Log(last.macs/first.macs)
	text := fmt.Sprintf("from r=%d to r=%d multiply-accumulates grow %.2f times, the sum of all entries %.2f times",
		first.resolution, last.resolution, last.macs/first.macs, last.sum/first.sum)
	if last.macs < 1.1*first.macs {
		a.skip(CodeResolutionFlat, "resolutions %d and %d are too close to tell", first.resolution, last.resolution)
		return
	}
	if gain < flatGain {
		a.find(Finding{Code: CodeResolutionFlat, Severity: Doubt, Count: 1, Of: 1, Message: "latency does not follow the resolution: " + text})
		return
	}
	a.pass(CodeResolutionFlat, "%s", text)
}

// sumColumns returns the sums of the resolutions that have as many entries as the fullest one, by
// resolution. Entries that serve every resolution take part where the space says which belong to one.
func (a *auditor) sumColumns() ([]column, error) {
	byResolution := map[int][]Entry{}
	for _, e := range a.entries {
		byResolution[e.Key.Resolution] = append(byResolution[e.Key.Resolution], e)
	}
	if common := byResolution[0]; len(common) > 0 && a.o.Space != nil {
		index := make(map[supernet.Block]Entry, len(common))
		for _, e := range common {
			index[e.Key.Block] = e
		}
		for _, r := range a.o.Space.Resolutions {
			blocks, err := a.o.Space.DistinctBlocks(r)
			if err != nil {
				return nil, err
			}
			own := map[supernet.Block]bool{}
			for _, e := range byResolution[r] {
				own[e.Key.Block] = true
			}
			for _, b := range blocks {
				if e, ok := index[b]; ok && !own[b] {
					byResolution[r] = append(byResolution[r], e)
				}
			}
		}
	}
	delete(byResolution, 0)
	var columns []column
	fullest := 0
	for r, entries := range byResolution {
		c := column{resolution: r, n: len(entries)}
		squares := 0.0
		for _, e := range entries {
			c.sum += float64(e.Latency.Central())
			c.macs += float64(e.Key.Block.MACs())
			half := float64(e.Latency.CIHigh-e.Latency.CILow) / 2
			squares += float64(half * half)
		}
		c.half = math.Sqrt(squares)
		columns = append(columns, c)
		fullest = max(fullest, c.n)
	}
	columns = slices.DeleteFunc(columns, func(c column) bool { return c.n < fullest })
	slices.SortFunc(columns, func(x, y column) int { return x.resolution - y.resolution })
	return columns, nil
}
