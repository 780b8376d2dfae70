package search

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Evaluator is what a method works with: it evaluates candidates, never the same network twice, keeps
// the front of everything evaluated, counts, and says when to stop. It is for one goroutine.
type Evaluator struct {
	encoding *Encoding
	engine   *engine
	settings Settings

	// index maps the canonical genome of a known network to its place in the two lists, or to pending
	// if it has been claimed and not evaluated.
	index   map[string]int
	genomes []string // canonical
	scores  []Score
	archive archive

	reference  Objectives             // as given, or by default
	corner     [MaxObjectives]float64 // the same in values of the objectives
	initial    []Genome
	history    []Sample
	generation int
	nearest    int    // of infeasible networks the one that misses least; -1: none
	cursor     Genome // next of the enumeration that claims what chance does not find; nil before its start
	exhausted  bool

	canonical Genome // scratch
	arch      supernet.Arch
	row       [maxColumns]float64
	stop      Stop
	reason    string
}

// pending marks a network as claimed in Evaluator.index.
const pending = -1

// errStop is what Evaluate and EndGeneration return when the search ends as it should.
var errStop = errors.New("the search has ended")

func newEvaluator(p Problem, s Settings, e *Encoding, j *judge) *Evaluator {
	return &Evaluator{
		encoding: e, engine: newEngine(p, e, j, s.Workers), settings: s, archive: newArchive(len(j.objectives)),
		index: make(map[string]int), reference: s.Reference, nearest: -1, canonical: make(Genome, e.Genes()),
	}
}

// Encoding returns the encoding of the genomes.
func (v *Evaluator) Encoding() *Encoding { return v.encoding }

// Population returns the size of a generation that the user asked for.
func (v *Evaluator) Population() int { return v.settings.Population }

// Remaining returns the number of evaluations left.
func (v *Evaluator) Remaining() int { return v.settings.Evaluations - len(v.scores) }

// Rand returns a new stream of random numbers, which depends on the seed and the purpose only. Methods
// use one for each purpose, so that one more draw for one does not shift another.
func (v *Evaluator) Rand(purpose uint64) *rand.Rand {
	return rand.New(rand.NewPCG(v.settings.Seed, purpose))
}

// Initial returns the networks that have been evaluated before the method began, for a first generation.
func (v *Evaluator) Initial() []Genome { return v.initial }

// Front returns the genomes and scores of the front so far: of the feasible networks those that no other
// dominates, ascending in the first objective. The caller owns both lists.
func (v *Evaluator) Front() ([]Genome, []Score) {
	ids := v.archive.ids()
	genomes, scores := make([]Genome, len(ids)), make([]Score, len(ids))
	for i, id := range ids {
		genomes[i], scores[i] = Genome(v.genomes[id]), v.scores[id]
	}
	return genomes, scores
}

// Violation returns what Score.Violation would be of g's network, but for constraints on accuracy, without
// an evaluation.
func (v *Evaluator) Violation(g Genome) (float64, error) {
	v.encoding.Decode(g, &v.arch)
	if err := v.engine.judge.costs(v.arch, &v.row); err != nil {
		return 0, fmt.Errorf("search: %w", err)
	}
	return v.engine.judge.violation(&v.row, columnAccuracy+1), nil
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

// Evaluate evaluates the candidates in order and puts their scores into out, which must be as long;
// those known already are looked up. The front is up to date afterwards. It returns an error that the
// method must return in turn when the search has to end: the budget is spent (as many candidates as fit
// have been evaluated then), the context has ended, or a prediction failed.
func (v *Evaluator) Evaluate(ctx context.Context, genomes []Genome, out []Score) error {
	if ctx.Err() != nil {
		return v.end(StopCancelled, context.Cause(ctx).Error())
	}
	first := len(v.scores)
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
	if err := v.score(first); err != nil {
		return err
	}
	for i, id := range ids {
		out[i] = v.scores[id]
	}
	if v.Remaining() == 0 {
		return v.end(StopBudget, "")
	}
	return nil
}

// score scores the networks from the first on that have no score.
func (v *Evaluator) score(first int) error {
	v.scores = append(v.scores, make([]Score, len(v.genomes)-first)...)
	if err := v.predict(first); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	for id := first; id < len(v.scores); id++ {
		s := &v.scores[id]
		if s.Feasible() {
			v.archive.insert(s.Minimised(), id)
		} else if v.nearest < 0 || s.Violation < v.scores[v.nearest].Violation {
			v.nearest = id
		}
		if v.settings.Observe != nil {
			v.encoding.Decode(Genome(v.genomes[id]), &v.arch)
			v.settings.Observe(v.arch, s.Objectives)
		}
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
	n := len(v.scores)
	if len(v.history) > 0 && v.history[len(v.history)-1].Evaluations == n {
		return
	}
	j := v.engine.judge
	volume := v.archive.hypervolume(v.corner[:len(j.objectives)]) / j.hypervolumeUnit()
	v.history = append(v.history, Sample{Evaluations: n, Hypervolume: volume, Front: v.archive.len()})
}

// Exhausted ends the search because every network has been evaluated. Methods return its error.
func (v *Evaluator) Exhausted() error { return v.end(StopExhausted, "") }

func (v *Evaluator) end(stop Stop, reason string) error {
	v.stop, v.reason = stop, reason
	return errStop
}
