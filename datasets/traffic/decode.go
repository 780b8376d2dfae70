package traffic

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/unit"
)

// decoder turns YAML nodes into values and remembers on which line each key stands.
type decoder struct {
	lines map[string]int // of a key's value
	found report
	files fs.FS // the folder of the scenario file, nil if there is none
}

// field is a key that an object may have, and what reads its value.
type field struct {
	name string
	read func(n *yaml.Node, key string)
}

func (d *decoder) problem(n *yaml.Node, key, format string, args ...any) {
	d.found.problems = append(d.found.problems, &Error{Line: n.Line, Key: key, Problem: fmt.Sprintf(format, args...)})
}

// scenario reads the document's root.
func (d *decoder) scenario(root *yaml.Node, s *Scenario) {
	d.object(root, "",
		field{"title", d.text(&s.Title)},
		field{"description", d.text(&s.Description)},
		field{"sources", func(n *yaml.Node, key string) {
			d.list(n, key, maxEntries, func(n *yaml.Node, key string) {
				s.Sources = append(s.Sources, "")
				d.text(&s.Sources[len(s.Sources)-1])(n, key)
			})
		}},
		field{"family", d.text(&s.Family)},
		field{"processor", d.text(&s.Processor)},
		field{"processors", d.processors(&s.Processor, &s.Processors)},
		field{"board", d.text(&s.Board)},
		field{"mode", d.text(&s.Mode)},
		field{"governor", d.text(&s.Governor)},
		field{"apps", func(n *yaml.Node, key string) { s.Apps = d.apps(n, key) }},
		field{"arrivals", func(n *yaml.Node, key string) { s.Arrivals = d.arrivals(n, key) }},
		field{"limit", d.duration(&s.Limit)},
		field{"accuracy", d.accuracy(&s.Accuracy)},
		field{"initial_level", func(n *yaml.Node, key string) { s.InitialLevel = int(d.count(n, key, MaxLevel)) }},
		field{"duration", d.duration(&s.Duration)},
		field{"requests", func(n *yaml.Node, key string) { s.Requests = int64(d.count(n, key, MaxRequests)) }},
		field{"seed", func(n *yaml.Node, key string) { s.Seed = d.count(n, key, math.MaxUint64) }},
		field{"disturbances", func(n *yaml.Node, key string) { s.Disturbances = d.disturbances(n, key) }},
		field{"co_runners", func(n *yaml.Node, key string) { s.CoRunners = d.coRunners(n, key) }},
		field{"events", func(n *yaml.Node, key string) { s.Events = d.events(n, key) }},
		field{"noise", func(n *yaml.Node, key string) { s.Noise = d.noise(n, key) }},
		field{"switch_time", func(n *yaml.Node, key string) {
			s.SwitchTimes = map[string]time.Duration{}
			d.entries(n, key, maxEntries, func(policy string, n *yaml.Node, key string) {
				var t time.Duration
				d.duration(&t)(n, key)
				s.SwitchTimes[policy] = t
			})
		}},
		field{"policies", func(n *yaml.Node, key string) { s.Policies = d.policies(n, key) }},
	)
}

func (d *decoder) apps(n *yaml.Node, key string) []App {
	var all []App
	d.list(n, key, maxApps, func(n *yaml.Node, key string) {
		var a App
		d.object(n, key,
			field{"name", d.text(&a.Name)},
			field{"family", d.text(&a.Family)},
			field{"processor", d.text(&a.Processor)},
			field{"processors", d.processors(&a.Processor, &a.Processors)},
			field{"arrivals", func(n *yaml.Node, key string) { a.Arrivals = d.arrivals(n, key) }},
			field{"limit", d.duration(&a.Limit)},
			field{"accuracy", d.accuracy(&a.Accuracy)},
			field{"initial_level", func(n *yaml.Node, key string) { a.InitialLevel = int(d.count(n, key, MaxLevel)) }},
		)
		all = append(all, a)
	})
	return all
}

// processors reads a list of which the first element also is the only processor for whoever knows just one.
func (d *decoder) processors(first *string, all *[]string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		d.list(n, key, maxEntries, func(n *yaml.Node, key string) {
			*all = append(*all, "")
			d.text(&(*all)[len(*all)-1])(n, key)
		})
		if len(*all) == 0 {
			return
		}
		if *first != "" {
			d.problem(n, key, "processor is given as well")
		}
		*first = (*all)[0]
	}
}

func (d *decoder) disturbances(n *yaml.Node, key string) []Disturbance {
	var all []Disturbance
	d.entries(n, key, maxEntries, func(processor string, n *yaml.Node, key string) {
		one := Disturbance{Processor: processor}
		d.list(n, key, MaxSteps, func(n *yaml.Node, key string) {
			var s Step
			d.object(n, key,
				field{"at", d.duration(&s.At)},
				field{"slowdown", func(n *yaml.Node, key string) { s.Slowdown = d.number(n, key) }},
				field{"what", d.text(&s.What)},
			)
			d.require(n, key, "at", "slowdown")
			one.Profile = append(one.Profile, s)
		})
		all = append(all, one)
	})
	slices.SortFunc(all, func(a, b Disturbance) int { return strings.Compare(a.Processor, b.Processor) })
	return all
}

