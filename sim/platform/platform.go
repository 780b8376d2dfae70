// Package platform is a board in motion: activities that share its processors and its memory, clocks
// that governors, power modes and heat change, power by rail and temperature. It runs on the events of a
// des.Kernel and knows nothing of requests, levels or policies.
//
// Sharing is a fluid: an activity that would take L alone and undisturbed at the present clock makes progress at a
// pace of at most 1/L, and paces are max-min fair (package fluid) over the cores that are on, the GPU and the
// memory's bandwidth. A co-running program takes part in the sharing as far as its demands are known, and what
// else it does to inferences beside it is one factor, its interference, as a profile measured it.
//
// Clocks change late: a new clock is in force [board.Processor.Effect] after it was asked for, and stops the processor for
// [board.Processor.Stall]. Of several requests in the meantime the last one counts.
//
// How an activity's latency depends on the clock is what the activity says (a table taken at each operating point)
// or the board's fitted scaling; without either it is taken for inverse to the clock. Used outside of what was
// measured, the report says so. Power is the board's model (package board): what a step cost is what the
// integrals of utilisation, traffic and temperature say, which are exact, since all of them are constant or
// exponential between events. The model's coefficients are as good as the board's file: [Report] tells how an energy
// depends on each of them.
//
// What it refuses to model: caches, single clusters of cores with clocks of their own, what the fan's speed does to the
// sink's resistance (the file's resistance holds at any speed), and voltage apart from the exponent of power.
package platform

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/fluid"
)

// Config says which board moves and how.
type Config struct {
	Board *board.Board // required
	// Mode is the name or number of the power mode at the start; the board's default mode if empty.
	Mode string
	// Governors choose the clocks by processor; Performance where absent.
	Governors map[string]Governor
	// Reference has, by processor, the clock at which activities' work is their latency. It is the top clock
	// where absent. It need not be a step of the board.
	Reference map[string]unit.Hertz
	// Poll is how often temperature and current are looked at. 0 stands for the board's, or else for
	// DefaultPoll.
	Poll time.Duration
	// Events happen whatever the activities do. Their order counts where times are equal.
	Events []Event
	// Sample, unless nil, is told the readings after everything that may change them. It must not touch the platform.
	Sample func(at time.Duration, r Readings) `json:"-"`
}

// DefaultPoll is the usual polling delay of thermal zones in Linux device trees.
const DefaultPoll = time.Second

// maxActivities bounds what runs at once.
const maxActivities = 256

// Owner is told how activities end. Its methods may start others.
type Owner interface {
	// Ended is called when an activity's work is done.
	Ended(tag uint64)
	// Down is called once when the board has shut down: nothing that runs ends any more.
	Down(reason string)
}

// Work is something to be done by a processor.
type Work struct {
	Tag       uint64 // given back to the owner
	Processor int    // see Processor
	// Nanoseconds is the latency alone and undisturbed at the reference clock, positive; it may be infinite.
	Nanoseconds float64
	// Threads is the number of cores that it keeps busy, or the share of the GPU. 0 stands for all cores that are
	// on, or the whole GPU.
	Threads float64
	// Bytes is the memory traffic of all of the work.
	Bytes float64
	// Speeds has, for each clock step of the processor, the inverse of the latency there in units of that at the reference
	// clock; nil stands for the board's scaling. It is only read.
	Speeds []float64
}

// Platform is a board in motion. It is used by the goroutine of its kernel.
type Platform struct {
	kernel *des.Kernel
	self   des.HandlerID
	owner  Owner
	board  *board.Board
	mode   *board.PowerMode
	poll   time.Duration
	events []Event

	processors []processor
	memory     memory
	running    []activity
	coRunners  []coRunner
	thermal    *Thermal
	power      powerModel
	zones      []zone
	watts      float64 // that the board draws with the die at 25 C
	peak       float64 // die temperature, C
	// Sensors that are lost.
	noTemperature, noPower bool

	down     string // why the board has shut down
	downAt   time.Duration
	handling bool
	sample   func(time.Duration, Readings) // nil: nobody asked
	stopped  bool

	// Memory of share.
	capacity [fluid.MaxResources]float64
	uses     [maxActivities]fluid.Use
	paces    [maxActivities]float64
}

// activity is work in progress.
type activity struct {
	Work
	coRunner  int           // its number from 1 on; 0 for the owner's work
	left      float64       // nanoseconds of work, at since
	since     time.Duration // from when on rate holds
	rate      float64       // work per time
	end       time.Duration // at that rate; des.Forever if never
	bandwidth float64       // bytes per nanosecond of work
}

// Kinds of events.
const (
	evEnd uint16 = iota // of the first activity to end at processor Arg
	evClock
	evResume
	evGovernor
	evPoll
	evEvent
)

var _ des.Handler = (*Platform)(nil)

// New starts a board at the kernel's present time: at the steady temperature of doing nothing, with the clocks that
// the governors choose. It returns an error for a config that Validate refuses.
func New(c Config, kernel *des.Kernel, owner Owner) (*Platform, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	p := &Platform{kernel: kernel, owner: owner, board: c.Board, poll: c.Poll, events: slices.Clone(c.Events), sample: c.Sample}
	if p.poll == 0 {
		p.poll = DefaultPoll
		if c.Board.Thermal.Poll.Known() && c.Board.Thermal.Poll.Value > 0 {
			p.poll = c.Board.Thermal.Poll.Value
		}
	}
	p.self = kernel.Register(p)
	p.mode = modeOf(c.Board, c.Mode)
	for i := range c.Board.Processors {
		p.processors = append(p.processors, p.newProcessor(&c.Board.Processors[i], &c))
	}
	p.memory = newMemory(c.Board, p.mode)
	p.zones = newZones(c.Board)
	var err error
	if p.power, err = newPowerModel(c.Board); err != nil {
		return nil, err
	}
	if p.thermal, err = NewThermal(&c.Board.Thermal, p.power.leak()); err != nil {
		return nil, fmt.Errorf("platform: board %s: %w", c.Board.Name, err)
	}
	now := kernel.Now()
	for i := range p.processors {
		p.bound(i)
		pr := &p.processors[i]
		pr.at = pr.choose()
		pr.want = pr.at
	}
	p.thermal.at = now
	p.share()
	p.thermal.Settle(now)
	p.thermal.warmth, p.peak = 0, p.thermal.die
	for i := range p.events {
		kernel.At(max(now, p.events[i].At), des.ClockApplied, p.self, des.Event{Kind: evEvent, Arg: uint64(i)})
	}
	kernel.After(p.poll, des.ManagerTick, p.self, des.Event{Kind: evPoll})
	return p, nil
}

