package profile

import (
	"context"
	"slices"
)

// warm runs rounds that are dropped: a fixed number, or until a round is not faster than the one
// before by more than 2% in the median of all units.
func (r *run) warm(ctx context.Context) error {
	since := r.elapsed()
	most := r.Warmup
	if most == 0 {
		most = mostWarm
	}
	var before []Sample
	for i := range most {
		now, err := r.round(ctx, i, true)
		if err != nil {
			return err
		}
		r.warmup++
		r.Progress(Progress{Phase: Warming, Done: i + 1, Total: most, Elapsed: r.elapsed(), Since: since})
		if r.Clock == Auto {
			r.Clock = r.detectClock(now.units)
		}
		if r.Warmup == 0 && before != nil && medianRatio(now.units, before) >= 0.98 {
			break
		}
		before = now.units
	}
	return nil
}

// detectClock takes processor time if the meter tells it, but for a few samples.
func (r *run) detectClock(all []Sample) Clock {
	untold := 0
	for _, s := range all {
		if s.CPU <= 0 {
			untold++
		}
	}
	if float64(untold) > mostUntold*float64(len(all)) {
		return Wall
	}
	return Thread
}

// mostUntold is the share of samples without processor time that a meter may have which tells it: a
// hypervisor that takes the processor away may leave nothing on the thread's clock. Such a sample is
// taken again, and counts nowhere.
const mostUntold = 0.05

// medianRatio returns the median of the ratios of two rounds' wall times.
func medianRatio(now, before []Sample) float64 {
	ratios := make([]float64, len(now))
	for i := range now {
		ratios[i] = float64(now[i].Wall) / float64(before[i].Wall)
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}
