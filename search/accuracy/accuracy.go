// Package accuracy estimates the accuracy of sub-networks without running them: with OFA's
// predictor (MLP), with a model fitted to measured accuracies (Fitted: Builtin, FitCSV), or with a
// stated stand-in (StandIn) where there is nothing. Each Predictor says how its numbers come about
// (Description), and whatever shows them repeats that.
//
// It measures nothing and trains no networks, and never passes on a number that is no accuracy: a
// prediction outside [0, 1], NaN included, is an error.
package accuracy

import (
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// The values of Description.Origin.
const (
	// Predicted: a model fitted on measured accuracies.
	Predicted = "predicted"
	// Standin: no accuracy at all, only a number that takes its place.
	Standin = "stand-in"
	// Measured: top-1 accuracies measured on labelled images.
	Measured = "measured"
)

// Predictor estimates top-1 accuracies. Implementations are safe for concurrent use and
// deterministic: an architecture's accuracy depends on nothing else in the batch.
type Predictor interface {
	// Predict sets out[i] to the accuracy of archs[i]. Entries of inactive positions are ignored.
	// It returns an *Error for the first architecture it cannot predict, and then what out holds
	// is unspecified; it panics if the lengths differ.
	Predict(archs []supernet.Arch, out []unit.Accuracy) error
	// Describe says where the numbers come from.
	Describe() Description
}

// Description says how a Predictor's numbers come about.
type Description struct {
	Name   string // of the method: "ofa-mlp", "macs-curve"
	Origin string // Predicted, Standin or Measured
	Source string // the file or supernet behind it
	SHA256 string // of that file, in hex; "" if there is none
	Note   string // what a reader of the numbers must know, as a sentence

	// Arithmetic names what computes the numbers if not all machines compute the same bits; "portable"
	// or "" if they do.
	Arithmetic string
}

// portable is the Description.Arithmetic of the same bits on all machines.
const portable = "portable"

// Error is an architecture that could not be predicted.
type Error struct {
	Index int           // in the batch
	Arch  supernet.Arch // as given
	Err   error
}

// Error names the architecture.
func (e *Error) Error() string { return fmt.Sprintf("accuracy: %s: %v", e.Arch, e.Err) }

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

// checkLengths panics if a batch and its results differ in length.
func checkLengths(archs []supernet.Arch, out []unit.Accuracy) {
	if len(archs) != len(out) {
		panic(fmt.Sprintf("accuracy: %d architectures, room for %d results", len(archs), len(out)))
	}
}
