// Package policytest is the conformance suite for runtime managers: a new policy is one file that
// passes it. It tests what every policy promises, not whether a policy is any good.
package policytest

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// sequences is how many random runs each property is tried on, steps how many events a run has.
const (
	sequences = 20
	steps     = 300
)

// Test checks that the policy that spec and params make
//
//   - is what its Spec and the same parameters make again;
//   - answers with valid decisions (policy.Decision.Check), with a reason that is one word of a-z,
//     0-9 and hyphens, whatever it observes, extreme times included;
//   - decides alike when it sees the same again, in another instance, also at the same time in
//     another goroutine;
//   - leaves observation and model as they are, and does not care what becomes of observation,
//     queue and parameters after the call that got them;
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
		s := suite{spec: spec, params: params, model: m.Model}
		t.Run(m.Name, func(t *testing.T) {
			t.Run("decisions", s.decisions)
			t.Run("repeat", s.repeat)
			t.Run("concurrent", s.concurrent)
			t.Run("retention", s.retention)
			t.Run("allocations", s.allocations)
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
	return []NamedModel{
		{"six-levels", build(1, 41*ms, 45*ms, 49*ms, 51*ms, 57*ms, 62*ms)},
		{"one-level", build(1, 5*ms)},
		{"three-processors", build(3, 10*ms, 20*ms, 30*ms, 40*ms)},
		{"inverted", inverted},
		{"equal-latencies", build(2, 20*ms, 20*ms, 20*ms)},
		{"extreme-latencies", longest},
	}
}

type suite struct {
	spec   string
	params map[string]string
	model  *policy.Model
}

func (s *suite) build(t *testing.T) policy.Policy {
	t.Helper()
	p, err := policy.New(s.spec, s.params, s.model)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// decisions are valid, and observation and model are left alone.
func (s *suite) decisions(t *testing.T) {
	model := clone(s.model)
	for seed := range uint64(sequences) {
		p, events := s.build(t), newEvents(seed, s.model)
		for step := range steps {
			o, c := events.next()
			if o == nil {
				p.Observe(c)
				continue
			}
			before := *o
			before.Queue = slices.Clone(o.Queue)
			d := p.Decide(o)
			events.decided(d)
			if err := d.Check(s.model); err != nil {
				t.Fatalf("seed %d, step %d: %v: %+v", seed, step, err, d)
			}
			if r := string(d.Reason); r == "" || len(r) > 64 || strings.Trim(r, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
				t.Fatalf("seed %d, step %d: reason %q is not one word", seed, step, r)
			}
			if strings.HasPrefix(string(d.Reason), "runner-") { // trace.OverridePrefix
				t.Fatalf("seed %d, step %d: reason %q is reserved for the policy's caller", seed, step, d.Reason)
			}
			if !reflect.DeepEqual(before, *o) {
				t.Fatalf("seed %d, step %d: Decide changed the observation from %+v to %+v", seed, step, before, *o)
			}
			if d.Action == policy.Exit {
				break
			}
		}
	}
	if !reflect.DeepEqual(model, s.model) {
		t.Error("the policy changed the model")
	}
}

// repeat compares two instances, the second made from the first one's Spec, fed alternately.
func (s *suite) repeat(t *testing.T) {
	for seed := range uint64(sequences) {
		p := s.build(t)
		q, err := policy.New(p.Spec(), s.params, s.model)
		if err != nil {
			t.Fatalf("Spec returns %q, of which New says: %v", p.Spec(), err)
		}
		if q.Spec() != p.Spec() {
			t.Fatalf("Spec of %q is %q", p.Spec(), q.Spec())
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
				t.Fatalf("seed %d, step %d: one instance decides %v, another %v", seed, step, a, b)
			}
			if events.decided(a); a.Action == policy.Exit {
				break
			}
		}
	}
}

// concurrent runs instances in several goroutines at once: they share nothing that changes.
func (s *suite) concurrent(t *testing.T) {
	const instances = 4
	results := make([][]policy.Decision, instances)
	policies := make([]policy.Policy, instances)
	for i := range policies {
		policies[i] = s.build(t)
	}
	done := make(chan bool)
	for i := range instances {
		go func() {
			results[i] = play(policies[i], newEvents(1, s.model), func(*policy.Observation) {})
			done <- true
		}()
	}
	for range instances {
		<-done
	}
	for i := range instances {
		if !slices.Equal(results[i], results[0]) {
			t.Errorf("instance %d decided otherwise than instance 0", i)
		}
	}
}

// retention spoils everything that the policy got, once it has returned.
func (s *suite) retention(t *testing.T) {
	want := play(s.build(t), newEvents(2, s.model), func(*policy.Observation) {})
	params := maps.Clone(s.params)
	p, err := policy.New(s.spec, params, s.model)
	if err != nil {
		t.Fatal(err)
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
		t.Error("the policy depends on an observation, a queue or parameters after the call that got them")
	}
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

// allocations are counted over decisions and completions of ordinary size.
func (s *suite) allocations(t *testing.T) {
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
	p := s.build(t)
	i := 0
	if n := testing.AllocsPerRun(2*steps, func() {
		p.Observe(completions[i%len(completions)])
		p.Decide(&observations[i%len(observations)])
		i++
	}); n != 0 {
		t.Errorf("%g allocations per Observe and Decide, want none", n)
	}
}

func clone(m *policy.Model) *policy.Model {
	c := &policy.Model{Processors: slices.Clone(m.Processors)}
	for _, l := range m.Levels {
		c.Levels = append(c.Levels, policy.LevelModel{Accuracy: l.Accuracy, Latency: slices.Clone(l.Latency)})
	}
	return c
}

// events is a random run: a clock, a queue that grows and shrinks, inferences of the decided level
// that take up to three times as long as predicted, now and then far longer, and now and then
// something that cannot be: the largest time, a completion of nothing.
type events struct {
	rng     *rand.Rand
	model   *policy.Model
	now     time.Duration
	last    policy.Decision
	served  bool
	pending bool // the last decision was to serve, its completion has not been delivered
	id      int64
	queue   []policy.Request
	shown   policy.Observation
	scale   time.Duration // typical latency
}

func newEvents(seed uint64, m *policy.Model) *events {
	e := &events{rng: rand.New(rand.NewPCG(seed, 4711)), model: m, scale: min(m.Levels[0].Latency[0], time.Second)}
	e.scale = max(e.scale, time.Microsecond)
	return e
}

// next returns the next observation, or nil and a completion.
func (e *events) next() (*policy.Observation, policy.Completion) {
	if e.pending {
		e.pending = false
		return nil, e.completion()
	}
	for len(e.queue) == 0 || e.rng.IntN(3) == 0 {
		e.arrive()
	}
	waiting := len(e.queue)
	if e.rng.IntN(50) == 0 {
		waiting += policy.MaxQueue
	}
	e.shown = policy.Observation{
		Now: e.now, Level: -1, Processor: -1,
		Queue: slices.Clone(e.queue[:min(len(e.queue), policy.MaxQueue)]), Waiting: waiting,
		Limit: e.size(3), MinAccuracy: unit.Accuracy(e.rng.Float64() * float64(e.rng.IntN(2))),
	}
	if waiting > len(e.queue) {
		e.shown.Waiting = max(waiting, policy.MaxQueue)
	}
	for len(e.shown.Queue) < min(e.shown.Waiting, policy.MaxQueue) {
		e.shown.Queue = append(e.shown.Queue, e.shown.Queue[len(e.shown.Queue)-1])
	}
	if e.served {
		e.shown.Level, e.shown.Processor = e.last.Level, e.last.Processor
	}
	return &e.shown, policy.Completion{}
}

// size returns zero, a time of up to n typical latencies or, rarely, the largest.
func (e *events) size(n float64) time.Duration {
	switch e.rng.IntN(40) {
	case 0:
		return math.MaxInt64
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		return 0
	}
	return time.Duration(float64(e.scale)*n*e.rng.Float64()) + 1
}

func (e *events) arrive() {
	r := policy.Request{ID: e.id, Arrival: max(0, e.now-e.size(1)%(e.now+1))}
	if d := e.size(4); d > 0 && e.rng.IntN(5) > 0 {
		r.Deadline = r.Arrival + min(d, math.MaxInt64-r.Arrival)
	}
	e.id++
	e.queue = append(e.queue, r)
	slices.SortStableFunc(e.queue, func(a, b policy.Request) int {
		key := func(d time.Duration) uint64 { return uint64(d) - 1 } // no deadline comes last
		switch x, y := key(a.Deadline), key(b.Deadline); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return int(min(max(a.Arrival-b.Arrival, -1), 1))
	})
}

// decided tells the run what became of the head of the queue.
func (e *events) decided(d policy.Decision) {
	e.queue = e.queue[1:]
	if d.Action == policy.Serve {
		e.last, e.served, e.pending = d, true, true
		return
	}
	e.step(e.size(0.1))
}

// step moves the clock, far only so often that it does not reach its end.
func (e *events) step(d time.Duration) { e.now += min(d, math.MaxInt64/(4*steps)) }

func (e *events) completion() policy.Completion {
	predicted := min(e.model.Levels[e.last.Level].Latency[e.last.Processor], time.Hour)
	c := policy.Completion{Request: e.id, Level: e.last.Level, Processor: e.last.Processor, Start: e.now}
	e.step(time.Duration(float64(predicted) * 3 * e.rng.Float64()))
	c.End = e.now
	switch e.rng.IntN(60) {
	case 0:
		c.End = math.MaxInt64
	case 1:
		c.End = c.Start
	case 2:
		c.Level = len(e.model.Levels)
	case 3:
		c.Processor = -1
	case 4:
		c.Level = -1
	}
	return c
}
