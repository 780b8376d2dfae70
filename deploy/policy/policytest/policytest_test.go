package policytest

import (
	"errors"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dynofa/dynofa/deploy/policy"
)

// mutant is a policy that is right but for what its functions do.
type mutant struct {
	spec   string
	decide func(o *policy.Observation) policy.Decision
}

func (m mutant) Spec() string                                 { return m.spec }
func (m mutant) Decide(o *policy.Observation) policy.Decision { return m.decide(o) }
func (m mutant) Observe(policy.Completion)                    {}

var serve = policy.Decision{Action: policy.Serve, Reason: "fine"}

var calls atomic.Int64 // shared by all instances of a mutant

var sink []byte

// Every property finds the policy that violates it, and none finds fault with a good one.
func TestSuiteFindsViolations(t *testing.T) {
	answer := func(d policy.Decision) func(*policy.Model, map[string]string) mutant {
		return func(*policy.Model, map[string]string) mutant {
			return mutant{"m", func(*policy.Observation) policy.Decision { return d }}
		}
	}
	for _, c := range []struct {
		name, property, message string
		make                    func(*policy.Model, map[string]string) mutant
	}{
		{"good", "", "", answer(serve)},
		{"no action", "decisions", "action", answer(policy.Decision{Reason: "fine"})},
		{"level", "decisions", "level 6", answer(policy.Decision{Action: policy.Serve, Level: 6, Reason: "fine"})},
		{"drop with a level", "decisions", "level 1", answer(policy.Decision{Action: policy.Drop, Level: 1, Reason: "fine"})},
		{"a batch of one", "decisions", "batch 1", answer(policy.Decision{Action: policy.Serve, Batch: 1, Reason: "fine"})},
		{"batch", "decisions", "batch 2 is neither", answer(policy.Decision{Action: policy.Serve, Batch: 2, Reason: "fine"})},
		{"waits for nothing", "decisions", "there is none", answer(policy.Decision{Action: policy.Wait, Reason: "fine"})},
		{"waits for the past", "decisions", "not after", answer(policy.Decision{Action: policy.Wait, Until: 1, Reason: "fine"})},
		{"counts while it waits", "waiting", "if it was not asked", func(*policy.Model, map[string]string) mutant {
			n := 0
			return mutant{"m", func(o *policy.Observation) policy.Decision {
				if n++; n%3 == 0 {
					return policy.Decision{Action: policy.Wait, Until: o.Now + 1, Reason: "fine"}
				}
				d := serve
				d.Level = n / 4 % 2
				return d
			}}
		}},
		{"no reason", "decisions", "not one word", answer(policy.Decision{Action: policy.Serve})},
		{"reason", "decisions", "not one word", answer(policy.Decision{Action: policy.Serve, Reason: "It's fine"})},
		{"reserved reason", "decisions", "reserved", answer(policy.Decision{Action: policy.Serve, Reason: "runner-x"})},
		{"writes the queue", "decisions", "changed the observation", func(*policy.Model, map[string]string) mutant {
			return mutant{"m", func(o *policy.Observation) policy.Decision { o.Queue[0].ID++; return serve }}
		}},
		{"writes the observation", "decisions", "changed the observation", func(*policy.Model, map[string]string) mutant {
			return mutant{"m", func(o *policy.Observation) policy.Decision { o.Limit = 1; return serve }}
		}},
		{"writes the model", "decisions", "changed the model", func(m *policy.Model, _ map[string]string) mutant {
			return mutant{"m", func(*policy.Observation) policy.Decision { m.Levels[0].Latency[0] = 1; return serve }}
		}},
		{"global state", "repeat", "another", func(*policy.Model, map[string]string) mutant {
			return mutant{"m", func(*policy.Observation) policy.Decision {
				d := serve
				d.Level = int(calls.Add(1) % 2)
				return d
			}}
		}},
		{"wrong spec", "repeat", "New says", func(*policy.Model, map[string]string) mutant {
			return mutant{"other", func(*policy.Observation) policy.Decision { return serve }}
		}},
		{"keeps the queue", "retention", "depends on", func(*policy.Model, map[string]string) mutant {
			var kept []policy.Request
			return mutant{"m", func(o *policy.Observation) policy.Decision {
				d := serve
				if kept != nil && kept[0].ID < 0 {
					d.Level = 1
				}
				kept = o.Queue
				return d
			}}
		}},
		{"keeps the parameters", "retention", "depends on", func(_ *policy.Model, params map[string]string) mutant {
			return mutant{"m", func(*policy.Observation) policy.Decision {
				d := serve
				if params["a"] != "1" {
					d.Level = 1
				}
				return d
			}}
		}},
		{"allocates", "allocations", "allocations per", func(*policy.Model, map[string]string) mutant {
			return mutant{"m", func(*policy.Observation) policy.Decision { sink = make([]byte, 100); return serve }}
		}},
	} {
		s := suite{spec: "m", params: map[string]string{"a": "1"}, model: Models()[0].Model}
		s.build = func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error) {
			if spec != "m" {
				return nil, errors.New("unknown")
			}
			return c.make(m, params), nil
		}
		found := ""
		for _, p := range properties {
			if p.name == "concurrent" && c.property != "" {
				continue // a mutant may be a data race
			}
			if err := p.check(&s); err != nil {
				found = p.name
				if p.name != c.property || !strings.Contains(err.Error(), c.message) {
					t.Errorf("%s: %s says: %v; want %s to say %q", c.name, p.name, err, c.property, c.message)
				}
				break
			}
		}
		if found != c.property {
			t.Errorf("%s: violates %q, found %q", c.name, c.property, found)
		}
	}
}
