package traffic

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
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

// hertz reads a frequency such as 510MHz.
func (d *decoder) hertz(n *yaml.Node, key string) unit.Hertz {
	text := d.scalar(n, key)
	if !d.isScalar(n) {
		return 0
	}
	for _, u := range []struct {
		suffix, exponent string
	}{{"GHz", "e9"}, {"MHz", "e6"}, {"kHz", "e3"}, {"Hz", "e0"}} {
		if number, ok := strings.CutSuffix(text, u.suffix); ok {
			number = strings.TrimSpace(number)
			// The exponent's text is appended, so that the number is rounded once.
			if f, err := decimal(number + u.exponent); err == nil {
				return unit.Hertz(f)
			}
			break
		}
	}
	d.problem(n, key, "%q is no frequency like 510MHz", clip(text))
	return 0
}

func (d *decoder) accuracy(into *unit.Accuracy) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		a, err := unit.ParseAccuracy(d.scalar(n, key))
		if err != nil && d.isScalar(n) {
			d.problem(n, key, "%v", err)
		}
		*into = a
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

// object reads a mapping with known keys.
func (d *decoder) object(n *yaml.Node, key string, fields ...field) {
	d.pairs(n, key, len(fields), func(name string, at, value *yaml.Node, key string) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
		if i < 0 {
			var known []string
			for _, f := range fields {
				known = append(known, f.name)
			}
			d.problem(at, key, "unknown key; known are %s", strings.Join(known, ", "))
			return
		}
		fields[i].read(value, key)
	})
}

// entries reads a mapping whose keys are names of something else. It has at least one.
func (d *decoder) entries(n *yaml.Node, key string, limit int, read func(name string, n *yaml.Node, key string)) {
	d.pairs(n, key, limit, func(name string, _, value *yaml.Node, key string) { read(name, value, key) })
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		d.problem(n, key, "is empty")
	}
}

// pairs goes through a mapping and refuses repeated keys.
func (d *decoder) pairs(n *yaml.Node, key string, limit int, read func(name string, at, value *yaml.Node, key string)) {
	if key == "" {
		d.lines[key] = n.Line
	}
	if n.Kind != yaml.MappingNode {
		d.problem(n, key, "is %s, want a mapping", describe(n))
		return
	}
	if len(n.Content)/2 > maxEntries+limit {
		d.problem(n, key, "has %d entries", len(n.Content)/2)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		at, value := n.Content[i], n.Content[i+1]
		if at.Kind != yaml.ScalarNode {
			d.problem(at, key, "has a key that is %s", describe(at))
			continue
		}
		name := clip(at.Value)
		if line, ok := seen[name]; ok {
			d.problem(at, join(key, name), "given twice, first on line %d", line)
			continue
		}
		seen[name] = at.Line
		d.lines[join(key, name)] = at.Line
		read(name, at, value, join(key, name))
	}
}

// require notes keys that a mapping lacks.
func (d *decoder) require(n *yaml.Node, key string, names ...string) {
	for _, name := range names {
		if _, ok := d.lines[join(key, name)]; !ok && n.Kind == yaml.MappingNode {
			d.problem(&yaml.Node{Line: d.line(key)}, key, "%s is missing", name)
		}
	}
}

// list reads a sequence of at least one element.
func (d *decoder) list(n *yaml.Node, key string, limit int, read func(n *yaml.Node, key string)) {
	switch {
	case n.Kind != yaml.SequenceNode:
		d.problem(n, key, "is %s, want a list", describe(n))
	case len(n.Content) == 0:
		d.problem(n, key, "is empty")
	case len(n.Content) > limit:
		d.problem(n, key, "has %d entries, more than %d", len(n.Content), limit)
	default:
		for i, element := range n.Content {
			at := fmt.Sprintf("%s[%d]", key, i)
			d.lines[at] = element.Line
			read(element, at)
		}
	}
}

func (d *decoder) isScalar(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag != "!!null" }

// scalar returns a scalar's text, and notes anything else.
func (d *decoder) scalar(n *yaml.Node, key string) string {
	if !d.isScalar(n) {
		d.problem(n, key, "is %s, want a value", describe(n))
		return ""
	}
	return n.Value
}

func (d *decoder) text(into *string) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) { *into = d.scalar(n, key) }
}

// duration reads a number with its unit, such as 60ms.
func (d *decoder) duration(into *time.Duration) func(*yaml.Node, string) {
	return func(n *yaml.Node, key string) {
		s := d.scalar(n, key)
		if !d.isScalar(n) {
			return
		}
		t, err := time.ParseDuration(s)
		_, bare := decimal(s)
		switch {
		case bare == nil:
			d.problem(n, key, "%q has no unit: write a duration like 2.5s or 60ms", clip(s))
		case err != nil:
			d.problem(n, key, "%q is no duration like 2.5s or 60ms", clip(s))
		}
		*into = t
	}
}

// number reads a plain decimal number.
func (d *decoder) number(n *yaml.Node, key string) float64 {
	s := d.scalar(n, key)
	if !d.isScalar(n) {
		return 0
	}
	f, err := decimal(s)
	if err != nil {
		d.problem(n, key, "%q is no finite decimal number", clip(s))
	}
	return f
}

// rate reads a number of events per second, such as 30/s.
func (d *decoder) rate(n *yaml.Node, key string) float64 {
	s := d.scalar(n, key)
	if !d.isScalar(n) {
		return 0
	}
	number, perSecond := strings.CutSuffix(s, "/s")
	f, err := decimal(strings.TrimSpace(number))
	if err != nil || !perSecond {
		d.problem(n, key, "%q is no rate like 30/s", clip(s))
	}
	return f
}

// count reads a whole number in [0, limit].
func (d *decoder) count(n *yaml.Node, key string, limit uint64) uint64 {
	s := d.scalar(n, key)
	if !d.isScalar(n) {
		return 0
	}
	c, err := strconv.ParseUint(s, 10, 64)
	if err != nil || c > limit {
		d.problem(n, key, "%q is no whole number in [0, %d]", clip(s), limit)
	}
	return c
}

// decimal parses finite numbers without the forms that only programmers write.
func decimal(s string) (float64, error) {
	if strings.ContainsAny(s, "xXpP_nN") { // hexadecimal, underscores, inf and nan
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseFloat(s, 64)
}

// join appends a name to a key.
func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// clip shortens a text from a file for a message.
func clip(s string) string {
	const limit = 100
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "..."
}

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Kind == yaml.ScalarNode && n.Tag == "!!null":
		return "empty"
	}
	return fmt.Sprintf("the value %q", clip(n.Value))
}
