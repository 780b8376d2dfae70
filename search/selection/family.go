package selection

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/family"
)

// Processor predicts the levels' latencies on one processor.
type Processor struct {
	Name    string // "cpu", "gpu"
	Latency search.Latency
	Origin  lut.Origin // of the table behind it
	Source  string     // one line
}

// Options say what goes into a family beside the choice.
type Options struct {
	Name     string // of the family
	Space    *supernet.Space
	Accuracy accuracy.Description // where the front's accuracies come from
	Source   string               // one line: how the front came about
	// Processors for which each level carries a latency, in the order in which it lists them; at least
	// one. The front's own latencies decide the choice; these are what a runtime manager goes by.
	Processors []Processor
	Notes      []string // doubts, for example the tables' warnings
}

// Family chooses levels from a front by the rule of Choose and describes them: multiply-accumulates,
// parameters, accuracy with its origin, a latency for each processor. The notes of the result are those
// of the options after the accuracy predictor's.
func Family(front []search.Candidate, rule Rule, o Options) (*family.Family, error) {
	if o.Space == nil || len(o.Processors) == 0 {
		return nil, errors.New("selection: no space or no processors are given")
	}
	origin, err := accuracyOrigin(o.Accuracy.Origin)
	if err != nil {
		return nil, err
	}
	points := make([]search.Objectives, len(front))
	for i, c := range front {
		points[i] = c.Objectives
	}
	choice, err := Choose(points, rule)
	if err != nil {
		return nil, err
	}
	f := &family.Family{Name: o.Name, Space: o.Space.Name, Source: o.Source, Rule: choice.describe(rule)}
	if o.Accuracy.Note != "" {
		f.Notes = append(f.Notes, o.Accuracy.Note)
	}
	f.Notes = append(f.Notes, o.Notes...)
	for _, i := range choice.Indices {
		level, err := newLevel(front[i], origin, o)
		if err != nil {
			return nil, fmt.Errorf("selection: level %d: %w", len(f.Levels), err)
		}
		f.Levels = append(f.Levels, level)
	}
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("selection: %w", err)
	}
	return f, nil
}

func newLevel(c search.Candidate, origin family.AccuracyOrigin, o Options) (family.Level, error) {
	arch, err := o.Space.Canonical(c.Arch)
	if err != nil {
		return family.Level{}, err
	}
	l := family.Level{Arch: arch, Accuracy: c.Accuracy, AccuracyOrigin: origin}
	if l.MACs, err = o.Space.MACs(arch); err != nil {
		return family.Level{}, err
	}
	if l.Params, err = o.Space.Params(arch); err != nil {
		return family.Level{}, err
	}
	for _, p := range o.Processors {
		latency, err := p.Latency.Latency(arch)
		if err != nil {
			return family.Level{}, fmt.Errorf("processor %s: %w", p.Name, err)
		}
		l.Latencies = append(l.Latencies, family.Latency{Processor: p.Name, Latency: latency, Origin: p.Origin, Source: p.Source})
	}
	return l, nil
}

// accuracyOrigin translates the origin of a predictor's numbers.
func accuracyOrigin(origin string) (family.AccuracyOrigin, error) {
	switch origin {
	case accuracy.Predicted:
		return family.AccuracyPredicted, nil
	case accuracy.Standin:
		return family.AccuracyStandIn, nil
	case accuracy.Measured:
		return family.AccuracyMeasured, nil
	}
	return "", fmt.Errorf("selection: accuracies of unknown origin %q", origin)
}

// describe states the rule that led to the choice.
func (c *Choice) describe(r Rule) string {
	s := fmt.Sprintf("the %d", len(c.Indices))
	if r.Share > 0 {
		s = fmt.Sprintf("the fewest (%d)", len(c.Indices))
	}
	s += fmt.Sprintf(" of %d non-dominated networks with the highest expected accuracy under a latency limit %v", c.Front, c.Limits)
	if r.Share > 0 {
		s += fmt.Sprintf(" that reach %.4g%% of the whole front's gain over its fastest network", r.Share*100)
	}
	if r.Keep == KeepBothEnds {
		return s + fmt.Sprintf("; the fastest and the most accurate are kept; %.1f%% of the whole front's gain", c.Share*100)
	}
	return s + fmt.Sprintf("; the fastest is kept; %.1f%% of the whole front's gain", c.Share*100)
}
