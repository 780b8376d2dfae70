package fit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// Held is what cross-validation says about one row: predictions of a model that has seen no row of
// the same sub-network, at any resolution.
type Held struct {
	Accuracy float64 // as a user gets it
	InRun    float64 // plus the offset of the run that the row was measured in
}

// foldSeed splits the groups into folds; any would do.
const foldSeed = 20211

// CrossValidate fits as many models as there are folds, each without the sub-networks of one fold,
// and returns what they predict for the rows that they have not seen, in the order of the rows.
// Groups number the sub-networks from 0; which fold one gets depends on its number and how many there
// are. At least two folds are needed, and rows of each resolution outside each fold. Models are fitted
// concurrently; the result does not depend on that.
func CrossValidate(l *Layout, rows []Row, levels int, s Settings, folds int) ([]Held, error) {
	fold := assign(rows, folds)
	out := make([]Held, len(rows))
	errs := make([]error, folds)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(folds, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for k := int(next.Add(1)) - 1; k < folds; k = int(next.Add(1)) - 1 {
				errs[k] = hold(l, rows, levels, s, fold, k, out)
			}
		})
	}
	wg.Wait()
	for k, err := range errs {
		if err != nil {
			return nil, fmt.Errorf("fold %d: %w", k+1, err)
		}
	}
	return out, nil
}

// assign returns the fold of each row.
func assign(rows []Row, folds int) []int {
	groups := 0
	for _, r := range rows {
		groups = max(groups, r.Group+1)
	}
	order := rand.New(rand.NewPCG(foldSeed, uint64(folds))).Perm(groups)
	fold := make([]int, len(rows))
	for i, r := range rows {
		fold[i] = order[r.Group] % folds
	}
	return fold
}

// hold fits without fold k and sets out for its rows.
func hold(l *Layout, rows []Row, levels int, s Settings, fold []int, k int, out []Held) error {
	var seen []Row
	here := make([]bool, levels)
	for i, r := range rows {
		if fold[i] != k {
			seen = append(seen, r)
			here[r.Resolution] = true
		}
	}
	for level, ok := range here {
		if !ok {
			return fmt.Errorf("no rows of resolution number %d are left", level)
		}
	}
	m, err := Fit(l, seen, levels, s)
	if err != nil {
		return err
	}
	next := 0
	run := make([]int, levels) // of the latest seen row of a resolution
	for i, r := range rows {
		if fold[i] != k {
			run[r.Resolution] = m.run[next]
			next++
			continue
		}
		p := m.Predict(l, r)
		out[i] = Held{p, p + m.At[r.Resolution].Offsets[run[r.Resolution]]}
	}
	return nil
}

// Score sums up how predictions compare with measurements; errors are fractions, as accuracies are.
type Score struct {
	N    int
	MAE  float64 // mean absolute error
	RMSE float64 // root of the mean squared error
	Bias float64 // mean of predicted less measured
	Tau  float64 // Kendall's tau-b; 0 if either side is all ties
}

// Compare returns the score of predictions. It panics if the lengths differ.
func Compare(predicted, measured []float64) Score {
	s := Score{N: len(measured), Tau: Tau(predicted, measured)}
	for i, m := range measured {
		d := predicted[i] - m
		s.MAE += math.Abs(d)
		s.RMSE += d * d
		s.Bias += d
	}
	n := float64(s.N)
	s.MAE, s.RMSE, s.Bias = s.MAE/n, math.Sqrt(s.RMSE/n), s.Bias/n
	return s
}
