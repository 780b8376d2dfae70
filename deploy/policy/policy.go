// Package policy is the runtime manager: given what is known at a decision point it says which
// level serves the next request. The simulator and the on-device runner call the same code, so what
// was proved in simulation is what runs on the board.
//
// A policy is pure: it reads no clock, does no I/O, starts no goroutine and allocates nothing while
// deciding. The same model, parameters, observations and completions give the same decisions, on
// every machine. It is not safe for concurrent use.
package policy

import (
	"fmt"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/family"
)

// Policy decides. Its caller delivers every Completion whose End is not after an Observation's Now
// before it asks for that decision, in order of End, then request. A failed inference completes
// nothing. After Exit it asks no more.
type Policy interface {
	// Spec returns the text that, with the same parameters, makes New build the policy again, such
	// as "static:3".
	Spec() string
	// Decide returns what to do with the head of the queue. The observation is only valid during
	// the call, and stays as it is.
	Decide(o *Observation) Decision
	// Observe tells the policy how an inference went.
	Observe(c Completion)
}

// Model is what a policy knows about its family. Levels ascend in accuracy.
type Model struct {
	Processors []string
	Levels     []LevelModel
}

// LevelModel is one level as a policy sees it.
type LevelModel struct {
	Accuracy unit.Accuracy
	// Latency is the predicted latency of one inference per processor, in Model.Processors' order.
	Latency []time.Duration
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
		for _, p := range processors {
			lat, ok := f.Latency(i, p)
			if !ok {
				return nil, fmt.Errorf("policy: family %q has no latencies on processor %q, it has %v", f.Name, p, f.Processors())
			}
			lm.Latency = append(lm.Latency, lat.Latency.Duration())
		}
		m.Levels = append(m.Levels, lm)
	}
	return m, m.Validate()
}

// Validate returns an error unless the model has processors without repetition and 1 to
// family.MaxLevels levels, each with an accuracy in [0, 1], none less accurate than the one before,
// and a positive latency on each processor.
func (m *Model) Validate() error {
	if len(m.Processors) == 0 || len(m.Levels) == 0 || len(m.Levels) > family.MaxLevels {
		return fmt.Errorf("policy: model has %d processors and %d levels, want at least one and 1 to %d",
			len(m.Processors), len(m.Levels), family.MaxLevels)
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
	// Level and Processor served last; -1 before the first inference.
	Level, Processor int
	// Queue shows the first MaxQueue waiting requests in service order (earliest deadline, then
	// arrival, then ID); Queue[0] is the one to decide about and always exists.
	Queue   []Request
	Waiting int // all waiting requests, the head included: at least len(Queue)
	// Limit is the latency that each inference is required to keep, 0: none.
	Limit time.Duration
	// MinAccuracy is the accuracy required of the level that serves, 0: none.
	MinAccuracy unit.Accuracy
}

// Action says what becomes of the head of the queue.
type Action string

// Actions. The zero value is invalid, so that a policy that forgets to decide is caught.
const (
	Serve Action = "serve" // run it at the decision's level and processor
	Drop  Action = "drop"  // give it up; the policy is asked about the next one
	Exit  Action = "exit"  // the manager ends: this and every later request goes unanswered
)

// Reason says why a decision was taken, in one word of [a-z0-9-] that is stable across versions.
type Reason string

// Decision is a policy's answer.
type Decision struct {
	Action    Action `json:"action"`
	Level     int    `json:"level"`     // 0 unless Serve
	Processor int    `json:"processor"` // index into Model.Processors; 0 unless Serve
	Reason    Reason `json:"reason"`
}

// String describes d for people, as in "serve at level 3 on processor 0 (fits)".
func (d Decision) String() string {
	if d.Action == Serve {
		return fmt.Sprintf("serve at level %d on processor %d (%s)", d.Level, d.Processor, d.Reason)
	}
	return fmt.Sprintf("%s (%s)", d.Action, d.Reason)
}

// Completion is a finished inference.
type Completion struct {
	Request          int64
	Level, Processor int
	Start, End       time.Duration // of the inference, switching before it excluded
	Deadline         time.Duration // absolute; 0: none
}

// Latency returns the inference's own latency.
func (c Completion) Latency() time.Duration { return c.End - c.Start }

// Check returns an error if d is no valid answer under model m: the simulator and the runner call
// it after every decision, so that a policy that answers nonsense is named.
func (d Decision) Check(m *Model) error {
	switch d.Action {
	case Drop, Exit:
		if d.Level != 0 || d.Processor != 0 {
			return fmt.Errorf("%s comes with level %d and processor %d", d.Action, d.Level, d.Processor)
		}
		return nil
	case Serve:
		if d.Level < 0 || d.Level >= len(m.Levels) {
			return fmt.Errorf("level %d is outside [0, %d]", d.Level, len(m.Levels)-1)
		}
		if d.Processor < 0 || d.Processor >= len(m.Processors) {
			return fmt.Errorf("processor %d is outside [0, %d]", d.Processor, len(m.Processors)-1)
		}
		return nil
	}
	return fmt.Errorf("action %.40q is none of serve, drop, exit", d.Action)
}
