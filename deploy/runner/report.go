package runner

import (
	"fmt"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
	"github.com/dynofa/dynofa/search/family"
)

// Report sums up a run. Every request has one outcome.
type Report struct {
	Policy  string
	Ended   string        // why the run ended
	Elapsed time.Duration // from the first possible arrival to the end

	Requests                               int64
	OnTime, Late, Dropped, Refused, Failed int64
	SLOAttainment                          float64                 // on-time requests / all, in [0, 1]; 0 without requests
	MeanAccuracy                           unit.Accuracy           // of the levels over answered requests; 0 without
	EffectiveAccuracy                      unit.Accuracy           // sum of the levels' over on-time requests / all requests
	AccuracyOrigins                        []family.AccuracyOrigin // of the levels that answered, sorted
	Switches                               int64                   // answers by another level than the processor's answer before
	Labelled, Correct                      int64                   // answered pictures with a known class, and how many were classified right

	Inference        lut.Latency // of all inferences that answered
	FirstAfterSwitch lut.Latency // of those that followed a switch
	Preparation      lut.Latency // from decision to start of the inference
	Levels           []LevelReport
	// Processors has each of several processors that served at the same time; nil of one alone.
	Processors []ProcessorReport
	Clocks     []ClockReport // of the processors whose clock the policy chooses
	Notes      []string      // doubts that travel with the numbers
}

// LevelReport is a level's part in a run.
type LevelReport struct {
	Answered  int64
	Failed    int64         // inferences that returned an error or no finite numbers
	Predicted time.Duration // of one inference, as the policy knows it; of several processors on the first
	Inference lut.Latency
	// FirstAfterSwitch is over the answers of this level that followed another level's on the same processor.
	FirstAfterSwitch  lut.Latency
	Labelled, Correct int64
}

// maxSamples bounds the latencies that are kept for quantiles, per level: 64 KiB. A server that runs for weeks must not grow.
const maxSamples = 1 << 13

// tally adds up records.
type tally struct {
	report  Report
	lanes   []laneTally // one per processor
	prepare samples
}

type laneTally struct {
	last     int // level of the last answer, -1 before
	switches int64
	lost     int64         // times that the processor was taken out of service
	busy     time.Duration // of inferences that answered
	levels   []levelTally
}

type levelTally struct {
	LevelReport
	all, first samples
	inTime     int64
}

// samples keeps latencies evenly spread over many: all of them, then every second one when there is no more room, then every
// fourth, and so on. The memory for all is taken at the first: a series that fills up for hours would look like a leak, and
// its growth counts twice, since the heap may be as large again as what is alive on it.
type samples struct {
	kept  []time.Duration
	total int64
	every int64 // of the latencies one is kept; 0 stands for 1
}

func (s *samples) add(d time.Duration) {
	if s.every = max(s.every, 1); s.kept == nil {
		s.kept = make([]time.Duration, maxSamples)
		clear(s.kept) // new memory counts once it is written to
		s.kept = s.kept[:0]
	}
	if s.total++; (s.total-1)%s.every != 0 {
		return
	}
	if len(s.kept) == maxSamples {
		s.thin(2 * s.every)
		if (s.total-1)%s.every != 0 {
			return
		}
	}
	s.kept = append(s.kept, d)
}

func newTally(levels, processors int) *tally {
	t := &tally{lanes: make([]laneTally, processors)}
	for i := range t.lanes {
		t.lanes[i] = laneTally{last: -1, levels: make([]levelTally, levels)}
	}
	return t
}

func (t *tally) add(rec *trace.Record, a Answer) {
	t.report.Requests++
	switch rec.Outcome {
	case trace.OnTime:
		t.report.OnTime++
	case trace.Late:
		t.report.Late++
	case trace.Dropped:
		t.report.Dropped++
	case trace.Refused:
		t.report.Refused++
	case trace.Failed:
		t.report.Failed++
	}
	if !rec.Outcome.Answered() {
		return
	}
	lane := &t.lanes[a.Processor]
	l := &lane.levels[a.Level]
	l.Answered++
	if rec.Outcome == trace.OnTime {
		l.inTime++
	}
	l.all.add(a.Latency)
	t.prepare.add(rec.Start - rec.Observation.Now)
	lane.busy += a.Latency
	if lane.last >= 0 && lane.last != a.Level {
		t.report.Switches++
		lane.switches++
		l.first.add(a.Latency)
	}
	lane.last = a.Level
	if a.Label >= 0 {
		l.Labelled++
		if a.Class == a.Label {
			l.Correct++
		}
	}
}

