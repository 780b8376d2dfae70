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
	Switches                               int64                   // answers by another level than the answer before
	Labelled, Correct                      int64                   // answered pictures with a known class, and how many were classified right

	Inference        lut.Latency // of all inferences that answered
	FirstAfterSwitch lut.Latency // of those that followed a switch
	Preparation      lut.Latency // from decision to start of the inference
	Levels           []LevelReport
	Notes            []string // doubts that travel with the numbers
}

// LevelReport is a level's part in a run.
type LevelReport struct {
	Answered  int64
	Failed    int64         // inferences that returned an error or no finite numbers
	Predicted time.Duration // of one inference, as the policy knows it
	Inference lut.Latency
	// FirstAfterSwitch is over the answers of this level that followed another level's.
	FirstAfterSwitch  lut.Latency
	Labelled, Correct int64
}

// maxSamples bounds the latencies that are kept for quantiles, per level: 64 KiB. A server that runs for weeks must not grow.
const maxSamples = 1 << 13

// tally adds up records.
type tally struct {
	report  Report
	last    int // level of the last answer, -1 before
	levels  []levelTally
	prepare samples
}

type levelTally struct {
	LevelReport
	all, first samples
	inTime     int64
}

// samples keeps latencies evenly spread over many: all of them, then every second one when there is no more room, then every
// fourth, and so on.
type samples struct {
	kept  []time.Duration
	total int64
	every int64 // of the latencies one is kept; 0 stands for 1
}

func (s *samples) add(d time.Duration) {
	s.every = max(s.every, 1)
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

func newTally(levels int) *tally { return &tally{last: -1, levels: make([]levelTally, levels)} }

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
	l := &t.levels[a.Level]
	l.Answered++
	if rec.Outcome == trace.OnTime {
		l.inTime++
	}
	l.all.add(a.Latency)
	t.prepare.add(rec.Start - rec.Observation.Now)
	if t.last >= 0 && t.last != a.Level {
		t.report.Switches++
		l.first.add(a.Latency)
	}
	t.last = a.Level
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
	var all, first samples
	var sum, effective float64
	for i := range t.levels {
		l := &t.levels[i]
		accuracy := float64(r.Family.Levels[i].Accuracy)
		sum += float64(float64(l.Answered) * accuracy)
		effective += float64(float64(l.inTime) * accuracy)
		l.Failed, l.Predicted = int64(r.failures[i]), r.model.Levels[i].Latency[0]
		l.Inference, l.LevelReport.FirstAfterSwitch = l.all.latency(), l.first.latency()
		rep.Labelled += l.Labelled
		rep.Correct += l.Correct
		rep.Levels = append(rep.Levels, l.LevelReport)
		all.merge(&l.all)
		first.merge(&l.first)
		if l.Answered > 0 {
			rep.AccuracyOrigins = append(rep.AccuracyOrigins, r.Family.Levels[i].AccuracyOrigin)
		}
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
