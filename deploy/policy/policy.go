// Package policy is the runtime manager: given what is known at a decision point it says which
// level serves the next request. The simulator and the on-device runner call the same code, so what
// was proved in simulation is what runs on the board.
//
// A policy is pure: it reads no clock, does no I/O, starts no goroutine and allocates nothing while
// deciding. The same model, parameters, observations and completions give the same decisions, on
// every machine. It is not safe for concurrent use.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/family"
)

// Policy decides. Its caller delivers every Completion whose End is not after an Observation's Now
// before it asks for that decision, in order of End, then of decision; one for a batch. A failed
// inference completes nothing. It asks whenever a request waits and a processor is free, until the
// policy waits. After Exit it asks no more.
type Policy interface {
	// Spec returns the text that, with the same parameters, makes New build the policy again, such
	// as "static:3".
	Spec() string
	// Decide returns what to do with the head of the queue. The observation is only valid during
	// the call, and stays as it is. A call that is answered with Wait leaves the policy as it was:
	// it is not recorded, and a replay does not repeat it.
	Decide(o *Observation) Decision
	// Observe tells the policy how an inference went.
	Observe(c Completion)
}

// Model is what a policy knows about its family. Levels ascend in accuracy.
type Model struct {
	Processors []string
	Levels     []LevelModel
	// Clocks has, per processor, the clock steps that a decision may choose among; nil where there are none, and nil if
	// no processor has any.
	Clocks []ClockModel
}

// LevelModel is one level as a policy sees it.
type LevelModel struct {
	Accuracy unit.Accuracy
	// Latency is the predicted latency of one inference per processor, in Model.Processors' order.
	Latency []time.Duration
	// Batches has, per processor, the predicted latencies of batches of 2, 3 and so on, at most
	// MaxBatch-1; nil where there are none, and nil if no processor has any.
	Batches [][]time.Duration
	// Points has, per processor, the operating points at its clock steps; one where its clock stays as it is, whose
	// energy alone counts, none where nothing is known. Nil if no processor has any.
	Points [][]PointModel
}

// MaxBatch is the largest batch that is served at once.
const MaxBatch = family.MaxBatch

// Largest returns the largest batch of the level on a processor, at least 1.
func (l *LevelModel) Largest(processor int) int {
	if len(l.Batches) == 0 {
		return 1
	}
	return 1 + len(l.Batches[processor])
}

// Of returns the predicted latency of a batch of up to Largest requests on a processor. A size of 0 is
// one request.
func (l *LevelModel) Of(processor, size int) time.Duration {
	if size < 2 {
		return l.Latency[processor]
	}
	return l.Batches[processor][size-2]
}

// MaxBatch returns the largest batch of any level, at least 1.
func (m *Model) MaxBatch() int {
	most := 1
	for i := range m.Levels {
		for p := range m.Processors {
			most = max(most, m.Levels[i].Largest(p))
		}
	}
	return most
}

// NewModel extracts what a policy may know from a family: the given processors in the given order,
// or all of the family's. It returns an error if the family is invalid, or if it has no latencies
// for a processor.
func NewModel(f *family.Family, processors ...string) (*Model, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if len(processors) == 0 {
		processors = f.Processors()
	}
	m := &Model{Processors: slices.Clone(processors)}
	for i, l := range f.Levels {
		lm := LevelModel{Accuracy: l.Accuracy}
		for k, p := range processors {
			lat, ok := f.Latency(i, p)
			if !ok {
				return nil, fmt.Errorf("policy: family %q has no latencies on processor %q, it has %v", f.Name, p, f.Processors())
			}
			lm.Latency = append(lm.Latency, lat.Latency.Duration())
			var batches []time.Duration
			for _, b := range lat.Batches {
				batches = append(batches, b.Duration())
			}
			lm.Batches = append(lm.Batches, batches)
			if len(lat.Points) > 0 {
				lm.addPoints(k, len(processors), lat.Points)
			}
		}
		if !slices.ContainsFunc(lm.Batches, func(b []time.Duration) bool { return b != nil }) {
			lm.Batches = nil
		}
		m.Levels = append(m.Levels, lm)
	}
	for k, p := range processors {
		if c := f.ClocksOf(p); c != nil {
			if m.Clocks == nil {
				m.Clocks = make([]ClockModel, len(processors))
			}
			m.Clocks[k] = ClockModel{Steps: slices.Clone(c.Steps), Effect: c.Effect}
		}
	}
	return m, m.Validate()
}

// maxProcessors is the number of bits of Observation.Busy.
const maxProcessors = 64

