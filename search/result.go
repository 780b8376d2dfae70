package search

import (
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/accuracy"
)

// Result is what a search found and how it went.
type Result struct {
	// Front holds the non-dominated of all evaluated networks that keep the constraints. With the default
	// objectives they are ascending in latency and accuracy, both strictly; otherwise ascending in the first
	// objective, then the next. Of networks with equal objectives the one evaluated first stands for all.
	Front []Candidate

	Evaluations int // spent
	Generations int // completed
	Stop        Stop
	// Reason adds to Stop what it does not say: the cause of a cancellation, or Terminate's text.
	Reason string
	// History has one sample after the initial networks, one after each generation and one at the end.
	History []Sample

	// What was run, with defaults filled in.
	Space string
	// SpaceDescription describes a space of the user's own, as supernet.Space.Description does; it is
	// empty where the name says everything. Supernet reads both.
	SpaceDescription string
	Resolutions      []int
	Objectives       []Quantity // nil: latency and accuracy
	Constraints      []Constraint
	Method           string // with its parameters
	Population       int
	Budget           int
	Seed             uint64
	Reference        Objectives
	Accuracy         accuracy.Description // where the accuracies come from
	// AccuracyErrors are the predictor's errors at the resolutions; nil if it does not know them.
	AccuracyErrors []AccuracyError
}

// Supernet returns the space that was searched.
func (r *Result) Supernet() (*supernet.Space, error) {
	return supernet.Resolve(r.Space, r.SpaceDescription)
}

// Candidate is a network with what was predicted for it.
type Candidate struct {
	Arch supernet.Arch // canonical
	Objectives
	MACs   int64   // multiply-accumulates of one inference
	Others []Value // what the problem's objectives, constraints and columns ask for beyond
}

// Sample is a point of a search's history.
type Sample struct {
	Evaluations int
	// Hypervolume is the area that the front dominates within the reference, in milliseconds times
	// accuracy (a fraction); with other objectives in the product of ms, millions, MiB and fractions. Points
	// outside the reference add nothing.
	Hypervolume float64
	Front       int // networks on the front
}

// Stop says why a search ended.
type Stop string

// The reasons for which a search ends.
const (
	StopBudget     Stop = "budget"     // the evaluations are spent
	StopExhausted  Stop = "exhausted"  // every network of the space has been evaluated
	StopTerminated Stop = "terminated" // Settings.Terminate said so
	StopCancelled  Stop = "cancelled"  // the context ended
	StopGaveUp     Stop = "gave up"    // the method's bounded attempts brought nothing
	StopConverged  Stop = "converged"  // the method has nothing left to try
)
