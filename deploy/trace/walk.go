package trace

import (
	"container/heap"
	"fmt"

	"github.com/dynofa/dynofa/deploy/policy"
)

// Before rebuilds the policy that the header names, in the state in which it was asked about a request, and returns it
// with the request's record. It returns an error if the policy cannot be built, or was not asked about the request.
func (t *Trace) Before(request int64) (policy.Policy, *policy.Model, *Record, error) {
	fail := func(err error) (policy.Policy, *policy.Model, *Record, error) {
		return nil, nil, nil, fmt.Errorf("trace: %s: %w", t.Name, err)
	}
	m, err := policy.NewModel(&t.Header.Family)
	if err != nil {
		return fail(err)
	}
	p, err := policy.New(t.Header.Policy, t.Header.Params, m)
	if err != nil {
		return fail(err)
	}
	var pending completions
	for i := range t.Records {
		r := &t.Records[i]
		if !r.Asked() {
			if r.Request == request {
				return fail(fmt.Errorf("nobody was asked about request %d: %s", request, r.Outcome))
			}
			continue
		}
		for len(pending) > 0 && pending[0].End <= r.Observation.Now {
			if c := heap.Pop(&pending).(completion); t.Header.Seen(c.End) {
				p.Observe(c.Completion)
			}
		}
		if r.Request == request {
			return p, m, r, nil
		}
		o := r.Observation
		p.Decide(&o)
		if c, ok := r.Completion(); ok {
			heap.Push(&pending, completion{c, i})
		}
	}
	return fail(fmt.Errorf("there is no request %d", request))
}
