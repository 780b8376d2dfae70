package runner

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Control changes what a run is asked to keep while it goes on. The policy sees the new values at its
// next decision, and the trace records them. Its methods may be called from any goroutine.
type Control struct {
	limit, deadline atomic.Int64
	accuracy        atomic.Uint64 // bits

	mu      sync.Mutex
	mode    string // power mode
	setMode func(mode string) error
}

// NewControl returns a control with a configuration's values. To use it, set the configuration's Control
// to it.
func NewControl(limit, deadline time.Duration, accuracy unit.Accuracy) *Control {
	c := &Control{}
	c.SetLimit(limit)
	c.SetDeadline(deadline)
	c.SetMinAccuracy(accuracy)
	return c
}

// Limit returns the latency that each inference is required to keep; 0: none.
func (c *Control) Limit() time.Duration { return time.Duration(c.limit.Load()) }

// SetLimit sets it; negative is none.
func (c *Control) SetLimit(d time.Duration) { c.limit.Store(int64(max(d, 0))) }

// Deadline returns the time from arrival by which a request is due; 0: none.
func (c *Control) Deadline() time.Duration { return time.Duration(c.deadline.Load()) }

// SetDeadline sets it for requests that arrive from now on; negative is none.
func (c *Control) SetDeadline(d time.Duration) { c.deadline.Store(int64(max(d, 0))) }

// MinAccuracy returns the accuracy that is required of the level that serves; 0: none.
func (c *Control) MinAccuracy() unit.Accuracy {
	return unit.Accuracy(math.Float64frombits(c.accuracy.Load()))
}

// SetMinAccuracy sets it; what is no accuracy is none.
func (c *Control) SetMinAccuracy(a unit.Accuracy) {
	if a.Validate() != nil {
		a = 0
	}
	c.accuracy.Store(math.Float64bits(float64(a)))
}

// deadline returns the deadline of requests that arrive now.
func (r *run) deadline() time.Duration {
	if r.Control != nil {
		return r.Control.Deadline()
	}
	return r.Deadline
}
