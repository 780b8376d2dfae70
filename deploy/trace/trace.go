// Package trace is the record of a run: what happened to each request, with the whole observation
// and decision behind it. Simulator and runner write the same format, so a recorded run can be
// replayed through a policy or simulated afresh.
//
// It computes no statistics and draws nothing: it keeps what happened, and reads it back with
// distrust.
//
// The text form of a trace is
//
//	# {"version":1,...}            the header as JSON, one line
//	request,arrival_ns,...         the names of the columns
//	0,0,60000000,...               one line per request, in order of decision
//
// Every line ends in a line feed; nothing is quoted. There is one text for every trace and the reader
// takes no other, so equal traces are equal bytes. Times are whole nanoseconds since the start of the
// run, accuracies the shortest decimal fraction that is the same float64, the queue is
// id:arrival:deadline for each visible request with semicolons between them. Columns now_ns to queue
// are the observation, action to reason the decision; last_level and last_processor are those that
// served last.
//
// A trace whose header says "concurrent" has two columns more: busy, the processors that serve as bits of
// a number, after last_processor, and batch after processor. Of a batch the first record has the
// observation; those of its other requests follow, without one, and repeat decision, start and end. A trace of a family
// with clocks has a column clock before reason. One whose header says "steps" has a column of that name before queue: the
// clock steps that could be had of each processor, such as 1-15;0-0, where 0-0 is all of them or none.
package trace

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
)

// Outcome is what became of a request.
type Outcome string

// Outcomes. Each follows from one action: serve leads to on-time, late or failed, drop to dropped,
// exit to refused.
const (
	OnTime  Outcome = "on-time" // answered by its deadline, or it had none
	Late    Outcome = "late"    // answered after its deadline
	Dropped Outcome = "dropped" // given up by the policy
	Refused Outcome = "refused" // the manager had ended
	Failed  Outcome = "failed"  // the inference returned an error
)

// Answered reports whether the request got a result, in time or not.
func (o Outcome) Answered() bool { return o == OnTime || o == Late }

// action returns the action that leads to o, false for an unknown outcome.
func (o Outcome) action() (policy.Action, bool) {
	switch o {
	case OnTime, Late, Failed:
		return policy.Serve, true
	case Dropped:
		return policy.Drop, true
	case Refused:
		return policy.Exit, true
	}
	return "", false
}

// Record is one request. Times are since the start of the run and never negative.
type Record struct {
	Request  int64 // not negative
	Arrival  time.Duration
	Deadline time.Duration // absolute; 0: none
	// Observation is what the policy was asked about; its Queue[0] is this request. The queue is
	// empty, and Waiting 0, if nobody was asked: the manager had ended, the queue was full, the run was
	// cancelled. That happens to refused requests only, and to all but the first of a batch.
	Observation policy.Observation
	// Decision is the policy's, or the caller's if the reason starts with OverridePrefix. It is
	// policy.Exit for every refused request.
	Decision   policy.Decision
	Start, End time.Duration // of the inference, switching before it excluded; both the time of the decision if there was none
	Outcome    Outcome
}

// OverridePrefix starts the reasons of decisions that the policy's caller took in its place, such as
// another level for one that fails.
const OverridePrefix = "runner-"

// Asked reports whether the policy decided about the request, which is not to say that its decision
// is the recorded one.
func (r *Record) Asked() bool { return len(r.Observation.Queue) > 0 }

// Overridden reports whether the decision is the caller's, not the policy's.
func (r *Record) Overridden() bool {
	return strings.HasPrefix(string(r.Decision.Reason), OverridePrefix)
}

// Completion returns what the policy is told about the inference, and whether it is told anything:
// only an answered request completes, since the time that a failed one took says nothing, and of a
// batch the first.
func (r *Record) Completion() (policy.Completion, bool) {
	return policy.Completion{
		Request: r.Request, Level: r.Decision.Level, Processor: r.Decision.Processor, Batch: r.Decision.Batch, Clock: r.Decision.Clock,
		Start: r.Start, End: r.End, Deadline: r.Deadline,
	}, r.Outcome.Answered() && r.Asked()
}

// Kinds of runs.
const (
	Simulated = "simulated"
	Measured  = "measured"
)

// Header says what run a trace records and holds all that a replay needs.
type Header struct {
	Version  int               `json:"version"`            // of the format; NewWriter sets it to FormatVersion
	Program  string            `json:"program"`            // that wrote it, with version
	Kind     string            `json:"kind"`               // Simulated or Measured
	Policy   string            `json:"policy"`             // spec, for policy.New
	Params   map[string]string `json:"params,omitempty"`   // the policy's parameters
	Scenario string            `json:"scenario,omitempty"` // name, or empty
	Seed     uint64            `json:"seed"`
	// Concurrent says that requests may be served in batches, or on several processors at once.
	Concurrent bool `json:"concurrent,omitempty"`
	// Steps says that observations have the clock steps that could be had.
	Steps bool     `json:"steps,omitempty"`
	Notes []string `json:"notes,omitempty"` // doubts that travel with the trace
	// Blind are the times, in order, in which completions did not reach the policy: a sensor was lost.
	Blind []Span `json:"blind,omitempty"`
	// Loads are the co-running programs that somebody started beside the run, ordered by From, then What.
	Loads  []Load        `json:"loads,omitempty"`
	Family family.Family `json:"family"`
}

