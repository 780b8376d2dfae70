package ort

import (
	"context"
	"fmt"
	goruntime "runtime"
	"strings"
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
	batch   int
	// alone is whether the calling thread does all the work, so that its processor time is the latency.
	alone   bool
	weights *onnx.Random // of whole networks; made when the first is asked for
	made    int          // bytes of models since memory was collected
}

var _ profile.Meter = (*Meter)(nil)

// NewMeter returns a meter for a space's blocks and sub-networks, one picture per inference. The
// weights are random, drawn from seed: they do not change what an inference costs.
func NewMeter(r *Runtime, space *supernet.Space, o Options, seed uint64) *Meter {
	return NewBatchMeter(r, space, o, seed, 1)
}

// NewBatchMeter is NewMeter with several pictures per inference.
func NewBatchMeter(r *Runtime, space *supernet.Space, o Options, seed uint64, batch int) *Meter {
	provider := strings.ToLower(o.Provider)
	return &Meter{runtime: r, space: space, options: o, seed: seed, batch: batch,
		alone: o.Threads <= 1 && (provider == "" || provider == "cpu")}
}

// TimedRegion says what a probe's time includes.
func (m *Meter) TimedRegion() string {
	return "one session run from call to return, output complete, on one locked thread; wall time by the monotonic clock, processor time by " +
		"the thread's clock where one thread does all the work; input and output memory is allocated beforehand and written just before " +
		"the clocks start, as warm as between two layers; the reading of the clocks is included"
}

// Prepare makes a session of a block's model, or of blocks joined.
func (m *Meter) Prepare(_ context.Context, blocks ...supernet.Block) (profile.Probe, error) {
	model, err := onnx.Chain(blocks, m.seed, m.batch)
	if err != nil {
		return nil, err
	}
	return m.probe(model)
}

// PrepareNetwork makes a session of a sub-network's model.
func (m *Meter) PrepareNetwork(_ context.Context, a supernet.Arch) (profile.Probe, error) {
	if m.weights == nil {
		w, err := onnx.RandomWeights(m.space, m.seed)
		if err != nil {
			return nil, err
		}
		m.weights = w
	}
	model, err := onnx.Network(m.space, a, m.weights, onnx.Options{Source: m.weights.Source(), Batch: m.batch})
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
	Trim()
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
// written, 11% with both. What remains is the seams, which lut/profile takes off.
func (p *probe) Run() (profile.Sample, error) {
	if p.meter.made > 0 {
		p.meter.collect()
	}
	clear(p.session.Output())
	fill(p.session.Input(), p.runs)
	p.runs++
	goruntime.LockOSThread()
	defer goruntime.UnlockOSThread()
	preempted := preemptions()
	start := time.Now()
	cpu := threadTime()
	err := p.session.Run()
	cpu = threadTime() - cpu
	s := profile.Sample{Wall: time.Since(start), Preempted: preemptions() != preempted}
	if p.meter.alone {
		s.CPU = cpu
	}
	if err != nil {
		return s, fmt.Errorf("run %d: %w", p.runs, err)
	}
	return s, nil
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
