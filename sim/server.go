package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim/des"
)

// server is one processor with its queue, its policy and the record of what happens.
type server struct {
	// What does not change during a run.
	kernel     *des.Kernel
	self       des.HandlerID
	ctx        context.Context
	scenario   *traffic.Scenario
	profile    traffic.Profile
	switchTime time.Duration
	model      *policy.Model
	policy     policy.Policy
	spec       string
	header     trace.Header

	source source
	noise  *rand.Rand
	coming waiting // the request of the pending arrival event

	queue                    queue
	loaded                   int // level
	lastLevel, lastProcessor int // of the last inference, -1 before the first
	busy                     bool
	asked                    bool            // a tick is pending at this instant
	ended                    bool            // the manager
	end                      policy.Decision // that ended it

	records []trace.Record
	shown   []policy.Request   // free part of the memory for recorded queues
	seen    policy.Observation // what the policy is shown; here since it escapes
	view    [policy.MaxQueue]policy.Request
	err     error
}

// Kinds of events.
const (
	evArrival uint16 = iota
	evCompletion
	evTick
)

var _ des.Handler = (*server)(nil)

// maxRecords bounds a run. Only tests change it.
var maxRecords = trace.MaxRecords

// maxReserved bounds the records for which memory is reserved beforehand.
const maxReserved = 1 << 16

// run plays the requests of the source to their end.
func (s *server) run(ctx context.Context) (*Result, error) {
	s.ctx = ctx
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.records = make([]trace.Record, 0, min(s.source.about(), maxReserved))
	s.expect(s.source.next())
	s.kernel.Run(des.Forever)
	if s.err != nil {
		return nil, s.err
	}
	t := &trace.Trace{Header: s.header, Records: s.records}
	return &Result{
		Scenario: s.scenario, Trace: t, Metrics: Measure(t, s.profile),
		Fingerprint: s.kernel.Fingerprint(),
	}, nil
}

// Handle implements des.Handler.
func (s *server) Handle(k *des.Kernel, ev des.Event) {
	if k.Events()%1024 == 0 && s.ctx.Err() != nil {
		s.fail(s.ctx.Err())
		return
	}
	switch ev.Kind {
	case evArrival:
		s.arrive()
	case evCompletion:
		s.complete()
	case evTick:
		s.asked = false
		s.decide()
	}
}

// fail ends the run.
func (s *server) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.kernel.Stop()
}

// expect schedules the arrival of a request, if there is one, and draws its noise.
func (s *server) expect(r policy.Request, ok bool) {
	if !ok {
		return
	}
	if r.Arrival > maxTime {
		s.fail(fmt.Errorf("sim: request %d arrives after %v", r.ID, maxTime))
		return
	}
	s.coming = waiting{Request: r, noise: s.scenario.Noise.Factor(s.noise)}
	s.kernel.At(r.Arrival, des.Arrival, s.self, des.Event{Kind: evArrival, Arg: uint64(r.ID)})
}

func (s *server) arrive() {
	w := s.coming
	s.expect(s.source.next())
	if s.ended {
		s.refuse(w.Request)
		return
	}
	s.queue.add(w)
	s.wake()
}

// wake makes the manager look after everything else that happens at this instant, if there is reason
// to.
func (s *server) wake() {
	if s.busy || s.asked || s.queue.len() == 0 {
		return
	}
	s.asked = true
	s.kernel.After(0, des.ManagerTick, s.self, des.Event{Kind: evTick})
}

// decide asks the policy about the head of the queue until the processor is busy or nobody waits.
func (s *server) decide() {
	for !s.busy && s.queue.len() > 0 && s.err == nil {
		o := s.observe()
		s.seen = o
		s.seen.Queue = s.queue.show(s.view[:0])
		d := s.policy.Decide(&s.seen)
		o.Queue = s.keep()
		w := s.queue.take()
		err := d.Check(s.model)
		if err == nil && d.Reason == "" {
			err = errors.New("the decision has no reason")
		}
		if err != nil {
			s.fail(fmt.Errorf("sim: policy %q: request %d at %v: %w", s.spec, w.ID, o.Now, err))
			return
		}
		s.mix(d)
		switch d.Action {
		case policy.Serve:
			s.serve(w, o, d)
		case policy.Drop:
			s.giveUp(w.Request, o, d, trace.Dropped)
		case policy.Exit:
			s.exit(w, o, d)
		}
	}
}

