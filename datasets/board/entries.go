package board

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// entries is a mapping from names to things of one kind, in the order of the file.
type entries[T any] struct {
	values *[]T
	name   func(*T) *string
	schema func(*T) element
}

func (e *entries[T]) read(d *decoder, n *yaml.Node, key string, inherited Origin) {
	d.pairs(n, key, func(name string, at, value *yaml.Node, key string) {
		var one T
		*e.name(&one) = name
		e.schema(&one).read(d, value, key, inherited)
		*e.values = append(*e.values, one)
	})
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		d.problem(n, key, "is empty")
	}
}

func (e *entries[T]) write(inherited Origin) *yaml.Node {
	if e.empty() {
		return nil
	}
	n := &yaml.Node{Kind: yaml.MappingNode}
	for i := range *e.values {
		one := &(*e.values)[i]
		n.Content = append(n.Content, scalar(*e.name(one)), e.schema(one).write(inherited))
	}
	return n
}

func (e *entries[T]) visit(key string, f func(key string, q quantity)) {
	for i := range *e.values {
		one := &(*e.values)[i]
		e.schema(one).visit(join(key, *e.name(one)), f)
	}
}

func (e *entries[T]) check(r *report, key string) {
	r.length(key, len(*e.values))
	seen := map[string]bool{}
	for i := range *e.values {
		one := &(*e.values)[i]
		name := *e.name(one)
		at := join(key, name)
		if !namePattern.MatchString(name) {
			r.add(at, "%q is no name: want letters, digits, hyphens and underscores, 64 at most", clip(name))
		}
		if seen[name] {
			r.add(at, "%q stands twice", clip(name))
		}
		seen[name] = true
		e.schema(one).check(r, at)
	}
}

func (e *entries[T]) empty() bool { return len(*e.values) == 0 }

// items is a list of things of one kind.
type items[T any] struct {
	values *[]T
	schema func(*T) element
}

func (e *items[T]) read(d *decoder, n *yaml.Node, key string, inherited Origin) {
	d.list(n, key, func(n *yaml.Node, key string) {
		var one T
		e.schema(&one).read(d, n, key, inherited)
		*e.values = append(*e.values, one)
	})
}

func (e *items[T]) write(inherited Origin) *yaml.Node {
	if e.empty() {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range *e.values {
		n.Content = append(n.Content, e.schema(&(*e.values)[i]).write(inherited))
	}
	return n
}

func (e *items[T]) visit(key string, f func(key string, q quantity)) {
	for i := range *e.values {
		e.schema(&(*e.values)[i]).visit(fmt.Sprintf("%s[%d]", key, i), f)
	}
}

func (e *items[T]) check(r *report, key string) {
	r.length(key, len(*e.values))
	for i := range *e.values {
		e.schema(&(*e.values)[i]).check(r, fmt.Sprintf("%s[%d]", key, i))
	}
}

func (e *items[T]) empty() bool { return len(*e.values) == 0 }

// whole is a plain whole number that needs no source.
type whole struct {
	value *int
	high  int
}

func (e *whole) read(d *decoder, n *yaml.Node, key string, _ Origin) {
	s := d.scalar(n, key)
	if s == "" {
		return
	}
	v, err := parse[int](s)
	if err != nil {
		d.problem(n, key, "%v", err)
	}
	*e.value = v
}

func (e *whole) write(Origin) *yaml.Node              { return scalar(format(*e.value)) }
func (e *whole) visit(string, func(string, quantity)) {}
func (e *whole) empty() bool                          { return false }

func (e *whole) check(r *report, key string) {
	if *e.value < 0 || *e.value > e.high {
		r.add(key, "%d is outside [0, %d]", *e.value, e.high)
	}
}
