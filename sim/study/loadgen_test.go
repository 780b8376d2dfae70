package study_test

import (
	"testing"

	"github.com/dynofa/dynofa/sim/study"
)

// TestOfflineWithoutAnswers: a run that answers nothing has no throughput, and an outcome that can be stored.
func TestOfflineWithoutAnswers(t *testing.T) {
	text := "family: paper-gpu6\nprocessor: gpu\narrivals: {kind: offline, samples: 100}\nlimit: 1ms\nrequests: 100\nseed: 4\n"
	cache := &memory{entries: map[string]study.Entry{}}
	results, err := study.Run(t.Context(), study.Plan{Cells: []study.Cell{cell(t, "offline", text)}, Cache: cache,
		Specs: []study.Spec{{Policy: "static-drop", Params: map[string]string{"level": "0"}}}, Oracle: study.WithoutOracle})
	if err != nil {
		t.Fatal(err)
	}
	if l := results[0].Apps[0].Policies[0].Outcomes[0].LoadGen; l == nil || l.PerSecond != 0 || l.Valid {
		t.Errorf("reported %+v", l)
	}
}
