package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim/platform"
)

// OperatingPoints returns a family with the clock steps that a board leaves in its power mode, or in others that may come, by
// name, and with each level's latency and energy at each of them, as the board's model has them for one inference that nobody disturbs: what a
// policy that weighs energy knows. Latencies are the demand's points where it has any, else scaled; energy is that of the
// processor on top of idle, with the cores of the first mode, and of memory traffic. A family that has clock steps comes back as it is, and processors that the
// board lacks get none.
//
// It returns an error for a demand that does not go with family and board.
func OperatingPoints(f *family.Family, b *platform.Config, d Demand, modes ...string) (*family.Family, error) {
	if len(f.Clocks) > 0 {
		return f, nil
	}
	c := &Config{Board: b, Demand: d}
	out := *f
	out.Levels = slices.Clone(f.Levels)
	traffic := memoryTraffic(f)
	mode := b.PowerMode()
	for i, name := range f.Processors() {
		p := b.Board.Processor(name)
		if p == nil {
			continue
		}
		steps := b.Board.Steps(name, mode)
		for _, other := range modes {
			m := b.Board.Mode(other)
			if m == nil {
				return nil, fmt.Errorf("board %s has no power mode %.80q", b.Board.Name, other)
			}
			steps = append(steps, b.Board.Steps(name, m)...)
		}
		slices.Sort(steps)
		steps = slices.Compact(steps)
		if len(steps) == 0 || len(steps) > family.MaxSteps {
			return nil, fmt.Errorf("board %s leaves %d clock steps of %s, want 1 to %d", b.Board.Name, len(steps), name, family.MaxSteps)
		}
		out.Clocks = append(out.Clocks, family.Clocks{
			Processor: name, Steps: steps, Effect: p.Effect.Value,
			Source: describePoints(b.Board, p, d.Points),
		})
		share := 1.0
		if p.Kind == board.CPU {
			cores := float64(p.Cores.Value)
			on := cores
			if mode != nil {
				on = min(on, float64(mode.Cores.Value))
			}
			if threads := d.Threads[name]; threads > 0 {
				on = min(on, threads)
			}
			share = on / cores
		} else if threads := d.Threads[name]; threads > 0 {
			share = min(1, threads)
		}
		for l := range out.Levels {
			level := &out.Levels[l]
			level.Latencies = slices.Clone(level.Latencies)
			latency := &level.Latencies[i]
			speeds, err := c.speeds(name, l, latency.Latency.Duration(), len(f.Levels))
			if err != nil {
				return nil, err
			}
			moved := float64(b.Board.Power.Energy.Value) * (traffic[l].weights + traffic[l].activations)
			latency.Points = nil
			for _, s := range steps {
				speed := platform.Speed(b.Board, name, b.ReferenceClock(name), s)
				if speeds != nil {
					speed = speeds[slices.Index(p.Clocks.Values, s)]
				}
				takes := math.Round(float64(latency.Latency) / speed)
				latency.Points = append(latency.Points, family.Point{
					Latency: unit.Nanoseconds(max(takes, 1)),
					Energy:  unit.Joules(float64(share*float64(platform.Draw(b.Board, name, s))*takes)/1e9 + moved),
				})
			}
		}
	}
	return &out, out.Validate()
}

// Modes returns the power modes that a scenario's board goes through, by name, each once: the first one, then those that events ask
// for. None without a board, or on one that has none.
func (c *Config) Modes() []string {
	var modes []string
	add := func(m *board.PowerMode) {
		if m != nil && !slices.Contains(modes, m.Name) {
			modes = append(modes, m.Name)
		}
	}
	if c.Board == nil {
		return nil
	}
	add(c.Board.PowerMode())
	for _, e := range c.Scenario.Events {
		if e.Kind == traffic.ModeEvent {
			add(c.Board.Board.Mode(e.Mode))
		}
	}
	return modes
}

