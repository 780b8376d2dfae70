package platform

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/sim/des"
)

// Governor is a rule that chooses a processor's clock within what the power mode and heat allow.
type Governor string

// Governors, as Linux has them.
const (
	Performance Governor = "performance" // the highest clock
	Powersave   Governor = "powersave"   // the lowest clock
	// Schedutil follows the utilisation that the scheduler tracks: 1.25 times the top clock times utilisation, the next
	// step above it, at most every 10 ms. A processor of one core does not slow down while it is busy.
	//
	// Source: Linux kernel/sched/cpufreq_schedutil.c: get_next_freq, sugov_should_update_freq,
	// sugov_update_single_freq; drivers/cpufreq/cpufreq.c: cpufreq_policy_transition_delay_us (Linux 5.10: a thousand
	// times the transition latency, 10 ms at most). It looks whenever the scheduler tells it to, which here is when
	// the load changes and every 10 ms while there is any. On a GPU, where Linux has none such, it is the same rule.
	Schedutil Governor = "schedutil"
	// Userspace is whatever was asked for by [Platform.SetClock], the highest clock before.
	Userspace Governor = "userspace"
)

// Governors returns all governors.
func Governors() []Governor { return []Governor{Performance, Powersave, Schedutil, Userspace} }

// Validate returns an error unless the governor is one of Governors.
func (g Governor) Validate() error {
	if !slices.Contains(Governors(), g) {
		return fmt.Errorf("governor %.40q is none of %v", string(g), Governors())
	}
	return nil
}

const (
	governorPeriod = 10 * time.Millisecond
	headroom       = 1.25
)

// tracking is the scheduler's view of utilisation, relative to the top clock: it forgets half in 32 ms.
//
// Source: Linux kernel/sched/pelt.c: a geometric series over periods of 1 ms with y^32 = 1/2, here with periods of no length.
type tracking struct {
	target, value float64
	at            time.Duration // of value
}

const halfLife = 32 * time.Millisecond

// now returns the tracked utilisation.
func (t *tracking) now(at time.Duration) float64 {
	return t.value + float64((t.value-t.target)*expm1(-math.Ln2*float64(at-t.at)/float64(halfLife)))
}

// follow sets what the value tends to from now on.
func (t *tracking) follow(at time.Duration, target float64) {
	if target != t.target {
		t.value, t.at, t.target = t.now(at), at, target
	}
}

// choose returns the step that the governor wants now.
func (pr *processor) choose() int {
	top := min(pr.high, pr.cap)
	switch pr.governor {
	case Powersave:
		return pr.low
	case Userspace:
		return min(max(pr.chosen, pr.low), top)
	case Schedutil:
		return pr.low
	}
	return top
}

// schedutil returns the step that the utilisation asks for.
func (pr *processor) schedutil(now time.Duration) int {
	steps := pr.Clocks.Values
	wanted := headroom * float64(steps[len(steps)-1]) * pr.tracking.now(now)
	step := pr.low
	for step < pr.cap && float64(steps[step]) < wanted {
		step++
	}
	alone := pr.Kind == board.CPU && pr.all == float64(pr.Clusters.Value)
	if alone && pr.busiest > 0 {
		step = max(step, min(pr.want, pr.cap))
	}
	return step
}

// govern asks for the governor's clock.
func (p *Platform) govern(i int) {
	pr := &p.processors[i]
	if pr.governor == Schedutil {
		p.request(i, max(pr.low, min(pr.want, pr.cap)))
		p.wakeGovernor(i)
		return
	}
	p.request(i, pr.choose())
}

// wakeGovernor makes schedutil look as soon as it may, if it has a reason to.
func (p *Platform) wakeGovernor(i int) {
	pr := &p.processors[i]
	if pr.governor != Schedutil || pr.ticking || p.stopped || pr.busiest == 0 && pr.want == pr.low {
		return
	}
	pr.ticking = true
	at := max(p.kernel.Now(), pr.updated+governorPeriod)
	p.kernel.At(at, des.ManagerTick, p.self, des.Event{Kind: evGovernor, Arg: uint64(i)})
}

func (p *Platform) governorTick(i int) {
	pr := &p.processors[i]
	pr.ticking = false
	if pr.governor != Schedutil {
		return
	}
	now := p.kernel.Now()
	pr.updated = now
	p.request(i, pr.schedutil(now))
	p.wakeGovernor(i)
}

// SetClock asks for the clock step nearest to a frequency that is not below it, from a processor under
// Userspace, as a runtime manager does. It reports whether the processor is under that governor.
func (p *Platform) SetClock(processor, step int) bool {
	pr := &p.processors[processor]
	if pr.governor != Userspace || p.down != "" {
		return false
	}
	pr.chosen = step
	p.request(processor, pr.choose())
	return true
}

// Steps returns the first and the last clock step of a processor that power mode and heat leave at present.
func (p *Platform) Steps(processor int) (low, high int) {
	pr := &p.processors[processor]
	return pr.low, min(pr.high, pr.cap)
}
