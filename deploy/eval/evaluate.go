package eval

import (
	"context"
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/lut"
)

// Rank is the place of a picture's class among a network's answers, 0 for the first. Of equal answers the
// class with the smaller number is first.
type Rank = uint8

// Special ranks.
const (
	maxRank      = 254
	Skipped Rank = 255 // the picture could not be decoded
)

// Test says on which pictures a sub-network is measured.
type Test struct {
	Pictures Pictures
	// List is which of them, in which order; nil means all in their order.
	List []int
	// Batch is how many pictures run together, 0 means DefaultBatch of the resolution. Results do not
	// depend on it beyond the last bits of the logits.
	Batch int
	// Statistics are of the batch normalisations; nil means the checkpoint's own.
	Statistics map[string]onnx.Moments
	// Known are the ranks of the first pictures of the list from an earlier, interrupted evaluation.
	Known []Rank
	// Record, if not nil, is called after every batch with the place in the list of the first picture and
	// the ranks, which it may keep.
	Record func(first int, ranks []Rank) error
}

// Result is how a sub-network did on labelled pictures.
type Result struct {
	Ranks   []Rank // of every picture in the list
	Images  int    // that were answered: all but the skipped
	Skipped int
	Top1    int // pictures whose class is the first answer
	Top5    int // pictures whose class is among the first five
}

// NewResult counts ranks.
func NewResult(ranks []Rank) *Result {
	r := &Result{Ranks: ranks}
	for _, rank := range ranks {
		if rank == Skipped {
			r.Skipped++
			continue
		}
		r.Images++
		if rank == 0 {
			r.Top1++
		}
		if rank < 5 {
			r.Top5++
		}
	}
	return r
}

// Accuracy is the share of answered pictures whose class is the first answer; 0 without pictures.
func (r *Result) Accuracy() unit.Accuracy {
	return unit.Accuracy(float64(r.Top1) / float64(max(1, r.Images)))
}

// Interval1 is the top-1 with Wilson's 95% interval.
func (r *Result) Interval1() lut.Share { return lut.NewShare(r.Top1, r.Images) }

// Interval5 is the top-5 with Wilson's 95% interval.
func (r *Result) Interval5() lut.Share { return lut.NewShare(r.Top5, r.Images) }

// Evaluate runs a sub-network on labelled pictures and ranks the right answers.
//
// It returns an error that wraps ErrUnlabelled or a *ClassesError before anything runs, an
// *onnx.TensorError for unusable weights, a *SkippedError if more than one picture in a hundred cannot be
// decoded, and a *NumberError if an answer is not finite.
func (e *Evaluator) Evaluate(ctx context.Context, a supernet.Arch, t Test) (*Result, error) {
	a, err := e.check(a)
	if err != nil {
		return nil, err
	}
	list, err := all(t.Pictures, t.List)
	if err != nil {
		return nil, err
	}
	if err := CheckClasses(t.Pictures, e.Space); err != nil {
		return nil, err
	}
	if len(t.Known) > len(list) {
		return nil, fmt.Errorf("eval: %d known ranks for %d pictures", len(t.Known), len(list))
	}
	ranks := append(make([]Rank, 0, len(list)), t.Known...)
	skipped := skips{of: len(list)}
	for _, r := range ranks {
		if r == Skipped {
			if err := skipped.add(fmt.Errorf("one of the %d known", len(ranks))); err != nil {
				return nil, err
			}
		}
	}
	if len(ranks) == len(list) {
		return NewResult(ranks), nil
	}
	if t.Batch == 0 {
		t.Batch = DefaultBatch(a.R)
	}
	t.Batch = min(t.Batch, len(list)-len(ranks))
	model, err := onnx.Network(e.Space, a, e.Weights, onnx.Options{Batch: t.Batch, Statistics: t.Statistics})
	if err != nil {
		return nil, err
	}
	s, err := e.Runtime.NewSession(model, e.Options)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	per := len(s.Input()) / t.Batch
	var batch []prepared
	filled, first := 0, len(ranks)
	flush := func() error {
		if filled > 0 {
			if err := s.Run(); err != nil {
				return err
			}
		}
		at := 0
		for _, p := range batch {
			if p.err != nil {
				ranks = append(ranks, Skipped)
				continue
			}
			r, err := rank(s.Output()[at*e.Space.Classes:][:e.Space.Classes], t.Pictures.Label(p.picture))
			if err != nil {
				return fmt.Errorf("eval: picture %s: %w", t.Pictures.Name(p.picture), err)
			}
			ranks = append(ranks, r)
			at++
		}
		batch, filled = batch[:0], 0
		if t.Record != nil {
			if err := t.Record(first, ranks[first:len(ranks):len(ranks)]); err != nil {
				return err
			}
		}
		first = len(ranks)
		e.progress(first, len(list))
		return nil
	}
	err = e.feed(t.Pictures, list[len(ranks):], a.R).each(ctx, func(p prepared) error {
		batch = append(batch, p)
		if p.err != nil {
			return skipped.add(p.err)
		}
		copy(s.Input()[filled*per:][:per], p.data)
		if filled++; filled < t.Batch {
			return nil
		}
		return flush()
	})
	if err == nil && len(batch) > 0 {
		err = flush()
	}
	if err != nil {
		return nil, err
	}
	return NewResult(ranks), nil
}

// rank returns the place of a class among logits.
func rank(logits []float32, class int) (Rank, error) {
	n := 0
	for i, v := range logits {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return 0, &NumberError{What: fmt.Sprintf("logit %d", i), Value: v}
		}
		if v > logits[class] || v == logits[class] && i < class {
			n++
		}
	}
	return Rank(min(n, maxRank)), nil
}
