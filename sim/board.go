package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

// Demand is what an application's inferences take of a board.
type Demand struct {
	// Threads has the number of cores, or the share of the GPU, that an inference keeps busy, by processor. All cores
	// that are on and the whole GPU where absent.
	Threads map[string]float64
	// Points are latencies at operating points other than the reference clock, which come before any scaling.
	Points []Point
}

// Point is a row of a latency table: what each level takes, alone and undisturbed, with a processor at a clock.
type Point struct {
	Processor string
	Clock     unit.Hertz
	Latency   []time.Duration // by level
	Origin    lut.Origin      // of these; empty: not said
}

// boardRun is one or several applications on one board.
type boardRun struct {
	kernel   *des.Kernel
	platform *platform.Platform
	servers  []*server
	running  int // servers that are not done
}

var _ platform.Owner = (*boardRun)(nil)

// maxServing bounds the inferences that run on a board at a time, so that co-runners have room beside them.
const maxServing = 128

// RunTogether plays several applications on one board: each config is one of them, with its own scenario, family,
// policy and App, whose random streams have its name. They share the board of the first config, and its scenario's
// disturbances; their inferences share processors and memory as package platform says. Results are in the order of the
// configs and have the same Platform and Fingerprint.
//
// It returns the errors of Run, and one if there is no board, or if two applications have one name.
func RunTogether(ctx context.Context, configs []Config) ([]*Result, error) {
	if len(configs) == 0 {
		return nil, errors.New("sim: no applications")
	}
	first := configs[0]
	if first.Scenario != nil {
		var err error
		if first, err = first.OnBoard(); err != nil {
			return nil, fmt.Errorf("sim: scenario %s: %w", first.Scenario.Name, err)
		}
	}
	b := &boardRun{kernel: des.New()}
	var errs []error
	for i, c := range configs {
		if slices.ContainsFunc(configs[:i], func(o Config) bool { return o.App == c.App }) {
			errs = append(errs, fmt.Errorf("sim: two applications have the name %q", c.App))
		}
		c.Board = first.Board
		s, err := c.prepare()
		if err != nil {
			errs = append(errs, fmt.Errorf("application %q: %w", c.App, err))
			continue
		}
		s.noteFamily()
		s.source = newScenarioSource(s.scenario, c.seed(), c.Replication, c.App)
		b.servers = append(b.servers, s)
	}
	serving := 0
	for _, s := range b.servers {
		serving += len(s.processors)
	}
	if serving > maxServing {
		errs = append(errs, fmt.Errorf("sim: %d applications on %d processors in all, %d are allowed", len(b.servers), serving, maxServing))
	}
	if first.Board == nil {
		errs = append(errs, errors.New("sim: several applications need a board to share"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b.play(ctx, &first)
}

// play runs the servers to their end.
func (b *boardRun) play(ctx context.Context, c *Config) ([]*Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	config := *c.Board
	config.Governors = maps.Clone(config.Governors)
	for _, s := range b.servers {
		if g, ok := s.policy.(policy.Governed); ok && g.Governor() != "" {
			for _, name := range s.header.Family.Processors() {
				if config.Governors == nil {
					config.Governors = map[string]platform.Governor{}
				}
				config.Governors[name] = platform.Governor(g.Governor())
			}
		}
	}
	c.Scenario = single(c.Scenario)
	config.Events = append(slices.Clone(config.Events), boardEvents(config.Board, c.Scenario, c.seed(), c.Replication)...)
	var err error
	if b.platform, err = platform.New(config, b.kernel, b); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	b.running = len(b.servers)
	until := time.Duration(0)
	for i, s := range b.servers {
		s.attach(b.kernel)
		s.board, s.index = b, i
		s.start(ctx)
		until = max(until, s.scenario.Duration)
	}
	for _, s := range b.servers {
		b.settle(s)
	}
	for b.running > 0 && b.kernel.Run(b.kernel.Now()+slice) != des.Stopped { // none runs if no request comes
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if b.kernel.Now() > maxTime {
			return nil, fmt.Errorf("sim: an inference would end after %v", maxTime)
		}
	}
	for _, s := range b.servers {
		if s.err != nil {
			return nil, s.err
		}
	}
	if until > b.kernel.Now() {
		b.kernel.Run(until) // the board goes on as long as its scenario
	}
	report := b.platform.Report()
	results := make([]*Result, len(b.servers))
	for i, s := range b.servers {
		s.header.Notes = append(s.header.Notes, report.Notes...)
		results[i] = s.result()
		results[i].Platform = report
	}
	return results, nil
}

// settle notes when a server has nothing more to do, and ends the run after the last.
func (b *boardRun) settle(s *server) {
	if s.done || s.expecting || s.busy != 0 || s.queue.len() > 0 {
		return
	}
	s.done = true
	if b.running--; b.running == 0 {
		b.kernel.Stop()
	}
}

// Ended implements platform.Owner.
func (b *boardRun) Ended(tag uint64) {
	s := b.servers[tag>>8]
	s.completeOnBoard(int(tag & 0xff))
	b.settle(s)
}

// Down implements platform.Owner.
func (b *boardRun) Down(reason string) {
	for _, s := range b.servers {
		s.down(reason)
		b.settle(s)
	}
}

// begin starts the inference of a processor on the board, after the time that switching takes.
func (s *server) begin(i int, at time.Duration, work float64, d policy.Decision) {
	if !(work < longest) {
		s.fail(fmt.Errorf("sim: policy %q: an inference of %v at level %d would take longer than %v", s.spec, unit.Nanoseconds(work), d.Level, unit.Nanoseconds(longest)))
		return
	}
	p := &s.processors[i]
	demand := &p.demand[d.Level]
	p.work = platform.Work{
		Tag: uint64(s.index)<<8 | uint64(i), Processor: p.onBoard, Nanoseconds: max(work, 1),
		Threads: p.threads, Bytes: demand.weights + float64(demand.activations*float64(d.Size())), Speeds: demand.speeds,
	}
	if at > s.kernel.Now() {
		s.kernel.At(at, des.ClockApplied, s.self, des.Event{Kind: evStart, Arg: uint64(i)})
		return
	}
	s.board.platform.Start(p.work)
}

// longest bounds an inference on a board, undisturbed, in nanoseconds: 11 days.
const longest = 1e15

// completeOnBoard ends the inference of a processor.
func (s *server) completeOnBoard(i int) {
	p := &s.processors[i]
	for k := range p.size {
		r := &s.records[p.record+k]
		r.End = s.kernel.Now()
		if r.Deadline != 0 && r.End > r.Deadline {
			r.Outcome = trace.Late
		}
	}
	s.finished(i)
	s.wake()
}

// down ends the manager with the board: what runs fails, and nobody is answered any more.
func (s *server) down(string) {
	now := s.kernel.Now()
	for i := range s.processors {
		p := &s.processors[i]
		if !p.busy {
			continue
		}
		p.busy = false
		s.busy &^= 1 << i
		for k := range p.size {
			r := &s.records[p.record+k]
			r.Start = min(r.Start, now)
			r.End, r.Outcome = now, trace.Failed
			s.expect(s.source.after(now, false))
		}
	}
	if s.ended {
		return
	}
	s.ended, s.end = true, policy.Decision{Action: policy.Exit, Reason: boardDown}
	for s.queue.len() > 0 {
		s.refuse(s.queue.take().Request)
	}
}

// slice is the simulated time between looks at the context.
const slice = time.Hour

// boardDown is the reason of requests that a board which has shut down does not answer.
const boardDown policy.Reason = "board-down"

// levelDemand is what one level takes of a processor.
type levelDemand struct {
	weights, activations float64 // bytes of memory traffic of an inference
	speeds               []float64
}

// place finds the server's processors on the board and what its levels take of them.
func (s *server) place(c *Config, names []string) error {
	b := c.Board.Board
	if err := c.Board.Validate(); err != nil {
		return err
	}
	traffic := memoryTraffic(&s.header.Family)
	for i, name := range names {
		p := &s.processors[i]
		p.onBoard = slices.IndexFunc(b.Processors, func(p board.Processor) bool { return p.Name == name })
		if p.onBoard < 0 {
			return fmt.Errorf("board %s has no processor %q", b.Name, name)
		}
		p.threads = c.Demand.Threads[name]
		if !(p.threads >= 0 && p.threads <= 1024) {
			return fmt.Errorf("%g threads on %s are outside [0, 1024]", p.threads, name)
		}
		p.demand = slices.Clone(traffic)
		for l := range p.demand {
			speeds, err := c.speeds(name, l, s.model.Levels[l].Latency[i], len(s.model.Levels))
			if err != nil {
				return err
			}
			p.demand[l].speeds = speeds
		}
	}
	return s.findSteps(b)
}

// speeds returns how much faster than the family's latency a level is at each clock step by the table of points, the
// steps between and beyond them scaled from the nearest, or nil without points.
func (c *Config) speeds(name string, level int, latency time.Duration, levels int) ([]float64, error) {
	var points []Point
	for _, p := range c.Demand.Points {
		switch {
		case len(p.Latency) != levels || slices.ContainsFunc(p.Latency, func(d time.Duration) bool { return d <= 0 }):
			return nil, fmt.Errorf("point of %s at %v: %d latencies for %d levels, or one that is not positive", p.Processor, p.Clock, len(p.Latency), levels)
		case c.Board.Board.Processor(p.Processor) == nil || !(p.Clock > 0):
			return nil, fmt.Errorf("point of %s at %v: no such processor or clock", p.Processor, p.Clock)
		case p.Processor == name:
			points = append(points, p)
		}
	}
	if len(points) == 0 {
		return nil, nil
	}
	steps := c.Board.Board.Processor(name).Clocks.Values
	speeds := make([]float64, len(steps))
	for i, clock := range steps {
		off := func(p Point) float64 { return max(float64(p.Clock/clock), float64(clock/p.Clock)) }
		nearest := slices.MinFunc(points, func(a, b Point) int { return cmp.Compare(off(a), off(b)) })
		speeds[i] = float64(latency) / float64(nearest.Latency[level]) * platform.Speed(c.Board.Board, name, nearest.Clock, clock)
	}
	return speeds, nil
}

// memoryTraffic estimates the bytes that an inference of each level moves: every weight once, and every activation once
// out of the layer that computes it and once into the next, as float32. That is what a runtime moves that goes layer by
// layer, with caches that hold one layer's weights and none of its activations.
func memoryTraffic(f *family.Family) []levelDemand {
	all := make([]levelDemand, len(f.Levels))
	space, err := f.Supernet()
	for i := range f.Levels {
		all[i].weights = 4 * float64(f.Levels[i].Params)
		if err != nil {
			continue
		}
		blocks, err := space.Blocks(f.Levels[i].Arch)
		if err != nil {
			continue
		}
		for _, b := range blocks {
			in, out := float64(b.In.Size*b.In.Size), float64(b.Out.Size*b.Out.Size)
			elements := float64(in*float64(b.In.Channels)) + float64(out*float64(b.Out.Channels))
			elements += 2 * float64((in+out)*float64(b.Mid)) // written and read
			all[i].activations += 4 * elements
		}
	}
	return all
}
