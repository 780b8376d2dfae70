package policy

import "slices"

// Alone reports whether the policy manages a single processor, as its parameter "processor" says, whatever others there are.
func (i Info) Alone() bool { return slices.Contains(i.Params, processorParam) }
