package board

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/dynofa/dynofa/datasets/unit"
)

// element is a part of the file and of the Board at once: one description of the format reads, writes,
// visits and checks.
type element interface {
	// read takes a node; inherited is the origin of numbers that name none.
	read(d *decoder, n *yaml.Node, key string, inherited Origin)
	// write returns the node, or nil if there is nothing to write.
	write(inherited Origin) *yaml.Node
	// visit calls f with each number that is known.
	visit(key string, f func(key string, q quantity))
	// check reports what is wrong, beyond what read finds.
	check(r *report, key string)
	// empty reports whether there is nothing.
	empty() bool
}

// field is a key of an object.
type field struct {
	name     string
	optional bool
	element
}

func required(name string, e element) field { return field{name, false, e} }
func optional(name string, e element) field { return field{name, true, e} }

// object is a mapping with known keys. With an origin it has the keys source and assumption, of which
// numbers inside that name none have one.
type object struct {
	origin *Origin
	fields []field
}

func group(origin *Origin, fields ...field) *object { return &object{origin, fields} }

func (o *object) read(d *decoder, n *yaml.Node, key string, inherited Origin) {
	if o.origin != nil {
		inherited = d.origin(n, key, inherited)
		*o.origin = inherited
	}
	d.pairs(n, key, func(name string, at, value *yaml.Node, key string) {
		if o.origin != nil && (name == "source" || name == "assumption") {
			return // taken before
		}
		i := slices.IndexFunc(o.fields, func(f field) bool { return f.name == name })
		if i < 0 {
			d.problem(at, key, "unknown key; known are %s", strings.Join(o.names(), ", "))
			return
		}
		o.fields[i].read(d, value, key, inherited)
	})
}

func (o *object) names() []string {
	var names []string
	if o.origin != nil {
		names = append(names, "source", "assumption")
	}
	for _, f := range o.fields {
		names = append(names, f.name)
	}
	return names
}

func (o *object) write(inherited Origin) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if o.origin != nil && *o.origin != inherited && o.origin.Source != "" {
		n.Content = append(n.Content, originNodes(*o.origin)...)
		inherited = *o.origin
	}
	for _, f := range o.fields {
		if value := f.write(inherited); value != nil {
			n.Content = append(n.Content, scalar(f.name), value)
		}
	}
	return n
}

func (o *object) visit(key string, f func(key string, q quantity)) {
	for _, one := range o.fields {
		one.visit(join(key, one.name), f)
	}
}

func (o *object) check(r *report, key string) {
	for _, f := range o.fields {
		at := join(key, f.name)
		switch {
		case !f.empty():
			f.check(r, at)
		case !f.optional:
			r.add(key, "%s is missing", f.name)
		}
	}
}

func (o *object) empty() bool {
	for _, f := range o.fields {
		if !f.element.empty() {
			return false
		}
	}
	return true
}

// text is a string; allowed are all or some.
type text struct {
	value   *string
	allowed []string
}

func (t *text) read(d *decoder, n *yaml.Node, key string, _ Origin) { *t.value = d.scalar(n, key) }
func (t *text) visit(string, func(string, quantity))                {}
func (t *text) empty() bool                                         { return *t.value == "" }

func (t *text) write(Origin) *yaml.Node {
	if *t.value == "" {
		return nil
	}
	return scalar(*t.value)
}

func (t *text) check(r *report, key string) {
	r.text(key, *t.value)
	if len(t.allowed) > 0 && !slices.Contains(t.allowed, *t.value) {
		r.add(key, "%q is none of %s", clip(*t.value), strings.Join(t.allowed, ", "))
	}
}

// texts is a list of strings.
type texts struct{ values *[]string }

func (t *texts) read(d *decoder, n *yaml.Node, key string, _ Origin) {
	d.list(n, key, func(n *yaml.Node, key string) { *t.values = append(*t.values, d.scalar(n, key)) })
}
func (t *texts) visit(string, func(string, quantity)) {}
func (t *texts) empty() bool                          { return len(*t.values) == 0 }

