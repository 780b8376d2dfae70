package runner

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Reasons of decisions while something about the device cannot be relied upon.
const (
	ReasonSensorLost    policy.Reason = trace.OverridePrefix + "sensor-lost"    // a sensor that answered does not
	ReasonClockDenied   policy.Reason = trace.OverridePrefix + "clock-denied"   // a clock or power mode that was asked for is not in force
	ReasonSessionFailed policy.Reason = trace.OverridePrefix + "session-failed" // a level's session could not be made
	ReasonClockJump     policy.Reason = trace.OverridePrefix + "clock-jump"     // time went backwards, or the machine slept
)

// Alarm is something about the device that changed behind the policy's back.
type Alarm struct {
	Reason policy.Reason // one of the above
	Detail string        // for people: "temperature of CPU-therm"
	// Hold is how long the safe level serves from the next decision on; 0: DefaultHold. Afterwards the policy decides again, which
	// sees by then what inferences take.
	Hold time.Duration
}

// DefaultHold is the time for which an alarm keeps the safe level in service.
const DefaultHold = time.Second

// maxAlarms bounds the alarms between two decisions; more of them change nothing.
const maxAlarms = 64

// Health takes alarms from any goroutine to a run. The first decision after an alarm is for the safe level, the least accurate
// one in service, with the alarm's reason.
type Health struct {
	pending atomic.Bool
	mu      sync.Mutex
	alarms  []Alarm
	counts  map[policy.Reason]uint64
}

// NewHealth returns a health without alarms.
func NewHealth() *Health { return &Health{counts: map[policy.Reason]uint64{}} }

// Raise raises an alarm.
func (h *Health) Raise(a Alarm) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.counts[a.Reason]++
	if len(h.alarms) < maxAlarms {
		h.alarms = append(h.alarms, a)
	}
	h.pending.Store(true)
}

// Count returns how many alarms of a reason were raised.
func (h *Health) Count(reason policy.Reason) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[reason]
}

// take returns the alarms since the last call. It costs an atomic load if there are none.
func (h *Health) take() []Alarm {
	if h == nil || !h.pending.Load() {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending.Store(false)
	alarms := h.alarms
	h.alarms = nil
	return alarms
}

// heed takes in new alarms.
func (r *run) heed(now time.Duration) {
	for _, a := range r.Health.take() {
		r.alarm(now, a)
	}
}

// raise raises an alarm of the runner's own, and takes it in.
func (r *run) raise(now time.Duration, a Alarm) {
	if r.Health == nil {
		r.alarm(now, a)
		return
	}
	r.Health.Raise(a)
	r.heed(now)
}

// alarm puts the safe level in service for a while.
func (r *run) alarm(now time.Duration, a Alarm) {
	hold := a.Hold
	if hold <= 0 {
		hold = DefaultHold
	}
	if until := now + hold; until > r.safeUntil {
		r.safeUntil, r.safeReason = until, a.Reason
	}
	r.Logger.Warn("the safe level serves", "reason", a.Reason, "detail", a.Detail, "for", hold)
}

// now returns the time since the run began. A clock that falls, which none should, stands still here and raises an alarm.
func (r *run) now() time.Duration {
	now := r.Clock.Now() - r.began
	if now < r.latest {
		if !r.fell {
			r.fell = true
			r.alarm(r.latest, Alarm{Reason: ReasonClockJump, Detail: fmt.Sprintf("the clock fell by %v", r.latest-now)})
		}
		return r.latest
	}
	r.latest, r.fell = now, false
	return now
}
