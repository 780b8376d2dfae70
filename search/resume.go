package search

import (
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/unit"
)

// ErrResume is wrapped by errors that say that Settings.Resume is of another search.
var ErrResume = errors.New("the record to resume from is of another search")

// predict scores the networks from the first on. Those whose accuracies Settings.Resume has are taken
// from there; of these the first and the last batch are predicted nevertheless and compared.
func (v *Evaluator) predict(first int) error {
	genomes, scores := v.genomes[first:], v.scores[first:]
	known := min(max(len(v.settings.Resume)-first, 0), len(genomes))
	if known > 0 {
		accuracies := v.settings.Resume[first : first+known]
		if err := v.engine.predict(genomes[:known], accuracies, scores[:known]); err != nil {
			return err
		}
		if first == 0 || first+known == len(v.settings.Resume) {
			if err := v.verify(genomes[:known], accuracies, first); err != nil {
				return err
			}
		}
	}
	if err := v.engine.predict(genomes[known:], nil, scores[known:]); err != nil {
		return err
	}
	if v.settings.Record != nil && known < len(genomes) {
		accuracies := make([]unit.Accuracy, len(genomes)-known)
		for i := range accuracies {
			accuracies[i] = scores[known+i].Accuracy
		}
		if err := v.settings.Record(first+known, accuracies); err != nil {
			return fmt.Errorf("record: %w", err)
		}
	}
	return nil
}

// verify predicts networks whose accuracies are known and compares.
func (v *Evaluator) verify(genomes []string, known []unit.Accuracy, first int) error {
	check := make([]Score, len(genomes))
	if err := v.engine.predict(genomes, nil, check); err != nil {
		return err
	}
	for i := range check {
		if check[i].Accuracy != known[i] {
			return fmt.Errorf("%w: evaluation %d has accuracy %v there, %v here", ErrResume, first+i, float64(known[i]), float64(check[i].Accuracy))
		}
	}
	return nil
}
