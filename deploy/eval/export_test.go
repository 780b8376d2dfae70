package eval

import (
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// CalibrateTensors is Calibrate on inputs that no picture gives: fill sets input i.
func CalibrateTensors(r *ort.Runtime, space *supernet.Space, a supernet.Arch, w onnx.Weights, fill func(x []float32, i, r int), images, batch int) (map[string]onnx.Moments, error) {
	e := &Evaluator{Runtime: r, Space: space, Weights: w}
	a, err := e.check(a)
	if err != nil {
		return nil, err
	}
	norms, err := onnx.BatchNorms(space, a)
	if err != nil {
		return nil, err
	}
	c := &calibration{Evaluator: e, arch: a, batch: batch, per: 3 * a.R * a.R}
	defer c.close()
	for i := range images {
		x := make([]float32, c.per)
		fill(x, i, a.R)
		if c.pending = append(c.pending, x...); len(c.pending) == batch*c.per || i == images-1 {
			if err := c.flush(); err != nil {
				return nil, err
			}
		}
	}
	return c.moments(norms)
}
