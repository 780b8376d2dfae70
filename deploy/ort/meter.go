package ort

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/lut/profile"
)

// Meter measures blocks and whole sub-networks for lut/profile: each becomes an ONNX model with
// random weights and a session of its own.
type Meter struct {
	runtime *Runtime
	space   *supernet.Space
	options Options
	seed    uint64
	weights *onnx.Random // of whole networks; made when the first is asked for
	made    int          // bytes of models since memory was collected
}

var _ profile.Meter = (*Meter)(nil)

// NewMeter returns a meter for a space's blocks and sub-networks. The weights are random, drawn
// from seed: they do not change what an inference costs.
func NewMeter(r *Runtime, space *supernet.Space, o Options, seed uint64) *Meter {
	return &Meter{runtime: r, space: space, options: o, seed: seed}
}

// TimedRegion says what a probe's time includes.
func (m *Meter) TimedRegion() string {
	return "one session run from call to return, by the monotonic wall clock, output complete; " +
		"input and output memory is allocated beforehand and written just before the clock starts, as warm as between two layers"
}

// Prepare makes a session of a block's model, batch 1.
func (m *Meter) Prepare(_ context.Context, b supernet.Block) (profile.Probe, error) {
	model, err := onnx.Block(b, m.seed, 1)
	if err != nil {
		return nil, err
	}
	return m.probe(model)
}

// PrepareNetwork makes a session of a sub-network's model, batch 1.
func (m *Meter) PrepareNetwork(_ context.Context, a supernet.Arch) (profile.Probe, error) {
	if m.weights == nil {
		w, err := onnx.RandomWeights(m.space, m.seed)
		if err != nil {
			return nil, err
		}
		m.weights = w
	}
	model, err := onnx.Network(m.space, a, m.weights, onnx.Options{Source: m.weights.Source()})
	if err != nil {
		return nil, err
	}
	return m.probe(model)
}

// collectEvery is how many bytes of models may pass until their memory and what the runtime used
// to make their sessions is given back: otherwise several hundred probes hold twice the memory, and
// the collector runs while others are timed.
const collectEvery = 32 << 20

func (m *Meter) probe(model []byte) (profile.Probe, error) {
	s, err := m.runtime.NewSession(model, m.options)
	if err != nil {
		return nil, err
	}
	if m.made += len(model); m.made >= collectEvery {
		m.collect()
	}
	return &probe{meter: m, session: s}, nil
}

func (m *Meter) collect() {
	debug.FreeOSMemory()
	trim()
	m.made = 0
}

// probe times one session.
type probe struct {
	meter   *Meter
	session *Session
	runs    int
}

// Run times one inference. In a network the layer before has just written the input, and the output
// goes where an earlier activation stood, so both are touched first: in trials (w1.2, ONNX Runtime
// 1.27 on x86-64) sums of blocks were 19% above whole networks without that, 13% with the input
// written, 11% with both. What remains is the call, the change of layout at both ends of a model and
// colder weights; a calibration by whole networks takes it out.
func (p *probe) Run() (time.Duration, error) {
	if p.meter.made > 0 {
		p.meter.collect()
	}
	clear(p.session.Output())
	fill(p.session.Input(), p.runs)
	p.runs++
	start := time.Now()
	err := p.session.Run()
	took := time.Since(start)
	if err != nil {
		return 0, fmt.Errorf("run %d: %w", p.runs, err)
	}
	return took, nil
}

// fill writes a saw-tooth in [-1, 1) that differs from run to run: no block is fast because its input
// is constant, zero or unchanged.
func fill(input []float32, phase int) {
	for i := range input {
		input[i] = float32((i*37+phase*11)&255)/128 - 1
	}
}

// Close frees the session.
func (p *probe) Close() error { return p.session.Close() }