// Validate returns what makes a board unable to start, all problems joined.
func (c *Config) Validate() error {
	if c.Board == nil {
		return errors.New("platform: no board")
	}
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("platform: board %s: "+format, append([]any{c.Board.Name}, args...)...))
	}
	if err := c.Board.Validate(); err != nil {
		errs = append(errs, err)
	}
	if n := len(c.Board.Processors); n == 0 || n > fluid.MaxResources-1 {
		add("%d processors, want 1 to %d", n, fluid.MaxResources-1)
	}
	if c.Mode != "" && c.Board.Mode(c.Mode) == nil {
		add("no power mode %q", c.Mode)
	}
	for _, name := range sortedKeys(c.Governors) {
		if c.Board.Processor(name) == nil {
			add("governor for %q, which is no processor", name)
		}
		if err := c.Governors[name].Validate(); err != nil {
			add("%s: %w", name, err)
		}
	}
	for _, name := range sortedKeys(c.Reference) {
		if c.Board.Processor(name) == nil {
			add("reference clock of %q, which is no processor", name)
		}
		if f := float64(c.Reference[name]); !(f > 0) || math.IsInf(f, 0) {
			add("reference clock of %s is %g Hz", name, f)
		}
	}
	if c.Poll < 0 {
		add("poll of %v is negative", c.Poll)
	}
	for i := range c.Events {
		if err := c.Events[i].Validate(c.Board); err != nil {
			add("event %d at %v: %w", i+1, c.Events[i].At, err)
		}
	}
	if err := checkCoRunners(c.Events); err != nil {
		add("%w", err)
	}
	return errors.Join(errs...)
}

func modeOf(b *board.Board, name string) *board.PowerMode {
	if name == "" {
		name = b.DefaultMode
	}
	if name == "" {
		return nil
	}
	return b.Mode(name)
}

// PowerMode returns the power mode at the start, nil if the board has none.
func (c *Config) PowerMode() *board.PowerMode { return modeOf(c.Board, c.Mode) }

// ReferenceClock returns the clock at which activities' work on a processor, which the board must have, is their latency.
func (c *Config) ReferenceClock(processor string) unit.Hertz {
	if f, ok := c.Reference[processor]; ok {
		return f
	}
	steps := c.Board.Processor(processor).Clocks.Values
	return steps[len(steps)-1]
}

// Processor returns the index of a processor by its name, -1 if there is none.
func (p *Platform) Processor(name string) int {
	return slices.IndexFunc(p.board.Processors, func(b board.Processor) bool { return b.Name == name })
}

// Start begins work at the present time. It panics if the work is not positive, the processor unknown, or if 256
// activities run already. After Down it does nothing.
func (p *Platform) Start(w Work) {
	if !(w.Nanoseconds > 0) || w.Processor < 0 || w.Processor >= len(p.processors) {
		panic("platform: work that is not positive, or for no processor")
	}
	if p.down != "" {
		return
	}
	p.add(w, 0)
	if !p.handling { // else once at the end
		p.share()
		p.tell()
	}
}

// tell hands the readings on, if anybody asked for them.
func (p *Platform) tell() {
	if p.sample != nil {
		p.sample(p.kernel.Now(), p.Read())
	}
}

// add adds an activity; one that is not 0 is that co-runner.
func (p *Platform) add(w Work, coRunner int) {
	if len(p.running) >= maxActivities {
		panic("platform: too many activities at once")
	}
	p.running = append(p.running, activity{
		Work: w, left: w.Nanoseconds, since: p.kernel.Now(), end: des.Forever,
		bandwidth: w.Bytes / w.Nanoseconds, coRunner: coRunner,
	})
}

// Stop ends the polls and governors, so that the kernel can run dry. Activities go on.
func (p *Platform) Stop() { p.stopped = true }

// Handle implements des.Handler.
func (p *Platform) Handle(_ *des.Kernel, ev des.Event) {
	if p.down != "" {
		return
	}
	p.handling = true
	changed := true
	i := int(ev.Arg)
	switch ev.Kind {
	case evEnd:
		p.end(i)
	case evClock:
		changed = p.applyClock(i)
	case evResume:
		p.resume(i)
	case evGovernor:
		changed = false
		p.governorTick(i)
	case evPoll:
		changed = false
		p.look()
	case evEvent:
		p.apply(&p.events[i])
	}
	p.handling = false
	if changed {
		p.share()
	}
	p.tell()
}

// end takes the first activity to end off a processor.
func (p *Platform) end(i int) {
	pr := &p.processors[i]
	pr.endAt = des.Forever
	tag := p.running[pr.first].Tag
	p.remove(pr.first)
	p.owner.Ended(tag)
}

func (p *Platform) remove(i int) {
	last := len(p.running) - 1
	p.running[i] = p.running[last]
	p.running = p.running[:last]
}
