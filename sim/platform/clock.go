package platform

import (
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
)

// processor is a processor of the board with its clock.
type processor struct {
	*board.Processor
	all    float64   // cores, 1 of a GPU
	cores  float64   // that are on
	speeds []float64 // by clock step, of the reference clock's
	shares []float64 // of the full power, by clock step
	full   float64   // W
	// What the clock may be, by the mode and by heat: steps low to min(high, cap).
	low, high, cap int
	at, want       int // step in force, step asked for
	changing       bool
	stalled        bool
	resuming       des.Handle

	governor Governor
	chosen   int           // the step of Userspace
	ticking  bool          // a governor's tick is pending
	updated  time.Duration // when the governor looked last
	tracking tracking

	slowdown     float64 // from outside, a factor on latencies
	interference float64 // slowdown and the co-runners together

	// Of what runs, from share.
	load    float64 // cores in use
	busiest float64 // the largest pace
	first   int     // activity to end next
	next    time.Duration
	endAt   time.Duration // of the pending event
	ending  des.Handle

	// The record.
	scaled      bool    // the board's scaling was used
	utilisation float64 // share of all cores, since recorded
	recorded    time.Duration
	spent       []time.Duration // by clock step
	busy        []float64       // s of full utilisation, by clock step
	transitions int
	throttled   time.Duration
}

func (p *Platform) newProcessor(b *board.Processor, c *Config) processor {
	steps := b.Clocks.Values
	n := len(steps)
	top := steps[n-1]
	pr := processor{
		Processor: b, all: 1, governor: c.Governors[b.Name], slowdown: 1, interference: 1, high: n - 1, cap: n - 1, chosen: n - 1,
		first: -1, endAt: des.Forever, recorded: p.kernel.Now(), updated: -governorPeriod,
		spent: make([]time.Duration, n), busy: make([]float64, n),
	}
	if pr.governor == "" {
		pr.governor = Performance
	}
	if b.Kind == board.CPU {
		pr.all = float64(b.Cores.Value)
	}
	pr.speeds = speeds(c.Board, b, c.ReferenceClock(b.Name))
	for i := range c.Board.Power.Parts {
		if part := &c.Board.Power.Parts[i]; part.Processor == b.Name {
			pr.full = float64(part.Full.Value)
			for _, s := range steps {
				pr.shares = append(pr.shares, power(float64(s/top), part.Exponent.Value))
			}
		}
	}
	pr.tracking.at = p.kernel.Now()
	return pr
}

// speeds returns how much faster than at the reference clock work goes at each clock step.
func speeds(b *board.Board, p *board.Processor, reference unit.Hertz) []float64 {
	all := make([]float64, len(p.Clocks.Values))
	for i, c := range p.Clocks.Values {
		all[i] = Speed(b, p.Name, reference, c)
	}
	return all
}

// Speed returns how much faster work goes on a processor at one clock than at another, by the board's scaling,
// or in proportion to the clocks if it has none.
func Speed(b *board.Board, processor string, from, to unit.Hertz) float64 {
	exponent := 1.0
	if s, err := b.ScalingOf(processor); err == nil {
		exponent = s.Exponent
	}
	return power(float64(to/from), exponent)
}

// Draw returns what a processor draws on top of idle with all of it busy at a clock, 0 if the board says nothing about
// its power.
func Draw(b *board.Board, processor string, clock unit.Hertz) unit.Watts {
	for i := range b.Power.Parts {
		if part := &b.Power.Parts[i]; part.Processor == processor {
			steps := b.Processor(processor).Clocks.Values
			return unit.Watts(float64(part.Full.Value) * power(float64(clock/steps[len(steps)-1]), part.Exponent.Value))
		}
	}
	return 0
}

// power returns x^y with its last bits, in which architectures differ, cut off.
func power(x, y float64) float64 {
	v := math.Pow(x, y)
	scale := math.Exp2(44 - math.Floor(math.Log2(v)))
	if math.IsInf(scale, 0) || math.IsNaN(scale) || scale == 0 {
		return v
	}
	return math.Round(v*scale) / scale
}

// bound takes over what the power mode allows.
func (p *Platform) bound(i int) {
	pr := &p.processors[i]
	allowed := p.board.Steps(pr.Name, p.mode)
	pr.low = max(0, slices.Index(pr.Clocks.Values, allowed[0]))
	pr.high = pr.low + len(allowed) - 1
	pr.cap = pr.high
	pr.cores = pr.all
	if p.mode != nil && pr.Kind == board.CPU {
		pr.cores = min(pr.all, float64(p.mode.Cores.Value))
	}
}

