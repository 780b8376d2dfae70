package search

import "context"

// Random draws every candidate afresh: the baseline that a method has to beat.
type Random struct {
	Sampling Sampling // nil: UniformSampling
}

var _ Method = Random{}

// String returns "random".
func (Random) String() string { return "random" }

// Search evaluates new networks, v.Population() at a time, until v says that the search has ended.
func (m Random) Search(ctx context.Context, v *Evaluator) error {
	if m.Sampling == nil {
		m.Sampling = UniformSampling
	}
	rng := v.Rand(streamSampling)
	batch := make([]Genome, v.Population())
	for i := range batch {
		batch[i] = make(Genome, v.Encoding().Genes())
	}
	out := make([]Score, len(batch))
	for {
		n := 0
		for n < len(batch) && v.ClaimFresh(batch[n], m.Sampling, rng) {
			n++
		}
		if n == 0 {
			return v.Exhausted()
		}
		if err := v.Evaluate(ctx, batch[:n], out[:n]); err != nil {
			return err
		}
		if err := v.EndGeneration(); err != nil {
			return err
		}
	}
}
