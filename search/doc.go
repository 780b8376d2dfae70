// Package search looks for the sub-networks of a supernet that no other beats in both latency and
// accuracy: the Pareto front. A latency and an accuracy predictor judge the candidates; a [Method]
// proposes them ([Memetic] unless told otherwise); [Run] puts the two together and keeps the books: what
// has been evaluated, what it cost, the front so far, and why the search stopped.
//
// An evaluation is one output of the accuracy predictor for one canonical architecture. Looking up an
// architecture that has been evaluated before is not one.
//
// A method is made of parts: [Sampling], [Crossover], [Mutation], [Survival]. They work on a [Genome],
// which an [Encoding] maps to architectures; a new part is one function.
//
// The package measures nothing, trains nothing and opens no file. It takes predictions at their word:
// a front is as good as its predictors, and says on every page which they were.
package search
