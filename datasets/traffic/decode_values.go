package traffic

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/unit"
)

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
