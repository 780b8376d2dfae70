package runner

import (
	"context"
	"fmt"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Reasons of decisions that the runner took itself; a replay does not compare them.
const (
	// ReasonSafeLevel: the level that the policy asked for rests after a failure, another serves.
	ReasonSafeLevel policy.Reason = trace.OverridePrefix + "safe-level"
	// ReasonLoading: the level that the policy asked for is not in memory yet, another serves.
	ReasonLoading policy.Reason = trace.OverridePrefix + "loading"
	// With the others the policy was not asked.
	ReasonCancelled policy.Reason = trace.OverridePrefix + "cancelled" // the run was cancelled
	ReasonEnded     policy.Reason = trace.OverridePrefix + "ended"     // the policy had ended the run
	ReasonOverflow  policy.Reason = trace.OverridePrefix + "overflow"  // the queue was full
)

// Run serves requests until their number or time is up, the policy ends the run or the context is
// cancelled, and returns the report. All of these are good ends.
//
// It returns an error, without a report, for an unusable configuration, a policy that cannot be
// built, a level that fails while warming up, and a policy that answers nonsense, which is named.
// If a trace cannot be written, serving goes on without it; then there is a report and an error.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &run{Config: cfg.withDefaults()}
	report, err := r.run(ctx)
	if err != nil {
		return report, fmt.Errorf("runner: %w", err)
	}
	return report, nil
}

// cancelled is Report.Ended of a cancelled run.
const cancelled = "cancelled"

// run is one run of the loop.
type run struct {
	Config
	policy    policy.Policy
	model     *policy.Model
	inputs    *inputs
	schedule  *schedule
	queue     queue
	began     time.Duration
	observed  policy.Observation // reused
	rec       trace.Record       // reused
	shown     [policy.MaxQueue]policy.Request
	lanes     []*lane
	team      *team // of several processors; nil: the loop runs the inferences of one itself
	traceErr  error
	unflushed bool // the trace has records that may not be written yet
	tally     *tally
	calls     map[int64]Call // of the inbox, not done with, by request
	drained   bool           // the inbox is closed and empty
	exited    policy.Reason  // of the policy's Exit
	alive     bool           // Alive was called, last at told
	told      time.Duration
	timer     *time.Timer // of idle
	ended     bool

	latest     time.Duration // of the clock, since began
	fell       bool          // the clock is behind latest
	safeUntil  time.Duration // the safe level serves until then
	safeReason policy.Reason

	clocks []clock // per processor, nil if the policy chooses none
	looked time.Duration
}

func (r *run) run(ctx context.Context) (*Report, error) {
	if r.Inbox != nil {
		defer r.Inbox.turnAway()
	}
	var err error
	if r.policy, r.model, err = r.build(); err != nil {
		return nil, err
	}
	n := len(r.Family.Levels)
	for _, p := range r.Serving() {
		r.lanes = append(r.lanes, newLane(p, n))
	}
	resolutions := make([]int, n)
	for i, l := range r.Family.Levels {
		resolutions[i] = l.Arch.R
	}
	if r.inputs, err = newInputs(r.Pictures, r.Transform, resolutions, r.CacheBytes); err != nil {
		return nil, err
	}
	r.calls = map[int64]Call{}
	r.tally = newTally(n, len(r.lanes))
	r.schedule = newSchedule(&r.Config)
	r.observed.Level, r.observed.Processor = -1, -1
	r.observed.Limit, r.observed.MinAccuracy = r.Limit, r.MinAccuracy
	r.unflushed = r.Trace != nil // its header
	r.began = r.Clock.Now()
	if err := r.warmUp(ctx); err != nil && ctx.Err() == nil {
		return nil, err
	}
	r.began, r.latest = r.Clock.Now(), 0
	r.startClocks()
	end := cancelled
	switch {
	case ctx.Err() != nil:
	case r.together():
		end, err = r.loopTogether(ctx)
	default:
		end, err = r.loop(ctx)
	}
	if r.Inbox != nil { // what came in the meantime gets an answer, too
		r.Inbox.Close()
		r.take()
		r.refuse(ReasonCancelled)
	}
	r.flush()
	if err != nil {
		return nil, err
	}
	if r.traceErr != nil {
		err = fmt.Errorf("the trace is incomplete: %w", r.traceErr)
	}
	return r.report(end), err
}

// warmUp runs every level of processors without a pool, so that the first request does not pay for first touches.
func (r *run) warmUp(ctx context.Context) error {
	for _, p := range r.Serving() {
		for level, s := range p.Sessions {
			if err := r.warmUpLevel(ctx, level, s); err != nil {
				if r.together() {
					err = fmt.Errorf("processor %s: %w", p.Name, err)
				}
				return err
			}
		}
	}
	return nil
}

func (r *run) warmUpLevel(ctx context.Context, level int, s Session) error {
	for range r.Warmup {
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.Pictures == nil { // requests from outside: whatever the input holds
		} else if err := r.inputs.into(s.Input(), 0, r.Family.Levels[level].Arch.R); err != nil {
			r.Logger.Warn("warm-up runs on an unprepared input", "level", level, "error", err)
		}
		if err := s.Run(); err != nil {
			return fmt.Errorf("level %d: warm-up: %w", level, err)
		}
	}
	return nil
}

