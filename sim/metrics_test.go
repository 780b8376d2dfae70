package sim_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// traceOf returns a measured trace over levels of 50% and 75% accuracy.
func traceOf(records ...trace.Record) *trace.Trace {
	return &trace.Trace{
		Header: trace.Header{Kind: trace.Measured, Family: family.Family{Levels: []family.Level{
			{Accuracy: 0.5, AccuracyOrigin: family.AccuracyStandIn}, {Accuracy: 0.75, AccuracyOrigin: family.AccuracyMeasured},
		}}},
		Records: records,
	}
}

// record returns a record of milliseconds.
func record(id int64, level, arrival, decided, start, end int, outcome trace.Outcome) trace.Record {
	d := policy.Decision{Action: policy.Serve, Level: level}
	switch outcome {
	case trace.Dropped:
		d = policy.Decision{Action: policy.Drop}
	case trace.Refused:
		d = policy.Decision{Action: policy.Exit}
	}
	at := func(n int) time.Duration { return time.Duration(n) * ms }
	return trace.Record{
		Request: id, Arrival: at(arrival), Observation: policy.Observation{Now: at(decided), Limit: 60 * ms},
		Decision: d, Start: at(start), End: at(end), Outcome: outcome,
	}
}

// All figures are counted by hand.
func TestMeasure(t *testing.T) {
	tr := traceOf(
		record(0, 1, 0, 0, 0, 50, trace.OnTime),         // 50
		record(1, 0, 10, 50, 80, 120, trace.Late),       // 40, switch of 30
		record(2, 0, 20, 120, 120, 120, trace.Dropped),  //
		record(4, 1, 40, 120, 125, 135, trace.Failed),   // a switch of 5, not answered
		record(3, 1, 30, 135, 135, 205, trace.OnTime),   // 70, arrived before request 4
		record(5, 0, 50, 205, 205, 235, trace.OnTime),   // 30, a switch of 0
		record(6, 0, 300, 300, 300, 300, trace.Refused), //
		record(7, 0, 310, 310, 310, 310, trace.Refused), //
	)
	got := sim.Measure(tr, nil)
	want := sim.Metrics{
		Requests: 8, OnTime: 3, Late: 1, Dropped: 1, Refused: 2, Failed: 1,
		SLO:               sim.NewProportion(3, 8),
		MeanAccuracy:      (0.75 + 0.5 + 0.75 + 0.5) / 4,
		AccuracyOverAll:   (0.75 + 0.5 + 0.75 + 0.5) / 8,
		EffectiveAccuracy: (0.75 + 0.75 + 0.5) / 8,
		AccuracyOrigins:   []family.AccuracyOrigin{family.AccuracyStandIn, family.AccuracyMeasured},
		Levels:            []int{2, 2}, Switches: 3, Switching: 30 * ms,
		// Standard deviations over 30, 40, 50, 70: squares 306.25+56.25+6.25+506.25 = 875, /3 = 291.67.
		Latency: sim.Summary{N: 4, Min: 30 * ms, P50: 40 * ms, P90: 70 * ms, P99: 70 * ms, Max: 70 * ms, Mean: 47500 * time.Microsecond, Std: 17078251},
		// 50, 110, 175, 185: mean 130, squares 6400+400+2025+3025 = 11850, /3 = 3950.
		Response: sim.Summary{N: 4, Min: 50 * ms, P50: 110 * ms, P90: 185 * ms, P99: 185 * ms, Max: 185 * ms, Mean: 130 * ms, Std: 62849025},
		// 0, 70, 105, 155: mean 82.5, squares 6806.25+156.25+506.25+5256.25 = 12725, /3 = 4241.67.
		Wait: sim.Summary{N: 4, Min: 0, P50: 70 * ms, P90: 155 * ms, P99: 155 * ms, Max: 155 * ms, Mean: 82500 * time.Microsecond, Std: 65128079},
		// In order of arrival: hit, miss, miss, hit, miss, hit, miss, miss.
		LongestMissRun: 2, MissAfterMiss: sim.NewProportion(2, 4),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestMeasureNothing(t *testing.T) {
	got := sim.Measure(traceOf(), traffic.Profile{{At: 0, Slowdown: 2}})
	if got.Requests != 0 || got.SLO.High != 1 || got.MeanAccuracy != 0 || got.EffectiveAccuracy != 0 || len(got.Compliance) != 0 {
		t.Errorf("an empty trace gives %+v", got)
	}
	// A record that no reader lets through does no harm.
	got = sim.Measure(traceOf(record(0, 7, 0, 0, 0, 10, trace.OnTime)), nil)
	if got.MeanAccuracy != unit.Accuracy(0) || got.OnTime != 1 {
		t.Errorf("an unknown level gives %+v", got)
	}
}

// frames returns a trace with one inference after the other, all of them 50 ms or, where the text has an
// x, 70 ms; a d is dropped. The limit is 60 ms.
func frames(text string) *trace.Trace {
	tr := traceOf()
	at := 0
	for i, c := range text {
		latency, outcome := 50, trace.OnTime
		switch c {
		case 'x':
			latency, outcome = 70, trace.Late
		case 'd':
			latency, outcome = 0, trace.Dropped
		}
		tr.Records = append(tr.Records, record(int64(i), 0, at, at, at, at+latency, outcome))
		if c == 'd' {
			latency = 20
		}
		at += latency
	}
	return tr
}

const kept20 = "...................." // twenty frames

func TestCompliance(t *testing.T) {
	tests := []struct {
		name, frames string
		want         sim.Compliance
	}{
		// The step comes at 100 ms, as the third frame starts; two frames end before or at it.
		{"at once", ".." + kept20, sim.Compliance{Complied: true, Lasting: true, Frames: 20}},
		{"after three", "..xxx" + kept20, sim.Compliance{Complied: true, Lasting: true, After: 210 * ms, Before: 3, Over: 3, Frames: 23}},
		{"too short to tell", "..x" + kept20[1:], sim.Compliance{After: 1020 * ms, Before: 20, Over: 1, Frames: 20}},
		{"never", "..xxxxx", sim.Compliance{After: 350 * ms, Before: 5, Over: 5, Frames: 5}},
		{"luck does not count", "..xx...x" + kept20, sim.Compliance{Complied: true, Lasting: true, After: 360 * ms, Before: 6, Over: 3, Frames: 26}},
		{"one bad frame later", "..x" + kept20 + "x" + kept20, sim.Compliance{Complied: true, Lasting: true, After: 70 * ms, Before: 1, Over: 2, Frames: 42}},
		{"left again", "..x" + kept20 + "xx" + kept20, sim.Compliance{Complied: true, After: 70 * ms, Before: 1, Over: 3, Frames: 43}},
		{"swings", "..x" + kept20 + "x" + kept20[2:] + "x", sim.Compliance{Complied: true, After: 70 * ms, Before: 1, Over: 3, Frames: 41}},
		{"rare swings", "..x" + kept20 + "x" + kept20[1:] + "x", sim.Compliance{Complied: true, Lasting: true, After: 70 * ms, Before: 1, Over: 3, Frames: 42}},
		{"dropped is broken", "..dd" + kept20, sim.Compliance{Complied: true, Lasting: true, After: 40 * ms, Before: 2, Over: 2, Frames: 22}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := sim.Measure(frames(tt.frames), traffic.Profile{{At: 100 * ms, Slowdown: 1.5, What: "load"}})
			tt.want.At, tt.want.What, tt.want.From, tt.want.To = 100*ms, "load", 1, 1.5
			if d := cmp.Diff([]sim.Compliance{tt.want}, got.Compliance); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// Only rises count; a frame belongs to all rises that it touches, and to none after the next step.
func TestComplianceOfSeveralSteps(t *testing.T) {
	profile := traffic.Profile{
		{At: 75 * ms, Slowdown: 1.2}, // in the second frame
		{At: 1100 * ms, Slowdown: 1}, // no rise
		{At: 1250 * ms, Slowdown: 0.5},
		{At: 1300 * ms, Slowdown: 1},
		{At: 2000 * ms, Slowdown: 3}, // after the end
	}
	got := sim.Measure(frames("."+"x"+kept20+"......"), profile).Compliance // 1 x 50, 1 x 70, 26 x 50: 1420 ms
	want := []sim.Compliance{
		{At: 75 * ms, From: 1, To: 1.2, Complied: true, Lasting: true, After: 45 * ms, Before: 1, Over: 1, Frames: 21}, // up to the one that starts at 1070
		{At: 1300 * ms, From: 0.5, To: 1, After: 120 * ms, Before: 3, Frames: 3},                                       // those that end at 1320, 1370 and 1420: too few
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	noLimit := frames("xxxx")
	for i := range noLimit.Records {
		noLimit.Records[i].Observation.Limit = 0
	}
	if got := sim.Measure(noLimit, profile).Compliance; len(got) != 0 {
		t.Errorf("without a limit: %+v", got)
	}
}

// Wilson's intervals as tabulated in R. G. Newcombe, "Two-sided confidence intervals for the single
// proportion", Statistics in Medicine 17, 1998, table I, method 3.
func TestProportion(t *testing.T) {
	for _, tt := range []struct {
		hits, trials int
		low, high    float64
	}{
		{81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0, 0.1611}, {1, 29, 0.0061, 0.1718},
		{20, 20, 1 - 0.1611, 1}, {0, 0, 0, 1},
	} {
		p := sim.NewProportion(tt.hits, tt.trials)
		if math.Abs(p.Low-tt.low) > 5e-5 || math.Abs(p.High-tt.high) > 5e-5 || p.Hits != tt.hits || p.Trials != tt.trials {
			t.Errorf("%d of %d: %+v, want [%g, %g]", tt.hits, tt.trials, p, tt.low, tt.high)
		}
		if tt.trials > 0 && p.Share != float64(tt.hits)/float64(tt.trials) || p.Share < p.Low || p.Share > p.High {
			t.Errorf("%d of %d: share %g outside [%g, %g]", tt.hits, tt.trials, p.Share, p.Low, p.High)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("3 of 2 does not panic")
		}
	}()
	sim.NewProportion(3, 2)
}

func TestSummarize(t *testing.T) {
	sample := []time.Duration{5, 1, 4, 2, 3}
	// Quantiles by nearest rank: ceil(0.5*5) = 3rd, ceil(4.5) = 5th; deviation sqrt(10/4) = 1.58.
	want := sim.Summary{N: 5, Min: 1, P50: 3, P90: 5, P99: 5, Max: 5, Mean: 3, Std: 2}
	if d := cmp.Diff(want, sim.Summarize(sample)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if sample[0] != 5 {
		t.Error("Summarize sorts its argument")
	}
	var hundred []time.Duration
	for i := range 200 {
		hundred = append(hundred, time.Duration(i+1))
	}
	if s := sim.Summarize(hundred); s.P50 != 100 || s.P90 != 180 || s.P99 != 198 || s.Max != 200 {
		t.Errorf("1 to 200: %+v", s)
	}
	if s := sim.Summarize([]time.Duration{7}); s != (sim.Summary{N: 1, Min: 7, P50: 7, P90: 7, P99: 7, Max: 7, Mean: 7}) {
		t.Errorf("one value: %+v", s)
	}
	if s := sim.Summarize(nil); s != (sim.Summary{}) {
		t.Errorf("no values: %+v", s)
	}
}
