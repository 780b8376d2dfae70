package sim

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

// processor is what serves, one request or batch at a time.
type processor struct {
	profile traffic.Profile
	loaded  int // level
	busy    bool
	record  int // index of the first record of what it serves
	size    int // requests of that

	// On a board.
	onBoard int           // index there
	threads float64       // see Demand
	demand  []levelDemand // by level
	steps   []int         // there, of the model's clock steps
	had     policy.StepRange
	work    platform.Work // in progress, or about to be
}

// server is the processors with their common queue, the policy and the record of what happens.
type server struct {
	// What does not change during a run.
	kernel     *des.Kernel
	self       des.HandlerID
	ctx        context.Context
	scenario   *traffic.Scenario
	switchTime time.Duration
	model      *policy.Model
	policy     policy.Policy
	spec       string
	header     trace.Header

	source    source
	noise     *traffic.NoiseSource
	recorded  *resampler // nil: no calibration
	coming    waiting    // the request of the pending arrival event
	expecting bool       // there is one

	board *boardRun // nil: no board
	index int       // among its servers
	done  bool      // with nothing more to do, on a board

	queue                    queue
	processors               []processor
	busy                     uint64          // bit p: processor p serves
	lastLevel, lastProcessor int             // of the last inference, -1 before the first
	asked                    bool            // a tick is pending, at this instant but for a calibration's delay
	idle                     bool            // the manager sleeps, so that it has to wake up first
	later                    des.Handle      // the tick that the policy waits for
	ended                    bool            // the manager
	end                      policy.Decision // that ended it

	records []trace.Record
	shown   []policy.Request   // free part of the memory for recorded queues
	seen    policy.Observation // what the policy is shown; here since it escapes
	ranges  []policy.StepRange // clock steps that can be had, see had
	view    [policy.MaxQueue]policy.Request
	handled uint64 // events
	err     error
}

// Kinds of events.
const (
	evArrival uint16 = iota
	evCompletion
	evTick
	evStart // of an inference, on a board, after switching
)

var _ des.Handler = (*server)(nil)

// maxRecords bounds a run. Only tests change it.
var maxRecords = trace.MaxRecords

// maxReserved bounds the records for which memory is reserved beforehand.
const maxReserved = 1 << 16

// attach makes a kernel the server's.
func (s *server) attach(k *des.Kernel) {
	s.kernel = k
	s.self = k.Register(s)
}

// run plays the requests of the source to their end, without a board.
func (s *server) run(ctx context.Context) (*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.attach(des.New())
	s.start(ctx)
	s.kernel.Run(des.Forever)
	if s.err != nil {
		return nil, s.err
	}
	return s.result(), nil
}

// start expects the first request.
func (s *server) start(ctx context.Context) {
	s.ctx = ctx
	s.records = make([]trace.Record, 0, min(s.source.about(), maxReserved))
	s.expect(s.source.next())
}

func (s *server) result() *Result {
	t := &trace.Trace{Header: s.header, Records: s.records}
	return &Result{
		Scenario: s.scenario, Profile: s.processors[0].profile, Trace: t, Metrics: Measure(t, s.processors[0].profile),
		Fingerprint: s.kernel.Fingerprint(), Events: s.kernel.Events(),
	}
}