func (d *decoder) coRunners(n *yaml.Node, key string) []CoRunner {
	var all []CoRunner
	d.list(n, key, maxEntries, func(n *yaml.Node, key string) {
		var c CoRunner
		d.object(n, key,
			field{"processor", d.text(&c.Processor)},
			field{"on", d.duration(&c.On)},
			field{"off", d.duration(&c.Off)},
			field{"slowdown", func(n *yaml.Node, key string) {
				d.list(n, key, maxEntries, func(n *yaml.Node, key string) { c.Slowdowns = append(c.Slowdowns, d.number(n, key)) })
			}},
		)
		d.require(n, key, "processor", "on", "off", "slowdown")
		all = append(all, c)
	})
	return all
}

func (d *decoder) events(n *yaml.Node, key string) []Event {
	var all []Event
	d.list(n, key, MaxSteps, func(n *yaml.Node, key string) {
		var e Event
		var kind string
		var to *yaml.Node
		d.object(n, key,
			field{"at", d.duration(&e.At)},
			field{"kind", d.text(&kind)},
			field{"to", func(n *yaml.Node, _ string) { to = n }},
			field{"processor", d.text(&e.Processor)},
			field{"app", d.text(&e.App)},
			field{"sensor", d.text(&e.Sensor)},
			field{"what", d.text(&e.What)},
		)
		d.require(n, key, "at", "kind", "to")
		e.Kind = EventKind(kind)
		d.only(key, kind, []string{"processor", "app", "sensor"}, eventKeys[e.Kind]...)
		if to != nil {
			d.eventValue(to, join(key, "to"), &e)
		}
		all = append(all, e)
	})
	return all
}

// eventKeys are the keys that only some kinds of events have.
var eventKeys = map[EventKind][]string{
	ClockEvent: {"processor"}, LimitEvent: {"app"}, AccuracyEvent: {"app"}, SensorEvent: {"sensor"},
}

// eventValue reads what an event changes something to.
func (d *decoder) eventValue(n *yaml.Node, key string, e *Event) {
	switch e.Kind {
	case ClockEvent:
		e.Clock = d.hertz(n, key)
	case ModeEvent:
		d.text(&e.Mode)(n, key)
	case AmbientEvent:
		text := d.scalar(n, key)
		number, ok := strings.CutSuffix(text, "C")
		c, err := decimal(strings.TrimSpace(number))
		if d.isScalar(n) && (!ok || err != nil) {
			d.problem(n, key, "%q is no temperature like 35C", clip(text))
		}
		e.Ambient = unit.Celsius(c)
	case LimitEvent:
		d.duration(&e.Limit)(n, key)
	case AccuracyEvent:
		d.accuracy(&e.Accuracy)(n, key)
	case SensorEvent:
		switch text := d.scalar(n, key); {
		case text == "lost":
			e.Lost = true
		case text != "back" && d.isScalar(n):
			d.problem(n, key, "%q is neither lost nor back", clip(text))
		}
	}
}

func (d *decoder) noise(n *yaml.Node, key string) Noise {
	var noise Noise
	if n.Kind == yaml.ScalarNode && n.Value == string(NoNoise) { // short for {kind: none}
		return noise
	}
	var kind string
	sigma := 0.0
	number := func(name string, into *float64) field {
		return field{name, func(n *yaml.Node, key string) { *into = d.number(n, key) }}
	}
	b := &noise.Bursts
	d.object(n, key,
		field{"kind", d.text(&kind)},
		number("sigma", &sigma), number("mu", &b.Mu), number("threshold", &b.Threshold), number("enter", &b.Enter),
		number("stay", &b.Stay), number("scale", &b.Scale), number("shape", &b.Shape), number("persist", &b.Persist),
	)
	if kind == string(Burst) {
		b.Sigma = sigma
	} else {
		noise.Sigma = sigma
	}
	d.require(n, key, "kind")
	if kind != string(NoNoise) {
		noise.Kind = NoiseKind(kind)
	}
	return noise
}

func (d *decoder) policies(n *yaml.Node, key string) map[string]map[string]string {
	all := map[string]map[string]string{}
	d.entries(n, key, maxEntries, func(policy string, n *yaml.Node, key string) {
		params := map[string]string{}
		d.entries(n, key, maxEntries, func(param string, n *yaml.Node, key string) {
			var value string
			d.text(&value)(n, key)
			params[param] = value
		})
		all[policy] = params
	})
	return all
}
