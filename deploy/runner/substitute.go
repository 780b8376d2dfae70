package runner

import (
	"math/bits"

	"github.com/dynofa/dynofa/deploy/policy"
)

// substitute is the run's policy built anew for some of the processors. It decides where the policy itself waits for a
// processor that is out of service: the policy is not told that, since it sees what was recorded and nothing else.
type substitute struct {
	policy  policy.Policy // nil: it cannot be built for these processors
	model   *policy.Model
	without uint64 // the processors that are out of service
	serving []int  // the others, by the run's index
}

// substitute returns the policy for the processors that are left, with what it has learned since it was first needed.
func (t *team) substitute(without uint64) *substitute {
	for _, s := range t.substitutes {
		if s.without == without {
			return s
		}
	}
	s := &substitute{without: without}
	t.substitutes = append(t.substitutes, s)
	var names []string
	for i, w := range t.workers {
		if without>>i&1 == 0 {
			s.serving = append(s.serving, i)
			names = append(names, w.name)
		}
	}
	_, _, f, err := t.run.managed()
	if err == nil {
		s.model, err = policy.NewModel(&f, names...)
	}
	if err == nil {
		s.policy, err = t.run.NewPolicy(t.run.Policy.Spec, t.run.Policy.Params, s.model)
	}
	if err != nil {
		s.policy = nil
		t.run.Logger.Warn("the policy cannot do without the processors that are out of service; the least accurate level serves in their place", "error", err)
	}
	return s
}

// decide asks the substitute. A decision that it takes is the runner's own.
func (s *substitute) decide(o policy.Observation) (policy.Decision, bool) {
	if s.policy == nil {
		return policy.Decision{}, false
	}
	busy, steps := o.Busy, o.Steps
	o.Busy, o.Steps = 0, nil
	level, processor := -1, -1
	for k, i := range s.serving {
		o.Busy |= busy >> i & 1 << k
		if o.Processor == i {
			level, processor = o.Level, k
		}
		if steps != nil {
			o.Steps = append(o.Steps, steps[i])
		}
	}
	o.Level, o.Processor = level, processor
	d := s.policy.Decide(&o)
	if d.Answers(s.model, &o) != nil || d.Action == policy.Exit {
		return d, false
	}
	if d.Action == policy.Serve {
		d.Processor = s.serving[d.Processor]
	}
	if d.Action != policy.Wait {
		d.Reason = ReasonProcessorLost
	}
	return d, true
}

// observe tells the substitute about an inference on a processor that it knows.
func (s *substitute) observe(c policy.Completion) {
	if s.policy == nil || s.without>>c.Processor&1 == 1 {
		return
	}
	c.Processor -= bits.OnesCount64(s.without & (1<<c.Processor - 1))
	s.policy.Observe(c)
}

// instead returns a decision in the place of a policy that waits, while processors are out of service: its substitute's, or, if that has
// none and nothing else is under way, the least accurate level on the first processor that can serve.
func (t *team) instead(o *policy.Observation, d policy.Decision, lost uint64) policy.Decision {
	if lost == 0 {
		return d
	}
	other, ok := t.substitute(lost).decide(*o)
	switch {
	case ok:
		return other
	case d.Until != 0 || t.working():
		return d
	}
	other = policy.Decision{Action: policy.Serve, Reason: ReasonProcessorLost}
	for i := range t.workers {
		if o.Busy>>i&1 == 0 {
			other.Processor = i
			break
		}
	}
	return other
}
