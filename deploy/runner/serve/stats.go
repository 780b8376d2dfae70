package serve

import (
	"sync"
	"time"

	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
)

// buckets are the upper bounds of the latency histograms, in seconds: five per decade.
var buckets = []float64{1e-4, 1.6e-4, 2.5e-4, 4e-4, 6.3e-4, 1e-3, 1.6e-3, 2.5e-3, 4e-3, 6.3e-3, 1e-2, 1.6e-2, 2.5e-2, 4e-2, 6.3e-2,
	.1, .16, .25, .4, .63, 1, 1.6, 2.5, 4, 6.3, 10}

// histogram counts durations in buckets; the last count is of those above all bounds.
type histogram struct {
	native native
	counts [27]uint64
	sum    float64
	n      uint64
}

func (h *histogram) add(d time.Duration) {
	s := d.Seconds()
	i := 0
	for i < len(buckets) && s > buckets[i] {
		i++
	}
	h.counts[i]++
	h.native.add(s)
	h.sum += s
	h.n++
}

// recent is how many requests the status page shows.
const recent = 240

// stats adds up what a run records. It is the run's Recorder, in front of another one if there is a trace.
type stats struct {
	next runner.Recorder // nil without a trace

	mu        sync.Mutex
	outcomes  map[trace.Outcome]uint64
	lanes     []laneStats // of the processors that serve, in the run's order
	request   histogram   // arrival to end, of answered requests
	switches  uint64      // of all processors
	overrides uint64      // decisions that the runner took in the policy's place
	last      int         // level of the last answer, -1 before
	waiting   int         // at the last decision
	accuracy  []float64
	served    float64 // sum of accuracies over answers
	shown     []shown // ring of the last requests
	at        int
}

// laneStats is the part of one processor.
type laneStats struct {
	name     string
	session  func(level int) runner.Session // nil if it is not resident
	levels   []levelStats
	last     int // level of its last answer, -1 before
	switches uint64
	answers  uint64
	busy     float64 // seconds of inferences that answered
}

type levelStats struct {
	inference            histogram
	observed, predicted  float64 // seconds, sums over answers
	predictedByInference time.Duration
}

// shown is a request on the status page.
type shown struct {
	End     float64       `json:"end_s"`
	Latency float64       `json:"latency_s"`
	Request float64       `json:"request_s"`
	Limit   float64       `json:"limit_s"`
	Level   int           `json:"level"`
	Outcome trace.Outcome `json:"outcome"`
	// Processor is the index of the one that answered.
	Processor int `json:"processor"`
}

// Write counts a record.
func (s *stats) Write(r trace.Record) error {
	s.count(&r)
	if s.next != nil {
		return s.next.Write(r)
	}
	return nil
}

// Flush hands the trace on.
func (s *stats) Flush() error {
	if s.next != nil {
		return s.next.Flush()
	}
	return nil
}

func (s *stats) count(r *trace.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outcomes[r.Outcome]++
	s.waiting = max(0, r.Observation.Waiting-1) // without the one that was decided about
	if r.Overridden() {
		s.overrides++
	}
	item := shown{End: r.End.Seconds(), Request: (r.End - r.Arrival).Seconds(), Limit: r.Observation.Limit.Seconds(), Level: -1, Outcome: r.Outcome}
	if r.Outcome.Answered() {
		took := (r.End - r.Start).Seconds()
		lane := &s.lanes[r.Decision.Processor]
		l := &lane.levels[r.Decision.Level]
		l.inference.add(r.End - r.Start)
		l.observed += took
		l.predicted += l.predictedByInference.Seconds()
		s.request.add(r.End - r.Arrival)
		s.served += s.accuracy[r.Decision.Level]
		if lane.last >= 0 && lane.last != r.Decision.Level {
			s.switches++
			lane.switches++
		}
		lane.last = r.Decision.Level
		lane.answers++
		lane.busy += took
		s.last = r.Decision.Level
		item.Level, item.Latency, item.Processor = r.Decision.Level, took, r.Decision.Processor
	}
	if len(s.shown) < recent {
		s.shown = append(s.shown, item)
	} else {
		s.shown[s.at%recent] = item
	}
	s.at++
}
