package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// OFA is the evolution that Once-for-all and Dynamic-OFA search with, as a baseline: one constraint at a
// time, the most accurate network within it. The problem must have exactly one constraint, an upper bound
// on anything but accuracy. To get a front as their authors do, run it once for each of many bounds.
//
// Source: EvolutionFinder in the code published with H. Cai et al., "Once-for-All", ICLR 2020, and as
// Dynamic-OFA's authors changed it (UoS-EEC/DynamicOFA, optimal_search/latency), with the settings of
// their search.py. Kept as they are there: of the first Population networks only the mutated share joins;
// parents survive unconditionally; every mutation and crossover is repeated until the constraint holds;
// parents are drawn with replacement and may be equal; ties in accuracy go to the later network; children
// may be copies of what was seen before.
// Deviations: attempts are bounded (theirs repeat for ever if nothing is feasible); the space is the
// problem's, not a part of it; a network seen before is looked up and not counted, where theirs counts
// Population evaluations in each generation; the last generation's children are considered, where theirs
// are lost; random numbers come from other generators.
//
// The zero value works and stands for the authors' settings.
type OFA struct {
	Generations   int     // 0: 500
	MutateProb    float64 // probability that a gene is drawn afresh; 0: 0.4, as in search.py; the code's own default is 0.1
	ParentRatio   float64 // share of Population that breeds; 0: 0.25
	MutationRatio float64 // share of the children that are mutated, the others are crossed; 0: 0.5
	// Attempts bounds the candidates drawn for each place in a generation; 0: 1,000,000. If none of them
	// keeps the constraint, the search ends.
	Attempts int
}

var _ Method = OFA{}

const defaultAttempts = 1_000_000

// String names the method and its parameters.
func (m OFA) String() string {
	m = m.withDefaults()
	return fmt.Sprintf("ofa(generations %d, mutate %g, parents %g, mutated %g, attempts %d)", m.Generations, m.MutateProb, m.ParentRatio, m.MutationRatio, m.Attempts)
}

// Validate returns an error if a parameter is out of range.
func (m OFA) Validate() error {
	var errs []error
	for _, p := range []struct {
		name  string
		value float64
	}{{"mutation probability", m.MutateProb}, {"parent ratio", m.ParentRatio}, {"mutation ratio", m.MutationRatio}} {
		if !(p.value >= 0 && p.value <= 1) {
			errs = append(errs, fmt.Errorf("%s %g is outside [0, 1]", p.name, p.value))
		}
	}
	if m.Generations < 0 || m.Generations > maxEvaluations || m.Attempts < 0 || m.Attempts > maxEvaluations {
		errs = append(errs, fmt.Errorf("%d generations or %d attempts are outside [1, %d]", m.Generations, m.Attempts, maxEvaluations))
	}
	return errors.Join(errs...)
}

func (m OFA) withDefaults() OFA {
	m.Generations, m.Attempts = cmp.Or(m.Generations, 500), cmp.Or(m.Attempts, defaultAttempts)
	m.MutateProb, m.ParentRatio, m.MutationRatio = cmp.Or(m.MutateProb, 0.4), cmp.Or(m.ParentRatio, 0.25), cmp.Or(m.MutationRatio, 0.5)
	return m
}

// Search evolves until the generations are over or v says that the search has ended.
func (m OFA) Search(ctx context.Context, v *Evaluator) error {
	m = m.withDefaults()
	if b := v.engine.judge.bounds; len(b) != 1 || b[0].Side != AtMost || b[0].column == columnAccuracy {
		return errors.New("search: ofa takes exactly one constraint, an upper bound on anything but accuracy")
	}
	size := v.Population()
	mutated := int(math.RoundToEven(m.MutationRatio * float64(size)))
	parents := max(1, int(math.RoundToEven(m.ParentRatio*float64(size))))
	s := newStreams(v)
	children, scores := make([]Genome, size), make([]Score, size)
	for i := range children {
		children[i] = make(Genome, v.encoding.Genes())
		if err := m.repeat(ctx, v, children[i], func(g Genome) { UniformSampling(v.encoding, g, s.sampling) }); err != nil {
			return err
		}
	}
	if err := v.Evaluate(ctx, children, scores); err != nil {
		return err
	}
	population := graded(nil, children[:mutated], scores)
	for range m.Generations {
		if err := v.EndGeneration(); err != nil {
			return err
		}
		// sorted(...)[::-1] of the source puts the later of equal ones first.
		slices.Reverse(population)
		slices.SortStableFunc(population, func(a, b grade) int { return cmp.Compare(b.accuracy, a.accuracy) })
		population = population[:min(parents, len(population))]
		draw := func() Genome { return population[s.mating.IntN(len(population))].genome }
		for i := range children {
			a, b := draw(), Genome(nil)
			if i >= mutated {
				b = draw()
			}
			children[i] = make(Genome, v.encoding.Genes())
			if err := m.repeat(ctx, v, children[i], func(g Genome) {
				copy(g, a)
				if b == nil {
					m.mutate(v.encoding, g, s.mutation)
					return
				}
				for gene := range g {
					if s.crossover.Uint64()&1 == 1 {
						g[gene] = b[gene]
					}
				}
			}); err != nil {
				return err
			}
		}
		if err := v.Evaluate(ctx, children, scores); err != nil {
			return err
		}
		population = graded(population, children, scores)
	}
	return v.EndGeneration()
}

// grade is a network with its accuracy.
type grade struct {
	genome   Genome
	accuracy float64
}

func graded(list []grade, genomes []Genome, scores []Score) []grade {
	for i, g := range genomes {
		list = append(list, grade{g, float64(scores[i].Accuracy)})
	}
	return list
}

// repeat draws g until it keeps the constraint.
func (m OFA) repeat(ctx context.Context, v *Evaluator, g Genome, draw func(Genome)) error {
	for attempt := range m.Attempts {
		if attempt%1000 == 999 && ctx.Err() != nil {
			return v.end(StopCancelled, context.Cause(ctx).Error())
		}
		draw(g)
		violation, err := v.Violation(g)
		if err != nil || violation == 0 {
			return err
		}
	}
	return v.end(StopGaveUp, fmt.Sprintf("none of %d networks drawn keeps %v", m.Attempts, v.engine.judge.bounds[0].Constraint))
}

// mutate draws genes afresh, each with the mutation probability: the resolution, kernel size and expand
// ratio of a block together, depths, widths.
func (m OFA) mutate(e *Encoding, g Genome, rng *rand.Rand) {
	redraw := func(genes ...int) {
		if rng.Float64() < m.MutateProb {
			for _, i := range genes {
				g[i] = uint8(rng.IntN(e.Choices(i)))
			}
		}
	}
	redraw(len(g) - 1)
	for p := range e.positions {
		redraw(e.kernel(p), e.expand(p))
	}
	for i := range e.depths {
		redraw(i)
	}
	for i := range e.widths {
		redraw(e.width(i))
	}
}
