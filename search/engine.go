package search

import (
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
)

// engine turns genomes into predictions, in batches, on one or several goroutines.
type engine struct {
	problem  Problem
	encoding *Encoding
	scratch  []scratch // per worker
}

// scratch is one worker's memory.
type scratch struct {
	archs      []supernet.Arch
	accuracies []unit.Accuracy
}

// batchSize is the number of networks that a predictor gets at once. It does not depend on the number
// of workers, so that neither do the predictions of a predictor whose rounding depends on the batch.
const batchSize = 64

func newEngine(p Problem, e *Encoding, workers int) *engine {
	return &engine{problem: p, encoding: e, scratch: make([]scratch, workers)}
}

// predict fills out with the objectives of canonical genomes. Of several errors it returns that of the
// earliest batch.
func (e *engine) predict(genomes []string, out []Objectives) error {
	batches := (len(genomes) + batchSize - 1) / batchSize
	errs := make([]error, batches)
	batch := func(s *scratch, i int) {
		from, to := i*batchSize, min((i+1)*batchSize, len(genomes))
		errs[i] = e.batch(s, genomes[from:to], out[from:to])
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
			return fmt.Errorf("search: %w", err)
		}
	}
	return nil
}

// batch predicts one batch of at most batchSize.
func (e *engine) batch(s *scratch, genomes []string, out []Objectives) error {
	if s.archs == nil {
		s.archs, s.accuracies = make([]supernet.Arch, batchSize), make([]unit.Accuracy, batchSize)
	}
	archs, accuracies := s.archs[:len(genomes)], s.accuracies[:len(genomes)]
	for i, g := range genomes {
		e.encoding.Decode(Genome(g), &archs[i])
		latency, err := e.problem.Latency.Latency(archs[i])
		if err != nil {
			return fmt.Errorf("latency of %v: %w", archs[i], err)
		}
		if l := float64(latency); !(l > 0) || math.IsInf(l, 0) {
			return &PredictionError{archs[i], quantityLatency, l}
		}
		out[i].Latency = latency
	}
	if err := e.problem.Accuracy.Predict(archs, accuracies); err != nil {
		return fmt.Errorf("accuracy of %d networks: %w", len(archs), err)
	}
	for i, a := range accuracies {
		if a.Validate() != nil {
			return &PredictionError{archs[i], quantityAccuracy, float64(a)}
		}
		out[i].Accuracy = a
	}
	return nil
}
