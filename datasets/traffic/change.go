package traffic

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Change gives a key of a scenario file another value.
type Change struct {
	Key   string // such as "limit", "arrivals.rate" or "disturbances.gpu[0].slowdown"
	Value string // as it would stand in the file; flow mappings and lists are allowed
}

// ParseChange reads "KEY=VALUE".
func ParseChange(text string) (Change, error) {
	key, value, ok := strings.Cut(text, "=")
	if !ok || key == "" {
		return Change{}, fmt.Errorf("traffic: %q is not of the form KEY=VALUE, such as arrivals.rate=20/s", clip(text))
	}
	return Change{strings.TrimSpace(key), strings.TrimSpace(value)}, nil
}

// String returns "KEY=VALUE".
func (c Change) String() string { return c.Key + "=" + c.Value }

// apply makes a change in a document; problems have the change's key.
func (d *decoder) apply(root *yaml.Node, c Change) {
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(c.Value), &doc); err != nil || len(doc.Content) != 1 {
		d.problem(root, c.Key, "changed to %q: no value", clip(c.Value))
		return
	}
	value := doc.Content[0]
	if _, ok := printable([]byte(c.Value)); !ok {
		d.problem(root, c.Key, "changed to %q: control character", clip(c.Value))
		return
	}
	d.plain(value)
	n := root
	steps := changePath(c.Key)
	for i, step := range steps {
		last := i == len(steps)-1
		if step.index >= 0 {
			if n.Kind != yaml.SequenceNode || step.index >= len(n.Content) {
				d.problem(n, c.Key, "there is no element %d to change", step.index)
				return
			}
			if last {
				place(value, n.Content[step.index].Line)
				n.Content[step.index] = value
				return
			}
			n = n.Content[step.index]
			continue
		}
		if n.Kind != yaml.MappingNode {
			d.problem(n, c.Key, "%s to change is in %s", step.name, describe(n))
			return
		}
		at := -1
		for k := 0; k+1 < len(n.Content); k += 2 {
			if n.Content[k].Value == step.name {
				at = k + 1
			}
		}
		if at < 0 {
			key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: step.name, Line: n.Line}
			inner := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line}
			n.Content = append(n.Content, key, inner)
			at = len(n.Content) - 1
		}
		if last {
			place(value, n.Content[at].Line)
			n.Content[at] = value
			return
		}
		n = n.Content[at]
	}
}

// place gives a value the line of what it replaces.
func place(n *yaml.Node, line int) {
	n.Line = line
	for _, c := range n.Content {
		place(c, line)
	}
}

// changeStep is a name, or an index if that is not negative.
type changeStep struct {
	name  string
	index int
}

// changePath takes "disturbances.gpu[0].slowdown" apart.
func changePath(key string) []changeStep {
	var steps []changeStep
	for part := range strings.SplitSeq(key, ".") {
		name, rest, _ := strings.Cut(part, "[")
		steps = append(steps, changeStep{name, -1})
		for rest != "" {
			number, more, ok := strings.Cut(rest, "]")
			i, err := strconv.Atoi(number)
			if !ok || err != nil || i < 0 {
				steps = append(steps, changeStep{rest, -1}) // found nowhere
				break
			}
			steps = append(steps, changeStep{"", i})
			rest = strings.TrimPrefix(more, "[")
		}
	}
	return steps
}

// File is a scenario file with the folder of its trace files, from which variants of the scenario are read.
type File struct {
	name string
	load func(changes []Change) (*Scenario, error)
}

// Name returns the name under which errors report the file.
func (f *File) Name() string { return f.name }

// Scenario reads the scenario with some keys changed, in order. Errors are as of Load; those of a changed key have the
// line of what it replaces, or of the object that lacked it.
func (f *File) Scenario(changes ...Change) (*Scenario, error) { return f.load(changes) }
