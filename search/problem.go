package search

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

// Problem is what is searched: the networks of a space, judged by predicted latency and accuracy.
type Problem struct {
	Space    *supernet.Space
	Latency  Latency
	Accuracy accuracy.Predictor
}

// Latency predicts latencies, and is safe for concurrent use. *lut.Predictor is one.
type Latency interface {
	// Latency returns the latency of a canonical architecture of the problem's space, positive and
	// finite. It must not keep a or its slices. An error ends the search and is returned by Run, which
	// wraps it.
	Latency(a supernet.Arch) (unit.Nanoseconds, error)
}

// resolver is a Latency that covers only some resolutions. *lut.Predictor is one.
type resolver interface{ Resolutions() []int }

// Resolutions returns the resolutions that a search uses, ascending: those of the space, less those
// that Latency does not cover if it has a method Resolutions() []int.
func (p Problem) Resolutions() []int {
	rs := slices.Sorted(slices.Values(p.Space.Resolutions))
	if c, ok := p.Latency.(resolver); ok {
		covered := c.Resolutions()
		rs = slices.DeleteFunc(rs, func(r int) bool { return !slices.Contains(covered, r) })
	}
	return slices.Compact(rs)
}

// Validate returns an error if a part of the problem is missing, or one that wraps ErrEmptySpace if
// there is no network to evaluate.
func (p Problem) Validate() error {
	var errs []error
	if p.Space == nil {
		errs = append(errs, errors.New("no space"))
	}
	if p.Latency == nil {
		errs = append(errs, errors.New("no latency predictor"))
	}
	if p.Accuracy == nil {
		errs = append(errs, errors.New("no accuracy predictor"))
	}
	if len(errs) > 0 {
		return fmt.Errorf("search: problem: %w", errors.Join(errs...))
	}
	if len(p.Resolutions()) == 0 {
		err := fmt.Errorf("%w: space %s has resolutions %v", ErrEmptySpace, p.Space.Name, p.Space.Resolutions)
		if c, ok := p.Latency.(resolver); ok {
			err = fmt.Errorf("%w, none of which the latency table covers: it has %v", err, c.Resolutions())
		}
		return fmt.Errorf("search: problem: %w", err)
	}
	if _, err := NewEncoding(p.Space, p.Resolutions()); err != nil {
		return fmt.Errorf("search: problem: %w", err)
	}
	return nil
}

// Objectives are what a network is judged by: the lower the latency and the higher the accuracy, the
// better.
type Objectives struct {
	Accuracy unit.Accuracy
	Latency  unit.Nanoseconds
}

// minimised returns the objectives as package pareto takes them, both to be minimised.
func (o Objectives) minimised() (x, y float64) { return float64(o.Latency), -float64(o.Accuracy) }
