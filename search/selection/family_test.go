package selection_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/selection"
)

// perDepth predicts a latency for each active block.
type perDepth unit.Nanoseconds

func (p perDepth) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	if a.R == 128 {
		return 0, &lut.MissingError{}
	}
	n := 0
	for _, d := range a.D {
		n += d
	}
	return unit.Nanoseconds(p) * unit.Nanoseconds(n), nil
}

func setting(t *testing.T) ([]search.Candidate, selection.Options) {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var front []search.Candidate
	for i, d := range []int{2, 3, 4} {
		front = append(front, search.Candidate{Arch: space.Uniform(3, 4, d, 192), Objectives: point(float64(10*d), 0.7+0.05*float64(i))})
	}
	return front, selection.Options{
		Name: "six", Space: space, Source: "a search",
		Accuracy: accuracy.Description{Name: "curve", Origin: accuracy.Standin, Note: "not an accuracy"},
		Processors: []selection.Processor{
			{Name: "cpu", Latency: perDepth(unit.Milliseconds(10)), Origin: lut.Imported, Source: "a file"},
			{Name: "gpu", Latency: perDepth(unit.Milliseconds(1)), Origin: lut.Measured, Source: "here"},
		},
		Notes: []string{"a warning"},
	}
}

func TestFamily(t *testing.T) {
	front, options := setting(t)
	f, err := selection.Family(front, selection.Rule{Levels: 3}, options)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Processors(); !cmp.Equal(got, []string{"cpu", "gpu"}) {
		t.Errorf("processors %v", got)
	}
	for i, l := range f.Levels {
		blocks := unit.Nanoseconds(5 * (2 + i)) // five stages
		want := []family.Latency{
			{Processor: "cpu", Latency: blocks * unit.Milliseconds(10), Origin: lut.Imported, Source: "a file"},
			{Processor: "gpu", Latency: blocks * unit.Milliseconds(1), Origin: lut.Measured, Source: "here"},
		}
		if diff := cmp.Diff(want, l.Latencies); diff != "" {
			t.Errorf("level %d (-want +got):\n%s", i, diff)
		}
		macs, _ := options.Space.MACs(front[i].Arch)
		params, _ := options.Space.Params(front[i].Arch)
		if l.MACs != macs || l.Params != params || l.AccuracyOrigin != family.AccuracyStandIn {
			t.Errorf("level %d: %d multiply-accumulates, %d parameters, accuracy %s", i, l.MACs, l.Params, l.AccuracyOrigin)
		}
		if i < 2 && l.Arch.KS[3] != 0 {
			t.Errorf("level %d is not canonical: %v", i, l.Arch)
		}
	}
	if diff := cmp.Diff([]string{"not an accuracy", "a warning"}, f.Notes); diff != "" {
		t.Errorf("notes (-want +got):\n%s", diff)
	}
	want := "the 3 of 3 non-dominated networks with the highest expected accuracy under a latency limit uniform over 20.00 ms to 40.00 ms; the fastest is kept; 100.0% of the whole front's gain"
	if f.Rule != want {
		t.Errorf("rule %q, want %q", f.Rule, want)
	}
}

func TestFamilyErrors(t *testing.T) {
	for name, c := range map[string]struct {
		change func([]search.Candidate, *selection.Options, *selection.Rule)
		text   string
	}{
		"space":      {func(_ []search.Candidate, o *selection.Options, _ *selection.Rule) { o.Space = nil }, "no space"},
		"processors": {func(_ []search.Candidate, o *selection.Options, _ *selection.Rule) { o.Processors = nil }, "no processors"},
		"origin":     {func(_ []search.Candidate, o *selection.Options, _ *selection.Rule) { o.Accuracy.Origin = "guess" }, `origin "guess"`},
		"levels":     {func(_ []search.Candidate, _ *selection.Options, r *selection.Rule) { r.Levels = 4 }, "has 3 networks, 4 levels"},
		"other space": {func(f []search.Candidate, _ *selection.Options, _ *selection.Rule) { f[1].Arch.D = []int{2} },
			"level 1: architecture"},
		"name": {func(_ []search.Candidate, o *selection.Options, _ *selection.Rule) { o.Name = "" }, "name or space"},
	} {
		front, options := setting(t)
		rule := selection.Rule{Levels: 3}
		c.change(front, &options, &rule)
		if _, err := selection.Family(front, rule, options); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.text)
		}
	}
}

func TestFamilyMissingEntry(t *testing.T) {
	front, options := setting(t)
	front[2].Arch.R = 128
	_, err := selection.Family(front, selection.Rule{Levels: 3}, options)
	var missing *lut.MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "level 2: processor cpu") {
		t.Errorf("error %v", err)
	}
}
