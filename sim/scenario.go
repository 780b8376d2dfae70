package sim

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim/platform"
)

// refuse returns an error for everything in a scenario that the model has no part for, so that nothing is
// passed over in silence.
func refuse(s *traffic.Scenario, onBoard bool) error {
	var errs []error
	no := func(key, format string, args ...any) {
		errs = append(errs, &traffic.Error{Key: key, Problem: fmt.Sprintf(format, args...)})
	}
	if len(s.Apps) > 1 {
		no("apps", "%d applications: they run together, each with its own policy, not alone", len(s.Apps))
	}
	for i := range s.Events {
		switch e := &s.Events[i]; e.Kind {
		case traffic.LimitEvent, traffic.AccuracyEvent:
		case traffic.SensorEvent:
			if e.Sensor != traffic.SensorLatency && !onBoard {
				no(fmt.Sprintf("events[%d].sensor", i), "without a board there is no sensor of %s", e.Sensor)
			}
		default:
			if !onBoard {
				no(fmt.Sprintf("events[%d].kind", i), "without a board there is no %s", e.Kind)
			}
		}
	}
	return errors.Join(errs...)
}

// single returns a scenario with one application as one without a name, which is how it is played.
func single(s *traffic.Scenario) *traffic.Scenario {
	if len(s.Apps) != 1 {
		return s
	}
	return only(s, 0)
}

// only returns a scenario with one of its applications as one without a name.
func only(s *traffic.Scenario, i int) *traffic.Scenario {
	one, app := *s, s.Apps[i]
	one.Apps = nil
	one.Family, one.Processor, one.Processors, one.Arrivals = app.Family, app.Processor, app.Processors, app.Arrivals
	one.Limit, one.Accuracy, one.InitialLevel = app.Limit, app.Accuracy, app.InitialLevel
	one.Events = nil
	for _, e := range s.Events {
		if e.App == "" || e.App == app.Name {
			e.App = ""
			one.Events = append(one.Events, e)
		}
	}
	return &one
}

// Applications returns a config for each application of a scenario, for RunTogether: base with the
// application's part of the scenario, its name and its family, which the function finds by name. Policies are base's.
func Applications(base Config, families func(name string) (*family.Family, error)) ([]Config, error) {
	if base.Scenario == nil {
		return nil, errors.New("sim: no scenario")
	}
	if err := base.Scenario.Validate(); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	if len(base.Scenario.Apps) == 0 {
		return []Config{base}, nil
	}
	var configs []Config
	for i, app := range base.Scenario.Apps {
		f, err := families(app.Family)
		if err != nil {
			return nil, fmt.Errorf("sim: scenario %s: application %s: %w", base.Scenario.Name, app.Name, err)
		}
		c := base
		c.Scenario, c.Family, c.App = only(base.Scenario, i), f, app.Name
		configs = append(configs, c)
	}
	return configs, nil
}

// OnBoard returns the config with the built-in board that its scenario names, unless it has a board already.
func (c Config) OnBoard() (Config, error) {
	s := c.Scenario
	if c.Board != nil || s.Board == "" {
		return c, nil
	}
	b, err := board.Builtin(s.Board)
	if err != nil {
		return c, &traffic.Error{Key: "board", Problem: err.Error()}
	}
	c.Board, err = Place(s, b)
	return c, err
}

// Place sets a board up as a scenario says: with its power mode and governor. Run adds the scenario's events.
func Place(s *traffic.Scenario, b *board.Board) (*platform.Config, error) {
	p := &platform.Config{Board: b, Mode: s.Mode, Governors: map[string]platform.Governor{}}
	if s.Governor != "" {
		for i := range b.Processors {
			p.Governors[b.Processors[i].Name] = platform.Governor(s.Governor)
		}
	}
	return p, p.Validate()
}

// boardEvents returns what a scenario does to a board: its events and, in one replication, the slow-downs of the
// processors.
func boardEvents(b *board.Board, s *traffic.Scenario, seed uint64, replication int) []platform.Event {
	var events []platform.Event
	for i := range s.Events {
		e := &s.Events[i]
		out := platform.Event{At: e.At, Processor: e.Processor, Clock: e.Clock, Mode: e.Mode, Ambient: e.Ambient, Sensor: e.Sensor, What: e.What}
		switch e.Kind {
		case traffic.ClockEvent:
			out.Kind = platform.ClockSet
		case traffic.ModeEvent:
			out.Kind = platform.ModeSet
		case traffic.AmbientEvent:
			out.Kind = platform.AmbientSet
		case traffic.SensorEvent:
			if e.Sensor != traffic.SensorTemperature && e.Sensor != traffic.SensorPower {
				continue
			}
			out.Kind = platform.SensorBack
			if e.Lost {
				out.Kind = platform.SensorLost
			}
		default:
			continue
		}
		events = append(events, out)
	}
	for i := range b.Processors {
		name := b.Processors[i].Name
		for _, step := range s.ProfileIn(name, seed, replication) {
			events = append(events, platform.Event{At: step.At, Kind: platform.SlowdownSet, Processor: name, Slowdown: step.Slowdown, What: step.What})
		}
	}
	return events
}

// blind returns the times in which the manager is not told about completions.
func blind(s *traffic.Scenario) []trace.Span {
	var spans []trace.Span
	open := false
	for i := range s.Events {
		e := &s.Events[i]
		if e.Kind != traffic.SensorEvent || e.Sensor != traffic.SensorLatency || e.Lost == open {
			continue
		}
		if open = e.Lost; open {
			if n := len(spans); n > 0 && spans[n-1].To == e.At {
				spans[n-1].To = maxTime
				continue
			}
			spans = append(spans, trace.Span{From: e.At, To: maxTime})
			continue
		}
		n := len(spans) - 1
		if spans[n].To = e.At; spans[n].From == e.At {
			spans = spans[:n]
		}
	}
	return spans
}
