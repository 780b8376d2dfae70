package policytest

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
)

// events is a random run: a clock, a queue that grows and shrinks, inferences of the decided level
// that take up to three times as long as predicted, now and then far longer, and now and then
// something that cannot be: the largest time, a completion of nothing.
type events struct {
	rng     *rand.Rand
	model   *policy.Model
	now     time.Duration
	last    policy.Decision
	served  bool
	pending bool // the last decision was to serve, its completion has not been delivered
	id      int64
	queue   []policy.Request
	shown   policy.Observation
	scale   time.Duration // typical latency
}

func newEvents(seed uint64, m *policy.Model) *events {
	e := &events{rng: rand.New(rand.NewPCG(seed, 4711)), model: m, scale: min(m.Levels[0].Latency[0], time.Second)}
	e.scale = max(e.scale, time.Microsecond)
	return e
}

// next returns the next observation, or nil and a completion.
func (e *events) next() (*policy.Observation, policy.Completion) {
	if e.pending {
		e.pending = false
		return nil, e.completion()
	}
	for len(e.queue) == 0 || e.rng.IntN(3) == 0 {
		e.arrive()
	}
	waiting := len(e.queue)
	if e.rng.IntN(50) == 0 {
		waiting += policy.MaxQueue
	}
	e.shown = policy.Observation{
		Now: e.now, Level: -1, Processor: -1,
		Queue: slices.Clone(e.queue[:min(len(e.queue), policy.MaxQueue)]), Waiting: waiting,
		Limit: e.size(3), MinAccuracy: unit.Accuracy(e.rng.Float64() * float64(e.rng.IntN(2))),
	}
	if waiting > len(e.queue) {
		e.shown.Waiting = max(waiting, policy.MaxQueue)
	}
	for len(e.shown.Queue) < min(e.shown.Waiting, policy.MaxQueue) {
		e.shown.Queue = append(e.shown.Queue, e.shown.Queue[len(e.shown.Queue)-1])
	}
	if n := len(e.model.Processors); e.rng.IntN(3) == 0 {
		e.shown.Busy = e.rng.Uint64N(1<<n - 1) // not all of them
	}
	e.shown.Steps = e.steps()
	if e.served {
		e.shown.Level, e.shown.Processor = e.last.Level, e.last.Processor
	}
	return &e.shown, policy.Completion{}
}

// steps returns nil or, where there are clock steps, now and then some range of them.
func (e *events) steps() []policy.StepRange {
	if len(e.model.Clocks) == 0 || e.rng.IntN(3) > 0 {
		return nil
	}
	ranges := make([]policy.StepRange, len(e.model.Processors))
	for i, c := range e.model.Clocks {
		if n := len(c.Steps); n > 0 && e.rng.IntN(4) > 0 {
			low := 1 + e.rng.IntN(n)
			ranges[i] = policy.StepRange{Low: uint8(low), High: uint8(low + e.rng.IntN(n-low+1))}
		}
	}
	return ranges
}

// size returns zero, a time of up to n typical latencies or, rarely, the largest.
func (e *events) size(n float64) time.Duration {
	switch e.rng.IntN(40) {
	case 0:
		return math.MaxInt64
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		return 0
	}
	return time.Duration(float64(e.scale)*n*e.rng.Float64()) + 1
}

func (e *events) arrive() {
	r := policy.Request{ID: e.id, Arrival: max(0, e.now-e.size(1)%(e.now+1))}
	if d := e.size(4); d > 0 && e.rng.IntN(5) > 0 {
		r.Deadline = r.Arrival + min(d, math.MaxInt64-r.Arrival)
	}
	e.id++
	e.queue = append(e.queue, r)
	slices.SortStableFunc(e.queue, func(a, b policy.Request) int {
		key := func(d time.Duration) uint64 { return uint64(d) - 1 } // no deadline comes last
		switch x, y := key(a.Deadline), key(b.Deadline); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return int(min(max(a.Arrival-b.Arrival, -1), 1))
	})
}

// decided tells the run what became of the head of the queue, and of a batch.
func (e *events) decided(d policy.Decision) {
	if d.Action == policy.Wait {
		e.step(max(1, e.size(0.1)))
		return
	}
	e.queue = e.queue[min(d.Size(), len(e.queue)):]
	if d.Action == policy.Serve {
		e.last, e.served, e.pending = d, true, true
		return
	}
	e.step(e.size(0.1))
}

// step moves the clock, far only so often that it does not reach its end.
func (e *events) step(d time.Duration) { e.now += min(d, math.MaxInt64/(4*steps)) }

func (e *events) completion() policy.Completion {
	predicted := min(e.model.Levels[e.last.Level].Of(e.last.Processor, e.last.Batch), time.Hour)
	c := policy.Completion{Request: e.id, Level: e.last.Level, Processor: e.last.Processor, Batch: e.last.Batch, Clock: e.last.Clock, Start: e.now}
	e.step(time.Duration(float64(predicted) * 3 * e.rng.Float64()))
	c.End = e.now
	switch e.rng.IntN(60) {
	case 0:
		c.End = math.MaxInt64
	case 1:
		c.End = c.Start
	case 2:
		c.Level = len(e.model.Levels)
	case 3:
		c.Processor = -1
	case 4:
		c.Level = -1
	case 5:
		c.Batch = policy.MaxBatch + 1
	case 6:
		c.Clock = 99
	case 7, 8, 9: // it could not be set
		if len(e.model.Clocks) > 0 && len(e.model.Clocks[c.Processor].Steps) > 0 {
			c.Clock = 1 + e.rng.IntN(len(e.model.Clocks[c.Processor].Steps))
		}
	}
	return c
}
