package search

import (
	"fmt"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// InfeasibleError says that no network keeps the constraints, and which one comes nearest. It wraps
// ErrInfeasible.
type InfeasibleError struct {
	// Constraints that no network keeps: one if Proven, else all of the problem.
	Constraints []Constraint
	// Proven says that there is none in the space; otherwise a search has found none.
	Proven      bool
	Evaluations int // of that search
	// Nearest is the network that misses the constraints by the least part of their bounds.
	Nearest Candidate
	Values  []Value // of Nearest, one for each of Constraints
}

// Error names the constraints, what was tried, and the nearest network with its values.
func (e *InfeasibleError) Error() string {
	var s strings.Builder
	if e.Proven {
		s.WriteString("no network of the space keeps ")
	} else {
		fmt.Fprintf(&s, "none of the %d evaluated networks keeps ", e.Evaluations)
	}
	for i, c := range e.Constraints {
		if i > 0 {
			s.WriteString(" and ")
		}
		s.WriteString(c.String())
	}
	s.WriteString("; nearest is ")
	for i, v := range e.Values {
		if i > 0 {
			s.WriteString(", ")
		}
		s.WriteString(v.String())
	}
	fmt.Fprintf(&s, " of %v (accuracy %v)", e.Nearest.Arch, e.Nearest.Accuracy)
	return s.String()
}

// Unwrap returns ErrInfeasible.
func (e *InfeasibleError) Unwrap() error { return ErrInfeasible }

// feasible looks at each constraint by itself before a search, where the exact range of its quantity can
// be had. It returns an *InfeasibleError if no network keeps it, and otherwise, for each of these
// constraints, the network that keeps it best, so that a search starts inside.
func feasible(p Problem) ([]supernet.Arch, error) {
	var starts []supernet.Arch
	for _, c := range p.Constraints {
		if c.Quantity.Kind == KindAccuracy {
			continue
		}
		ranges, err := p.Ranges(c.Quantity)
		if err != nil {
			continue // no sum, or a prediction fails: the search will tell
		}
		best := ranges[0]
		for _, r := range ranges[1:] {
			if c.Side == AtMost && r.Min < best.Min || c.Side == AtLeast && r.Max > best.Max {
				best = r
			}
		}
		value, arch := best.Min, best.MinArch
		if c.Side == AtLeast {
			value, arch = best.Max, best.MaxArch
		}
		if c.violation(value) == 0 {
			starts = append(starts, arch)
			continue
		}
		nearest, err := p.candidate(arch)
		if err != nil {
			return nil, err
		}
		q := c.Quantity
		if q.Kind.atPoint() && q.Point == "" {
			q.Point = p.Point
		}
		return nil, fmt.Errorf("search: %w", &InfeasibleError{Constraints: []Constraint{c}, Proven: true, Nearest: nearest, Values: []Value{{q, value}}})
	}
	return starts, nil
}

// candidate evaluates one network outside of a search.
func (p Problem) candidate(a supernet.Arch) (Candidate, error) {
	e, err := NewEncoding(p.Space, p.Resolutions())
	if err != nil {
		return Candidate{}, fmt.Errorf("search: %w", err)
	}
	j, err := newJudge(p)
	if err != nil {
		return Candidate{}, fmt.Errorf("search: %w", err)
	}
	g, err := e.Encode(a)
	if err != nil {
		return Candidate{}, fmt.Errorf("search: %w", err)
	}
	scores := make([]Score, 1)
	if err := newEngine(p, e, j, 1).predict([]string{string(g)}, nil, scores); err != nil {
		return Candidate{}, fmt.Errorf("search: %w", err)
	}
	return newCandidate(e, j, g, scores[0])
}

// newCandidate describes an evaluated network.
func newCandidate(e *Encoding, j *judge, g Genome, s Score) (Candidate, error) {
	c := Candidate{Objectives: s.Objectives}
	e.Decode(g, &c.Arch)
	row := [maxColumns]float64{columnAccuracy: float64(s.Accuracy)}
	err := j.costs(c.Arch, &row)
	if err == nil {
		c.MACs, err = j.space.MACs(c.Arch)
	}
	if err != nil {
		return c, fmt.Errorf("search: %w", err)
	}
	c.Others = j.others(&row)
	return c, nil
}

// infeasible is the error of a search that found nothing feasible.
func (v *Evaluator) infeasible(p Problem) error {
	g, s := Genome(v.genomes[v.nearest]), v.scores[v.nearest]
	j := v.engine.judge
	nearest, err := newCandidate(v.encoding, j, g, s)
	if err != nil {
		return err
	}
	row := [maxColumns]float64{columnAccuracy: float64(s.Accuracy)}
	if err := j.costs(nearest.Arch, &row); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	e := &InfeasibleError{Constraints: p.Constraints, Proven: v.stop == StopExhausted, Evaluations: len(v.scores), Nearest: nearest}
	for _, b := range j.bounds {
		e.Values = append(e.Values, Value{j.columns[b.column].Quantity, row[b.column]})
	}
	return fmt.Errorf("search: %w", e)
}
