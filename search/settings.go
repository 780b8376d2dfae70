package search

import (
	"errors"
	"fmt"
	"math"
	"runtime"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// Defaults of Settings.
const (
	DefaultPopulation  = 100
	DefaultEvaluations = 50_000
)

// Settings say how to search. The zero value works and stands for the defaults given at the fields.
type Settings struct {
	// Method proposes the candidates; nil stands for DefaultMethod().
	Method Method
	// Population is the number of candidates that a generation keeps, at least 2; 0 stands for
	// DefaultPopulation.
	Population int
	// Evaluations is the budget, which is never exceeded; 0 stands for DefaultEvaluations.
	Evaluations int
	// Seed decides every random number.
	Seed uint64
	// Workers is the number of goroutines that predict; 0 stands for one for each processor. The result
	// does not depend on it.
	Workers int
	// Initial architectures are evaluated first, after the smallest and the largest uniform network.
	Initial []supernet.Arch
	// Reference is the worse corner from which hypervolume is measured. The zero value stands for the
	// higher latency and the lower accuracy of the smallest and the largest uniform network.
	Reference Objectives
	// Resume holds the accuracies of the first evaluations of this same search, in order, as Record got
	// them from one that was interrupted. They are not predicted again, and the search goes on from there to
	// the same result.
	Resume []unit.Accuracy
	// Record, if not nil, gets the accuracies of new evaluations, in order, and the number of evaluations
	// before them. An error ends the search and is returned by Run, which wraps it.
	Record func(first int, accuracies []unit.Accuracy) error
	// Terminate, if not nil, may end the search before the budget is spent; see Stagnation.
	Terminate Termination
	// Progress, if not nil, is called after every generation.
	Progress func(Progress)
	// Observe, if not nil, is called for every evaluation, in order. The architecture's slices are
	// valid during the call only.
	Observe func(supernet.Arch, Objectives)
}

// Progress is the state of a running search.
type Progress struct {
	Sample
	Budget     int
	Generation int // completed
}

// Bounds of settings, so that a slip of the keyboard is an error and not an hour of paging.
const (
	maxPopulation  = 1 << 20
	maxEvaluations = 1 << 30
	maxWorkers     = 1 << 10
)

// Validate returns every problem of the settings.
func (s Settings) Validate() error {
	var errs []error
	if s.Population != 0 && (s.Population < 2 || s.Population > maxPopulation) {
		errs = append(errs, fmt.Errorf("population %d is outside [2, %d]", s.Population, maxPopulation))
	}
	if s.Evaluations < 0 || s.Evaluations > maxEvaluations {
		errs = append(errs, fmt.Errorf("%d evaluations are outside [1, %d]", s.Evaluations, maxEvaluations))
	}
	if s.Workers < 0 || s.Workers > maxWorkers {
		errs = append(errs, fmt.Errorf("%d workers are outside [1, %d]", s.Workers, maxWorkers))
	}
	if s.Reference != (Objectives{}) {
		if err := s.Reference.Accuracy.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("reference: %w", err))
		}
		if l := float64(s.Reference.Latency); !(l > 0) || math.IsInf(l, 0) {
			errs = append(errs, fmt.Errorf("reference: latency %g ns is not positive and finite", l))
		}
	}
	if v, ok := s.Method.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("method: %w", err))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("search: settings: %w", errors.Join(errs...))
	}
	return nil
}

// DefaultMethod is what a nil Settings.Method stands for.
func DefaultMethod() Method { return Memetic{} }

// withDefaults returns s with the zero values replaced, except Reference.
func (s Settings) withDefaults() Settings {
	if s.Method == nil {
		s.Method = DefaultMethod()
	}
	if s.Population == 0 {
		s.Population = DefaultPopulation
	}
	if s.Evaluations == 0 {
		s.Evaluations = DefaultEvaluations
	}
	if s.Workers == 0 {
		s.Workers = runtime.GOMAXPROCS(0)
	}
	return s
}
