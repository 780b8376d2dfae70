package runner

import (
	"errors"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// infer runs the decided level, or the safe one in its place, and completes the record.
func (r *run) infer(rec *trace.Record) {
	r.heed(rec.Observation.Now)
	r.setClock(rec)
	l := r.lanes[0]
	s := r.session(l, rec)
	level := rec.Decision.Level
	defer l.pool.release(level)
	a := Answer{Request: rec.Request, Level: level, Label: images.Unlabelled}
	if s == nil {
		err := errors.New("it is not in memory")
		r.rest(l, level, r.now(), err)
		r.fail(rec, err)
		return
	}
	call, ok := r.calls[rec.Request]
	if err := r.fill(s.Input(), rec, &a, call, ok); err != nil {
		// The picture's fault, not the level's.
		r.Logger.Warn("request failed", "request", rec.Request, "error", err)
		r.fail(rec, err)
		return
	}
	rec.Start = r.now()
	err := s.Run()
	rec.End = r.now()
	if err == nil {
		a.Class, err = argmax(s.Output())
	}
	if err != nil {
		r.rest(l, level, rec.End, err)
		r.fail(rec, err)
		return
	}
	if level != r.observed.Level {
		r.Logger.Debug("switched", "request", rec.Request, "from", r.observed.Level, "to", level, "reason", rec.Decision.Reason)
	}
	rec.Outcome = trace.OnTime
	if rec.Deadline != 0 && rec.End > rec.Deadline {
		rec.Outcome = trace.Late
	}
	a.Latency, a.Outcome = rec.End-rec.Start, rec.Outcome
	r.finish(rec, a, s.Output(), nil)
	r.policy.Observe(policy.Completion{Request: rec.Request, Level: level, Processor: rec.Decision.Processor, Clock: rec.Decision.Clock,
		Start: rec.Start, End: rec.End, Deadline: rec.Deadline})
	r.observed.Level, r.observed.Processor = level, rec.Decision.Processor
}

// session returns the session of the level that serves, which stays until it is released; nil if none is in memory. The record gets
// its level. A level may be dropped from memory between decision and use; then the next one serves.
func (r *run) session(l *lane, rec *trace.Record) Session {
	asked := rec.Decision
	for try := 0; ; try++ {
		rec.Decision = r.inService(l, asked, rec.Observation.Now)
		if s := l.pool.acquire(rec.Decision.Level); s != nil || try >= l.pool.Len() {
			return s
		}
		l.pool.release(rec.Decision.Level)
	}
}

// inService returns the decision, with the least accurate level in service if the decided one rests
// after a failure, is not in memory, or if an alarm is in force. If all rest, it stays, or is the least accurate one in memory.
func (r *run) inService(l *lane, d policy.Decision, now time.Duration) policy.Decision {
	reason := ReasonSafeLevel
	switch {
	case l.pool.Session(d.Level) == nil:
		reason = ReasonLoading
		if l.pool.Failure(d.Level) == nil {
			l.pool.Want(d.Level)
			break
		}
		reason = ReasonSessionFailed
		if l.resting[d.Level] <= now { // not at every request
			l.resting[d.Level] = now + r.RetryAfter
			l.pool.Want(d.Level)
		}
	case now < r.safeUntil:
		reason = r.safeReason
	case l.resting[d.Level] <= now:
		return d
	}
	resident := -1
	for level, until := range l.resting {
		if l.pool.Session(level) == nil {
			continue
		}
		if until <= now {
			d.Level, d.Reason = level, reason
			return d
		}
		if resident < 0 {
			resident = level
		}
	}
	if l.pool.Session(d.Level) == nil && resident >= 0 {
		d.Level, d.Reason = resident, reason
	}
	return d
}

// rest takes a level out of service for a while.
func (r *run) rest(l *lane, level int, now time.Duration, err error) {
	l.resting[level] = now + r.RetryAfter
	l.failures[level]++
	r.Logger.Error("inference failed; the level rests", "level", level, "processor", l.name, "failures", l.failures[level], "rest", r.RetryAfter, "error", err)
}

// fill writes the input of a request at its level, from the call if it came from outside.
func (r *run) fill(dst []float32, rec *trace.Record, a *Answer, call Call, outside bool) error {
	resolution := r.Family.Levels[a.Level].Arch.R
	if outside {
		return call.Fill(dst, resolution)
	}
	a.Picture = int(rec.Request % int64(r.Pictures.Len()))
	a.Label = r.Pictures.Label(a.Picture)
	return r.inputs.into(dst, a.Picture, resolution)
}
