package selection

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
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
	// Memory, if its budget is not 0, bounds the levels' weights; see ChooseWithin.
	Memory Memory
	// Joint asks for levels that serve all processors, by their own latencies; see ChooseJoint. Otherwise the
	// front's latencies decide. It takes a number of levels, and no budget.
	Joint bool
	Notes []string // doubts, for example the tables' warnings
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
	indices, described, err := choose(front, rule, o)
	if err != nil {
		return nil, err
	}
	f := &family.Family{Name: o.Name, Space: o.Space.Name, SpaceDescription: o.Space.Description(), Source: o.Source, Rule: described}
	if o.Accuracy.Note != "" {
		f.Notes = append(f.Notes, o.Accuracy.Note)
	}
	f.Notes = append(f.Notes, o.Notes...)
	for _, i := range indices {
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

// choose returns the levels and how they were chosen.
func choose(front []search.Candidate, rule Rule, o Options) ([]int, string, error) {
	if o.Joint {
		return chooseJoint(front, rule, o)
	}
	choice, err := ChooseWithin(front, o.Space, rule, o.Memory)
	if err != nil {
		return nil, "", err
	}
	described := choice.describe(rule)
	if o.Memory.Budget > 0 {
		archs := make([]supernet.Arch, len(choice.Indices))
		for k, i := range choice.Indices {
			archs[k] = front[i].Arch
		}
		bytes, err := o.Memory.Bytes(o.Space, archs)
		if err != nil {
			return nil, "", err
		}
		kind := "shared"
		if o.Memory.Sharing == SeparateWeights {
			kind = "separate"
		}
		described += fmt.Sprintf("; %s weights of %s within %s", kind, unit.Bytes(bytes), unit.Bytes(o.Memory.Budget))
	}
	return choice.Indices, described, nil
}

// chooseJoint chooses for all processors at once.
func chooseJoint(front []search.Candidate, rule Rule, o Options) ([]int, string, error) {
	if rule.Levels == 0 || o.Memory.Budget > 0 || rule.Limits != nil || rule.Keep != KeepFastest {
		return nil, "", errors.New("selection: a joint choice takes a number of levels only")
	}
	points := make([][]search.Objectives, len(o.Processors))
	for p, processor := range o.Processors {
		for i, c := range front {
			l, err := processor.Latency.Latency(c.Arch)
			if err != nil {
				return nil, "", fmt.Errorf("selection: network %d on %s: %w", i, processor.Name, err)
			}
			points[p] = append(points[p], search.Objectives{Accuracy: c.Accuracy, Latency: l})
		}
	}
	c, err := ChooseJoint(points, rule.Levels, nil)
	if err != nil {
		return nil, "", err
	}
	described := fmt.Sprintf("the %d that serve", len(c.Indices))
	for p, processor := range o.Processors {
		described += fmt.Sprintf(" %s (expected accuracy %v under a latency limit %v; as many levels of its own: %v),", processor.Name, c.PerProcessor[p], c.Limits[p], c.Separate[p])
	}
	return c.Indices, described + " each with equal chance; the fastest of each is kept; by exchange, not proved best", nil
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
