package board

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// decoder turns YAML nodes into values and remembers on which line each key stands.
type decoder struct {
	lines map[string]int // of a key's value
	found report
}

func (d *decoder) problem(n *yaml.Node, key, format string, args ...any) {
	d.found.problems = append(d.found.problems, &Error{Line: n.Line, Key: key, Problem: fmt.Sprintf(format, args...)})
}

// pairs goes through a mapping and refuses repeated keys.
func (d *decoder) pairs(n *yaml.Node, key string, read func(name string, at, value *yaml.Node, key string)) {
	if key == "" {
		d.lines[key] = n.Line
	}
	if n.Kind != yaml.MappingNode {
		d.problem(n, key, "is %s, want a mapping", describe(n))
		return
	}
	if len(n.Content)/2 > maxItems {
		d.problem(n, key, "has %d entries, more than %d", len(n.Content)/2, maxItems)
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

// list goes through a sequence of at least one element.
func (d *decoder) list(n *yaml.Node, key string, read func(n *yaml.Node, key string)) {
	switch {
	case n.Kind != yaml.SequenceNode:
		d.problem(n, key, "is %s, want a list", describe(n))
	case len(n.Content) == 0:
		d.problem(n, key, "is empty")
	case len(n.Content) > maxItems:
		d.problem(n, key, "has %d entries, more than %d", len(n.Content), maxItems)
	default:
		for i, one := range n.Content {
			at := fmt.Sprintf("%s[%d]", key, i)
			d.lines[at] = one.Line
			read(one, at)
		}
	}
}

// scalar returns a value's text, and notes anything else or nothing.
func (d *decoder) scalar(n *yaml.Node, key string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" || n.Value == "" {
		d.problem(n, key, "is %s, want a value", describe(n))
		return ""
	}
	return n.Value
}

// origin reads the keys source and assumption of a mapping, of which there may be one.
func (d *decoder) origin(n *yaml.Node, key string, inherited Origin) Origin {
	if n.Kind != yaml.MappingNode {
		return inherited
	}
	found := 0
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch n.Content[i].Value {
		case "source":
			inherited = Origin{Source: d.scalar(n.Content[i+1], join(key, "source"))}
		case "assumption":
			inherited = Origin{Source: d.scalar(n.Content[i+1], join(key, "assumption")), Assumption: true}
		default:
			continue
		}
		if found++; found == 2 {
			d.problem(n.Content[i], key, "has both a source and an assumption")
		}
	}
	return inherited
}

// originNodes writes an origin.
func originNodes(o Origin) []*yaml.Node {
	name := "source"
	if o.Assumption {
		name = "assumption"
	}
	return []*yaml.Node{scalar(name), scalar(o.Source)}
}

func scalar(s string) *yaml.Node {
	n := &yaml.Node{}
	n.SetString(s)
	return n
}

// namePattern is what names in a file may be.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

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
	case n.Kind == yaml.ScalarNode && (n.Tag == "!!null" || n.Value == ""):
		return "empty"
	}
	return fmt.Sprintf("the value %q", clip(n.Value))
}
