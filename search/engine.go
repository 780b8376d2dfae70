package search

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

// engine turns genomes into scores, in batches, on one or several goroutines.
type engine struct {
	accuracy accuracy.Predictor
	encoding *Encoding
	judge    *judge
	scratch  []scratch // per worker
}

// scratch is one worker's memory.
type scratch struct {
	archs      []supernet.Arch
	accuracies []unit.Accuracy
	rows       [][maxColumns]float64
}

// batchSize is the number of networks that a predictor gets at once. It does not depend on the number
// of workers, so that neither do the predictions of a predictor whose rounding depends on the batch.
const batchSize = 64

func newEngine(p Problem, e *Encoding, j *judge, workers int) *engine {
	return &engine{accuracy: p.Accuracy, encoding: e, judge: j, scratch: make([]scratch, workers)}
}

// predict fills out with the scores of canonical genomes. If known is not nil, it holds their accuracies,
// which are not predicted then. Of several errors it returns that of the earliest batch.
func (e *engine) predict(genomes []string, known []unit.Accuracy, out []Score) error {
	batches := (len(genomes) + batchSize - 1) / batchSize
	errs := make([]error, batches)
	batch := func(s *scratch, i int) {
		from, to := i*batchSize, min((i+1)*batchSize, len(genomes))
		if known != nil {
			errs[i] = e.batch(s, genomes[from:to], known[from:to], out[from:to])
		} else {
			errs[i] = e.batch(s, genomes[from:to], nil, out[from:to])
		}
	}
	workers := min(len(e.scratch), batches)
	if workers <= 1 {
		for i := range batches {
			batch(&e.scratch[0], i)
		}
	} else {
		var next atomic.Int64
		var wg sync.WaitGroup
		for w := range workers {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < batches; i = int(next.Add(1)) - 1 {
					batch(&e.scratch[w], i)
				}
			})
		}
		wg.Wait()
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// batch scores one batch of at most batchSize.
func (e *engine) batch(s *scratch, genomes []string, known []unit.Accuracy, out []Score) error {
	if s.archs == nil {
		s.archs, s.accuracies, s.rows = make([]supernet.Arch, batchSize), make([]unit.Accuracy, batchSize), make([][maxColumns]float64, batchSize)
	}
	archs, accuracies := s.archs[:len(genomes)], s.accuracies[:len(genomes)]
	for i, g := range genomes {
		e.encoding.Decode(Genome(g), &archs[i])
		if err := e.judge.costs(archs[i], &s.rows[i]); err != nil {
			return err
		}
	}
	if known != nil {
		copy(accuracies, known)
	} else if err := e.accuracy.Predict(archs, accuracies); err != nil {
		return fmt.Errorf("accuracy of %d networks: %w", len(archs), err)
	}
	for i, a := range accuracies {
		if a.Validate() != nil {
			return &PredictionError{archs[i], quantityAccuracy, float64(a)}
		}
		s.rows[i][columnAccuracy] = float64(a)
		out[i] = e.judge.score(&s.rows[i])
	}
	return nil
}
