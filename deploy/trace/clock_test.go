package trace_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// clocked is the small trace with a family whose second processor has two clock steps, decided at the second.
func clocked(t testing.TB) *trace.Trace {
	tr := small(t)
	f := &tr.Header.Family
	f.Clocks = []family.Clocks{{Processor: f.Processors()[1], Steps: []unit.Hertz{5e8, 1e9}, Effect: 5, Source: "test"}}
	for i := range f.Levels {
		l := &f.Levels[i].Latencies[1]
		l.Points = []family.Point{{Latency: 2 * l.Latency, Energy: 0.1}, {Latency: l.Latency, Energy: 0.3}}
	}
	for i := range tr.Records {
		if d := &tr.Records[i].Decision; d.Action == policy.Serve && d.Processor == 1 {
			d.Clock = 2
		}
	}
	return tr
}

func TestClockColumn(t *testing.T) {
	tr := clocked(t)
	file := text(t, tr)
	if names := lines(file)[1]; !strings.Contains(names, ",processor,clock,reason,") {
		t.Errorf("columns are %s", names)
	}
	got, err := trace.Read("", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tr.Records, got.Records); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	served := false
	for i := range tr.Records {
		if c, ok := tr.Records[i].Completion(); ok && tr.Records[i].Decision.Processor == 1 {
			served = true
			if c.Clock != 2 {
				t.Errorf("completion %+v", c)
			}
		}
		if tr.Records[i].Decision.Clock == 2 {
			tr.Records[i].Decision.Clock = 3
		}
	}
	if !served {
		t.Error("nothing was served at a clock step")
	}
	var b strings.Builder
	if _, err := tr.WriteTo(&b); err == nil || !strings.Contains(err.Error(), "clock step 3 is outside [0, 2]") {
		t.Errorf("error %v", err)
	}
}

// stepped is the clocked trace with ranges of steps that could be had.
func stepped(t testing.TB) *trace.Trace {
	tr := clocked(t)
	tr.Header.Steps = true
	ranges := [][]policy.StepRange{nil, {{}, {Low: 1, High: 2}}, {{}, {Low: 2, High: 2}}}
	for i := range tr.Records {
		tr.Records[i].Observation.Steps = ranges[i%len(ranges)]
	}
	return tr
}

// The steps that could be had stand in a column of their own, and decisions keep to them, save the caller's.
func TestStepsColumn(t *testing.T) {
	tr := stepped(t)
	file := text(t, tr)
	if names := lines(file)[1]; !strings.Contains(names, ",min_accuracy,steps,queue,") {
		t.Errorf("columns are %s", names)
	}
	got, err := trace.Read("", strings.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for i := range tr.Records {
		if !tr.Records[i].Equal(&got.Records[i]) || cmp.Diff(tr.Records[i].Observation, got.Records[i].Observation) != "" {
			t.Errorf("record %d: %+v, want %+v", i, got.Records[i], tr.Records[i])
		}
	}
	for want, change := range map[string]func(tr *trace.Trace){
		"clock step 2 cannot be had, only 1 to 1": func(tr *trace.Trace) {
			for i := range tr.Records {
				tr.Records[i].Observation.Steps = []policy.StepRange{{}, {Low: 1, High: 1}}
			}
		},
		"clock steps 2 to 3 of": func(tr *trace.Trace) { tr.Records[0].Observation.Steps = []policy.StepRange{{}, {Low: 2, High: 3}} },
		"clock steps 1 to 1 of": func(tr *trace.Trace) { tr.Records[0].Observation.Steps = []policy.StepRange{{Low: 1, High: 1}, {}} },
		"clock steps of 1 processors of 2": func(tr *trace.Trace) {
			tr.Records[0].Observation.Steps = []policy.StepRange{{}}
		},
		"the header does not say steps": func(tr *trace.Trace) { tr.Header.Steps = false },
	} {
		bad := clocked(t)
		bad.Header.Steps = true
		bad.Records[1].Observation.Steps = []policy.StepRange{{}, {Low: 1, High: 2}}
		change(bad)
		var b strings.Builder
		if _, err := bad.WriteTo(&b); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	for i := range tr.Records { // what the caller decided in spite of the policy may be any step
		if d := &tr.Records[i].Decision; d.Clock > 0 {
			tr.Records[i].Observation.Steps = []policy.StepRange{{}, {Low: 1, High: 1}}
			d.Reason = "runner-clock-denied"
		}
	}
	text(t, tr)
	for _, bad := range []string{"1-", "1-2-3", "01-2;0-0", "0-0;1-300", "1", ";", "0-0;"} {
		row := strings.Replace(file, ",0-0;1-2,", ","+bad+",", 1)
		if row == file {
			t.Fatal("no such row")
		}
		if _, err := trace.Read("", strings.NewReader(row)); err == nil || !strings.Contains(err.Error(), "column steps") {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
