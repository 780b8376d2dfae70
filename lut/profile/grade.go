package profile

import (
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// DefaultPeak bounds what one processor thread can do, in floating-point operations per second: two
// fused multiply-adds of 16 numbers in each cycle (AVX-512; Arm's are narrower) at 6 GHz. No
// processor sold by 2026 does more in float32 on one thread.
const DefaultPeak = 2 * 2 * 16 * 6e9

// limits are what a grade allows at most.
var limits = []struct {
	grade     lut.Grade
	half      float64 // half-width of the median's interval over the median
	drift     float64 // change of the median from the first half of the samples to the second
	preempted float64 // share of samples
}{
	{lut.GradeA, 0.01, 0.02, 0.10},
	{lut.GradeB, 0.025, 0.05, 0.30},
	{lut.GradeC, 0.05, 0.10, 0.60},
}

// grade grades an entry from its statistics and the samples they rest on, and says why wherever it is
// not A or B. floor is the least time in which the work can be done.
func grade(l lut.Latency, times []time.Duration, total int, floor time.Duration) (lut.Grade, []string) {
	var why []string
	worst := lut.GradeA
	judge := func(value float64, limit func(i int) float64, reason string) {
		g := lut.GradeD
		for i := len(limits) - 1; i >= 0 && value <= limit(i); i-- {
			g = limits[i].grade
		}
		if g.Worse(worst) {
			worst = g
		}
		if g.Worse(lut.GradeB) {
			why = append(why, reason)
		}
	}
	if half := HalfWidth(l); math.IsNaN(half) {
		worst = lut.GradeD
		why = append(why, fmt.Sprintf("%d samples are too few for an interval of the median, which needs %d", l.N, MinMedian))
	} else if float64(l.CIHigh-l.CILow)/2 > float64(goodEnough) {
		judge(half, func(i int) float64 { return limits[i].half }, fmt.Sprintf("the 95%% interval of the median is +-%.1f%%", 100*half))
	}
	d := drift(times)
	judge(math.Abs(d), func(i int) float64 { return limits[i].drift }, fmt.Sprintf("the median moved by %+.1f%% from the first half of the samples to the second", 100*d))
	share := float64(l.Preempted) / float64(max(1, total))
	judge(share, func(i int) float64 { return limits[i].preempted }, fmt.Sprintf("%d of %d samples were preempted", l.Preempted, total))
	if l.P50 < unit.Nanos(floor) {
		worst = lut.GradeD
		why = append(why, fmt.Sprintf("the median %v is below the roofline: no processor of this kind does the work in less than %v; did the meter wait for the result?", l.P50, floor))
	}
	return worst, why
}

// drift returns how much the median moved from the first half of the samples to the second, relative
// to all; 0 if the two halves' intervals overlap, because then nothing moved for certain.
func drift(times []time.Duration) float64 {
	if len(times) < 2*MinMedian {
		return 0
	}
	a, b := Summarize(times[:len(times)/2]), Summarize(times[len(times)/2:])
	if a.CILow <= b.CIHigh && b.CILow <= a.CIHigh || b.CIHigh-a.CILow < unit.Nanos(goodEnough) && a.CIHigh-b.CILow < unit.Nanos(goodEnough) {
		return 0
	}
	return float64((b.P50 - a.P50) / Summarize(times).P50)
}

// roofline returns the least time in which blocks can be done: two operations per multiply-accumulate
// at the peak.
func (c Config) roofline(blocks ...supernet.Block) time.Duration {
	if c.Peak < 0 {
		return 0
	}
	macs := int64(0)
	for _, b := range blocks {
		macs += b.MACs()
	}
	return time.Duration(2 * float64(macs*int64(max(1, c.Point.Batch))) / c.Peak * 1e9)
}

// gradeTable grades a table: the best grade that entries with nine tenths of the summed time have or
// exceed, lowered to C by each of the caps, which say what is doubtful about the whole.
func gradeTable(t *lut.Table, caps []string) {
	var all, good float64
	for _, e := range t.Entries {
		all += float64(e.Latency.Central())
	}
	t.Grade = lut.GradeD
	for _, g := range []lut.Grade{lut.GradeA, lut.GradeB, lut.GradeC} {
		good = 0
		for _, e := range t.Entries {
			if !e.Latency.Grade.Worse(g) {
				good += float64(e.Latency.Central())
			}
		}
		if good >= 0.9*all {
			t.Grade = g
			break
		}
	}
	if len(caps) > 0 && lut.GradeC.Worse(t.Grade) {
		t.Grade = lut.GradeC
	}
	t.Warnings = append(t.Warnings, caps...)
	if text := t.GradeWarning(); text != "" {
		t.Warnings = append(t.Warnings, text)
	}
}
