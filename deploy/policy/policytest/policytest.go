// Package policytest is the conformance suite for runtime managers: a new policy is one file that
// passes it. It tests what every policy promises, not whether a policy is any good.
package policytest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// sequences is how many random runs each property is tried on, steps how many events a run has.
const (
	sequences = 10
	steps     = 300
)

// Test checks that the policy that spec and params make
//
//   - is what its Spec and the same parameters make again;
//   - answers with valid decisions (policy.Decision.Answers), with a reason that is one word of a-z,
//     0-9 and hyphens, whatever it observes, extreme times included;
//   - decides alike when it sees the same again, in another instance, also at the same time in
//     another goroutine;
//   - leaves observation and model as they are, and does not care what becomes of observation,
//     queue and parameters after the call that got them;
//   - is as it was before it was asked, if it answers that it waits;
//   - allocates nothing in Decide and Observe.
//
// It tries models with one and several levels and processors. Models for which the policy cannot
// be built are left out; the test fails if that leaves none.
func Test(t *testing.T, spec string, params map[string]string) {
	t.Helper()
	built := 0
	for _, m := range Models() {
		if _, err := policy.New(spec, params, m.Model); err != nil {
			t.Logf("model %s is left out: %v", m.Name, err)
			continue
		}
		built++
		s := suite{spec: spec, params: params, model: m.Model, build: policy.New}
		t.Run(m.Name, func(t *testing.T) {
			for _, p := range properties {
				t.Run(p.name, func(t *testing.T) {
					if err := p.check(&s); err != nil {
						t.Error(err)
					}
				})
			}
		})
	}
	if built == 0 {
		t.Errorf("policy %q with %v cannot be built for any model", spec, params)
	}
}

// NamedModel is a model with a name for subtests.
type NamedModel struct {
	Name  string
	Model *policy.Model
}

// Models returns the models that Test uses, fresh ones at every call. Their numbers are invented.
func Models() []NamedModel {
	build := func(processors int, latencies ...time.Duration) *policy.Model {
		m := &policy.Model{}
		for p := range processors {
			m.Processors = append(m.Processors, fmt.Sprintf("p%d", p))
		}
		for i, latency := range latencies {
			l := policy.LevelModel{Accuracy: unit.Accuracy(0.5 + 0.4*float64(i+1)/float64(len(latencies)))}
			for p := range processors {
				l.Latency = append(l.Latency, latency*time.Duration(p+1)) // further processors are slower
			}
			m.Levels = append(m.Levels, l)
		}
		return m
	}
	const ms = time.Millisecond
	inverted := build(2, 50*ms, 20*ms, 70*ms, 30*ms) // a more accurate level may be faster
	inverted.Levels[2].Latency[1] = 10 * ms          // and the second processor better at one level
	longest := build(1, 1, math.MaxInt64)
	batches := build(1, 10*ms, 14*ms, 20*ms)
	for i := range batches.Levels {
		l := &batches.Levels[i]
		l.Batches = make([][]time.Duration, 1)
		for b := 2; b <= 8-i; b++ { // fewer at the slower levels
			l.Batches[0] = append(l.Batches[0], l.Latency[0]*time.Duration(4+b)/5)
		}
	}
	mixed := build(2, 10*ms, 20*ms)
	mixed.Levels[0].Batches = [][]time.Duration{nil, {35 * ms}}
	clocked := func(m *policy.Model, processor int, steps ...unit.Hertz) *policy.Model {
		m.Clocks = make([]policy.ClockModel, len(m.Processors))
		m.Clocks[processor] = policy.ClockModel{Steps: steps, Effect: 5 * ms}
		for i := range m.Levels {
			l := &m.Levels[i]
			l.Points = make([][]policy.PointModel, len(m.Processors))
			for _, s := range steps { // half the energy at half the clock
				speed := float64(s / steps[len(steps)-1])
				latency := l.Latency[processor]
				l.Points[processor] = append(l.Points[processor], policy.PointModel{
					Latency: time.Duration(float64(latency) / speed), Energy: unit.Joules(latency.Seconds() * 5 * speed)})
			}
		}
		return m
	}
	return []NamedModel{
		{"clocks", clocked(build(1, 41*ms, 45*ms, 62*ms), 0, 2e8, 5e8, 8e8, 1e9)},
		{"clocks-on-one-of-two", clocked(build(2, 10*ms, 14*ms, 20*ms), 1, 5e8, 1e9)},
		{"six-levels", build(1, 41*ms, 45*ms, 49*ms, 51*ms, 57*ms, 62*ms)},
		{"one-level", build(1, 5*ms)},
		{"three-processors", build(3, 10*ms, 20*ms, 30*ms, 40*ms)},
		{"inverted", inverted},
		{"equal-latencies", build(2, 20*ms, 20*ms, 20*ms)},
		{"extreme-latencies", longest},
		{"batches", batches},
		{"batches-on-one-of-two", mixed},
	}
}