// describePoints says where a processor's operating points come from.
func describePoints(b *board.Board, p *board.Processor, points []Point) string {
	var clocks []string
	for _, point := range points {
		if point.Processor == p.Name {
			text := point.Clock.String()
			if point.Origin != "" {
				text += " (" + string(point.Origin) + ")"
			}
			clocks = append(clocks, text)
		}
	}
	text := "models of latency and power of board " + b.Name
	if len(clocks) > 0 {
		text = "latencies by tables at " + strings.Join(clocks, ", ") + ", scaled from the nearest elsewhere, power by the model of board " + b.Name
	}
	switch {
	case !p.Effect.Known():
		text += "; when a clock is in force is not known, at once is assumed"
	case p.Effect.Assumption:
		text += "; in force after " + p.Effect.Value.String() + " is assumed"
	}
	return text
}

// withOwnPoints returns the config with the family's own operating points as the board's, so that both agree.
func (c Config) withOwnPoints(f *family.Family) Config {
	if len(f.Clocks) == 0 {
		return c
	}
	c.Demand.Points = slices.Clone(c.Demand.Points)
	for _, clocks := range f.Clocks {
		for k, s := range clocks.Steps {
			p := Point{Processor: clocks.Processor, Clock: s}
			for l := range f.Levels {
				lat, _ := f.Latency(l, clocks.Processor)
				p.Latency = append(p.Latency, lat.Points[k].Latency.Duration())
			}
			c.Demand.Points = append(c.Demand.Points, p)
		}
	}
	return c
}

// choosesClocks reports whether a policy runs under the governor that leaves the clock to it.
func choosesClocks(p policy.Policy) bool {
	g, ok := p.(policy.Governed)
	return ok && g.Governor() == string(platform.Userspace)
}

// findSteps looks up on the board the clock steps that decisions are for.
func (s *server) findSteps(b *board.Board) error {
	for i := range s.model.Clocks {
		p := &s.processors[i]
		for _, c := range s.model.Clocks[i].Steps {
			step := slices.Index(b.Processors[p.onBoard].Clocks.Values, c)
			if step < 0 {
				return fmt.Errorf("board %s has no clock step of %v on %s, the family has", b.Name, c, s.model.Processors[i])
			}
			p.steps = append(p.steps, step)
		}
	}
	return nil
}

// had returns the clock steps that the board leaves at present, nil if the policy chooses none. Where it leaves none of the
// model's, the nearest one stands for what it does.
func (s *server) had() []policy.StepRange {
	if !s.header.Steps || s.board == nil {
		return nil
	}
	changed := len(s.ranges) == 0
	for i := range s.processors {
		p := &s.processors[i]
		if len(p.steps) == 0 {
			continue
		}
		low, high := s.board.platform.Steps(p.onBoard)
		first, last := 0, len(p.steps)-1
		for first < last && p.steps[first] < low {
			first++
		}
		for last > first && p.steps[last] > high {
			last--
		}
		r := policy.StepRange{Low: uint8(first + 1), High: uint8(last + 1)}
		changed = changed || r != p.had
		p.had = r
	}
	if changed { // recorded observations share what does not change
		s.ranges = make([]policy.StepRange, len(s.processors))
		for i := range s.processors {
			s.ranges[i] = s.processors[i].had
		}
	}
	return s.ranges
}

// setClock asks the board for a decision's clock step.
func (s *server) setClock(d policy.Decision) error {
	if d.Clock == 0 || s.board == nil {
		return nil
	}
	p := &s.processors[d.Processor]
	if !s.board.platform.SetClock(p.onBoard, p.steps[d.Clock-1]) {
		return errors.New("it chooses a clock step, but does not run under the governor userspace")
	}
	return nil
}

// predicted returns the latency that a decision stands for at the clock at which work is counted: on a board its own
// clocks do the rest.
func (s *server) predicted(d policy.Decision) time.Duration {
	if s.board != nil {
		return s.model.Levels[d.Level].Of(d.Processor, d.Batch)
	}
	return s.model.Levels[d.Level].At(d.Processor, d.Clock, d.Batch)
}
