package runner

import (
	"sync"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// job is an inference on its way through a worker. The loop fills it in and hands it over; what comes after done the worker
// fills in and hands back.
type job struct {
	rec     trace.Record // the worker reads request, decision and the time of the observation
	call    Call
	outside bool // there is a call
	session Session
	shown   [policy.MaxQueue]policy.Request // memory of the record's queue

	answer     Answer
	start, end time.Duration
	picture    error // why the input could not be prepared
	err        error // why the inference failed

	settled bool // the loop is done with it
}

// worker runs the inferences of one processor, one at a time, in a goroutine of its own.
type worker struct {
	*lane
	index   int
	jobs    chan *job
	gone    chan struct{} // closed when the goroutine has ended
	level   int           // that it served last, -1 before
	now     *job          // that it has; nil: it is free. Only the loop uses this and what follows.
	late    time.Duration // when the inference counts as late
	expires time.Duration // when it counts as hung
	stuck   bool          // it did, and has not ended yet
}

// ends is where workers hand inferences back. It decides what the policy knew when: an inference that the loop has not seen ends
// after the decision that was taken without it, and one that it has seen ends before, whatever the clock's resolution.
// So a replay, which goes by the times alone, tells the policy the same at the same decision.
type ends struct {
	mu      sync.Mutex
	decided time.Duration // time of the last decision
	last    time.Duration // of the last end
	back    []*job        // in order of end
	wake    chan struct{} // has an element while there may be jobs
}

// add stamps the end of an inference and hands it back.
func (e *ends) add(j *job, clock func() time.Duration) {
	e.mu.Lock()
	j.end = max(clock(), j.start, e.decided+1, e.last+1)
	e.last = j.end
	e.back = append(e.back, j)
	e.mu.Unlock()
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// take moves what has ended by now to buf, and returns the time of a decision that knows of all that, and of nothing else.
func (e *ends) take(buf []*job, clock func() time.Duration) ([]*job, time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	buf = append(buf[:0], e.back...)
	e.back = e.back[:0]
	now := max(clock(), e.last, e.decided)
	e.decided = now
	return buf, now
}

// team is the workers of a run.
type team struct {
	run     *run
	workers []*worker
	ends    ends
	clock   func() time.Duration // time of the run, for workers
	now     func() time.Duration // the same for the loop
	filling sync.Mutex           // held while an input is prepared: preprocessors and their cache serve one worker at a time
	back    []*job               // reused

	substitutes []*substitute // that were needed so far

	order []*job // decided, not in the trace yet, in order of decision
	free  []*job // for reuse
}

// newTeam starts the workers.
func newTeam(r *run) *team {
	t := &team{run: r, ends: ends{wake: make(chan struct{}, 1)}, now: r.now, clock: func() time.Duration { return r.Clock.Now() - r.began }}
	for i, l := range r.lanes {
		w := &worker{lane: l, index: i, level: -1, jobs: make(chan *job, 1), gone: make(chan struct{})}
		t.workers = append(t.workers, w)
		go func() {
			defer close(w.gone)
			for j := range w.jobs {
				t.work(j)
			}
		}()
	}
	return t
}

// stop ends the workers. One that hangs is left behind: nothing can end what it waits for, and its session is never closed.
func (t *team) stop() {
	for _, w := range t.workers {
		close(w.jobs)
		if !w.stuck {
			<-w.gone
		}
	}
}

// work does a job, in the worker's goroutine.
func (t *team) work(j *job) {
	r := t.run
	t.filling.Lock()
	j.picture = r.fill(j.session.Input(), &j.rec, &j.answer, j.call, j.outside)
	t.filling.Unlock()
	j.start = max(t.clock(), j.rec.Observation.Now)
	if j.picture == nil {
		if j.err = j.session.Run(); j.err == nil {
			j.answer.Class, j.err = argmax(j.session.Output())
		}
	}
	t.ends.add(j, t.clock)
}

// job returns an empty job.
func (t *team) job() *job {
	if n := len(t.free); n > 0 {
		j := t.free[n-1]
		t.free = t.free[:n-1]
		return j
	}
	return &job{}
}

// next returns an empty job, which is next in the trace.
func (t *team) next() *job {
	j := t.job()
	t.order = append(t.order, j)
	return j
}

// settle is called when the loop is done with a job, whose record is complete: the trace has records in order of decision,
// so that it may have to wait for those before.
func (t *team) settle(j *job) {
	j.settled = true
	n := 0
	for ; n < len(t.order) && t.order[n].settled; n++ {
		first := t.order[n]
		t.run.record(&first.rec)
		*first = job{}
		t.free = append(t.free, first)
	}
	t.order = append(t.order[:0], t.order[n:]...)
}
