package sim

import (
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Factors returns by what the inferences of a trace took longer than their family says, in the order in which they were decided;
// a batch is one. It is what package noise fits its model to.
func Factors(t *trace.Trace) ([]float64, error) {
	m, err := policy.NewModel(&t.Header.Family)
	if err != nil {
		return nil, err
	}
	var factors []float64
	for i := range t.Records {
		r := &t.Records[i]
		if c, ok := r.Completion(); ok && c.Latency() > 0 {
			factors = append(factors, float64(c.Latency())/float64(m.Levels[c.Level].At(c.Processor, c.Clock, c.Batch)))
		}
	}
	return factors, nil
}