// loop serves until the end and returns why it came.
func (r *run) loop(ctx context.Context) (string, error) {
	for {
		r.beat()
		r.admit()
		if ctx.Err() != nil {
			r.refuse(ReasonCancelled)
			return cancelled, nil
		}
		if r.ended {
			r.refuse(ReasonEnded)
			return fmt.Sprintf("the policy ended it: %s", r.exited), nil
		}
		if r.queue.len() == 0 && r.Inbox != nil {
			if r.drained {
				return "drained", nil
			}
			r.flush()
			r.wait(ctx)
			continue
		}
		if r.queue.len() == 0 {
			if r.schedule.over() {
				return r.scheduleEnd(), nil
			}
			r.flush()
			r.sleep(ctx, r.schedule.next)
			continue
		}
		if err := r.serve(ctx); err != nil {
			return "", err
		}
	}
}

func (r *run) scheduleEnd() string {
	if r.Requests > 0 && r.schedule.given >= r.Requests {
		return "all requests done"
	}
	return "the time is up"
}

// admitAtOnce is how many requests come to the queue between two decisions. If more arrive than can be put there in the time, others
// would come meanwhile, and nobody would be served.
const admitAtOnce = 1 << 14

// admit moves requests that have arrived to the queue.
func (r *run) admit() {
	if r.Inbox != nil {
		r.take()
		return
	}
	now := r.now()
	for range admitAtOnce {
		id, arrival, ok := r.schedule.due(now)
		if !ok {
			return
		}
		q := policy.Request{ID: id, Arrival: arrival, Deadline: due(arrival, r.deadline())}
		if r.queue.len() >= maxWaiting {
			r.refuseOne(q, ReasonOverflow)
			continue
		}
		r.queue.push(q)
	}
}

// due returns when a request is due that arrives at a time and has so long, 0 for ever.
func due(arrival, d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return arrival + min(d, never-arrival)
}

// serve asks about the head of the queue and does what the policy says.
func (r *run) serve(ctx context.Context) error {
	o := r.observe()
	d := r.policy.Decide(o)
	if err := d.Answers(r.model, o); err != nil {
		return fmt.Errorf("policy %q answers nonsense about request %d: %w", r.policy.Spec(), o.Queue[0].ID, err)
	}
	if d.Action == policy.Wait {
		r.flush()
		until := min(d.Until, r.nextArrival()) // Until is not 0, since nothing is being served
		if r.Inbox != nil {
			r.pause(ctx, until)
		} else {
			r.sleep(ctx, until)
		}
		return nil
	}
	q := r.queue.pop()
	rec := &r.rec
	*rec = trace.Record{Request: q.ID, Arrival: q.Arrival, Deadline: q.Deadline, Observation: *o, Decision: d, Start: o.Now, End: o.Now}
	switch d.Action {
	case policy.Drop:
		rec.Outcome = trace.Dropped
		r.finish(rec, Answer{}, nil, nil)
	case policy.Exit:
		rec.Outcome = trace.Refused
		r.ended, r.exited = true, d.Reason
		r.finish(rec, Answer{}, nil, nil)
	default:
		r.infer(rec)
	}
	r.schedule.done(r.now())
	return nil
}

// observe fills the observation about the head of the queue.
func (r *run) observe() *policy.Observation {
	o := &r.observed
	o.Now = r.now()
	if r.Control != nil {
		o.Limit, o.MinAccuracy = r.Control.Limit(), r.Control.MinAccuracy()
	}
	r.watchClocks(o.Now)
	o.Queue = r.queue.show(r.shown[:0])
	o.Waiting = r.queue.len()
	return o
}

func (r *run) fail(rec *trace.Record, err error) {
	rec.Outcome = trace.Failed
	r.finish(rec, Answer{}, nil, err)
}

// finish records a request that is done with.
func (r *run) finish(rec *trace.Record, a Answer, logits []float32, err error) {
	r.record(rec)
	r.account(rec, a, logits, err)
}

// record writes a record to the trace.
func (r *run) record(rec *trace.Record) {
	if r.Trace != nil && r.traceErr == nil {
		r.traced(r.Trace.Write(*rec))
		r.unflushed = true
	}
}

// account counts a request that is done with, and tells who asked.
func (r *run) account(rec *trace.Record, a Answer, logits []float32, err error) {
	r.tally.add(rec, a)
	if rec.Outcome.Answered() {
		r.Answer(a)
	}
	r.tell(rec, a, logits, err)
}

// flush hands the trace on, so that a killed process loses little of it.
func (r *run) flush() {
	if r.unflushed && r.traceErr == nil {
		r.traced(r.Trace.Flush())
	}
	r.unflushed = false
}

// traced keeps the first error of the trace.
func (r *run) traced(err error) {
	if err != nil {
		r.traceErr = err
		r.Logger.Error("the trace cannot be written; serving goes on without it", "error", err)
	}
}

// refuse records every waiting request as refused.
func (r *run) refuse(why policy.Reason) {
	for r.queue.len() > 0 {
		r.refuseOne(r.queue.pop(), why)
	}
}

func (r *run) refuseOne(q policy.Request, why policy.Reason) {
	o := r.observed
	o.Now, o.Waiting, o.Queue = r.now(), 0, nil // nobody was asked
	rec := trace.Record{Request: q.ID, Arrival: q.Arrival, Deadline: q.Deadline, Observation: o,
		Decision: policy.Decision{Action: policy.Exit, Reason: why}, Start: o.Now, End: o.Now, Outcome: trace.Refused}
	if r.team != nil {
		r.team.refuse(rec)
		return
	}
	r.rec = rec
	r.finish(&r.rec, Answer{}, nil, nil)
}
