package traffic

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/regular"
)

// arrivalsKeys are the keys beside kind that each kind of arrivals has; those before the empty one are
// required.
var arrivalsKeys = []struct {
	kind string
	keys []string
}{
	{Periodic{}.Kind(), []string{"period", "", "jitter"}},
	{Poisson{}.Kind(), []string{"rate", ""}},
	{Gamma{}.Kind(), []string{"rate", "cv2", ""}},
	{MMPP{}.Kind(), []string{"states", ""}},
	{Ramp{}.Kind(), []string{"rates", "", "cv2"}},
	{Superposition{}.Kind(), []string{"of", ""}},
	{ClosedLoop{}.Kind(), []string{"", "think"}},
	{SingleStream, []string{""}},
	{MultiStream, []string{"", "samples"}},
	{Server, []string{"rate", ""}},
	{Offline, []string{"samples", ""}},
	{traceKind, []string{"file", "", "format", "from", "speed", "class"}},
}

// loadGenSamples is the number of samples in a query of LoadGen's multi-stream scenario.
const loadGenSamples = 8

// kindsOfArrivals lists the kinds in the order in which they are documented.
func kindsOfArrivals() []string {
	kinds := make([]string, len(arrivalsKeys))
	for i, k := range arrivalsKeys {
		kinds[i] = k.kind
	}
	return kinds
}

// arrivalsFields are the values of all keys that arrivals may have.
type arrivalsFields struct {
	kind                string
	period, jitter      time.Duration
	think, from         time.Duration
	rate, cv2, speed    float64
	samples             int
	states              []MMPPState
	rates               []RatePoint
	of                  []Arrivals
	file, format, class string
}

func (d *decoder) arrivals(n *yaml.Node, key string) Arrivals { return d.arrivalsAt(n, key, 0) }

// maxNesting bounds arrivals within arrivals; Validate refuses a superposition of superpositions anyway.
const maxNesting = 3

func (d *decoder) arrivalsAt(n *yaml.Node, key string, depth int) Arrivals {
	if depth > maxNesting {
		d.problem(n, key, "is nested too deeply")
		return nil
	}
	f := arrivalsFields{cv2: 1, speed: 1, samples: loadGenSamples, format: FormatCSV}
	d.object(n, key,
		field{"kind", d.text(&f.kind)},
		field{"period", d.duration(&f.period)},
		field{"jitter", d.duration(&f.jitter)},
		field{"rate", func(n *yaml.Node, key string) { f.rate = d.rate(n, key) }},
		field{"cv2", func(n *yaml.Node, key string) { f.cv2 = d.number(n, key) }},
		field{"states", func(n *yaml.Node, key string) { f.states = d.states(n, key) }},
		field{"rates", func(n *yaml.Node, key string) { f.rates = d.rates(n, key) }},
		field{"of", func(n *yaml.Node, key string) {
			d.list(n, key, maxEntries, func(n *yaml.Node, key string) { f.of = append(f.of, d.arrivalsAt(n, key, depth+1)) })
		}},
		field{"think", d.duration(&f.think)},
		field{"samples", func(n *yaml.Node, key string) { f.samples = int(d.count(n, key, MaxRequests)) }},
		field{"file", d.text(&f.file)},
		field{"format", d.text(&f.format)},
		field{"from", d.duration(&f.from)},
		field{"speed", func(n *yaml.Node, key string) { f.speed = d.number(n, key) }},
		field{"class", d.text(&f.class)},
	)
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for _, k := range arrivalsKeys {
		if k.kind != f.kind {
			continue
		}
		required := slices.Index(k.keys, "")
		d.require(n, key, k.keys[:required]...)
		var all []string
		for _, other := range arrivalsKeys {
			all = append(all, other.keys...)
		}
		slices.Sort(all)
		d.only(key, f.kind, slices.Compact(all), k.keys...)
		return d.build(n, key, &f)
	}
	d.require(n, key, "kind")
	if line, given := d.lines[key+".kind"]; given {
		d.problem(&yaml.Node{Line: line}, key+".kind", "%q is none of %s", clip(f.kind), strings.Join(kindsOfArrivals(), ", "))
	}
	return nil
}

