package eval

import (
	"context"
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// Calibration says which pictures statistics are estimated on. Their labels do not matter.
type Calibration struct {
	Pictures Pictures
	// List is which of them, in which order; nil means all in their order. Sample draws one.
	List []int
	// Batch is how many pictures are normalised together; 0 means DefaultBatch of the resolution. The last
	// batch may have fewer. Statistics depend on it.
	Batch int
}

// Batches of calibrations where none is asked for.
const (
	minBatch    = 16  // as of Dynamic-OFA's recalibration
	fullBatch   = 100 // as of OFA's
	batchPixels = minBatch * 224 * 224
)

// DefaultBatch returns the batch for a resolution: 100 pictures, fewer where they would have more pixels
// than 16 of 224 x 224, but 16 at least.
func DefaultBatch(r int) int { return max(minBatch, min(fullBatch, batchPixels/max(1, r*r))) }

// Statistics are re-estimated statistics of a sub-network's batch normalisations.
type Statistics struct {
	Moments map[string]onnx.Moments // as onnx.Options wants them
	Images  int                     // that they are estimated on
	Skipped int                     // that could not be decoded
	Batch   int
}

// Calibrate re-estimates the statistics of a sub-network's batch normalisations: the mean over pictures of
// the mean and the biased variance of each batch, normalised by its own statistics on the way (see
// onnx.Calibration). Sums are in float64.
//
// It returns an *onnx.TensorError for unusable weights, a *SkippedError if more than one picture in a
// hundred cannot be decoded, and a *NumberError if statistics are not finite. 2,000 pictures of 224 x 224
// take about twice as long as running the sub-network on them.
func (e *Evaluator) Calibrate(ctx context.Context, a supernet.Arch, c Calibration) (*Statistics, error) {
	a, err := e.check(a)
	if err != nil {
		return nil, err
	}
	list, err := all(c.Pictures, c.List)
	if err != nil {
		return nil, err
	}
	norms, err := onnx.BatchNorms(e.Space, a)
	if err != nil {
		return nil, err
	}
	if c.Batch == 0 {
		c.Batch = DefaultBatch(a.R)
	}
	run := &calibration{Evaluator: e, arch: a, batch: min(c.Batch, len(list)), per: e.Space.InChannels * a.R * a.R}
	defer run.close()
	skipped := skips{of: len(list)}
	err = e.feed(c.Pictures, list, a.R).each(ctx, func(p prepared) error {
		if p.err != nil {
			return skipped.add(p.err)
		}
		run.pending = append(run.pending, p.data...)
		if len(run.pending) < run.batch*run.per {
			return nil
		}
		defer e.progress(p.position+1, len(list))
		return run.flush()
	})
	if err != nil {
		return nil, err
	}
	if len(run.pending) > 0 {
		if err := run.flush(); err != nil {
			return nil, err
		}
		e.progress(len(list), len(list))
	}
	moments, err := run.moments(norms)
	if err != nil {
		return nil, err
	}
	return &Statistics{Moments: moments, Images: run.images, Skipped: skipped.n, Batch: c.Batch}, nil
}

// calibration adds up the statistics of batches.
type calibration struct {
	*Evaluator
	arch       supernet.Arch
	batch, per int
	pending    []float32 // inputs that wait
	session    *ort.Session
	size       int // of the session's batch
	sum        []float64
	images     int
}

// flush runs the pictures that wait as one batch.
func (c *calibration) flush() error {
	n := len(c.pending) / c.per
	if c.session == nil || c.size != n {
		if err := c.open(n); err != nil {
			return err
		}
	}
	copy(c.session.Input(), c.pending)
	c.pending = c.pending[:0]
	if err := c.session.Run(); err != nil {
		return err
	}
	out := c.session.Output()
	if c.sum == nil {
		c.sum = make([]float64, len(out))
	}
	for i, v := range out {
		c.sum[i] += float64(float64(n) * float64(v))
	}
	c.images += n
	return nil
}

func (c *calibration) open(n int) error {
	c.close()
	model, err := onnx.Calibration(c.Space, c.arch, c.Weights, onnx.Options{Batch: n})
	if err != nil {
		return err
	}
	c.size = n
	c.session, err = c.Runtime.NewSession(model, c.Options)
	return err
}

func (c *calibration) close() {
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
}

// moments returns the means over pictures.
func (c *calibration) moments(norms []onnx.BatchNorm) (map[string]onnx.Moments, error) {
	values := make([]float32, len(c.sum))
	for i, v := range c.sum {
		values[i] = float32(v / float64(c.images))
	}
	moments, err := onnx.SplitStatistics(norms, values)
	if err != nil {
		return nil, err
	}
	for _, n := range norms {
		for _, list := range [][]float32{moments[n.Name].Mean, moments[n.Name].Var} {
			for _, v := range list {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					return nil, &NumberError{What: "a statistic of " + n.Name, Value: v}
				}
			}
		}
	}
	return moments, nil
}