// request asks for a clock step; the last request before one takes effect counts.
func (p *Platform) request(i, step int) {
	pr := &p.processors[i]
	pr.want = min(max(step, pr.low), pr.cap)
	if pr.changing || pr.want == pr.at {
		return
	}
	pr.changing = true
	p.kernel.After(pr.Effect.Value, des.ClockApplied, p.self, des.Event{Kind: evClock, Arg: uint64(i)})
}

// applyClock puts a clock in force and reports whether that changes anything.
func (p *Platform) applyClock(i int) bool {
	if i == len(p.processors) {
		return p.applyMemoryClock()
	}
	pr := &p.processors[i]
	pr.changing = false
	if pr.want == pr.at {
		return false
	}
	pr.settle(p.kernel.Now())
	pr.at = pr.want
	pr.transitions++
	pr.stalled = pr.Stall.Value > 0
	if pr.stalled {
		p.kernel.Cancel(pr.resuming)
		pr.resuming = p.kernel.After(pr.Stall.Value, des.ClockApplied, p.self, des.Event{Kind: evResume, Arg: uint64(i)})
	}
	return true
}

// resume ends the stall of a processor or of the memory.
func (p *Platform) resume(i int) {
	if i == len(p.processors) {
		p.memory.stalled = false
		return
	}
	p.processors[i].stalled = false
}

// settle records what has been until now.
func (pr *processor) settle(now time.Duration) {
	dt := now - pr.recorded
	if dt == 0 {
		return
	}
	pr.spent[pr.at] += dt
	pr.busy[pr.at] += float64(pr.utilisation * dt.Seconds())
	if pr.cap < pr.high {
		pr.throttled += dt
	}
	pr.recorded = now
}

// account takes over the present load.
func (pr *processor) account(now time.Duration) {
	if u := min(1, pr.load/pr.all); u != pr.utilisation {
		pr.settle(now)
		pr.utilisation = u
	}
	pr.tracking.follow(now, float64(pr.busiest*pr.relative()))
}

// relative returns the clock as a share of the top clock.
func (pr *processor) relative() float64 {
	return float64(pr.Clocks.Values[pr.at] / pr.Clocks.Values[len(pr.Clocks.Values)-1])
}

// memory is the memory with its clock.
type memory struct {
	*board.Memory
	at, want          int
	changing, stalled bool
	resuming          des.Handle
	transitions       int

	traffic  float64 // bytes per second, since recorded
	recorded time.Duration
	bytes    float64
}

func newMemory(b *board.Board, mode *board.PowerMode) memory {
	m := memory{Memory: &b.Memory}
	m.at = m.stepOf(mode)
	m.want = m.at
	return m
}

// stepOf returns the clock step of a power mode, the top one if it names none.
func (m *memory) stepOf(mode *board.PowerMode) int {
	steps := m.Clocks.Values
	if mode != nil && mode.Memory.Known() {
		if i := slices.Index(steps, mode.Memory.Value); i >= 0 {
			return i
		}
	}
	return len(steps) - 1
}

// bandwidth returns what the memory moves at most, in bytes per second.
func (m *memory) bandwidth() float64 { return float64(m.Bandwidth(m.Clocks.Values[m.at])) }

func (m *memory) account(now time.Duration, traffic float64) {
	if traffic != m.traffic {
		m.bytes += float64(m.traffic * (now - m.recorded).Seconds())
		m.recorded, m.traffic = now, traffic
	}
}

// requestMemory asks for a clock step of the memory.
func (p *Platform) requestMemory(step int) {
	m := &p.memory
	m.want = step
	if m.changing || m.want == m.at {
		return
	}
	m.changing = true
	p.kernel.After(m.Effect.Value, des.ClockApplied, p.self, des.Event{Kind: evClock, Arg: uint64(len(p.processors))})
}

func (p *Platform) applyMemoryClock() bool {
	m := &p.memory
	m.changing = false
	if m.want == m.at {
		return false
	}
	m.at = m.want
	m.transitions++
	m.stalled = m.Stall.Value > 0
	if m.stalled {
		p.kernel.Cancel(m.resuming)
		m.resuming = p.kernel.After(m.Stall.Value, des.ClockApplied, p.self, des.Event{Kind: evResume, Arg: uint64(len(p.processors))})
	}
	return true
}
