package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// ReplayArrivals simulates the requests of a recorded trace afresh: their numbers, arrivals and
// deadlines are the recorded ones, everything else comes from the config. (The replay of
// observations, which shows a policy what was recorded, is trace.Replay.)
//
// What the config leaves out comes from the trace: Family; Policy, with the recorded parameters
// under the config's; Seed, for the noise. Without a Scenario the trace is played without
// disturbances, noise and switching times, with the first record's limit and required accuracy, from
// the level of the first inference, on the processors that served. A given scenario's own arrivals,
// duration and number of requests are not used.
//
// The arrivals of a recorded closed loop waited for the recorded answers; here they come when they
// came. The result's notes say so.
//
// It returns the errors of Run, and an error if the trace has no records, a request twice, or one
// with a negative arrival.
func ReplayArrivals(ctx context.Context, t *trace.Trace, c Config) (*Result, error) {
	src, err := newRecordedSource(t)
	if err != nil {
		return nil, fmt.Errorf("sim: replay of arrivals: %w", err)
	}
	if c.Family == nil {
		c.Family = &t.Header.Family
	}
	if c.Policy == "" {
		c.Policy = t.Header.Policy
		params := maps.Clone(t.Header.Params)
		if params == nil {
			params = map[string]string{}
		}
		maps.Copy(params, c.Params)
		c.Params = params
	}
	if c.Seed == 0 {
		c.Seed = t.Header.Seed
	}
	if c.Calibration != nil && c.Loads == nil {
		c.Loads = t.Header.Loads
	}
	given := c.Scenario != nil
	if !given {
		c.Scenario = undisturbed(t)
		if used := served(t); len(used) > 1 && c.Processors == nil {
			c.Processors = used
		}
	}
	s, err := c.prepare()
	if err != nil {
		return nil, err
	}
	if given {
		s.noteFamily()
	}
	s.source = src
	s.header.Notes = append(s.header.Notes, fmt.Sprintf("arrivals and deadlines are those of a %s trace under policy %s; in a closed loop they would depend on the answers", t.Header.Kind, t.Header.Policy))
	if len(t.Header.Loads) > 0 && c.Calibration == nil {
		s.header.Notes = append(s.header.Notes, "programs co-ran with the recorded run; without a calibration or a scenario nothing stands for them here")
	}
	return c.play(ctx, s)
}

// undisturbed returns the scenario that a trace is played in if none is given.
func undisturbed(t *trace.Trace) *traffic.Scenario {
	first := t.Records[0].Observation
	s := &traffic.Scenario{
		Name: t.Header.Scenario, Family: "recorded", Arrivals: traffic.ClosedLoop{}, // neither is used
		Limit: first.Limit, Accuracy: first.MinAccuracy, Requests: int64(len(t.Records)),
	}
	if names := t.Header.Family.Processors(); len(names) > 0 {
		s.Processor = names[0]
		for i := range t.Records {
			d := &t.Records[i].Decision
			if d.Action == policy.Serve && d.Processor >= 0 && d.Processor < len(names) {
				s.Processor, s.InitialLevel = names[d.Processor], d.Level
				break
			}
		}
	}
	return s
}

// served returns the processors that served in a trace, in the family's order.
func served(t *trace.Trace) []string {
	names := t.Header.Family.Processors()
	used := make([]bool, len(names))
	for i := range t.Records {
		if d := &t.Records[i].Decision; d.Action == policy.Serve && d.Processor >= 0 && d.Processor < len(names) {
			used[d.Processor] = true
		}
	}
	var list []string
	for p, name := range names {
		if used[p] {
			list = append(list, name)
		}
	}
	return list
}

// recordedSource hands out the requests of a trace.
type recordedSource struct {
	requests []policy.Request
	handed   int
}

func newRecordedSource(t *trace.Trace) (*recordedSource, error) {
	if len(t.Records) == 0 {
		return nil, errors.New("the trace has no records")
	}
	s := &recordedSource{requests: make([]policy.Request, len(t.Records))}
	seen := make(map[int64]bool, len(t.Records))
	for i := range t.Records {
		r := &t.Records[i]
		switch {
		case seen[r.Request]:
			return nil, fmt.Errorf("record %d: request %d stands twice in the trace", i+1, r.Request)
		case r.Arrival < 0 || r.Deadline < 0:
			return nil, fmt.Errorf("record %d: request %d has a negative time", i+1, r.Request)
		}
		seen[r.Request] = true
		s.requests[i] = policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline}
	}
	slices.SortFunc(s.requests, func(a, b policy.Request) int {
		return cmp.Or(cmp.Compare(a.Arrival, b.Arrival), cmp.Compare(a.ID, b.ID))
	})
	return s, nil
}

func (s *recordedSource) about() int { return len(s.requests) }

func (s *recordedSource) next() (policy.Request, bool) {
	if s.handed == len(s.requests) {
		return policy.Request{}, false
	}
	s.handed++
	return s.requests[s.handed-1], true
}

// after adds nothing: what was recorded came anyway.
func (s *recordedSource) after(time.Duration, bool) (policy.Request, bool) {
	return policy.Request{}, false
}