// Handle implements des.Handler.
func (s *server) Handle(_ *des.Kernel, ev des.Event) {
	if s.handled++; s.handled%1024 == 0 && s.ctx.Err() != nil {
		s.fail(s.ctx.Err())
		return
	}
	switch ev.Kind {
	case evArrival:
		s.expecting = false
		s.arrive()
	case evCompletion:
		s.complete(int64(ev.Arg))
	case evTick:
		s.asked = false
		s.decide()
	case evStart:
		if p := &s.processors[ev.Arg]; p.busy { // not if the board has shut down
			s.board.platform.Start(p.work)
		}
	}
	if s.board != nil {
		s.board.settle(s)
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
	s.expecting = true
	s.coming = waiting{Request: r}
	if s.recorded != nil {
		s.coming.luck = s.recorded.next()
	} else {
		s.coming.noise = s.noise.Next()
	}
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
	s.idle = true
	s.wake()
	s.idle = false
}

// wake makes the manager look after everything else that happens at this instant, if there is reason
// to.
func (s *server) wake() {
	if s.asked || !s.free() || s.queue.len() == 0 {
		return
	}
	s.asked = true
	s.kernel.Cancel(s.later)
	at := s.kernel.Now()
	if s.recorded != nil && s.idle {
		late := s.recorded.waking(at, s.queue.items[s.queue.head].luck)
		at += min(late, maxTime-at)
	}
	s.kernel.At(at, des.ManagerTick, s.self, des.Event{Kind: evTick})
}

// free reports whether a processor is.
func (s *server) free() bool { return s.busy != 1<<len(s.processors)-1 }

// decide asks the policy about the head of the queue until every processor is busy, nobody waits, or the
// policy does.
func (s *server) decide() {
	for s.free() && s.queue.len() > 0 && s.err == nil {
		o := s.observe()
		s.seen = o
		s.seen.Queue = s.queue.show(s.view[:0])
		d := s.policy.Decide(&s.seen)
		err := d.Answers(s.model, &s.seen)
		if err == nil && d.Reason == "" {
			err = errors.New("the decision has no reason")
		}
		if err != nil {
			s.fail(fmt.Errorf("sim: policy %q: request %d at %v: %w", s.spec, s.queue.items[s.queue.head].ID, o.Now, err))
			return
		}
		s.mix(d)
		if d.Action == policy.Wait {
			if d.Until > 0 {
				s.later = s.kernel.At(min(d.Until, maxTime), des.ManagerTick, s.self, des.Event{Kind: evTick})
			}
			return
		}
		o.Queue = s.keep()
		w := s.queue.take()
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
		Now: s.kernel.Now(), Level: s.lastLevel, Processor: s.lastProcessor, Busy: s.busy,
		Waiting: s.queue.len(),
		Limit:   s.scenario.LimitAt("", s.kernel.Now()), MinAccuracy: s.scenario.AccuracyAt("", s.kernel.Now()),
		Steps: s.had(),
	}
}

// mix makes the fingerprint depend on a decision.
func (s *server) mix(d policy.Decision) {
	v := uint64(d.Level)<<16 | uint64(d.Processor)<<2 | uint64(d.Batch)<<32 | uint64(d.Clock)<<40
	switch d.Action {
	case policy.Serve:
		v |= 1
	case policy.Drop:
		v |= 2
	case policy.Exit:
		v |= 3
	case policy.Wait:
		v = uint64(d.Until) << 2
	}
	s.kernel.Mix(v)
}

// serve starts an inference of a request, and of those that follow it in the queue if there is a batch,
// which has the luck of the first one.
func (s *server) serve(w waiting, o policy.Observation, d policy.Decision) {
	p := &s.processors[d.Processor]
	start := o.Now
	if d.Level != p.loaded && s.recorded == nil {
		start += s.switchTime
		p.loaded = d.Level
	}
	if err := s.setClock(d); err != nil {
		s.fail(fmt.Errorf("sim: policy %q: request %d at %v: %w", s.spec, w.ID, o.Now, err))
		return
	}
	work := float64(s.predicted(d)) * w.noise
	end, free := start, time.Duration(0) // until the board says
	switch {
	case s.board != nil:
	case s.recorded != nil:
		before, latency, after, err := s.recorded.inference(o.Now, d.Level, d.Clock, w.luck)
		if err != nil {
			s.fail(fmt.Errorf("sim: request %d: %w", w.ID, err))
			return
		}
		if before > maxTime-start || latency > maxTime-start-before || after > maxTime-start-before-latency {
			s.fail(fmt.Errorf("sim: policy %q: request %d would end after %v", s.spec, w.ID, maxTime))
			return
		}
		start += before
		end, free = start+latency, after
	default:
		var ok bool
		if end, ok = finish(p.profile, start, work); !ok {
			s.fail(fmt.Errorf("sim: policy %q: request %d would end after %v", s.spec, w.ID, maxTime))
			return
		}
	}
	p.busy, p.record, p.size = true, len(s.records), d.Size()
	s.busy |= 1 << d.Processor
	s.lastLevel, s.lastProcessor = d.Level, d.Processor
	for k := range p.size {
		if k > 0 {
			w, o.Queue, o.Waiting = s.queue.take(), nil, 0
		}
		outcome := trace.OnTime
		if w.Deadline != 0 && end > w.Deadline {
			outcome = trace.Late
		}
		s.record(trace.Record{
			Request: w.ID, Arrival: w.Arrival, Deadline: w.Deadline,
			Observation: o, Decision: d, Start: start, End: end, Outcome: outcome,
		})
	}
	switch {
	case s.err != nil:
	case s.board != nil:
		s.begin(d.Processor, start, work, d)
	default:
		s.kernel.At(end+free, des.Completion, s.self, des.Event{Kind: evCompletion, Arg: uint64(s.records[p.record].Request)})
	}
}

// complete ends the inference of a request.
func (s *server) complete(request int64) {
	for i := range s.processors {
		if p := &s.processors[i]; p.busy && s.records[p.record].Request == request {
			s.finished(i)
		}
	}
	s.wake()
}

// finished tells the policy about the inference of a processor, which is free again.
func (s *server) finished(i int) {
	p := &s.processors[i]
	p.busy = false
	s.busy &^= 1 << i
	c, _ := s.records[p.record].Completion()
	if s.header.Seen(c.End) {
		s.policy.Observe(c)
	}
	for range p.size {
		s.expect(s.source.after(s.kernel.Now(), true))
	}
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
