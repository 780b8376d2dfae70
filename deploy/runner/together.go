package runner

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

const (
	// ReasonProcessorLost is the reason of an alarm about a processor whose inference hangs, and of decisions that the runner
	// took because the policy waits for it.
	ReasonProcessorLost policy.Reason = trace.OverridePrefix + "processor-lost"
	// ReasonProcessorLate is the reason of decisions that the runner took because the policy waits for an inference that takes far
	// longer than predicted.
	ReasonProcessorLate policy.Reason = trace.OverridePrefix + "processor-late"
	// ReasonProviderMissing is the reason of an alarm about a processor that does not serve at all, because the library lacks its
	// execution provider.
	ReasonProviderMissing policy.Reason = trace.OverridePrefix + "provider-missing"
)

const (
	hangFactor = 50              // times the predicted latency
	hangLeast  = 2 * time.Second // a busy machine makes anything wait for some time
	// An inference is late after lateFactor times its predicted latency, at least lateLeast. Nobody is given up then: other
	// processors only serve what the policy would have kept for this one.
	lateFactor = 4
	lateLeast  = 10 * time.Millisecond
)

// never is a time that does not come.
const never = time.Duration(math.MaxInt64)

// errHung is why the request of an inference that hangs failed.
var errHung = errors.New("the inference hangs")

// loopTogether is loop for several processors: it takes the decisions, and workers run the inferences.
func (r *run) loopTogether(ctx context.Context) (string, error) {
	r.team = newTeam(r)
	defer r.team.stop()
	for {
		if !r.team.allStuck() { // else the service manager should know
			r.beat()
		}
		r.admit()
		now := r.reap() // after it, so that who arrives later is not decided about
		if ctx.Err() != nil {
			r.refuse(ReasonCancelled)
			r.drain(ctx)
			return cancelled, nil
		}
		if r.ended {
			r.refuse(ReasonEnded)
			r.drain(ctx)
			return fmt.Sprintf("the policy ended it: %s", r.exited), nil
		}
		if r.queue.len() == 0 {
			if end := r.nothingLeft(); end != "" {
				return end, nil
			}
			if r.nextArrival() > now {
				r.flush()
				r.pause(ctx, r.nextArrival())
			}
			continue
		}
		busy, lost, left := r.team.busy(now)
		if left == 0 {
			r.pause(ctx, never)
			continue
		}
		if err := r.decide(ctx, now, busy, lost); err != nil {
			r.drain(ctx)
			return "", err
		}
	}
}

// nothingLeft returns why the run is over, empty if it is not. Nobody waits.
func (r *run) nothingLeft() string {
	switch {
	case r.team.working():
		return ""
	case r.Inbox != nil && r.drained:
		return "drained"
	case r.Inbox == nil && r.schedule.over():
		return r.scheduleEnd()
	}
	return ""
}

// nextArrival returns when the next request of the schedule arrives, never if none does on its own.
func (r *run) nextArrival() time.Duration {
	if r.Inbox != nil || r.schedule.held() || r.schedule.over() {
		return never
	}
	return r.schedule.next
}

// decide asks about the head of the queue at a time that reap returned, and does what the policy says. Of the busy processors some are
// lost, that is out of service.
func (r *run) decide(ctx context.Context, now time.Duration, busy, lost uint64) error {
	o := r.observe()
	o.Now, o.Busy = now, busy
	d := r.policy.Decide(o)
	if err := d.Answers(r.model, o); err != nil {
		return fmt.Errorf("policy %q answers nonsense about request %d: %w", r.policy.Spec(), o.Queue[0].ID, err)
	}
	if d.Action == policy.Wait {
		d = r.team.instead(o, d, lost)
	}
	if d.Action == policy.Wait {
		r.flush()
		if d.Until == 0 {
			d.Until = never
		}
		r.pause(ctx, min(d.Until, r.nextArrival()))
		return nil
	}
	q := r.queue.pop()
	j := r.team.next()
	j.rec = trace.Record{Request: q.ID, Arrival: q.Arrival, Deadline: q.Deadline, Observation: *o, Decision: d, Start: o.Now, End: o.Now}
	j.rec.Observation.Queue = append(j.shown[:0], o.Queue...)
	switch d.Action {
	case policy.Drop:
		r.over(j, trace.Dropped, nil, nil)
	case policy.Exit:
		r.ended, r.exited = true, d.Reason
		r.over(j, trace.Refused, nil, nil)
	default:
		r.start(j)
	}
	return nil
}

// start hands an inference to the worker of its processor, at the decided level or a safe one in its place.
func (r *run) start(j *job) {
	now := j.rec.Observation.Now
	r.heed(now)
	r.setClock(&j.rec)
	w := r.team.workers[j.rec.Decision.Processor]
	j.session = r.session(w.lane, &j.rec)
	level := j.rec.Decision.Level
	j.answer = Answer{Request: j.rec.Request, Level: level, Processor: w.index, Label: images.Unlabelled}
	if j.session == nil {
		w.pool.release(level)
		err := errors.New("it is not in memory")
		r.rest(w.lane, level, now, err)
		r.over(j, trace.Failed, nil, err)
		return
	}
	j.call, j.outside = r.calls[j.rec.Request]
	predicted := r.model.Levels[level].At(w.index, j.rec.Decision.Clock, 1)
	hang := r.HangAfter
	if hang == 0 {
		hang = max(hangLeast, hangFactor*predicted)
	}
	w.now, w.late, w.expires = j, now+max(lateLeast, lateFactor*predicted), now+hang
	if level != w.level {
		r.Logger.Debug("switched", "request", j.rec.Request, "processor", w.name, "from", w.level, "to", level, "reason", j.rec.Decision.Reason)
	}
	w.level = level
	r.observed.Level, r.observed.Processor = level, w.index
	w.jobs <- j // it is free
}

