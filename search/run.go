package search

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// Run searches until the budget is spent, every network has been evaluated, the settings' termination
// or the method ends it, or ctx does. In each case it returns what it has, and Result.Stop says which it
// was; the end of ctx is not an error.
//
// It returns an error for an invalid problem or invalid settings (ErrEmptySpace), and one that names the
// architecture if a predictor fails or gives an impossible number (*PredictionError; a *lut.MissingError
// of the latency predictor can be found with errors.As), and an *InfeasibleError if no network keeps the
// constraints: at once where a quantity's exact range shows it, or else if the search ends without one.
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
	judge, err := newJudge(p)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	starts, err := feasible(p)
	if err != nil {
		return nil, err
	}
	s.Initial = slices.Concat(s.Initial, starts)
	v := newEvaluator(p, s, encoding, judge)
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
	if v.archive.len() == 0 && v.nearest >= 0 && v.stop != StopCancelled {
		return nil, v.infeasible(p)
	}
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
	out := make([]Score, len(v.initial))
	err := v.Evaluate(ctx, v.initial, out)
	v.setReference(out[0], out[1])
	v.sample()
	return err
}

// setReference fills in the reference from the two extreme networks where the user gave none.
func (v *Evaluator) setReference(smallest, largest Score) {
	given := v.reference != (Objectives{})
	if !given {
		v.reference = Objectives{min(smallest.Accuracy, largest.Accuracy), max(smallest.Latency, largest.Latency)}
	}
	for i, column := range v.engine.judge.objectives {
		switch {
		case given && column == columnAccuracy:
			v.corner[i] = -float64(v.reference.Accuracy)
		case given && column == columnLatency:
			v.corner[i] = float64(v.reference.Latency)
		default:
			v.corner[i] = max(smallest.Values[i], largest.Values[i])
		}
	}
}

func (v *Evaluator) result(p Problem) (*Result, error) {
	r := &Result{
		Evaluations: len(v.scores), Generations: v.generation, Stop: v.stop, Reason: v.reason, History: v.history,
		Space: p.Space.Name, SpaceDescription: p.Space.Description(), Resolutions: p.Resolutions(), Objectives: p.Objectives, Constraints: p.Constraints, Method: v.settings.Method.String(),
		Population: v.settings.Population, Budget: v.settings.Evaluations, Seed: v.settings.Seed,
		Reference: v.reference, Accuracy: p.Accuracy.Describe(), AccuracyErrors: AccuracyErrors(p.Accuracy, p.Resolutions()),
	}
	genomes, scores := v.Front()
	for i, g := range genomes {
		c, err := newCandidate(v.encoding, v.engine.judge, g, scores[i])
		if err != nil {
			return nil, err
		}
		r.Front = append(r.Front, c)
	}
	return r, nil
}
