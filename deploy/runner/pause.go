package runner

import (
	"context"
	"time"
)

// pause waits until a time of the run, for an inference to end, a call to come, an inference to hang, or the context to end. It
// may return early.
func (r *run) pause(ctx context.Context, until time.Duration) {
	if r.Alive != nil {
		until = min(until, r.now()+r.AliveEvery)
	}
	var ended <-chan struct{}
	if r.team != nil {
		ended = r.team.ends.wake
		for _, w := range r.team.workers {
			if w.now != nil && !w.stuck {
				until = min(until, w.expires)
				if w.late > r.observed.Now {
					until = min(until, w.late)
				}
			}
		}
	}
	var calls <-chan received
	if r.Inbox != nil && !r.drained {
		calls = r.Inbox.calls
	}
	var slept <-chan time.Time
	if _, ok := r.Clock.(wallClock); ok {
		slept = r.alarmAt(until)
	} else {
		var stop func()
		slept, stop = r.sleepUntil(ctx, until)
		defer stop()
	}
	select {
	case <-ended:
	case c, ok := <-calls:
		if ok {
			r.call(c)
		} else {
			r.drained = true
		}
	case <-slept:
	case <-ctx.Done():
	}
}

// alarmAt returns what tells that a time of the run has come, by the machine's clock; nil for never. The next call takes its place.
func (r *run) alarmAt(until time.Duration) <-chan time.Time {
	if until == never {
		return nil
	}
	if r.timer == nil {
		r.timer = time.NewTimer(until - r.now())
	} else {
		r.timer.Reset(until - r.now())
	}
	return r.timer.C
}

// sleepUntil is alarmAt for any other clock. Stop must be called.
func (r *run) sleepUntil(ctx context.Context, until time.Duration) (slept <-chan time.Time, stop func()) {
	d := until - r.now()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan time.Time)
	go func() {
		defer close(done)
		_ = r.Clock.Sleep(ctx, d) // the loop looks at the time itself
	}()
	return done, func() { cancel(); <-done }
}
