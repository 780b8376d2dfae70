package sim

import (
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// Metrics are the figures of one run. A miss is a request that was not answered by its deadline:
// late, dropped, refused or failed.
type Metrics struct {
	Requests int `json:"requests"` // the sum of the next five
	OnTime   int `json:"on_time"`
	Late     int `json:"late"`
	Dropped  int `json:"dropped"`
	Refused  int `json:"refused"`
	Failed   int `json:"failed"`

	// SLO is the SLO attainment: requests on time, of all.
	SLO Proportion `json:"slo"`
	// MeanAccuracy is the mean over answered requests of the accuracy of their levels; 0 if none.
	MeanAccuracy unit.Accuracy `json:"mean_accuracy"`
	// AccuracyOverAll is the sum over answered requests of the accuracy of their levels, late ones included,
	// divided by all requests; 0 if none.
	AccuracyOverAll unit.Accuracy `json:"accuracy_over_all"`
	// EffectiveAccuracy is the sum over requests on time of the accuracy of their levels, divided by
	// all requests; 0 if none.
	EffectiveAccuracy unit.Accuracy `json:"effective_accuracy"`
	// AccuracyOrigins says what kinds of numbers the family's accuracies are, each once, in order of
	// level.
	AccuracyOrigins []family.AccuracyOrigin `json:"accuracy_origins"`

	// Levels counts answered requests by level.
	Levels []int `json:"levels"`
	// Switches counts the inferences at another level or processor than the one before. The first
	// inference is none, even if another level was loaded at the start.
	Switches int `json:"switches"`
	// Switching is the time between decisions and the starts of their inferences, summed up: what
	// switching took from the service.
	Switching time.Duration `json:"switching_ns"`

	Latency  Summary `json:"latency"`  // of inferences, start to end, of answered requests
	Response Summary `json:"response"` // arrival to end, of answered requests
	Wait     Summary `json:"wait"`     // arrival to start, switching included, of answered requests

	// LongestMissRun is the largest number of misses in a row, in order of arrival.
	LongestMissRun int `json:"longest_miss_run"`
	// MissAfterMiss is P(miss|miss): of the requests that arrived next after a missed one, those
	// missed.
	MissAfterMiss Proportion `json:"miss_after_miss"`

	// Compliance has an entry for each rise of the slow-down.
	Compliance []Compliance `json:"compliance,omitempty"`
}

// Measure computes the metrics of a simulated or measured trace. The profile says when co-running
// programs slowed the processor down; it may be empty. O(n log n).
//
// Levels that the trace's family does not have count with accuracy 0; trace.Read refuses such traces.
func Measure(t *trace.Trace, profile traffic.Profile) Metrics {
	levels := t.Header.Family.Levels
	m := Metrics{Requests: len(t.Records), Levels: make([]int, len(levels))}
	for _, l := range levels {
		if !slices.Contains(m.AccuracyOrigins, l.AccuracyOrigin) {
			m.AccuracyOrigins = append(m.AccuracyOrigins, l.AccuracyOrigin)
		}
	}
	var served, inTime float64
	latency := make([]time.Duration, 0, len(t.Records))
	response := make([]time.Duration, 0, len(t.Records))
	wait := make([]time.Duration, 0, len(t.Records))
	for i := range t.Records {
		r := &t.Records[i]
		m.count(r.Outcome)
		if !r.Outcome.Answered() {
			continue
		}
		if l := r.Decision.Level; l >= 0 && l < len(levels) {
			m.Levels[l]++
			served += float64(levels[l].Accuracy)
			if r.Outcome == trace.OnTime {
				inTime += float64(levels[l].Accuracy)
			}
		}
		m.Switching += r.Start - r.Observation.Now
		latency = append(latency, r.End-r.Start)
		response = append(response, r.End-r.Arrival)
		wait = append(wait, r.Start-r.Arrival)
	}
	m.SLO = NewProportion(m.OnTime, m.Requests)
	if n := m.OnTime + m.Late; n > 0 {
		m.MeanAccuracy = unit.Accuracy(served / float64(n))
	}
	if m.Requests > 0 {
		m.AccuracyOverAll = unit.Accuracy(served / float64(m.Requests))
		m.EffectiveAccuracy = unit.Accuracy(inTime / float64(m.Requests))
	}
	m.Latency, m.Response, m.Wait = summarize(latency), summarize(response), summarize(wait)
	m.Switches = switches(t.Records)
	m.LongestMissRun, m.MissAfterMiss = missRuns(t.Records)
	m.Compliance = compliances(t.Records, profile)
	return m
}

func (m *Metrics) count(o trace.Outcome) {
	switch o {
	case trace.OnTime:
		m.OnTime++
	case trace.Late:
		m.Late++
	case trace.Dropped:
		m.Dropped++
	case trace.Refused:
		m.Refused++
	default:
		m.Failed++
	}
}

// switches counts changes of level or processor between inferences in order of decision.
func switches(records []trace.Record) int {
	n := 0
	var last *policy.Decision
	for i := range records {
		d := &records[i].Decision
		if d.Action != policy.Serve {
			continue
		}
		if last != nil && (d.Level != last.Level || d.Processor != last.Processor) {
			n++
		}
		last = d
	}
	return n
}

// missRuns returns the longest run of misses, and how often a miss follows a miss.
func missRuns(records []trace.Record) (longest int, after Proportion) {
	order := byArrival(records)
	run, both, followed := 0, 0, 0
	for _, r := range order {
		miss := r.Outcome != trace.OnTime
		if run > 0 {
			followed++
			if miss {
				both++
			}
		}
		if !miss {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest, NewProportion(both, followed)
}