// Load is a co-running program that is at work from From up to, but not including, To.
type Load struct {
	What string `json:"what"` // such as "cpu:2"
	Span
}

// LoadsAt returns what co-runs at time t: the names of the loads, sorted and joined by "+"; empty if there is
// none.
func (h *Header) LoadsAt(t time.Duration) string { return LoadsAt(h.Loads, t) }

// LoadsAt is Header.LoadsAt for any loads. A name that stands there twice counts twice.
func LoadsAt(loads []Load, t time.Duration) string {
	var names []string
	for _, l := range loads {
		if t >= l.From && t < l.To {
			names = append(names, l.What)
		}
	}
	slices.Sort(names)
	return strings.Join(names, "+")
}

// maxLoads bounds the co-running programs of a trace, maxLoadName the bytes of a name.
const (
	maxLoads    = 10_000
	maxLoadName = 100
)

// checkLoads returns the first thing that is wrong with the loads.
func (h *Header) checkLoads() error {
	if len(h.Loads) > maxLoads {
		return fmt.Errorf("%d co-running loads, %d are allowed", len(h.Loads), maxLoads)
	}
	for i, l := range h.Loads {
		switch {
		case l.What == "" || len(l.What) > maxLoadName || strings.Contains(l.What, "+"):
			return fmt.Errorf("load %d has the name %.120q", i+1, l.What)
		case l.From < 0 || l.To <= l.From:
			return fmt.Errorf("load %d, from %d to %d, is empty", i+1, l.From, l.To)
		case i > 0 && cmp.Or(cmp.Compare(l.From, h.Loads[i-1].From), cmp.Compare(l.What, h.Loads[i-1].What)) < 0:
			return fmt.Errorf("load %d is out of order", i+1)
		}
	}
	return nil
}

// Span is a time from From up to, but not including, To.
type Span struct {
	From time.Duration `json:"from_ns"`
	To   time.Duration `json:"to_ns"`
}

// Seen reports whether the policy is told about an inference that ends at time t.
func (h *Header) Seen(t time.Duration) bool {
	for _, s := range h.Blind {
		if t >= s.From && t < s.To {
			return false
		}
	}
	return true
}

// FormatVersion is the version of the format that this program writes.
const FormatVersion = 1

// Validate returns what makes h unusable: another version, an unknown kind, no policy, an invalid
// family.
func (h *Header) Validate() error {
	var errs []error
	if h.Version != FormatVersion {
		errs = append(errs, fmt.Errorf("format version %d, this program knows %d", h.Version, FormatVersion))
	}
	if h.Kind != Simulated && h.Kind != Measured {
		errs = append(errs, fmt.Errorf("kind %.80q is neither %s nor %s", h.Kind, Simulated, Measured))
	}
	for i, s := range h.Blind {
		if s.From < 0 || s.To <= s.From || i > 0 && s.From < h.Blind[i-1].To {
			errs = append(errs, fmt.Errorf("span %d of those without completions, from %d to %d, is empty or out of order", i+1, s.From, s.To))
			break
		}
	}
	if h.Policy == "" {
		errs = append(errs, errors.New("it names no policy"))
	}
	errs = append(errs, h.checkLoads())
	return errors.Join(append(errs, h.Family.Validate())...)
}

// Trace is a recorded run, records in order of decision.
type Trace struct {
	Name    string // of the file that it was read from, for messages; may be empty
	Header  Header
	Records []Record
}

// checker holds records to what every trace keeps. The writer and the reader use the same, so what
// is written can be read.
type checker struct {
	model *policy.Model
	extra
	now   time.Duration // of the last observation
	batch Record        // the first of the last batch
	left  int           // records of it that are to come
}

func newChecker(h *Header) (*checker, error) {
	if err := h.Validate(); err != nil {
		return nil, err
	}
	m, err := policy.NewModel(&h.Family)
	if err != nil {
		return nil, err
	}
	return &checker{model: m, extra: h.extra()}, nil
}

