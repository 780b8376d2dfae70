package search

import "context"

// Method proposes candidates. An implementation keeps no state between searches, so that one value may
// serve several at once.
type Method interface {
	// String returns the method's name and its parameters, for the record.
	String() string
	// Search evaluates candidates with v until v says that the search has ended, and returns v's error;
	// or until it has nothing left to try, and returns nil.
	Search(ctx context.Context, v *Evaluator) error
}

// Purposes of random streams; see Evaluator.Rand.
const (
	streamSampling uint64 = iota + 1
	streamMating
	streamCrossover
	streamMutation
	streamLocal
)
