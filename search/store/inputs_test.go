package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/store"
)

// What changes a result, or what its numbers mean, changes the digest; nothing else does.
func TestDigest(t *testing.T) {
	base := inputsOf(t, inventedTable(t))
	want := digest(t, base)
	if len(want) != 64 {
		t.Errorf("digest %q", want)
	}
	for name, c := range map[string]struct {
		change func(*store.Inputs)
		same   bool
	}{
		"nothing":        {func(*store.Inputs) {}, true},
		"workers":        {func(in *store.Inputs) { in.Settings.Workers = 2 }, true},
		"progress":       {func(in *store.Inputs) { in.Settings.Progress = func(search.Progress) {} }, true},
		"default method": {func(in *store.Inputs) { in.Settings.Method = search.DefaultMethod() }, true},
		"table's ID and time": {func(in *store.Inputs) {
			tab := *in.Table
			tab.ID, tab.Created = 7, time.Time{}
			in.Table = &tab
		}, true},
		"order of entries": {func(in *store.Inputs) {
			tab := inventedTable(t)
			tab.Entries[0], tab.Entries[1] = tab.Entries[1], tab.Entries[0]
			in.Table = tab
		}, true},
		"seed":         {func(in *store.Inputs) { in.Settings.Seed++ }, false},
		"population":   {func(in *store.Inputs) { in.Settings.Population++ }, false},
		"evaluations":  {func(in *store.Inputs) { in.Settings.Evaluations++ }, false},
		"method":       {func(in *store.Inputs) { in.Settings.Method = search.NSGA2{MutatedGenes: 2} }, false},
		"reference":    {func(in *store.Inputs) { in.Settings.Reference = search.Objectives{Accuracy: 0.5, Latency: 1e9} }, false},
		"initial":      {func(in *store.Inputs) { in.Settings.Initial = []supernet.Arch{in.Problem.Space.Smallest()} }, false},
		"resolutions":  {func(in *store.Inputs) { in.Problem.Space = in.Problem.Space.WithResolutions(160) }, false},
		"an entry":     {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Entries[5].Latency.Mean++ }, false},
		"its sample":   {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Entries[5].Latency.N++ }, false},
		"origin":       {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Origin = lut.Measured }, false},
		"source":       {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Source = "elsewhere" }, false},
		"calibration":  {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Calibration.Scale = 2 }, false},
		"clock":        {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Point.CPUClock = 1e9 }, false},
		"its warnings": {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Warnings = []string{"!"} }, false},
		"accuracy":     {func(in *store.Inputs) { in.Problem.Accuracy = renamed{in.Problem.Accuracy} }, false},
	} {
		in := base
		c.change(&in)
		if got := digest(t, in); (got == want) != c.same {
			t.Errorf("%s: the digest is the same: %v, want %v", name, got == want, c.same)
		}
	}
	for name, c := range map[string]struct {
		change func(*store.Inputs)
		want   string
	}{
		"no table":     {func(in *store.Inputs) { in.Table = nil }, "needs a latency table"},
		"other space":  {func(in *store.Inputs) { in.Table = inventedTable(t); in.Table.Space = "x" }, `table is for space "x"`},
		"no accuracy":  {func(in *store.Inputs) { in.Problem.Accuracy = nil }, "no accuracy predictor"},
		"bad settings": {func(in *store.Inputs) { in.Settings.Population = 1 }, "population 1"},
		"terminate":    {func(in *store.Inputs) { in.Settings.Terminate = search.Stagnation(3, 0.1) }, "cannot be found again"},
	} {
		in := base
		c.change(&in)
		if _, err := in.Digest(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
}

// renamed is a predictor under another name.
type renamed struct{ accuracy.Predictor }

func (r renamed) Describe() accuracy.Description {
	d := r.Predictor.Describe()
	d.Name = "another"
	return d
}
