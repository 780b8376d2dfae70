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