// Validate returns an error unless the model has 1 to 64 processors without repetition and 1 to
// family.MaxLevels levels, each with an accuracy in [0, 1], none less accurate than the one before,
// and positive latencies on each processor, of batches of at most MaxBatch.
func (m *Model) Validate() error {
	if len(m.Processors) == 0 || len(m.Processors) > maxProcessors || len(m.Levels) == 0 || len(m.Levels) > family.MaxLevels {
		return fmt.Errorf("policy: model has %d processors and %d levels, want 1 to %d and 1 to %d",
			len(m.Processors), len(m.Levels), maxProcessors, family.MaxLevels)
	}
	for i, p := range m.Processors {
		if p == "" || slices.Contains(m.Processors[:i], p) {
			return fmt.Errorf("policy: model: processor %d is %q: empty or repeated", i, p)
		}
	}
	for i, l := range m.Levels {
		if err := l.Accuracy.Validate(); err != nil {
			return fmt.Errorf("policy: model: level %d: %w", i, err)
		}
		if i > 0 && l.Accuracy < m.Levels[i-1].Accuracy {
			return fmt.Errorf("policy: model: level %d is less accurate than level %d", i, i-1)
		}
		if len(l.Latency) != len(m.Processors) {
			return fmt.Errorf("policy: model: level %d has %d latencies for %d processors", i, len(l.Latency), len(m.Processors))
		}
		for _, d := range l.Latency {
			if d <= 0 {
				return fmt.Errorf("policy: model: level %d: latency %v is not positive", i, d)
			}
		}
		if err := l.checkBatches(len(m.Processors)); err != nil {
			return fmt.Errorf("policy: model: level %d: %w", i, err)
		}
		if err := m.checkPoints(&l); err != nil {
			return fmt.Errorf("policy: model: level %d: %w", i, err)
		}
	}
	return m.checkClocks()
}

func (l *LevelModel) checkBatches(processors int) error {
	if len(l.Batches) != 0 && len(l.Batches) != processors {
		return fmt.Errorf("batches on %d processors of %d", len(l.Batches), processors)
	}
	for _, batches := range l.Batches {
		if len(batches) > MaxBatch-1 {
			return fmt.Errorf("latencies of %d batch sizes beside 1, at most %d are allowed", len(batches), MaxBatch-1)
		}
		for b, d := range batches {
			if d <= 0 {
				return fmt.Errorf("latency %v of a batch of %d is not positive", d, b+2)
			}
		}
	}
	return nil
}

// MaxQueue is the number of waiting requests that an Observation shows.
const MaxQueue = 10

// Request is a waiting request.
type Request struct {
	ID       int64
	Arrival  time.Duration
	Deadline time.Duration // absolute; 0: none
}

// Observation is everything that a policy may look at. Times are since the start of the run.
type Observation struct {
	Now time.Duration
	// Level and Processor served last, or serve; -1 before the first inference.
	Level, Processor int
	// Busy has bit p set while processor p serves. At least one processor is free.
	Busy uint64
	// Queue shows the first MaxQueue waiting requests in service order (earliest deadline, then
	// arrival, then ID); Queue[0] is the one to decide about and always exists.
	Queue   []Request
	Waiting int // all waiting requests, the head included: at least len(Queue)
	// Limit is the latency that each inference is required to keep, 0: none.
	Limit time.Duration
	// MinAccuracy is the accuracy required of the level that serves, 0: none.
	MinAccuracy unit.Accuracy
	// Steps has, per processor, the clock steps that can be had at present, which power mode, heat and the system's
	// permission decide; nil: all of the model's. Whoever made the slice does not change it any more.
	Steps []StepRange
}

// Action says what becomes of the head of the queue.
type Action string

// Actions. The zero value is invalid, so that a policy that forgets to decide is caught.
const (
	Serve Action = "serve" // run it at the decision's level and processor, in the decision's batch
	Drop  Action = "drop"  // give it up; the policy is asked about the next one
	Exit  Action = "exit"  // the manager ends: this and every later request goes unanswered
	Wait  Action = "wait"  // ask again at the decision's time, or when something happens before
)

// Reason says why a decision was taken, in one word of [a-z0-9-] that is stable across versions.
type Reason string

// Decision is a policy's answer.
type Decision struct {
	Action    Action `json:"action"`
	Level     int    `json:"level"`     // 0 unless Serve
	Processor int    `json:"processor"` // index into Model.Processors; 0 unless Serve
	// Batch is the number of requests, from the head of the queue on, that are served together: 2 to
	// MaxBatch, or 0 for the head alone; 0 unless Serve.
	Batch int `json:"batch,omitempty"`
	// Clock asks for a clock step of the processor before the inference: 1 for the first of the model's Clocks, 0 to leave
	// the clock as it is; 0 unless Serve.
	Clock int `json:"clock,omitempty"`
	// Until is when to ask again, after Now; earlier if a request arrives or an inference ends. 0: only
	// then. 0 unless Wait.
	Until  time.Duration `json:"until_ns,omitempty"`
	Reason Reason        `json:"reason"`
}