func (t *texts) write(Origin) *yaml.Node {
	if t.empty() {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, v := range *t.values {
		n.Content = append(n.Content, scalar(v))
	}
	return n
}

func (t *texts) check(r *report, key string) {
	r.length(key, len(*t.values))
	for i, v := range *t.values {
		at := fmt.Sprintf("%s[%d]", key, i)
		if v == "" {
			r.add(at, "is empty")
		}
		if slices.Contains((*t.values)[:i], v) {
			r.add(at, "%q stands twice", clip(v))
		}
		r.text(at, v)
	}
}

// number is a Number within bounds in SI units.
type number[T Quantity] struct {
	value     *Number[T]
	low, high float64
}

func (e *number[T]) read(d *decoder, n *yaml.Node, key string, inherited Origin) {
	e.value.Origin = inherited
	value := n
	if n.Kind == yaml.MappingNode {
		e.value.Origin = d.origin(n, key, Origin{})
		value = nil
		d.pairs(n, key, func(name string, at, v *yaml.Node, key string) {
			switch name {
			case "value":
				value = v
			case "source", "assumption":
			default:
				d.problem(at, key, "unknown key; known are value, source, assumption")
			}
		})
	}
	switch {
	case value == nil:
		d.problem(n, key, "value is missing")
	case e.value.Source == "":
		d.problem(n, key, "names neither a source nor an assumption")
	default:
		if s := d.scalar(value, key); s != "" {
			if err := e.value.set(s); err != nil {
				d.problem(value, key, "%v", err)
			}
		}
	}
}

func (e *number[T]) write(inherited Origin) *yaml.Node {
	if !e.value.Known() {
		return nil
	}
	v := scalar(format(e.value.Value))
	if e.value.Origin == inherited {
		return v
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{scalar("value"), v}}
	n.Content = append(n.Content, originNodes(e.value.Origin)...)
	return n
}

func (e *number[T]) visit(key string, f func(key string, q quantity)) {
	if e.value.Known() {
		f(key, e.value)
	}
}

func (e *number[T]) check(r *report, key string) {
	r.origin(key, e.value.Origin)
	if f := toFloat(e.value.Value); !(f >= e.low && f <= e.high) {
		r.add(key, "%s is outside [%s, %s]", format(e.value.Value), formatBound[T](e.low), formatBound[T](e.high))
	}
}

func (e *number[T]) empty() bool { return !e.value.Known() }

func formatBound[T Quantity](f float64) string { return format(T(f)) }

// clocks is a list of ascending clock steps.
type clocks struct{ value *Clocks }

func (e *clocks) read(d *decoder, n *yaml.Node, key string, inherited Origin) {
	e.value.Origin = inherited
	list := n
	if n.Kind == yaml.MappingNode {
		e.value.Origin = d.origin(n, key, Origin{})
		list = nil
		d.pairs(n, key, func(name string, at, v *yaml.Node, key string) {
			switch name {
			case "values":
				list = v
			case "source", "assumption":
			default:
				d.problem(at, key, "unknown key; known are values, source, assumption")
			}
		})
	}
	switch {
	case list == nil:
		d.problem(n, key, "values are missing")
		return
	case e.value.Source == "":
		d.problem(n, key, "names neither a source nor an assumption")
		return
	}
	d.list(list, key, func(n *yaml.Node, key string) {
		s := d.scalar(n, key)
		if s == "" {
			return
		}
		c, err := parse[unit.Hertz](s)
		if err != nil {
			d.problem(n, key, "%v", err)
		}
		e.value.Values = append(e.value.Values, c)
	})
}

func (e *clocks) write(inherited Origin) *yaml.Node {
	if e.empty() {
		return nil
	}
	list := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, c := range e.value.Values {
		list.Content = append(list.Content, scalar(format(c)))
	}
	if e.value.Origin == inherited {
		return list
	}
	n := &yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{scalar("values"), list}}
	n.Content = append(n.Content, originNodes(e.value.Origin)...)
	return n
}

func (e *clocks) visit(key string, f func(key string, q quantity)) {
	if e.value.Known() {
		f(key, e.value)
	}
}

func (e *clocks) check(r *report, key string) {
	r.origin(key, e.value.Origin)
	r.length(key, len(e.value.Values))
	for i, c := range e.value.Values {
		at := fmt.Sprintf("%s[%d]", key, i)
		if !(c >= minClock && c <= maxClock) {
			r.add(at, "%s is outside [%s, %s]", format(c), format(minClock), format(maxClock))
		}
		if i > 0 && c <= e.value.Values[i-1] {
			r.add(at, "%s does not ascend", format(c))
		}
	}
}

func (e *clocks) empty() bool { return !e.value.Known() || len(e.value.Values) == 0 }
