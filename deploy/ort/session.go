//go:build cgo

package ort

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	binding "github.com/yalue/onnxruntime_go"

	"github.com/dynofa/dynofa/deploy/onnx"
)

// Session runs one model. Its input and output are allocated once, in Go memory that is pinned and
// held until Close, because the binding gives C their addresses and keeps no reference itself.
//
// Methods may be called from any goroutine; Run and Close wait for each other. The input and
// output slices are for one user at a time.
type Session struct {
	mu      sync.Mutex
	session *binding.AdvancedSession // nil once closed
	values  []*binding.Tensor[float32]
	pinned  runtime.Pinner
	shared  *initialisers // nil if the library holds the model's tensors itself

	input, output           []float32
	inputShape, outputShape []int
}

// live holds every session until it is closed. A session that is dropped instead stays, with the
// tensors that C knows.
var live struct {
	sync.Mutex
	sessions map[*Session]bool
}

// NewSession makes a session of an ONNX model with one float32 input and one float32 output, both of
// fixed shape. The model's bytes are not needed afterwards. It takes tens of milliseconds for a
// network. The caller closes the session.
//
// The error wraps ErrModel for a model that is malformed or has another interface, and ErrProvider
// if the library lacks the execution provider.
func (r *Runtime) NewSession(model []byte, o Options) (*Session, error) {
	o, err := o.normal()
	if err != nil {
		return nil, err
	}
	options, err := r.sessionOptions(o, everyOptimisation)
	if err != nil {
		return nil, err
	}
	defer options.Destroy()
	return r.newSession(model, "", withinModel, nil, options)
}

// newSession makes a session of a model whose tensors are where data says, and in shared, which it takes over. The
// library gets the bytes, or the path of a file with them unless that is "".
func (r *Runtime) newSession(model []byte, file string, data place, shared *initialisers, options *binding.SessionOptions) (*Session, error) {
	in, out, err := modelInterface(model, data)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ort: %w: %w", ErrModel, err), shared.release())
	}
	s := &Session{
		shared: shared,
		input:  make([]float32, in.Elements()), output: make([]float32, out.Elements()),
		inputShape: in.Shape, outputShape: out.Shape,
	}
	for _, t := range []struct {
		data  []float32
		shape []int
	}{{s.input, in.Shape}, {s.output, out.Shape}} {
		s.pinned.Pin(&t.data[0])
		v, err := binding.NewTensor(int64s(t.shape), t.data)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("ort: tensor of shape %v: %s", t.shape, oneLine(err.Error())), s.release())
		}
		s.values = append(s.values, v)
	}
	names, values := [][]string{{in.Name}, {out.Name}}, [][]binding.Value{{s.values[0]}, {s.values[1]}}
	if file != "" {
		s.session, err = binding.NewAdvancedSession(file, names[0], names[1], values[0], values[1], options)
	} else {
		s.session, err = binding.NewAdvancedSessionWithONNXData(model, names[0], names[1], values[0], values[1], options)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ort: %w: %s", ErrModel, oneLine(err.Error())), s.release())
	}
	live.Lock()
	defer live.Unlock()
	if live.sessions == nil {
		live.sessions = map[*Session]bool{}
	}
	live.sessions[s] = true
	return s, nil
}

// place is where a model's tensors may be.
type place int

const (
	withinModel place = iota
	beside            // in files, which the caller has looked at
)

// modelInterface returns a model's input and output, or why it is refused.
func modelInterface(model []byte, data place) (in, out onnx.Value, err error) {
	info, err := onnx.Inspect(model)
	if err != nil {
		return in, out, err
	}
	if info.External && data == withinModel {
		return in, out, errors.New("some of its tensors are in other files")
	}
	if len(info.Inputs) != 1 || len(info.Outputs) != 1 {
		return in, out, fmt.Errorf("it has %d inputs and %d outputs, want one of each", len(info.Inputs), len(info.Outputs))
	}
	in, out = info.Inputs[0], info.Outputs[0]
	for _, v := range []onnx.Value{in, out} {
		switch {
		case v.Type != "float":
			return in, out, fmt.Errorf("value %q is a %q, want float", v.Name, v.Type)
		case len(v.Shape) == 0 || v.Elements() < 1:
			return in, out, fmt.Errorf("value %q has shape %v, want fixed dimensions", v.Name, v.Shape)
		}
	}
	return in, out, nil
}

