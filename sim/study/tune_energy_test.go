package study_test

import (
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/sim/study"
)

const onBoard = "board: jetson-xavier-nx\nmode: \"8\"\n"

// Least energy among those that are on time often enough, and accurate enough.
func TestTuneEnergy(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("long; what runs at once here other tests run too")
	}
	leisurely := onBoard + strings.NewReplacer("limit: 120ms", "limit: 500ms", "requests: 300", "requests: 120").Replace(poisson)
	cells := []study.Cell{cell(t, "a", leisurely), cell(t, "b", strings.Replace(leisurely, "12/s", "6/s", 1))}
	f, err := study.Placed(&cells[0])
	if err != nil || len(f.Clocks) != 1 || len(f.Clocks[0].Steps) != 15 {
		t.Fatalf("%+v, %v", f, err)
	}
	plan := study.Plan{Cells: cells, Specs: append([]study.Spec{{Policy: "static:0"}, {Policy: "static:5"}}, study.EnergyCandidates(f, []string{"qdp"})...)}
	any, _, err := study.Tune(t.Context(), plan, study.Goal{Target: 0.8, Objective: study.LeastEnergy})
	if err != nil {
		t.Fatal(err)
	}
	accurate, _, err := study.Tune(t.Context(), plan, study.Goal{Target: 0.8, Objective: study.LeastEnergy, Accuracy: 0.77})
	if err != nil {
		t.Fatal(err)
	}
	first, second := any[0], accurate[0]
	if first.Spec.Policy != "qdp" || second.Spec.Policy != "qdp" || !first.Reaches || !second.Reaches || first.Energy >= second.Energy ||
		first.LeastAccuracy >= 0.77 || second.LeastAccuracy < 0.77 || first.LeastSLO < 0.8 || second.LeastSLO < 0.8 {
		t.Errorf("least energy: %+v\nat 77%%: %+v", first, second)
	}
	for i, r := range any[1:] {
		if before := any[i]; before.Reaches && r.Reaches && r.Energy < before.Energy || r.Reaches && !before.Reaches {
			t.Errorf("rank %d: %+v after %+v", i+2, r, before)
		}
	}
	if _, _, err := study.Tune(t.Context(), plan, study.Goal{Objective: study.LeastEnergy}); err == nil || !strings.Contains(err.Error(), "needs a target") {
		t.Errorf("error %v", err)
	}
	table, err := study.SolvedTable(t.Context(), plan, first.Spec, study.Goal{Target: 0.8, Objective: study.LeastEnergy})
	if err != nil {
		t.Fatal(err)
	}
	if table != "" { // then it is no worse
		with := first.Spec
		with.Params = map[string]string{"table": table}
		for k, v := range first.Spec.Params {
			with.Params[k] = v
		}
		plan.Specs = []study.Spec{first.Spec, with}
		ranked, _, err := study.Tune(t.Context(), plan, study.Goal{Target: 0.8, Objective: study.LeastEnergy})
		if err != nil || ranked[0].Spec.Params["table"] != table {
			t.Errorf("with its table: %+v, %v", ranked, err)
		}
	}
}
