package platform

import (
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/fluid"
)

// share computes the paces of all activities anew and schedules the next end at each processor. It is called
// after everything that can change a pace. An activity whose rate stays as it is is not touched, so whatever
// happens elsewhere, it ends when it was going to.
func (p *Platform) share() {
	now := p.kernel.Now()
	n := len(p.processors)
	for i := range p.processors {
		pr := &p.processors[i]
		p.capacity[i] = pr.cores
		pr.load, pr.busiest, pr.first, pr.next = 0, 0, -1, des.Forever
	}
	p.capacity[n] = p.memory.bandwidth()
	uses, paces := p.uses[:len(p.running)], p.paces[:len(p.running)]
	for i := range p.running {
		a := &p.running[i]
		uses[i] = fluid.Use{}
		if pr := &p.processors[a.Processor]; !pr.stalled && !p.memory.stalled {
			uses[i][a.Processor] = a.threads(pr)
			uses[i][n] = float64(a.bandwidth*a.full(pr)) * 1e9
		}
	}
	fluid.Share(p.capacity[:n+1], uses, paces, nil)
	traffic := 0.0
	for i := range p.running {
		a := &p.running[i]
		pr := &p.processors[a.Processor]
		rate := 0.0
		if !pr.stalled && !p.memory.stalled {
			rate = float64(paces[i] * a.full(pr))
			pr.load += float64(uses[i][a.Processor] * paces[i])
			pr.busiest = max(pr.busiest, paces[i])
			traffic += float64(uses[i][n] * paces[i])
		}
		a.proceed(now, rate)
		if a.end < pr.next {
			pr.next, pr.first = a.end, i
		}
	}
	watts := p.power.base + float64(p.power.perByte*traffic)
	p.memory.account(now, traffic)
	for i := range p.processors {
		pr := &p.processors[i]
		pr.account(now)
		watts += float64(pr.full * pr.shares[pr.at] * pr.utilisation)
		p.expect(i)
		p.wakeGovernor(i)
	}
	p.thermal.SetPower(now, unit.Watts(watts))
	p.watts = watts
}

// threads returns how much of a processor an activity takes at full pace.
func (a *activity) threads(pr *processor) float64 {
	if a.Threads > 0 {
		return a.Threads
	}
	return pr.cores
}

// full returns the rate of an activity that nobody shares a resource with.
func (a *activity) full(pr *processor) float64 {
	speeds := a.Speeds
	if speeds == nil {
		speeds = pr.speeds
		pr.scaled = true
	}
	if a.coRunner > 0 {
		return speeds[pr.at]
	}
	return speeds[pr.at] / pr.interference
}

// proceed gives an activity a rate from now on.
func (a *activity) proceed(now time.Duration, rate float64) {
	if rate == a.rate {
		return
	}
	a.left = max(0, a.left-float64(a.rate*float64(now-a.since)))
	a.since, a.rate = now, rate
	a.end = des.Forever
	if need := a.left / rate; need < float64(maxTime-now) { // false for 0/0
		a.end = now + time.Duration(math.Round(need))
	}
}

// maxTime bounds the times that activities end at; what would end later never does.
const maxTime = des.Forever / 2

// expect makes the kernel expect the next end at a processor.
func (p *Platform) expect(i int) {
	pr := &p.processors[i]
	if pr.next == pr.endAt {
		return
	}
	p.kernel.Cancel(pr.ending)
	pr.endAt = pr.next
	if pr.next != des.Forever {
		pr.ending = p.kernel.At(pr.next, des.Completion, p.self, des.Event{Kind: evEnd, Arg: uint64(i)})
	}
}