// report completes the tally.
func (r *run) report(ended string) *Report {
	t := r.tally
	rep := t.report
	rep.Policy, rep.Ended, rep.Elapsed, rep.Notes = r.policy.Spec(), ended, r.now(), r.notes()
	rep.Clocks = r.clockReports()
	var all, first samples
	var sum, effective float64
	for i := range r.Family.Levels {
		var l levelTally
		for p := range t.lanes {
			l.merge(r.levelOf(p, i))
		}
		accuracy := float64(r.Family.Levels[i].Accuracy)
		sum += float64(float64(l.Answered) * accuracy)
		effective += float64(float64(l.inTime) * accuracy)
		rep.Labelled += l.Labelled
		rep.Correct += l.Correct
		rep.Levels = append(rep.Levels, l.summary())
		all.merge(&l.all)
		first.merge(&l.first)
		if l.Answered > 0 {
			rep.AccuracyOrigins = append(rep.AccuracyOrigins, r.Family.Levels[i].AccuracyOrigin)
		}
	}
	if r.together() {
		rep.Processors = r.processorReports()
	}
	slices.Sort(rep.AccuracyOrigins)
	rep.AccuracyOrigins = slices.Compact(rep.AccuracyOrigins)
	rep.Inference, rep.FirstAfterSwitch, rep.Preparation = all.latency(), first.latency(), t.prepare.latency()
	if answered := rep.OnTime + rep.Late; answered > 0 {
		rep.MeanAccuracy = unit.Accuracy(sum / float64(answered))
	}
	if rep.Requests > 0 {
		rep.SLOAttainment = float64(rep.OnTime) / float64(rep.Requests)
		rep.EffectiveAccuracy = unit.Accuracy(effective / float64(rep.Requests))
	}
	if r.traceErr != nil {
		rep.Notes = append(rep.Notes, fmt.Sprintf("the trace is incomplete: %v", r.traceErr))
	}
	return &rep
}

// levelOf returns a processor's part of a level with what the tally does not know.
func (r *run) levelOf(processor, level int) *levelTally {
	l := &r.tally.lanes[processor].levels[level]
	l.Failed, l.Predicted = int64(r.lanes[processor].failures[level]), r.model.Levels[level].Latency[processor]
	return l
}

// merge adds another processor's part of the same level.
func (l *levelTally) merge(o *levelTally) {
	if l.Predicted == 0 {
		l.Predicted = o.Predicted
	}
	l.Answered += o.Answered
	l.Failed += o.Failed
	l.Labelled += o.Labelled
	l.Correct += o.Correct
	l.inTime += o.inTime
	l.all.merge(&o.all)
	l.first.merge(&o.first)
}

func (l *levelTally) summary() LevelReport {
	l.Inference, l.LevelReport.FirstAfterSwitch = l.all.latency(), l.first.latency()
	return l.LevelReport
}

// merge adds other samples, both as thinly spread as the thinner of the two.
func (s *samples) merge(o *samples) {
	every := max(s.every, o.every, 1)
	s.thin(every)
	for i, d := range o.kept {
		if int64(i)*max(o.every, 1)%every == 0 {
			s.kept = append(s.kept, d)
		}
	}
	s.total += o.total
}

// thin keeps one of every so many.
func (s *samples) thin(every int64) {
	step := int(every / max(s.every, 1))
	n := 0
	for i := 0; i < len(s.kept); i += step {
		s.kept[n] = s.kept[i]
		n++
	}
	s.kept, s.every = s.kept[:n], every
}

// latency summarises the samples; the statistics cover those kept.
func (s *samples) latency() lut.Latency {
	l := profile.Summarize(s.kept)
	if n := int64(len(s.kept)); n < s.total {
		l.Warnings = append(l.Warnings, fmt.Sprintf("statistics cover %d of %d inferences, evenly spread", n, s.total))
	}
	return l
}
