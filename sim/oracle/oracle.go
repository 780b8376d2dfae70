// Package oracle computes what nobody can know beforehand: the best that any policy could have done
// on requests whose arrivals, deadlines and latencies are all known. What a policy lacks to it is its
// regret.
//
// It maximises effective accuracy: the sum over requests answered on time of the accuracy of their
// levels, divided by all requests. For one server and requests whose deadlines come in the order of
// their arrivals the optimum is exact, with the schedule that reaches it; otherwise the answer is an
// upper bound and says so.
//
// # The model
//
// A schedule serves requests one batch at a time, without preemption, or gives them up. A batch of b
// requests at level l starts when the server is free and all of them have arrived, after the switch
// time if another level is loaded. It takes
//
//	latency of the level at batch b x factor of the first request x slow-down
//
// where the slow-down is integrated over the inference: part of the work is done at the old pace and
// the rest at the new one, and the end is rounded to the nanosecond once. With batches of one this is
// exactly what package sim simulates, so no policy that sim plays does better than the oracle.
//
// # What is exact
//
// Order of service is that of package sim: deadline, then arrival, then number. The solution is the
// best of all schedules that serve in this order, with batches of neighbours, whatever they give up,
// serve late or idle. That it is also the best of all orders and batches is an exchange argument: if
// two requests agree in the order of arrivals and deadlines, what serves the later one first may as
// well serve the earlier one there. It holds if all factors are equal; and, but for the rounding to
// nanoseconds under a slow-down, if batches are single and switching costs nothing. Unequal factors
// with batches or switch times leave it the best in order of service, which is the order in which
// policies are asked.
//
// The package draws no arrivals, predicts nothing and weighs no energy.
package oracle

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// Problem is what happened, and what could have been done about it. It is only read.
type Problem struct {
	// Requests are in any order. A deadline of 0 is none: such a request counts whenever it is served.
	Requests []policy.Request
	// Factors multiply the latencies of each request, in the order of Requests; nil stands for 1. A
	// batch has the factor of its first request.
	Factors []float64
	// Levels are what a request may be served at, in any order.
	Levels []Level
	// Profile is the slow-down of the server over time, ascending; before the first step it is 1.
	Profile []Step
	// SwitchTime passes before an inference at another level than the one before; InitialLevel is
	// loaded at the start. With a switch time every level has labels of its own, so it takes longer.
	SwitchTime   time.Duration
	InitialLevel int
	// Servers is the number of equal servers, 1 by default. More than one has a bound only.
	Servers int
	// MaxLabels bounds the labels alive at a time, 65536 by default. Beyond it neighbouring labels are
	// merged, which makes the solution a bound.
	MaxLabels int
}

// Level is a way to serve.
type Level struct {
	Accuracy unit.Accuracy
	// Latency is that of an inference by its batch size: Latency[0] of one request, up to MaxBatch.
	Latency []time.Duration
}

// Step begins a time with a constant slow-down.
type Step struct {
	At       time.Duration
	Slowdown float64 // inferences take that many times as long from here on
}

// MaxBatch is the largest batch.
const MaxBatch = 8

// Solution is the optimum or a bound on it.
type Solution struct {
	// Exact reports whether this is the optimum; otherwise no schedule does better, but perhaps none
	// does that well.
	Exact bool
	// Method says in a few words how it was found.
	Method string
	// Requests is their number, Utility the sum of the accuracies of those on time.
	Requests int
	Utility  float64
	// Decisions has an entry for each request in order of service, those without a deadline last; nil
	// unless the solution is exact.
	Decisions []Decision
	// Labels is the largest number of labels that were alive at a time.
	Labels int
}

// Decision is what becomes of a request.
type Decision struct {
	Request int64 // its ID
	// Batch is the size of the batch in which it is served, 0 if it is given up; then everything else
	// is 0 too. The requests of a batch follow each other.
	Batch int
	Level int
	// Start and End of the inference, switching before it excluded.
	Start, End time.Duration
}

// EffectiveAccuracy returns the utility per request, 0 without requests.
func (s *Solution) EffectiveAccuracy() unit.Accuracy {
	if s.Requests == 0 {
		return 0
	}
	return unit.Accuracy(s.Utility / float64(s.Requests))
}

// Regret returns what a policy's effective accuracy on the same requests lacks, as a fraction: 0.012
// is 1.2 points. If the solution is a bound, the regret is at most that.
func (s *Solution) Regret(achieved unit.Accuracy) float64 {
	return float64(s.EffectiveAccuracy() - achieved)
}

// Solve returns the optimum of p if it can, see the package's documentation; otherwise what
// [Bound] returns. It looks at each request once, with all labels alive: pairs of the time at which the server
// is free and the utility so far, none of which is worse than another in both.
//
// It returns p's Validate error or the context's.
func Solve(ctx context.Context, p Problem) (*Solution, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	in := p.instance()
	if !in.agreeable() || p.servers() > 1 {
		return bound(ctx, &p, in)
	}
	result, err := in.solve(ctx)
	if err != nil {
		return nil, fmt.Errorf("oracle: %w", err)
	}
	s := &Solution{
		Exact: result.exact, Method: "labels", Requests: len(p.Requests), Labels: result.labels,
		Utility: fromFixed(result.utility + in.freeUtility()),
	}
	if !s.Exact {
		s.Method = "labels, merged beyond the limit"
		return s, nil
	}
	s.Decisions = in.schedule(result.plan)
	return s, nil
}

// BestStatic returns the best that a single level can do, given that it is loaded at the start and
// everything else is known, and which level that is.
//
// It returns p's Validate error or the context's.
func BestStatic(ctx context.Context, p Problem) (level int, best *Solution, err error) {
	if err := p.Validate(); err != nil {
		return 0, nil, err
	}
	for l := range p.Levels {
		one := p
		one.Levels = p.Levels[l : l+1]
		one.SwitchTime, one.InitialLevel = 0, 0
		s, err := Solve(ctx, one)
		if err != nil {
			return 0, nil, err
		}
		for i := range s.Decisions {
			if s.Decisions[i].Batch > 0 {
				s.Decisions[i].Level = l
			}
		}
		if best == nil || s.Utility > best.Utility {
			level, best = l, s
		}
	}
	return level, best, nil
}

// Utilities are summed as whole numbers of 1e-12, so that sums are exact, ties are ties and every
// machine finds the same schedule. 2^22 requests of accuracy 1 make 4.2e18 of them, below 2^63.
const fixedUnit = 1e12

func toFixed(a unit.Accuracy) int64   { return int64(math.Round(float64(a) * fixedUnit)) }
func fromFixed(utility int64) float64 { return float64(utility) / fixedUnit }
