package runner

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Call is a request from outside of the run.
type Call struct {
	// Deadline is the time from arrival by which the answer is due; 0: the run's.
	Deadline time.Duration
	// Fill writes the input for a level's resolution r to dst, NCHW float32 with 3 r r elements. The run calls it at
	// most once, right before the inference, from a goroutine of its own; of a run's calls one is filled at a time. An
	// error fails the request, not the level.
	Fill func(dst []float32, resolution int) error
	// Done gets the result, once, from the runner's goroutine, which it must not keep waiting.
	Done func(Result)
}

// Result is what became of a call.
type Result struct {
	Outcome  trace.Outcome
	Decision policy.Decision
	Arrival  time.Duration // these four in the run's time
	Decided  time.Duration
	Start    time.Duration // of the inference, Decided without one
	End      time.Duration
	Err      error     // why a request failed, nil otherwise
	Class    int       // of an answered call: of the largest logit
	Logits   []float32 // of an answered call; only valid during Done
	// Predicted is the latency of one inference of the level, as the policy knows it.
	Predicted time.Duration
}

// Errors of Inbox.Send.
var (
	ErrFull     = errors.New("runner: too many requests are waiting")
	ErrDraining = errors.New("runner: no more requests are taken")
)

// Inbox hands calls from any goroutine to a run.
type Inbox struct {
	clock Clock
	calls chan received

	mu     sync.RWMutex
	closed bool
}

// received is a call and when it came, by the inbox's clock.
type received struct {
	Call
	at time.Duration
}

// NewInbox returns an inbox for at most capacity calls that the run has not looked at yet. The clock
// must be the run's; nil means the machine's, which the run then takes from the inbox.
func NewInbox(capacity int, clock Clock) *Inbox {
	if clock == nil {
		clock = newWallClock()
	}
	return &Inbox{clock: clock, calls: make(chan received, capacity)}
}

// Send hands a call over; its arrival is now. Done will be called unless Send returns an error: ErrFull or
// ErrDraining.
func (b *Inbox) Send(c Call) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.closed {
		return ErrDraining
	}
	select {
	case b.calls <- received{c, b.clock.Now()}:
		return nil
	default:
		return ErrFull
	}
}

// Close takes no more calls. The run serves those that are waiting and ends.
func (b *Inbox) Close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.closed = true
		close(b.calls)
	}
}

// turnAway takes no more calls and gives those that the run never looked at, because it could not begin, a result.
func (b *Inbox) turnAway() {
	b.Close()
	for c := range b.calls {
		c.Done(Result{Outcome: trace.Refused, Decision: policy.Decision{Action: policy.Exit, Reason: ReasonCancelled}})
	}
}

// take admits everything that has arrived.
func (r *run) take() {
	for !r.drained {
		select {
		case c, ok := <-r.Inbox.calls:
			if !ok {
				r.drained = true
				return
			}
			r.call(c)
		default:
			return
		}
	}
}

// wait waits for a call.
func (r *run) wait(ctx context.Context) {
	select {
	case c, ok := <-r.Inbox.calls:
		if !ok {
			r.drained = true
			return
		}
		r.call(c)
	case <-r.idle():
	case <-ctx.Done():
	}
}

// call queues a call.
func (r *run) call(c received) {
	q := policy.Request{ID: r.schedule.given, Arrival: max(0, c.at-r.began)}
	r.schedule.given++
	if q.Deadline = due(q.Arrival, c.Deadline); q.Deadline == 0 {
		q.Deadline = due(q.Arrival, r.deadline())
	}
	r.calls[q.ID] = c.Call
	if r.queue.len() >= maxWaiting {
		r.refuseOne(q, ReasonOverflow)
		return
	}
	r.queue.push(q)
}

// tell gives a call its result.
func (r *run) tell(rec *trace.Record, a Answer, logits []float32, err error) {
	c, ok := r.calls[rec.Request]
	if !ok {
		return
	}
	delete(r.calls, rec.Request)
	res := Result{Outcome: rec.Outcome, Decision: rec.Decision, Arrival: rec.Arrival, Decided: rec.Observation.Now, Start: rec.Start, End: rec.End, Err: err}
	if rec.Outcome.Answered() {
		res.Class, res.Logits = a.Class, logits
	}
	if rec.Decision.Action == policy.Serve {
		res.Predicted = r.model.Levels[rec.Decision.Level].At(rec.Decision.Processor, rec.Decision.Clock, 1)
	}
	c.Done(res)
}
