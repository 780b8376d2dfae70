package runner

import (
	"math/bits"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// substitute is the run's policy built anew for some of the processors. It decides where the policy itself waits for a
// processor that is out of service, or late: the policy is not told that, since it sees what was recorded and nothing else.
type substitute struct {
	policy  policy.Policy // nil: it cannot be built for these processors
	model   *policy.Model
	without uint64 // the processors that it does without
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
		t.run.Logger.Warn("the policy cannot do without the processors that are late or out of service; the least accurate level serves in their place", "error", err)
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

// late returns the processors whose inference is.
func (t *team) late(now time.Duration) (late uint64) {
	for i, w := range t.workers {
		if w.now != nil && !w.stuck && now >= w.late {
			late |= 1 << i
		}
	}
	return late
}

// instead returns a decision in the place of a policy that waits, while processors are late or lost: its substitute's, or, if that has
// none and nothing else is under way, the least accurate level on the first processor that can serve.
func (t *team) instead(o *policy.Observation, d policy.Decision, lost uint64) policy.Decision {
	late := t.late(o.Now)
	if lost|late == 0 {
		return d
	}
	other, ok := t.substitute(lost | late).decide(*o)
	if !ok {
		if d.Until != 0 || t.working() {
			return d
		}
		other = policy.Decision{Action: policy.Serve}
		for o.Busy>>other.Processor&1 == 1 { // one is free
			other.Processor++
		}
	}
	switch {
	case other.Action == policy.Wait:
	case lost != 0:
		other.Reason = ReasonProcessorLost
	default:
		other.Reason = ReasonProcessorLate
	}
	return other
}
