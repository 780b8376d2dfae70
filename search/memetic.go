package search

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
)

// Memetic alternates between evolution, which finds the regions where good networks lie, and Pareto
// local search, which improves the front by trying every small change of its networks, until the search
// ends. Each evolution starts afresh, so that it may find other regions than the one before.
//
// Source: L. Paquete, M. Chiarandini, T. Stuetzle, "Pareto local optimum sets in the biobjective
// traveling salesman problem", in Metaheuristics for Multiobjective Optimisation, 2004 (Pareto local
// search). Deviation: several networks are improved at once, to predict in batches.
//
// The evolution does better than the local search until about 30,000 evaluations, and hardly gets on after
// that; a local search alone ends in one of very many fronts that no small change improves. On the authors'
// Xavier NX tables with OFA's accuracy predictor it reaches, as medians of 5 seeds, 0.973 (CPU) of the best
// known hypervolume after 50,000 evaluations and 0.9994 (CPU) and 0.9987 (GPU) after 1,000,000, where NSGA2
// has 0.971, 0.983 and 0.996; docs/studies/search has all figures.
//
// The zero value works and stands for the defaults given at the fields.
type Memetic struct {
	Evolution NSGA2
	// Each is the number of evaluations that each evolution gets, rounded up to whole generations; 0
	// stands for 30,000.
	Each int
}

var _ Method = Memetic{}

const defaultEach = 30_000

// String names the method and its parameters.
func (m Memetic) String() string {
	return fmt.Sprintf("memetic(%v, each %d)", m.Evolution, cmp.Or(m.Each, defaultEach))
}

// Validate returns an error if a parameter is out of range.
func (m Memetic) Validate() error {
	if m.Each < 0 || m.Each > maxEvaluations {
		return fmt.Errorf("%d evaluations for each evolution are outside [1, %d]", m.Each, maxEvaluations)
	}
	return m.Evolution.Validate()
}

// Search alternates until v says that the search has ended.
func (m Memetic) Search(ctx context.Context, v *Evaluator) error {
	m.Each = cmp.Or(m.Each, defaultEach)
	streams, order := newStreams(v), v.Rand(streamLocal)
	explored := make(map[string]bool)
	start := v.Initial()
	for {
		end := v.Remaining() - m.Each
		if err := m.Evolution.evolve(ctx, v, streams, start, func() bool { return v.Remaining() <= end }); err != nil {
			return err
		}
		if err := localSearch(ctx, v, explored, order); err != nil {
			return err
		}
		start = nil
	}
}

// localBatch is the number of networks whose neighbourhoods are evaluated together. More would waste
// evaluations on neighbours of networks that another's neighbour has just beaten.
const localBatch = 4

// localSearch evaluates the neighbourhood of every network of the front, of newcomers too, until all have
// been explored. It adds those to explored.
func localSearch(ctx context.Context, v *Evaluator, explored map[string]bool, rng *rand.Rand) error {
	for {
		front, _ := v.Front()
		var todo []Genome
		for _, i := range rng.Perm(len(front)) {
			if g := front[i]; !explored[string(g)] && len(todo) < localBatch {
				explored[string(g)] = true
				todo = append(todo, g)
			}
		}
		if len(todo) == 0 {
			return nil
		}
		var neighbours []Genome
		for _, g := range todo {
			v.Encoding().neighbours(g, func(n Genome) {
				if v.Claim(n) {
					neighbours = append(neighbours, append(Genome(nil), n...))
				}
			})
		}
		if len(neighbours) > 0 {
			if err := v.Evaluate(ctx, neighbours, make([]Score, len(neighbours))); err != nil {
				return err
			}
		}
		if err := v.EndGeneration(); err != nil {
			return err
		}
	}
}
