package oracle

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// maxTime bounds times as package sim does, so that no sum of two overflows.
const maxTime = time.Duration(math.MaxInt64 / 2)

const (
	defaultMaxLabels = 1 << 16
	maxServers       = 1 << 10
	maxProblems      = 10 // that Validate lists
)

// Validate returns what makes p unsolvable, the first ten problems joined: no levels or more than
// family.MaxLevels, more requests than trace.MaxRecords, a request twice, times that are negative or
// beyond 146 years, a batch beyond MaxBatch, a latency that is not positive, factors that are negative or
// not finite or too few, slow-downs that are not positive or not in order.
func (p *Problem) Validate() error {
	var errs []error
	add := func(format string, args ...any) {
		if len(errs) < maxProblems {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	p.checkLevels(add)
	p.checkRequests(add)
	for i, s := range p.Profile {
		if !(s.Slowdown > 0) || math.IsInf(s.Slowdown, 0) {
			add("step %d: slow-down %g is not positive and finite", i, s.Slowdown)
		}
		if s.At > maxTime || i > 0 && s.At <= p.Profile[i-1].At {
			add("step %d at %v is not after the one before, or later than %v", i, s.At, maxTime)
		}
	}
	if p.SwitchTime < 0 || p.SwitchTime > maxTime {
		add("switch time %v is outside [0, %v]", p.SwitchTime, maxTime)
	}
	if p.InitialLevel < 0 || p.InitialLevel >= max(1, len(p.Levels)) {
		add("initial level %d is outside [0, %d]", p.InitialLevel, len(p.Levels)-1)
	}
	if p.Servers < 0 || p.Servers > maxServers {
		add("%d servers, want up to %d", p.Servers, maxServers)
	}
	if p.MaxLabels < 0 || p.MaxLabels == 1 {
		add("at most %d labels: want at least 2, or 0 for %d", p.MaxLabels, defaultMaxLabels)
	}
	if len(errs) > 0 {
		return fmt.Errorf("oracle: %w", errors.Join(errs...))
	}
	return nil
}

func (p *Problem) checkLevels(add func(string, ...any)) {
	if n := len(p.Levels); n < 1 || n > family.MaxLevels {
		add("%d levels, want 1 to %d", n, family.MaxLevels)
	}
	for i, l := range p.Levels {
		if err := l.Accuracy.Validate(); err != nil {
			add("level %d: %w", i, err)
		}
		if n := len(l.Latency); n < 1 || n > MaxBatch {
			add("level %d: latencies of %d batch sizes, want 1 to %d", i, n, MaxBatch)
		}
		for b, d := range l.Latency {
			if d <= 0 || d > maxTime {
				add("level %d: latency %v of batch %d is outside (0, %v]", i, d, b+1, maxTime)
			}
		}
	}
}

func (p *Problem) checkRequests(add func(string, ...any)) {
	if len(p.Requests) > trace.MaxRecords {
		add("%d requests, at most %d are allowed", len(p.Requests), trace.MaxRecords)
		return
	}
	if p.Factors != nil && len(p.Factors) != len(p.Requests) {
		add("%d factors for %d requests", len(p.Factors), len(p.Requests))
	}
	for i, f := range p.Factors {
		if !(f >= 0) || math.IsInf(f, 0) {
			add("factor %d is %g, want a finite number of at least 0", i, f)
		}
	}
	seen := make(map[int64]struct{}, len(p.Requests))
	for i, r := range p.Requests {
		if r.Arrival < 0 || r.Arrival > maxTime {
			add("request %d arrives at %v, outside [0, %v]", r.ID, r.Arrival, maxTime)
		}
		if r.Deadline < 0 {
			add("request %d: deadline %v is negative", r.ID, r.Deadline)
		}
		if _, twice := seen[r.ID]; twice {
			add("request %d stands twice among the requests, again at %d", r.ID, i)
		}
		seen[r.ID] = struct{}{}
	}
}

func (p *Problem) servers() int { return max(1, p.Servers) }

// instance is a problem in the form that the algorithms work on: requests with a deadline in order of
// service.
type instance struct {
	ids      []int64
	arrival  []time.Duration
	deadline []time.Duration
	factor   []float64
	// free are requests without a deadline, in order of arrival: each is worth the best level, after
	// all others.
	free []policy.Request
	// freeFactor goes with them.
	freeFactor []float64

	levels  []Level
	value   []int64 // of the levels, fixed point
	batch   int     // largest of any level
	profile profile
	// switchTime, initial: see Problem.
	switchTime time.Duration
	initial    int
	maxLabels  int
	// unequal: factors differ among requests with a deadline.
	unequal bool
}

func (p *Problem) instance() *instance {
	in := &instance{
		levels: p.Levels, profile: p.Profile, switchTime: p.SwitchTime, initial: p.InitialLevel,
		maxLabels: cmp.Or(p.MaxLabels, defaultMaxLabels),
	}
	for _, l := range p.Levels {
		in.value = append(in.value, toFixed(l.Accuracy))
		in.batch = max(in.batch, len(l.Latency))
	}
	order := make([]int32, len(p.Requests))
	for i := range order {
		order[i] = int32(i)
	}
	// In order of arrivals; whether that is the order of deadlines too is seen afterwards.
	slices.SortFunc(order, func(i, j int32) int {
		a, b := p.Requests[i], p.Requests[j]
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Deadline, b.Deadline), cmp.Compare(a.ID, b.ID))
	})
	for _, i := range order {
		r, f := p.Requests[i], 1.0
		if p.Factors != nil {
			f = p.Factors[i]
		}
		if r.Deadline == 0 {
			in.free, in.freeFactor = append(in.free, r), append(in.freeFactor, f)
			continue
		}
		in.add(r.ID, r.Arrival, r.Deadline, f)
	}
	return in
}

func (in *instance) add(id int64, arrival, deadline time.Duration, factor float64) {
	in.ids = append(in.ids, id)
	in.arrival = append(in.arrival, arrival)
	in.deadline = append(in.deadline, deadline)
	in.factor = append(in.factor, factor)
	in.unequal = in.unequal || factor != in.factor[0]
}

// agreeable reports whether deadlines do not descend in the order of arrivals.
func (in *instance) agreeable() bool { return slices.IsSorted(in.deadline) }

// best returns the most accurate level, among equals the fastest one.
func (in *instance) best() int {
	best := 0
	for l := range in.levels {
		if in.value[l] > in.value[best] || in.value[l] == in.value[best] && in.levels[l].Latency[0] < in.levels[best].Latency[0] {
			best = l
		}
	}
	return best
}

// freeUtility returns what requests without a deadline are worth.
func (in *instance) freeUtility() int64 { return int64(len(in.free)) * in.value[in.best()] }
