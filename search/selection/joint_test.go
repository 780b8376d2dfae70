package selection_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/selection"
)

// Against every subset of a few networks that two processors order differently: never better than the
// best or the stated bound, and in all but a few cases the best.
func TestChooseJoint(t *testing.T) {
	missed := 0
	const cases = 60
	for seed := range uint64(cases) {
		rng := rand.New(rand.NewPCG(seed, 3))
		points := make([][]search.Objectives, 2)
		for range 11 {
			a := unit.Accuracy(0.5 + 0.3*rng.Float64())
			for p := range points {
				points[p] = append(points[p], search.Objectives{Accuracy: a, Latency: unit.Milliseconds(5 + 40*float64(a) + 15*rng.Float64())})
			}
		}
		got, err := selection.ChooseJoint(points, 4, nil)
		if err != nil {
			t.Fatal(err)
		}
		var want unit.Accuracy
		for set := range 1 << 11 {
			var sets [2][]search.Objectives
			for i := range 11 {
				if set>>i&1 == 1 {
					sets[0], sets[1] = append(sets[0], points[0][i]), append(sets[1], points[1][i])
				}
			}
			if len(sets[0]) > 4 || !hasFastest(sets[0], points[0]) || !hasFastest(sets[1], points[1]) {
				continue
			}
			want = max(want, (selection.Expected(sets[0], got.Limits[0])+selection.Expected(sets[1], got.Limits[1]))/2)
		}
		if got.Expected > want+1e-12 || got.Expected > got.Bound+1e-12 || len(got.Indices) > 4 {
			t.Errorf("seed %d: %+v, the best is %v", seed, got, want)
		}
		if got.Expected < want-1e-12 {
			missed++
		}
		if !slices.IsSortedFunc(got.Indices, func(a, b int) int {
			return int(1e9 * float64(points[0][a].Accuracy-points[0][b].Accuracy))
		}) {
			t.Errorf("seed %d: levels %v are not ascending in accuracy", seed, got.Indices)
		}
	}
	if missed > cases/10 {
		t.Errorf("%d of %d choices are not the best", missed, cases)
	}
	for name, levels := range map[string]int{"too few": 1, "too many": 65} {
		if _, err := selection.ChooseJoint(make([][]search.Objectives, 2), levels, nil); err == nil {
			t.Errorf("%s levels: no error", name)
		}
	}
}

func hasFastest(set, all []search.Objectives) bool {
	least := func(list []search.Objectives) unit.Nanoseconds {
		l := unit.Nanoseconds(1e18)
		for _, o := range list {
			l = min(l, o.Latency)
		}
		return l
	}
	return least(set) == least(all)
}
