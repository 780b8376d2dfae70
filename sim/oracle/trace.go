package oracle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// ErrClosedLoop is wrapped by the error of [FromTrace] for a closed loop.
var ErrClosedLoop = errors.New("each request came when the one before was answered: in such a closed loop other decisions bring other arrivals, and there is no optimum over the recorded ones")

// World is what made the latencies of a simulated run: latency = the family's x slow-down x factor.
type World struct {
	Profile []Step
	// Factor returns the factor of a request by its ID, nil stands for 1.
	Factor       func(request int64) float64
	SwitchTime   time.Duration
	InitialLevel int
}

// TraceOptions say what a trace does not.
type TraceOptions struct {
	// World is known for simulated runs, where requests of the same ID have the same factor under every
	// policy. Without it each request has the factor by which its recorded inference took longer than
	// the family says, and keeps it whenever and at whichever level it is served; one that was not
	// answered has that of the inference before it. Switching then costs nothing. So the recorded run
	// is one of those that the oracle chooses from.
	World *World
	// AsRecorded takes the arrivals of a closed loop for given.
	AsRecorded bool
}

// FromTrace makes a problem of a recorded run: its requests, and the levels of its family with their
// batches. If more than one processor served, the problem has as many servers, each as fast as the fastest of them
// and undisturbed, and [Solve] returns a bound.
//
// It returns an error if the trace has no records or an invalid family, if several processors served and a
// slow-down is below 1, or one that wraps ErrClosedLoop if the recorded times show a closed loop. A loop whose
// inferences all take the same time cannot be told from periodic arrivals: who knows should not ask.
func FromTrace(t *trace.Trace, o TraceOptions) (Problem, error) {
	fail := func(err error) (Problem, error) {
		name := ""
		if t.Name != "" {
			name = t.Name + ": "
		}
		return Problem{}, fmt.Errorf("oracle: %s%w", name, err)
	}
	if len(t.Records) == 0 {
		return fail(errors.New("the trace has no records"))
	}
	model, err := policy.NewModel(&t.Header.Family)
	if err != nil {
		return fail(err)
	}
	processor, servers, err := servedOn(t, model)
	if err != nil {
		return fail(err)
	}
	if !o.AsRecorded && closedLoop(t.Records) {
		return fail(ErrClosedLoop)
	}
	var p Problem
	for i := range model.Levels {
		l := &model.Levels[i]
		level := Level{Accuracy: l.Accuracy}
		for q := range model.Processors {
			if servers == 1 && q != processor {
				continue
			}
			for b := 1; b <= l.Largest(q); b++ {
				if b > len(level.Latency) {
					level.Latency = append(level.Latency, l.Of(q, b))
				}
				level.Latency[b-1] = min(level.Latency[b-1], l.Of(q, b))
			}
		}
		p.Levels = append(p.Levels, level)
	}
	p.Servers = servers
	for i := range t.Records {
		r := &t.Records[i]
		p.Requests = append(p.Requests, policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline})
	}
	w := o.World
	if w == nil {
		p.Factors = recordedFactors(t.Records, p.Levels)
		return p, nil
	}
	p.Profile, p.SwitchTime, p.InitialLevel = w.Profile, w.SwitchTime, w.InitialLevel
	if servers > 1 {
		p.Profile, p.SwitchTime, p.InitialLevel = nil, 0, 0
		if slices.ContainsFunc(w.Profile, func(s Step) bool { return s.Slowdown < 1 }) {
			return fail(errors.New("several processors served, and one was faster than the family says at times"))
		}
	}
	if w.Factor != nil {
		for _, r := range p.Requests {
			p.Factors = append(p.Factors, w.Factor(r.ID))
		}
	}
	return p, nil
}

// Regret returns how much less effective accuracy a recorded run reached than it could have, as a
// fraction, with the solution that it is compared with. It returns the errors of [FromTrace] and
// [Solve].
func Regret(ctx context.Context, t *trace.Trace, o TraceOptions) (float64, *Solution, error) {
	p, err := FromTrace(t, o)
	if err != nil {
		return 0, nil, err
	}
	s, err := Solve(ctx, p)
	if err != nil {
		return 0, nil, err
	}
	return s.Regret(Achieved(t)), s, nil
}

// Achieved returns the effective accuracy of a recorded run: the sum of the accuracies of requests on
// time, divided by all.
func Achieved(t *trace.Trace) unit.Accuracy {
	var sum int64
	for i := range t.Records {
		r := &t.Records[i]
		if l := r.Decision.Level; r.Outcome == trace.OnTime && l >= 0 && l < len(t.Header.Family.Levels) {
			sum += toFixed(t.Header.Family.Levels[l].Accuracy)
		}
	}
	return unit.Accuracy(fromFixed(sum) / max(1, float64(len(t.Records))))
}

// servedOn returns the processor that served, the first one if none did, and how many did.
func servedOn(t *trace.Trace, m *policy.Model) (processor, servers int, err error) {
	used := make([]bool, len(m.Processors))
	for i := range t.Records {
		d := &t.Records[i].Decision
		if err := d.Check(m); err != nil {
			return 0, 0, fmt.Errorf("record %d: %w", i+1, err)
		}
		if d.Clock > 0 {
			return 0, 0, fmt.Errorf("record %d: the decision chose a clock, of which the oracle knows nothing", i+1)
		}
		if d.Action == policy.Serve && !used[d.Processor] {
			used[d.Processor] = true
			processor = d.Processor
			servers++
		}
	}
	return processor, max(1, servers), nil
}

// recordedFactors returns by how much each inference took longer than its level does.
func recordedFactors(records []trace.Record, levels []Level) []float64 {
	order := make([]int, len(records))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(records[i].Start, records[j].Start) })
	factors := make([]float64, len(records))
	last := 1.0
	for _, i := range order { // the first one answered gives what comes before it its factor
		if f, ok := factorOf(&records[i], levels); ok {
			last = f
			break
		}
	}
	for _, i := range order {
		if f, ok := factorOf(&records[i], levels); ok {
			last = f
		}
		factors[i] = last
	}
	return factors
}

func factorOf(r *trace.Record, levels []Level) (float64, bool) {
	if !r.Outcome.Answered() {
		return 0, false
	}
	return float64(r.End-r.Start) / float64(levels[r.Decision.Level].Latency[r.Decision.Size()-1]), true
}

// closedLoop reports whether arrivals follow answers: every request came after the answer to the one before,
// by a time that varies far less than the time between arrivals does. Where latencies vary and
// arrivals do not wait for them it varies at least as much.
func closedLoop(records []trace.Record) bool {
	order := make([]*trace.Record, len(records))
	for i := range order {
		order[i] = &records[i]
	}
	slices.SortStableFunc(order, func(a, b *trace.Record) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.Request, b.Request))
	})
	var thinking, gaps spread
	for i, r := range order[1:] {
		before := order[i]
		if !before.Outcome.Answered() {
			continue
		}
		if r.Arrival < before.End {
			return false
		}
		thinking.add(r.Arrival - before.End)
		gaps.add(r.Arrival - before.Arrival)
	}
	return thinking.n >= 3 && thinking.squares < gaps.squares/100
}

// spread sums squared deviations from the mean.
type spread struct {
	n             int
	mean, squares float64
}

// add follows B. P. Welford, "Note on a method for calculating corrected sums of squares and products", 1962.
func (s *spread) add(d time.Duration) {
	s.n++
	off := float64(d) - s.mean
	s.mean += off / float64(s.n)
	s.squares += float64(off * (float64(d) - s.mean))
}
