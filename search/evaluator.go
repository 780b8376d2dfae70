package search

import (
	"context"
	"errors"
	"math/rand/v2"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/pareto"
)

// Evaluator is what a method works with: it evaluates candidates, never the same network twice, keeps
// the front of everything evaluated, counts, and says when to stop. It is for one goroutine.
type Evaluator struct {
	encoding *Encoding
	engine   *engine
	settings Settings

	// index maps the canonical genome of a known network to its place in the two lists, or to pending
	// if it has been claimed and not evaluated.
	index      map[string]int
	genomes    []string // canonical
	objectives []Objectives
	archive    pareto.Archive

	reference  Objectives
	initial    []Genome
	history    []Sample
	generation int
	cursor     Genome // next of the enumeration that claims what chance does not find; nil before its start
	exhausted  bool

	canonical Genome // scratch
	arch      supernet.Arch
	stop      Stop
	reason    string
}

// pending marks a network as claimed in Evaluator.index.
const pending = -1

// errStop is what Evaluate and EndGeneration return when the search ends as it should.
var errStop = errors.New("the search has ended")

func newEvaluator(p Problem, s Settings, e *Encoding) *Evaluator {
	return &Evaluator{
		encoding: e, engine: newEngine(p, e, s.Workers), settings: s,
		index: make(map[string]int), reference: s.Reference, canonical: make(Genome, e.Genes()),
	}
}

// Encoding returns the encoding of the genomes.
func (v *Evaluator) Encoding() *Encoding { return v.encoding }

// Population returns the size of a generation that the user asked for.
func (v *Evaluator) Population() int { return v.settings.Population }

// Remaining returns the number of evaluations left.
func (v *Evaluator) Remaining() int { return v.settings.Evaluations - len(v.objectives) }

// Rand returns a new stream of random numbers, which depends on the seed and the purpose only. Methods
// use one for each purpose, so that one more draw for one does not shift another.
func (v *Evaluator) Rand(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(v.settings.Seed, purpose))
}

// Initial returns the networks that have been evaluated before the method began, for a first generation.
func (v *Evaluator) Initial() []Genome { return v.initial }

// Front returns the genomes and objectives of the front so far, ascending in latency. The caller owns
// both lists.
func (v *Evaluator) Front() ([]Genome, []Objectives) {
	entries := v.archive.Entries()
	genomes, objectives := make([]Genome, len(entries)), make([]Objectives, len(entries))
	for i, e := range entries {
		genomes[i], objectives[i] = Genome(v.genomes[e.ID]), v.objectives[e.ID]
	}
	return genomes, objectives
}

// Claim reports whether g's network is new: neither evaluated nor claimed before. It is claimed then.
func (v *Evaluator) Claim(g Genome) bool {
	copy(v.canonical, g)
	v.encoding.Canonical(v.canonical)
	if _, known := v.index[string(v.canonical)]; known {
		return false
	}
	v.index[string(v.canonical)] = pending
	return true
}

// freshAttempts bounds the draws of ClaimFresh before it starts to enumerate.
const freshAttempts = 100

// ClaimFresh fills g with a new network and claims it: one drawn by sampling, or, if a bounded number
// of draws brings none, the next one in the order of genomes. It reports whether there was any left.
func (v *Evaluator) ClaimFresh(g Genome, sampling Sampling, rng *rand.Rand) bool {
	for range freshAttempts {
		sampling(v.encoding, g, rng)
		if v.Claim(g) {
			return true
		}
	}
	if v.cursor == nil {
		v.cursor = make(Genome, v.encoding.Genes())
	}
	for !v.exhausted {
		copy(g, v.cursor)
		v.exhausted = !v.encoding.next(v.cursor)
		if v.Claim(g) {
			return true
		}
	}
	return false
}

// Evaluate evaluates the candidates in order and puts their objectives into out, which must be as long;
// those known already are looked up. The front is up to date afterwards. It returns an error that the
// method must return in turn when the search has to end: the budget is spent (as many candidates as fit
// have been evaluated then), the context has ended, or a prediction failed.
func (v *Evaluator) Evaluate(ctx context.Context, genomes []Genome, out []Objectives) error {
	if ctx.Err() != nil {
		return v.end(StopCancelled, context.Cause(ctx).Error())
	}
	first := len(v.objectives)
	ids := make([]int, 0, len(genomes))
	for _, g := range genomes {
		copy(v.canonical, g)
		v.encoding.Canonical(v.canonical)
		id, known := v.index[string(v.canonical)]
		if !known || id == pending {
			if len(v.genomes) == v.settings.Evaluations {
				break
			}
			id = len(v.genomes)
			key := string(v.canonical)
			v.index[key] = id
			v.genomes = append(v.genomes, key)
		}
		ids = append(ids, id)
	}
	v.objectives = append(v.objectives, make([]Objectives, len(v.genomes)-first)...)
	if err := v.engine.predict(v.genomes[first:], v.objectives[first:]); err != nil {
		return err
	}
	for id := first; id < len(v.objectives); id++ {
		x, y := v.objectives[id].minimised()
		v.archive.Insert(x, y, id)
		if v.settings.Observe != nil {
			v.encoding.Decode(Genome(v.genomes[id]), &v.arch)
			v.settings.Observe(v.arch, v.objectives[id])
		}
	}
	for i, id := range ids {
		out[i] = v.objectives[id]
	}
	if v.Remaining() == 0 {
		return v.end(StopBudget, "")
	}
	return nil
}

// EndGeneration closes a generation: history, progress, termination. Methods return its error in turn.
func (v *Evaluator) EndGeneration() error {
	v.generation++
	v.sample()
	if v.settings.Progress != nil {
		v.settings.Progress(Progress{Sample: v.history[len(v.history)-1], Budget: v.settings.Evaluations, Generation: v.generation})
	}
	if v.settings.Terminate != nil {
		if reason := v.settings.Terminate(v.history); reason != "" {
			return v.end(StopTerminated, reason)
		}
	}
	return nil
}

// sample appends the present state to the history, unless nothing has been evaluated since the last.
func (v *Evaluator) sample() {
	n := len(v.objectives)
	if len(v.history) > 0 && v.history[len(v.history)-1].Evaluations == n {
		return
	}
	x, y := v.reference.minimised()
	area := v.archive.Hypervolume(x, y)
	v.history = append(v.history, Sample{Evaluations: n, Hypervolume: unit.Nanoseconds(area).Milliseconds(), Front: v.archive.Len()})
}

// Exhausted ends the search because every network has been evaluated. Methods return its error.
func (v *Evaluator) Exhausted() error { return v.end(StopExhausted, "") }

func (v *Evaluator) end(stop Stop, reason string) error {
	v.stop, v.reason = stop, reason
	return errStop
}