// suite is one policy on one model.
type suite struct {
	spec   string
	params map[string]string
	model  *policy.Model
	build  func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error)
}

// properties are what Test checks, in its order. Each returns how it is violated.
var properties = []struct {
	name  string
	check func(*suite) error
}{
	{"decisions", (*suite).decisions},
	{"repeat", (*suite).repeat},
	{"concurrent", (*suite).concurrent},
	{"retention", (*suite).retention},
	{"waiting", (*suite).waiting},
	{"allocations", (*suite).allocations},
}

// decisions are valid, and observation and model are left alone.
func (s *suite) decisions() error {
	model := clone(s.model)
	for seed := range uint64(sequences) {
		p, err := s.build(s.spec, s.params, s.model)
		if err != nil {
			return err
		}
		events := newEvents(seed, s.model)
		for step := range steps {
			o, c := events.next()
			if o == nil {
				p.Observe(c)
				continue
			}
			before := *o
			before.Queue = slices.Clone(o.Queue)
			d := p.Decide(o)
			if err := valid(d, s.model, &before); err != nil {
				return fmt.Errorf("seed %d, step %d: %w", seed, step, err)
			}
			if !reflect.DeepEqual(before, *o) {
				return fmt.Errorf("seed %d, step %d: Decide changed the observation from %+v to %+v", seed, step, before, *o)
			}
			if events.decided(d); d.Action == policy.Exit {
				break
			}
		}
	}
	if !reflect.DeepEqual(model, s.model) {
		return errors.New("the policy changed the model")
	}
	return nil
}

func valid(d policy.Decision, m *policy.Model, o *policy.Observation) error {
	if err := d.Answers(m, o); err != nil {
		return err
	}
	r := string(d.Reason)
	if r == "" || len(r) > 64 || r[0] == '-' || strings.Trim(r, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("reason %q is not one word", r)
	}
	if strings.HasPrefix(r, "runner-") { // trace.OverridePrefix
		return fmt.Errorf("reason %q is reserved for the policy's caller", r)
	}
	return nil
}

// repeat compares two instances, the second made from the first one's Spec, fed alternately.
func (s *suite) repeat() error {
	for seed := range uint64(sequences) {
		p, err := s.build(s.spec, s.params, s.model)
		if err != nil {
			return err
		}
		q, err := s.build(p.Spec(), s.params, s.model)
		if err != nil {
			return fmt.Errorf("its Spec returns %q, of which New says: %w", p.Spec(), err)
		}
		if q.Spec() != p.Spec() {
			return fmt.Errorf("the Spec of %q is %q", p.Spec(), q.Spec())
		}
		events := newEvents(seed, s.model)
		for step := range steps {
			o, c := events.next()
			if o == nil {
				p.Observe(c)
				q.Observe(c)
				continue
			}
			a, b := p.Decide(o), q.Decide(o)
			if a != b {
				return fmt.Errorf("seed %d, step %d: one instance decides %v, another %v", seed, step, a, b)
			}
			if events.decided(a); a.Action == policy.Exit {
				break
			}
		}
	}
	return nil
}

// concurrent runs instances in several goroutines at once: they share nothing that changes.
func (s *suite) concurrent() error {
	var policies [4]policy.Policy
	var results [len(policies)][]policy.Decision
	for i := range policies {
		var err error
		if policies[i], err = s.build(s.spec, s.params, s.model); err != nil {
			return err
		}
	}
	var all sync.WaitGroup
	for i, p := range policies {
		all.Go(func() { results[i] = play(p, newEvents(1, s.model), func(*policy.Observation) {}) })
	}
	all.Wait()
	for i := range results {
		if !slices.Equal(results[i], results[0]) {
			return fmt.Errorf("instance %d decided otherwise than instance 0", i)
		}
	}
	return nil
}