// reap takes back the inferences that have ended, tells the policy, and gives up those that hang. It returns the time of the next
// decision.
func (r *run) reap() time.Duration {
	t := r.team
	var now time.Duration
	t.back, now = t.ends.take(t.back, t.now)
	for _, j := range t.back {
		r.reapOne(j)
	}
	for _, w := range t.workers {
		if w.now != nil && !w.stuck && now >= w.expires {
			r.lose(w, now)
		}
	}
	return now
}

// reapOne completes the record of an inference that has ended.
func (r *run) reapOne(j *job) {
	w := r.team.workers[j.rec.Decision.Processor]
	level := j.rec.Decision.Level
	w.pool.release(level)
	w.now = nil
	if w.stuck {
		w.stuck = false
		w.pool.abandon(level, false)
		r.Logger.Warn("an inference that hung has ended; the processor is back", "processor", w.name, "level", level, "request", j.rec.Request)
		*j = job{}
		r.team.free = append(r.team.free, j)
		return
	}
	j.rec.Start, j.rec.End = j.start, j.end
	if j.picture != nil { // the picture's fault, not the level's
		j.rec.Start, j.rec.End = j.rec.Observation.Now, j.rec.Observation.Now
		r.Logger.Warn("request failed", "request", j.rec.Request, "error", j.picture)
		r.over(j, trace.Failed, nil, j.picture)
		return
	}
	if j.err != nil {
		r.rest(w.lane, level, j.end, j.err)
		r.over(j, trace.Failed, nil, j.err)
		return
	}
	outcome := trace.OnTime
	if j.rec.Deadline != 0 && j.end > j.rec.Deadline {
		outcome = trace.Late
	}
	j.answer.Latency, j.answer.Outcome = j.end-j.start, outcome
	completion := policy.Completion{Request: j.rec.Request, Level: level, Processor: w.index, Clock: j.rec.Decision.Clock, Start: j.start, End: j.end, Deadline: j.rec.Deadline}
	r.over(j, outcome, j.session.Output(), nil)
	r.policy.Observe(completion)
	for _, s := range r.team.substitutes {
		s.observe(completion)
	}
}

// lose gives up an inference that hangs. Its request fails, and its processor is out of service until it ends after all.
func (r *run) lose(w *worker, now time.Duration) {
	j := w.now
	w.stuck = true
	w.pool.abandon(j.rec.Decision.Level, true)
	w.failures[j.rec.Decision.Level]++
	r.tally.lanes[w.index].lost++
	alarm := Alarm{Reason: ReasonProcessorLost, Detail: fmt.Sprintf("request %d at level %d on processor %s has had no answer for %v", j.rec.Request, j.rec.Decision.Level, w.name, now-j.rec.Observation.Now)}
	if r.Health != nil {
		r.Health.Raise(alarm)
	} else {
		r.alarm(now, alarm)
	}
	// The worker has the job: the loop goes on with a copy in its place.
	c := r.team.job()
	c.rec = j.rec
	c.rec.Observation.Queue = append(c.shown[:0], j.rec.Observation.Queue...)
	c.rec.End = now
	for i := range r.team.order {
		if r.team.order[i] == j {
			r.team.order[i] = c
		}
	}
	r.over(c, trace.Failed, nil, errHung)
}

// over ends a request.
func (r *run) over(j *job, outcome trace.Outcome, logits []float32, err error) {
	j.rec.Outcome = outcome
	r.account(&j.rec, j.answer, logits, err)
	r.schedule.done(r.now())
	r.team.settle(j)
}

// refuse ends a request that nobody was asked about.
func (t *team) refuse(rec trace.Record) {
	j := t.next()
	j.rec = rec
	t.run.account(&j.rec, Answer{}, nil, nil)
	t.settle(j)
}

// drain waits for the inferences under way, but not for those that hang.
func (r *run) drain(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	for r.team.working() {
		r.pause(ctx, never)
		r.reap()
	}
}

// working reports whether an inference is under way that is not given up.
func (t *team) working() bool {
	for _, w := range t.workers {
		if w.now != nil && !w.stuck {
			return true
		}
	}
	return false
}

// allStuck reports whether no processor is left.
func (t *team) allStuck() bool {
	for _, w := range t.workers {
		if !w.stuck {
			return false
		}
	}
	return true
}

// busy returns the processors that cannot serve at a time, as Observation.Busy, those of them that are lost, and how many can serve.
// Lost are those that hang, and those of which every level rests after failures while another processor can do better.
func (t *team) busy(now time.Duration) (busy, lost uint64, left int) {
	var weak uint64
	strong := 0
	for i, w := range t.workers {
		switch {
		case w.stuck:
			lost |= 1 << i
		case w.now != nil:
			busy |= 1 << i
			strong++
		case !w.fit(now):
			weak |= 1 << i
		default:
			left++
			strong++
		}
	}
	if strong > 0 { // there is a better one, now or soon
		lost |= weak
	} else {
		left = bits.OnesCount64(weak)
	}
	return busy | lost, lost, left
}

// fit reports whether a level of the processor is in memory and does not rest.
func (l *lane) fit(now time.Duration) bool {
	for level, until := range l.resting {
		if until <= now && l.pool.Resident(level) {
			return true
		}
	}
	return false
}