// Size returns the number of requests that are served together, 1 without a batch.
func (d Decision) Size() int { return max(1, d.Batch) }

// String describes d for people, as in "serve at level 3 on processor 0 (fits)".
func (d Decision) String() string {
	switch {
	case d.Action == Serve && d.Clock > 0:
		return fmt.Sprintf("serve %d at level %d on processor %d at clock step %d (%s)", d.Size(), d.Level, d.Processor, d.Clock, d.Reason)
	case d.Action == Serve && d.Batch > 0:
		return fmt.Sprintf("serve %d at level %d on processor %d (%s)", d.Batch, d.Level, d.Processor, d.Reason)
	case d.Action == Serve:
		return fmt.Sprintf("serve at level %d on processor %d (%s)", d.Level, d.Processor, d.Reason)
	case d.Action == Wait && d.Until > 0:
		return fmt.Sprintf("wait until %v (%s)", d.Until, d.Reason)
	}
	return fmt.Sprintf("%s (%s)", d.Action, d.Reason)
}

// Completion is a finished inference.
type Completion struct {
	Request          int64 // of a batch: the first one
	Level, Processor int
	Batch, Clock     int           // as in the Decision; Clock is the step that was in force, if not the decided one
	Start, End       time.Duration // of the inference, switching before it excluded
	Deadline         time.Duration // of Request, absolute; 0: none
}

// Size returns the number of requests that were served together, 1 without a batch.
func (c Completion) Size() int { return max(1, c.Batch) }

// Latency returns the inference's own latency.
func (c Completion) Latency() time.Duration { return c.End - c.Start }

// Check returns an error if d is no valid answer under model m to any observation.
func (d Decision) Check(m *Model) error {
	if d.Action != Wait && d.Until != 0 {
		return fmt.Errorf("%s comes with a time to wait until", d.Action)
	}
	switch d.Action {
	case Drop, Exit, Wait:
		if d.Level != 0 || d.Processor != 0 || d.Batch != 0 || d.Clock != 0 || d.Until < 0 {
			return fmt.Errorf("%s comes with level %d, processor %d, batch %d, clock %d and time %d", d.Action, d.Level, d.Processor, d.Batch, d.Clock, d.Until)
		}
		return nil
	case Serve:
		if d.Level < 0 || d.Level >= len(m.Levels) {
			return fmt.Errorf("level %d is outside [0, %d]", d.Level, len(m.Levels)-1)
		}
		if d.Processor < 0 || d.Processor >= len(m.Processors) {
			return fmt.Errorf("processor %d is outside [0, %d]", d.Processor, len(m.Processors)-1)
		}
		if most := m.Levels[d.Level].Largest(d.Processor); d.Batch < 0 || d.Batch == 1 || d.Batch > most {
			return fmt.Errorf("batch %d is neither 0 nor in [2, %d]", d.Batch, most)
		}
		if steps := m.steps(d.Processor); d.Clock < 0 || d.Clock > steps {
			return fmt.Errorf("clock step %d is outside [0, %d]", d.Clock, steps)
		}
		return nil
	}
	return fmt.Errorf("action %.40q is none of serve, drop, exit, wait", d.Action)
}

// Answers returns an error if d is no valid answer to an observation under model m: the simulator and
// the runner call it after every decision, so that a policy that answers nonsense is named.
func (d Decision) Answers(m *Model, o *Observation) error {
	if err := d.Check(m); err != nil {
		return err
	}
	switch {
	case d.Action == Serve && o.Busy>>d.Processor&1 == 1:
		return fmt.Errorf("processor %d is busy", d.Processor)
	case d.Batch > len(o.Queue):
		return fmt.Errorf("batch %d is more than the %d requests in view", d.Batch, len(o.Queue))
	case d.checkClock(m, o) != nil:
		return d.checkClock(m, o)
	case d.Action == Wait && d.Until == 0 && o.Busy == 0:
		return errors.New("it waits for an inference to end, and there is none")
	case d.Action == Wait && d.Until != 0 && d.Until <= o.Now:
		return fmt.Errorf("it waits until %v, which is not after %v", d.Until, o.Now)
	}
	return nil
}

// ReasonBusy is the reason for waiting until the managed processor is free.
const ReasonBusy Reason = "busy"

// occupied returns what a policy that manages one processor answers while that serves.
func occupied(o *Observation, processor int) (d Decision, busy bool) {
	return Decision{Action: Wait, Reason: ReasonBusy}, o.Busy>>processor&1 == 1
}