// retention spoils everything that the policy got, once it has returned.
func (s *suite) retention() error {
	p, err := s.build(s.spec, s.params, s.model)
	if err != nil {
		return err
	}
	want := play(p, newEvents(2, s.model), func(*policy.Observation) {})
	params := maps.Clone(s.params)
	if p, err = s.build(s.spec, params, s.model); err != nil {
		return err
	}
	for name := range params {
		params[name] = "spoilt"
	}
	got := play(p, newEvents(2, s.model), func(o *policy.Observation) {
		for i := range o.Queue {
			o.Queue[i] = policy.Request{ID: -7, Arrival: -7, Deadline: -7}
		}
		*o = policy.Observation{Now: -7}
	})
	if !slices.Equal(want, got) {
		return errors.New("the policy depends on an observation, a queue or parameters after the call that got them")
	}
	return nil
}

// waiting leaves no trace: an instance that is not shown what another one answers by waiting decides
// like it.
func (s *suite) waiting() error {
	for seed := range uint64(sequences) {
		p, err := s.build(s.spec, s.params, s.model)
		if err != nil {
			return err
		}
		q, err := s.build(s.spec, s.params, s.model)
		if err != nil {
			return err
		}
		events := newEvents(seed, s.model)
		for step := range steps {
			o, c := events.next()
			if o == nil {
				p.Observe(c)
				q.Observe(c)
				continue
			}
			d := p.Decide(o)
			if d.Action != policy.Wait {
				if other := q.Decide(o); other != d {
					return fmt.Errorf("seed %d, step %d: it decides %v, and %v if it was not asked when it waited", seed, step, d, other)
				}
			}
			if events.decided(d); d.Action == policy.Exit {
				break
			}
		}
	}
	return nil
}

// play runs a policy through a sequence of events; after is called with each observation when
// Decide has returned.
func play(p policy.Policy, events *events, after func(*policy.Observation)) []policy.Decision {
	var out []policy.Decision
	for range steps {
		o, c := events.next()
		if o == nil {
			p.Observe(c)
			continue
		}
		d := p.Decide(o)
		after(o)
		out = append(out, d)
		if events.decided(d); d.Action == policy.Exit {
			break
		}
	}
	return out
}

// allocations are counted over random observations and completions.
func (s *suite) allocations() error {
	events := newEvents(3, s.model)
	var observations []policy.Observation
	var completions []policy.Completion
	for len(observations) < steps {
		o, c := events.next()
		if o == nil {
			completions = append(completions, c)
			continue
		}
		kept := *o
		kept.Queue = slices.Clone(o.Queue)
		observations = append(observations, kept)
		events.decided(policy.Decision{Action: policy.Serve})
	}
	p, err := s.build(s.spec, s.params, s.model)
	if err != nil {
		return err
	}
	i := 0
	if n := testing.AllocsPerRun(2*steps, func() {
		p.Observe(completions[i%len(completions)])
		p.Decide(&observations[i%len(observations)])
		i++
	}); n != 0 {
		return fmt.Errorf("%g allocations per Observe and Decide, want none", n)
	}
	return nil
}

func clone(m *policy.Model) *policy.Model {
	c := &policy.Model{Processors: slices.Clone(m.Processors), Clocks: slices.Clone(m.Clocks)}
	for i := range c.Clocks {
		c.Clocks[i].Steps = slices.Clone(c.Clocks[i].Steps)
	}
	for _, l := range m.Levels {
		level := policy.LevelModel{Accuracy: l.Accuracy, Latency: slices.Clone(l.Latency), Batches: slices.Clone(l.Batches), Points: slices.Clone(l.Points)}
		for p := range level.Points {
			level.Points[p] = slices.Clone(level.Points[p])
		}
		for p := range level.Batches {
			level.Batches[p] = slices.Clone(level.Batches[p])
		}
		c.Levels = append(c.Levels, level)
	}
	return c
}