// build makes the arrivals of a known kind.
func (d *decoder) build(n *yaml.Node, key string, f *arrivalsFields) Arrivals {
	switch f.kind {
	case Periodic{}.Kind():
		return Periodic{f.period, f.jitter}
	case Poisson{}.Kind():
		return Poisson{f.rate}
	case Gamma{}.Kind():
		return Gamma{f.rate, f.cv2}
	case MMPP{}.Kind():
		return MMPP{f.states}
	case Ramp{}.Kind():
		return Ramp{f.rates, f.cv2}
	case Superposition{}.Kind():
		return Superposition{f.of}
	case ClosedLoop{}.Kind():
		return ClosedLoop{f.think}
	case traceKind:
		return d.trace(n, key, f)
	case MultiStream, Offline:
		return LoadGen{Scenario: f.kind, Samples: f.samples}
	}
	return LoadGen{Scenario: f.kind, PerSecond: f.rate}
}

// only notes keys, of some that have a meaning for certain kinds, that have none for this one.
func (d *decoder) only(key, kind string, some []string, names ...string) {
	for _, name := range some {
		line, given := d.lines[join(key, name)]
		if given && !slices.Contains(names, name) {
			d.problem(&yaml.Node{Line: line}, join(key, name), "has no meaning for kind %s", clip(kind))
		}
	}
}

func (d *decoder) states(n *yaml.Node, key string) []MMPPState {
	var all []MMPPState
	d.list(n, key, MaxStates, func(n *yaml.Node, key string) {
		var s MMPPState
		d.object(n, key,
			field{"rate", func(n *yaml.Node, key string) { s.PerSecond = d.rate(n, key) }},
			field{"stay", d.duration(&s.Stay)},
		)
		d.require(n, key, "rate", "stay")
		all = append(all, s)
	})
	return all
}

func (d *decoder) rates(n *yaml.Node, key string) []RatePoint {
	var all []RatePoint
	d.list(n, key, MaxSteps, func(n *yaml.Node, key string) {
		var p RatePoint
		d.object(n, key,
			field{"at", d.duration(&p.At)},
			field{"rate", func(n *yaml.Node, key string) { p.PerSecond = d.rate(n, key) }},
		)
		d.require(n, key, "at", "rate")
		all = append(all, p)
	})
	return all
}

// trace reads the file that arrivals stand in.
func (d *decoder) trace(n *yaml.Node, key string, f *arrivalsFields) Arrivals {
	origin := Origin{File: f.file, Format: f.format, From: f.from, Speed: f.speed, Class: f.class}
	if !slices.Contains(Formats, f.format) || f.file == "" {
		return Recorded{Origin: origin} // Validate says what is wrong
	}
	fail := func(format string, args ...any) Arrivals {
		d.problem(&yaml.Node{Line: d.line(key + ".file")}, key+".file", format, args...)
		return nil
	}
	if f.speed == 0 {
		d.problem(&yaml.Node{Line: d.line(key + ".speed")}, key+".speed", "0 is outside [%g, %g]", MinSpeed, MaxSpeed)
		return nil
	}
	if d.files == nil {
		return fail("%v", errNoFolder)
	}
	if !fs.ValidPath(f.file) {
		return fail("%q is no path of a file in the scenario's folder or below", clip(f.file))
	}
	file, err := regular.OpenFS(d.files, f.file)
	if err != nil {
		return fail("%v", err)
	}
	defer file.Close()
	arrivals, err := ReadArrivals(f.file, file, f.format, f.class)
	var problem *Error
	switch {
	case errors.As(err, &problem):
		d.found.problems = append(d.found.problems, problem)
		return nil
	case err != nil:
		return fail("%v", err)
	}
	switch t := arrivals.(type) {
	case Recorded:
		t.Origin = origin
		return t
	case Counted:
		t.Origin = origin
		return t
	}
	panic(fmt.Sprintf("traffic: arrivals of type %T from a file", arrivals))
}