// sessionOptions turns o into the binding's options, which the caller destroys.
func (r *Runtime) sessionOptions(o Options, level optimisation) (*binding.SessionOptions, error) {
	b, err := binding.NewSessionOptions()
	if err != nil {
		return nil, fmt.Errorf("ort: session options: %s", oneLine(err.Error()))
	}
	err = errors.Join(
		b.SetIntraOpNumThreads(o.Threads),
		b.SetInterOpNumThreads(1),
		b.SetExecutionMode(binding.ExecutionModeSequential),
		b.SetGraphOptimizationLevel(level),
		b.SetLogSeverityLevel(binding.LoggingLevelFatal), // errors are returned, not printed
		b.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		b.AddSessionConfigEntry("session.use_env_allocators", strconv.Itoa(digit(r.sharedArena))),
	)
	if err == nil && o.Profile != "" {
		err = b.EnableProfiling(o.Profile)
	}
	if err != nil {
		err = fmt.Errorf("ort: session options: %s", oneLine(err.Error()))
	} else if err = appendProvider(b, o); err != nil {
		err = fmt.Errorf("ort: %w: ONNX Runtime %s at %s does not offer %q: %s", ErrProvider, r.version, r.path, o.Provider, oneLine(err.Error()))
	}
	if err != nil {
		b.Destroy()
		return nil, err
	}
	return b, nil
}

// appendProvider asks for an execution provider; the CPU's is always there, last.
func appendProvider(b *binding.SessionOptions, o Options) error {
	switch o.Provider {
	case "cpu":
		return nil
	case "cuda":
		p, err := binding.NewCUDAProviderOptions()
		if err != nil {
			return err
		}
		defer p.Destroy()
		if err := p.Update(o.ProviderOptions); err != nil {
			return err
		}
		return b.AppendExecutionProviderCUDA(p)
	case "tensorrt":
		p, err := binding.NewTensorRTProviderOptions()
		if err != nil {
			return err
		}
		defer p.Destroy()
		if err := p.Update(o.ProviderOptions); err != nil {
			return err
		}
		return b.AppendExecutionProviderTensorRT(p)
	case "openvino":
		return b.AppendExecutionProviderOpenVINO(o.ProviderOptions)
	case "coreml":
		return b.AppendExecutionProviderCoreMLV2(o.ProviderOptions)
	}
	return b.AppendExecutionProvider(strings.ToUpper(o.Provider), o.ProviderOptions) // XNNPACK, QNN
}

// Input returns the memory of the input, row-major in InputShape. Fill it before Run. It stays
// valid Go memory after Close.
func (s *Session) Input() []float32 { return s.input }

// Output returns the memory of the output, row-major in OutputShape. Run overwrites it.
func (s *Session) Output() []float32 { return s.output }

// InputShape returns the input's dimensions: [batch, channels, height, width] of a network.
func (s *Session) InputShape() []int { return slices.Clone(s.inputShape) }

// OutputShape returns the output's dimensions: [batch, classes] of a network.
func (s *Session) OutputShape() []int { return slices.Clone(s.outputShape) }

// Run computes the output from the input. It blocks for one inference and allocates nothing. After
// Close it returns ErrClosed.
func (s *Session) Run() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return ErrClosed
	}
	err := s.session.Run()
	runtime.KeepAlive(s)
	if err != nil {
		return fmt.Errorf("ort: run: %s", oneLine(err.Error()))
	}
	return nil
}

// Close frees what the session holds outside of Go. It waits for a Run to end. Further calls do
// nothing and return nil.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	live.Lock()
	defer live.Unlock()
	delete(live.sessions, s)
	return errors.Join(err, s.release())
}

// release gives the tensors back, after the session that uses them.
func (s *Session) release() error {
	var err error
	for _, v := range s.values {
		err = errors.Join(err, v.Destroy())
	}
	s.values = nil
	s.pinned.Unpin()
	return errors.Join(err, s.shared.release())
}

func int64s(v []int) binding.Shape {
	out := make(binding.Shape, len(v))
	for i, n := range v {
		out[i] = int64(n)
	}
	return out
}

func digit(b bool) int {
	if b {
		return 1
	}
	return 0
}
