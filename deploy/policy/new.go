package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// constructors lists the policies by name. A constructor gets what follows the colon of the spec,
// and takes from the parameters those that it knows.
var constructors = []struct {
	name string
	make func(argument string, p *parameters, m *Model) (Policy, error)
}{
	{"ladder", newLadder},
	{"slack", newSlack},
	{"static", newStatic},
}

// Names returns the names of the known policies.
func Names() []string {
	var names []string
	for _, c := range constructors {
		names = append(names, c.name)
	}
	return names
}

// Name returns the name in a spec: what stands before the colon.
func Name(spec string) string {
	name, _, _ := strings.Cut(spec, ":")
	return name
}

// New builds a policy from its spec, a name with an argument where the policy takes one, such as
// "slack" or "static:3", and parameters as text. Each policy's doc comment lists its parameters
// and their defaults. An unknown name or parameter, or a value outside its range, is an error that
// names it.
func New(spec string, params map[string]string, m *Model) (Policy, error) {
	if m == nil || len(m.Levels) == 0 || len(m.Processors) == 0 {
		return nil, errors.New("policy: the model has no levels or no processors")
	}
	name, argument, _ := strings.Cut(spec, ":")
	for _, c := range constructors {
		if c.name != name {
			continue
		}
		p := &parameters{values: params}
		policy, err := c.make(argument, p, m)
		if err := errors.Join(err, p.finish()); err != nil {
			return nil, fmt.Errorf("policy %q: %w", spec, err)
		}
		return policy, nil
	}
	return nil, fmt.Errorf("policy %q is unknown; known are %s", spec, strings.Join(Names(), ", "))
}

// parameters hands out parameters and collects what is wrong with them.
type parameters struct {
	values map[string]string
	taken  []string
	errs   []error
}

func (p *parameters) take(name string) (string, bool) {
	p.taken = append(p.taken, name)
	text, ok := p.values[name]
	return text, ok
}

// integer returns a whole number in [lo, hi].
func (p *parameters) integer(name string, standard, lo, hi int) int {
	text, ok := p.take(name)
	if !ok {
		return standard
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < lo || n > hi {
		p.errs = append(p.errs, fmt.Errorf("parameter %s is %q, want a whole number in [%d, %d]", name, text, lo, hi))
		return standard
	}
	return n
}

// number returns a number in [lo, hi].
func (p *parameters) number(name string, standard, lo, hi float64) float64 {
	text, ok := p.take(name)
	if !ok {
		return standard
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= lo && f <= hi) {
		p.errs = append(p.errs, fmt.Errorf("parameter %s is %q, want a number in [%g, %g]", name, text, lo, hi))
		return standard
	}
	return f
}

// duration returns a positive time such as "90ms".
func (p *parameters) duration(name string, standard time.Duration) time.Duration {
	text, ok := p.take(name)
	if !ok {
		return standard
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		p.errs = append(p.errs, fmt.Errorf("parameter %s is %q, want a positive time such as 90ms", name, text))
		return standard
	}
	return d
}

// finish returns the problems, parameters that nobody asked for included.
func (p *parameters) finish() error {
	var unknown []string
	for name := range p.values {
		if !slices.Contains(p.taken, name) {
			unknown = append(unknown, name)
		}
	}
	slices.Sort(unknown)
	for _, name := range unknown {
		known := "it has none"
		if len(p.taken) > 0 {
			known = "known are " + strings.Join(p.taken, ", ")
		}
		p.errs = append(p.errs, fmt.Errorf("parameter %s is unknown; %s", name, known))
	}
	return errors.Join(p.errs...)
}
