package search

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// ErrEmptySpace is wrapped by errors that say that there is no architecture to evaluate.
var ErrEmptySpace = errors.New("the search space is empty")

// ErrInfeasible is wrapped by errors that say that no network keeps the constraints; see *InfeasibleError.
var ErrInfeasible = errors.New("no network keeps the constraints")

// ErrNotAdditive is wrapped by errors that say that a quantity is no sum over a network's blocks.
var ErrNotAdditive = errors.New("the quantity is no sum over blocks")

// PredictionError says that a predictor gave a number that no network can have.
type PredictionError struct {
	Arch     supernet.Arch // canonical
	Quantity string        // "accuracy" or "latency"
	Value    float64       // as predicted: a fraction, or nanoseconds
}

// Error names quantity, value and architecture.
func (e *PredictionError) Error() string {
	want := "a fraction in [0, 1]"
	if e.Quantity == quantityLatency {
		want = "positive nanoseconds"
	}
	return fmt.Sprintf("predicted %s of %v is %g, want %s", e.Quantity, e.Arch, e.Value, want)
}

const (
	quantityAccuracy = "accuracy"
	quantityLatency  = "latency"
)
