package search

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

// Problem is what is searched: the networks of a space, judged by predicted latency and accuracy.
type Problem struct {
	Space    *supernet.Space
	Latency  Latency
	Accuracy accuracy.Predictor

	// Point names the operating point of Latency in quantities; it may be empty.
	Point string
	// Also holds further operating points, each with a name of its own.
	Also []Point
	// Objectives are what the search improves, two to MaxObjectives of them; nil stands for the latency of
	// the first operating point and accuracy.
	Objectives []Quantity
	// Constraints must be kept by every network of the front. A network that misses any loses against one
	// that misses them by less, whatever its objectives.
	Constraints []Constraint
	// Columns are further quantities that the front's networks come with.
	Columns []Quantity
}

// objectives returns the objectives with the default filled in.
func (p Problem) objectives() []Quantity {
	if len(p.Objectives) == 0 {
		return []Quantity{{Kind: KindLatency, Point: p.Point}, {Kind: KindAccuracy}}
	}
	return p.Objectives
}

// pointNames lists the operating points for messages.
func (p Problem) pointNames() string {
	names := strconv.Quote(p.Point)
	for _, a := range p.Also {
		names += ", " + strconv.Quote(a.Name)
	}
	return names
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

// latencies returns the latency predictors of all operating points.
func (p Problem) latencies() []Latency {
	list := []Latency{p.Latency}
	for _, a := range p.Also {
		list = append(list, a.Latency)
	}
	return list
}

// Resolutions returns the resolutions that a search uses, ascending: those of the space, less those
// that a latency predictor does not cover if it has a method Resolutions() []int.
func (p Problem) Resolutions() []int {
	rs := slices.Sorted(slices.Values(p.Space.Resolutions))
	for _, l := range p.latencies() {
		if c, ok := l.(resolver); ok {
			covered := c.Resolutions()
			rs = slices.DeleteFunc(rs, func(r int) bool { return !slices.Contains(covered, r) })
		}
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
	if n := len(p.Objectives); n == 1 || n > MaxObjectives {
		errs = append(errs, fmt.Errorf("%d objectives are outside [2, %d]", n, MaxObjectives))
	}
	names := map[string]bool{p.Point: true}
	for i, a := range p.Also {
		if a.Latency == nil {
			errs = append(errs, fmt.Errorf("operating point %d has no latency predictor", i+1))
		}
		if err := checkPointName(a.Name); err != nil {
			errs = append(errs, err)
		} else if names[a.Name] {
			errs = append(errs, fmt.Errorf("two operating points are called %q", a.Name))
		}
		names[a.Name] = true
	}
	if p.Point != "" {
		if err := checkPointName(p.Point); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("search: problem: %w", errors.Join(errs...))
	}
	if _, err := newJudge(p); err != nil {
		return fmt.Errorf("search: problem: %w", err)
	}
	if len(p.Resolutions()) == 0 {
		err := fmt.Errorf("%w: space %s has resolutions %v", ErrEmptySpace, p.Space.Name, p.Space.Resolutions)
		for _, l := range p.latencies() {
			c, ok := l.(resolver)
			if !ok {
				continue
			}
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
