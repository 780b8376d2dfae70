package eval

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// Evaluator measures the sub-networks of one supernet. Runtime, Space and Weights are required. Methods
// may be called at the same time.
type Evaluator struct {
	Runtime *ort.Runtime
	Options ort.Options // of the sessions
	Space   *supernet.Space
	Weights onnx.Weights

	// Transform turns pictures into inputs; the zero value is ImageNet's.
	Transform images.Transform
	// Workers is the number of goroutines that decode and prepare pictures beside the one that runs the
	// network; 0 means one for each processor, at most 8. Results do not depend on it.
	Workers int
	// Progress, if not nil, is called after every batch with the pictures done with and all of them.
	Progress func(done, of int)
}

// maxWorkers bounds the default of Workers.
const maxWorkers = 8

func (e *Evaluator) check(a supernet.Arch) (supernet.Arch, error) {
	if e.Runtime == nil || e.Space == nil || e.Weights == nil {
		return a, errors.New("eval: runtime, space or weights are missing")
	}
	if err := e.Transform.Validate(); err != nil {
		return a, err
	}
	if e.Space.InChannels != 3 {
		return a, fmt.Errorf("eval: space %s takes pictures of %d channels, want 3", e.Space.Name, e.Space.InChannels)
	}
	return e.Space.Canonical(a)
}

func (e *Evaluator) feed(p Pictures, list []int, r int) *feed {
	workers := e.Workers
	if workers <= 0 {
		workers = min(maxWorkers, runtime.NumCPU())
	}
	return &feed{pictures: p, list: list, pre: e.Transform.At(r), workers: workers}
}

func (e *Evaluator) progress(done, of int) {
	if e.Progress != nil {
		e.Progress(done, of)
	}
}
