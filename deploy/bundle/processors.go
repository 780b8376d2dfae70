package bundle

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/search/family"
)

// Processor is a processor that serves a bundle's levels, and what runs them there.
type Processor struct {
	Name     string `json:"name"`     // one of the family's
	Provider string `json:"provider"` // execution provider, such as "cpu" or "cuda"
}

// schemaOfOne is the schema of bundles that one processor serves, the family's first.
const schemaOfOne = 2

// maxProcessors bounds the processors of a bundle. Boards have two or three.
const maxProcessors = 16

// Serving returns the processors that serve the levels, in order, at least one.
func (m *Manifest) Serving() []Processor {
	if len(m.Runtime.Processors) > 0 {
		return slices.Clone(m.Runtime.Processors)
	}
	return []Processor{{m.Family.Processors()[0], m.Runtime.Provider}}
}

// schemaFor returns the lowest schema that says everything about a runtime, so that programs which know no more than that
// read a bundle that needs no more.
func schemaFor(r Runtime) int {
	if len(r.Processors) > 0 {
		return Schema
	}
	return schemaOfOne
}

// checkProcessors returns an error unless the listed processors are the family's, each once, and the first has the runtime's
// provider.
func (r Runtime) checkProcessors(f *family.Family) error {
	if len(r.Processors) > maxProcessors {
		return fmt.Errorf("%d processors are more than %d", len(r.Processors), maxProcessors)
	}
	var errs []error
	for i, p := range r.Processors {
		switch {
		case !slices.Contains(f.Processors(), p.Name):
			errs = append(errs, fmt.Errorf("processor %d: the levels have no latencies on %.80q, only on %q", i, p.Name, f.Processors()))
		case slices.ContainsFunc(r.Processors[:i], func(o Processor) bool { return o.Name == p.Name }):
			errs = append(errs, fmt.Errorf("processor %d: %.80q stands twice", i, p.Name))
		case p.Provider == "":
			errs = append(errs, fmt.Errorf("processor %d: %.80q has no execution provider", i, p.Name))
		}
		errs = append(errs, oneLine(p.Provider))
	}
	if len(r.Processors) > 0 && r.Processors[0].Provider != r.Provider {
		errs = append(errs, fmt.Errorf("the provider %.80q is not the first processor's, %.80q", r.Provider, r.Processors[0].Provider))
	}
	return errors.Join(errs...)
}