// observe returns what the policy may look at but the queue.
func (s *server) observe() policy.Observation {
	return policy.Observation{
		Now: s.kernel.Now(), Level: s.lastLevel, Processor: s.lastProcessor,
		Waiting: s.queue.len(), Limit: s.scenario.Limit, MinAccuracy: s.scenario.Accuracy,
	}
}

// mix makes the fingerprint depend on a decision.
func (s *server) mix(d policy.Decision) {
	v := uint64(d.Level)<<16 | uint64(d.Processor)<<2
	switch d.Action {
	case policy.Serve:
		v |= 1
	case policy.Drop:
		v |= 2
	case policy.Exit:
		v |= 3
	}
	s.kernel.Mix(v)
}

// serve starts an inference.
func (s *server) serve(w waiting, o policy.Observation, d policy.Decision) {
	start := o.Now
	if d.Level != s.loaded {
		start += s.switchTime
		s.loaded = d.Level
	}
	end, ok := finish(s.profile, start, float64(s.model.Levels[d.Level].Latency[d.Processor])*w.noise)
	if !ok {
		s.fail(fmt.Errorf("sim: policy %q: request %d would end after %v", s.spec, w.ID, maxTime))
		return
	}
	outcome := trace.OnTime
	if w.Deadline != 0 && end > w.Deadline {
		outcome = trace.Late
	}
	s.record(trace.Record{
		Request: w.ID, Arrival: w.Arrival, Deadline: w.Deadline,
		Observation: o, Decision: d, Start: start, End: end, Outcome: outcome,
	})
	s.busy, s.lastLevel, s.lastProcessor = true, d.Level, d.Processor
	s.kernel.At(end, des.Completion, s.self, des.Event{Kind: evCompletion, Arg: uint64(w.ID)})
}

// complete ends the inference that was recorded last.
func (s *server) complete() {
	c, _ := s.records[len(s.records)-1].Completion()
	s.busy = false
	s.policy.Observe(c)
	s.expect(s.source.after(s.kernel.Now(), true))
	s.wake()
}

// giveUp records a request that gets no inference.
func (s *server) giveUp(r policy.Request, o policy.Observation, d policy.Decision, outcome trace.Outcome) {
	s.record(trace.Record{
		Request: r.ID, Arrival: r.Arrival, Deadline: r.Deadline,
		Observation: o, Decision: d, Start: o.Now, End: o.Now, Outcome: outcome,
	})
	s.expect(s.source.after(o.Now, false))
}

// exit ends the manager: nobody who waits is answered.
func (s *server) exit(w waiting, o policy.Observation, d policy.Decision) {
	s.ended, s.end = true, policy.Decision{Action: policy.Exit, Reason: d.Reason}
	s.giveUp(w.Request, o, d, trace.Refused)
	for s.queue.len() > 0 {
		s.refuse(s.queue.take().Request)
	}
}

// refuse records a request that finds no manager; the observation has no queue, since nobody was
// asked.
func (s *server) refuse(r policy.Request) {
	o := s.observe()
	o.Waiting = 0
	s.giveUp(r, o, s.end, trace.Refused)
}

func (s *server) record(r trace.Record) {
	if len(s.records) >= maxRecords {
		s.fail(fmt.Errorf("sim: policy %q: more than %d requests", s.spec, maxRecords))
		return
	}
	s.records = append(s.records, r)
}

// keep returns the visible queue in memory of its own.
func (s *server) keep() []policy.Request {
	if cap(s.shown)-len(s.shown) < policy.MaxQueue {
		s.shown = make([]policy.Request, 0, 1024)
	}
	n := len(s.shown)
	s.shown = s.queue.show(s.shown)
	return slices.Clip(s.shown[n:])
}

// roundDuration rounds nanoseconds, which must be below maxTime.
func roundDuration(ns float64) time.Duration { return time.Duration(math.Round(ns)) }
