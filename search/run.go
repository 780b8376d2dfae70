package search

import (
	"context"
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Run searches until the budget is spent, every network has been evaluated, the settings' termination
// or the method ends it, or ctx does. In each case it returns what it has, and Result.Stop says which it
// was; the end of ctx is not an error.
//
// It returns an error for an invalid problem or invalid settings (ErrEmptySpace), and one that names the
// architecture if a predictor fails or gives an impossible number (*PredictionError; a *lut.MissingError
// of the latency predictor can be found with errors.As).
//
// The same problem, settings and seed give the same result, whatever the number of workers.
func Run(ctx context.Context, p Problem, s Settings) (*Result, error) {
	if err := errors.Join(p.Validate(), s.Validate()); err != nil {
		return nil, err
	}
	s = s.withDefaults()
	encoding, err := NewEncoding(p.Space, p.Resolutions())
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	v := newEvaluator(p, s, encoding)
	if err := v.begin(ctx, s); err == nil {
		if err = s.Method.Search(ctx, v); err == nil {
			_ = v.end(StopConverged, "")
		} else if !errors.Is(err, errStop) {
			return nil, err
		}
	} else if !errors.Is(err, errStop) {
		return nil, err
	}
	v.sample()
	return v.result(p)
}

// begin evaluates the smallest and the largest uniform network and those that the user gave, and sets
// the reference.
func (v *Evaluator) begin(ctx context.Context, s Settings) error {
	n := v.encoding.Genes()
	smallest, largest := make(Genome, n), make(Genome, n)
	for i := range largest {
		largest[i] = uint8(v.encoding.Choices(i) - 1)
	}
	v.initial = []Genome{smallest, largest}
	for i, a := range s.Initial {
		g, err := v.encoding.Encode(a)
		if err != nil {
			return fmt.Errorf("search: initial network %d: %w", i, err)
		}
		v.initial = append(v.initial, g)
	}
	out := make([]Objectives, len(v.initial))
	err := v.Evaluate(ctx, v.initial, out)
	if v.reference == (Objectives{}) {
		v.reference = Objectives{min(out[0].Accuracy, out[1].Accuracy), max(out[0].Latency, out[1].Latency)}
	}
	v.sample()
	return err
}

func (v *Evaluator) result(p Problem) (*Result, error) {
	r := &Result{
		Evaluations: len(v.objectives), Generations: v.generation, Stop: v.stop, Reason: v.reason, History: v.history,
		Space: p.Space.Name, Resolutions: p.Resolutions(), Method: v.settings.Method.String(),
		Population: v.settings.Population, Budget: v.settings.Evaluations, Seed: v.settings.Seed,
		Reference: v.reference, Accuracy: p.Accuracy.Describe(),
	}
	genomes, objectives := v.Front()
	for i, g := range genomes {
		var a supernet.Arch
		v.encoding.Decode(g, &a)
		macs, err := p.Space.MACs(a)
		if err != nil {
			return nil, fmt.Errorf("search: %w", err)
		}
		r.Front = append(r.Front, Candidate{a, objectives[i], macs})
	}
	return r, nil
}
