package oracle

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Bound returns an upper bound on what any schedule of p gives, in whatever order and whichever
// batches: the least of those that apply.
//
//   - Relaxed deadlines, relaxed arrivals: one server, with deadlines moved back or arrivals moved
//     forward just so far that both come in the same order; this is solved exactly.
//   - Interval cuts: what is on time with arrival and deadline inside an interval took the servers' time
//     there, of which there is no more than its length. A request may be served at several levels in part.
//
// Both ignore switch times. Where factors differ and batches are larger than one, a batch may have any
// request first, so all batches have the least factor. The bound is weak where relative deadlines
// differ much; for equal ones [Solve] has the optimum.
//
// It returns p's Validate error or the context's.
func Bound(ctx context.Context, p Problem) (*Solution, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return bound(ctx, &p, p.instance())
}

func bound(ctx context.Context, p *Problem, in *instance) (*Solution, error) {
	value, err := in.cuts(ctx, p.servers())
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	s := &Solution{Method: "upper bound: interval cuts", Requests: len(p.Requests), Utility: value}
	if p.servers() == 1 {
		for _, relaxed := range []struct {
			method string
			*instance
		}{
			{"upper bound: relaxed deadlines", in.relaxed().lateDeadlines()},
			{"upper bound: relaxed arrivals", in.relaxed().earlyArrivals()},
		} {
			result, err := relaxed.solve(ctx)
			if err != nil {
				return nil, fmt.Errorf("oracle: %w", err)
			}
			s.Labels = max(s.Labels, result.labels)
			if u := fromFixed(result.utility); u < s.Utility {
				s.Utility, s.Method = u, relaxed.method
			}
		}
	}
	s.Utility += fromFixed(in.freeUtility())
	return s, nil
}

// relaxed returns an instance that any order of service and any batches solve no better than its own
// order, and that is worth no less.
func (in *instance) relaxed() *instance {
	r := *in
	r.switchTime, r.initial, r.free = 0, 0, nil
	r.arrival, r.deadline = slices.Clone(in.arrival), slices.Clone(in.deadline)
	switch {
	case in.unequal && in.batch > 1:
		r.factor = slices.Repeat([]float64{slices.Min(in.factor)}, len(in.factor))
		r.unequal = false
	case in.unequal && len(in.profile) > 0:
		// In another order each end may be rounded otherwise, and a later step of the profile stretches that.
		low, high := in.profile.extremes()
		slack := time.Duration(min(math.Ceil(float64(len(in.ids))*high/low), float64(maxTime)))
		for i, d := range r.deadline {
			r.deadline[i] = min(d, math.MaxInt64-slack) + slack
		}
	}
	return &r
}

// lateDeadlines moves deadlines back until they come in the order of arrivals.
func (in *instance) lateDeadlines() *instance {
	latest := time.Duration(0)
	for i, d := range in.deadline {
		latest = max(latest, d)
		in.deadline[i] = latest
	}
	return in
}

// earlyArrivals moves arrivals forward until they come in the order of deadlines.
func (in *instance) earlyArrivals() *instance {
	order := make([]int, len(in.ids))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(in.deadline[i], in.deadline[j]) })
	r := *in
	r.ids, r.arrival, r.deadline, r.factor = nil, nil, nil, nil
	for _, i := range order {
		r.add(in.ids[i], in.arrival[i], in.deadline[i], in.factor[i])
	}
	earliest := time.Duration(math.MaxInt64)
	for i, a := range slices.Backward(r.arrival) {
		earliest = min(earliest, a)
		r.arrival[i] = earliest
	}
	return &r
}
