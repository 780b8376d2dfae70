package runner

import (
	"context"
	"time"
)

// Progress is how far a run is.
type Progress struct {
	Requests, OnTime int64 // done with so far, and of these in time
	Level            int   // of the latest answer, -1 before
}

// beat tells that the loop goes round, if that is due.
func (r *run) beat() {
	if r.Alive == nil {
		return
	}
	if now := r.now(); !r.alive || now-r.told >= r.AliveEvery {
		r.alive, r.told = true, now
		r.Alive(Progress{r.tally.report.Requests, r.tally.report.OnTime, r.observed.Level})
	}
}

// sleep waits until a time of the run, or until the context ends.
func (r *run) sleep(ctx context.Context, until time.Duration) {
	for {
		d := until - r.now()
		if r.Alive != nil {
			d = min(d, r.AliveEvery)
		}
		// An error is the context's and seen by the loop.
		if err := r.Clock.Sleep(ctx, d); err != nil || r.Alive == nil || r.now() >= until {
			return
		}
		r.beat()
	}
}

// idle returns what tells that a wait for requests has lasted long enough to say that the loop goes on; nil, which never
// does, if nobody wants to know.
func (r *run) idle() <-chan time.Time {
	if r.Alive == nil {
		return nil
	}
	if r.timer == nil {
		r.timer = time.NewTimer(r.AliveEvery)
	} else {
		r.timer.Reset(r.AliveEvery)
	}
	return r.timer.C
}