// check returns the first thing that is wrong with the next record.
func (c *checker) check(r *Record) error {
	for _, t := range [...]time.Duration{r.Arrival, r.Deadline, r.Start, r.Observation.Now, r.Observation.Limit} {
		if t < 0 {
			return errors.New("a time is negative")
		}
	}
	if r.Request < 0 {
		return fmt.Errorf("request %d is negative", r.Request)
	}
	if r.End < r.Start {
		return fmt.Errorf("end %d is before start %d", r.End, r.Start)
	}
	action, ok := r.Outcome.action()
	if !ok {
		return fmt.Errorf("outcome %.40q is none of on-time, late, dropped, refused, failed", string(r.Outcome))
	}
	if err := r.Decision.Check(c.model); err != nil {
		return fmt.Errorf("decision: %w", err)
	}
	if !c.concurrent && (r.Decision.Batch != 0 || r.Observation.Busy != 0) {
		return errors.New("the header does not say concurrent, but there is a batch or a busy processor")
	}
	if action != r.Decision.Action {
		return fmt.Errorf("outcome %s does not follow from action %s", r.Outcome, r.Decision.Action)
	}
	if !wordOK(string(r.Decision.Reason)) {
		return fmt.Errorf("reason %.80q is not one word of a-z, 0-9 and hyphens", string(r.Decision.Reason))
	}
	return c.checkObservation(r)
}

func (c *checker) checkObservation(r *Record) error {
	o := &r.Observation
	if o.Level < -1 || o.Level >= len(c.model.Levels) {
		return fmt.Errorf("last level %d is outside [-1, %d]", o.Level, len(c.model.Levels)-1)
	}
	if o.Processor < -1 || o.Processor >= len(c.model.Processors) {
		return fmt.Errorf("last processor %d is outside [-1, %d]", o.Processor, len(c.model.Processors)-1)
	}
	if err := o.MinAccuracy.Validate(); err != nil {
		return fmt.Errorf("required %w", err)
	}
	if len(o.Steps) > 0 && !c.steps {
		return errors.New("the header does not say steps, but there is a range of them")
	}
	if err := c.model.CheckSteps(o); err != nil {
		return err
	}
	if o.Waiting > math.MaxInt32 {
		return fmt.Errorf("%d requests wait", o.Waiting)
	}
	if o.Waiting < 0 || len(o.Queue) != min(o.Waiting, policy.MaxQueue) {
		return fmt.Errorf("the queue shows %d requests, want the first %d of %d", len(o.Queue), policy.MaxQueue, o.Waiting)
	}
	for _, q := range o.Queue {
		if q.ID < 0 || q.Arrival < 0 || q.Deadline < 0 {
			return errors.New("a number in the queue is negative")
		}
	}
	if n := len(c.model.Processors); o.Busy>>n != 0 {
		return fmt.Errorf("busy processors %#x of %d", o.Busy, n)
	}
	if c.left > 0 {
		return c.checkMember(r)
	}
	if !r.Asked() {
		if r.Outcome != Refused {
			return fmt.Errorf("the queue is empty, but the outcome is %s", r.Outcome)
		}
		return nil
	}
	asked := o
	if r.Overridden() && o.Steps != nil { // the clock that held in spite of the decision
		all := *o
		all.Steps, asked = nil, &all
	}
	if err := r.Decision.Answers(c.model, asked); err != nil {
		return fmt.Errorf("decision: %w", err)
	}
	if head := (policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline}); o.Queue[0] != head {
		return errors.New("the head of the queue is not this request")
	}
	if o.Now < c.now {
		return fmt.Errorf("decided at %d, the one before at %d", o.Now, c.now)
	}
	c.now = o.Now
	if r.Decision.Batch > 0 {
		c.batch, c.left = *r, r.Decision.Batch-1
		c.batch.Observation.Queue = slices.Clone(o.Queue)
	}
	return nil
}

// checkMember checks a request of a batch but the first.
func (c *checker) checkMember(r *Record) error {
	b := &c.batch
	member := policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline}
	want := b.Observation
	want.Queue, want.Waiting = nil, 0
	switch o := &r.Observation; {
	case r.Asked() || o.Now != want.Now || o.Level != want.Level || o.Processor != want.Processor || o.Busy != want.Busy ||
		o.Limit != want.Limit || o.MinAccuracy != want.MinAccuracy || !slices.Equal(o.Steps, want.Steps):
		return errors.New("it belongs to the batch before it, but has another observation, or a queue")
	case r.Decision != b.Decision || r.Start != b.Start || r.End != b.End:
		return errors.New("it belongs to the batch before it, but decision, start or end differ")
	case (r.Outcome == Failed) != (b.Outcome == Failed):
		return fmt.Errorf("outcome %s of a request of a batch whose first has %s", r.Outcome, b.Outcome)
	case b.Observation.Queue[b.Decision.Batch-c.left] != member:
		return errors.New("it is not the next request of the batch before it")
	}
	c.left--
	return nil
}

// maxWord bounds a reason.
const maxWord = 64

// wordOK reports whether s is one word that needs no quoting in a CSV file.
func wordOK(s string) bool {
	return s != "" && len(s) <= maxWord && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && s[0] != '-'
}
