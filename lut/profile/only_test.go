package profile_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// TestOnly measures some blocks by themselves: with the same latencies as in a full profile, seams taken off, in fewer visits; and a
// table in which they were wrong is right after they are replaced.
func TestOnly(t *testing.T) {
	s := tiny(t)
	meter := func() *fakeMeter {
		m := newFakeMeter(s, 0, 1)
		m.edge = func(sh supernet.Shape) float64 { return math.Floor(200 + float64(sh.Size*sh.Size*sh.Channels)/100) }
		return m
	}
	cfg := config(s)
	cfg.Seams, cfg.Networks = 3, 12
	m := meter()
	full, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	all := len(m.visits)
	wrong := *full
	wrong.Entries = append([]lut.Entry(nil), full.Entries...)
	var only []lut.Key
	for i := 3; i < len(wrong.Entries) && len(only) < 2; i += 9 {
		if e := &wrong.Entries[i]; e.Key.Resolution == full.Entries[0].Key.Resolution {
			e.Latency = lut.MeanOnly(5, 10*e.Latency.P50, 0)
			only = append(only, e.Key)
		}
	}
	cfg.Only, cfg.Resolutions = only, nil
	m = meter()
	fresh, err := measure(t.Context(), cfg, m)
	if err != nil {
		t.Fatal(err)
	}
	if len(fresh.Entries) != len(only) || len(fresh.Networks) != 0 || 2*len(m.visits) > all {
		t.Errorf("%d entries in %d visits, a full profile takes %d; %d networks", len(fresh.Entries), len(m.visits), all, len(fresh.Networks))
	}
	fixed, err := wrong.Replace(fresh)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range fixed.Entries {
		if want := full.Entries[i]; e.Key != want.Key || math.Abs(float64(e.Latency.P50-want.Latency.P50)) > 0.02*float64(want.Latency.P50) {
			t.Errorf("%v: %v, in a full profile %v", e.Key, e.Latency.P50, want.Latency.P50)
		}
	}
	again, err := fixed.Replace(fresh)
	if err != nil || fact(again, "entries measured again, 2") == "" || len(again.Warnings) < 1 {
		t.Errorf("replaced twice: %v", err)
	}
	// Of grades the table says once, and what is true now.
	doubtful, few := wrong, *fresh
	few.Grade, doubtful.Grade = lut.GradeD, lut.GradeD
	few.Warnings = append(slices.Clone(fresh.Warnings), few.GradeWarning())
	doubtful.Warnings = append(slices.Clone(wrong.Warnings), doubtful.GradeWarning())
	graded, err := doubtful.Replace(&few)
	if err != nil {
		t.Fatal(err)
	}
	grades := slices.DeleteFunc(slices.Clone(graded.Warnings), func(w string) bool { return !strings.HasPrefix(w, "trust grade") })
	if len(grades) != 1 || grades[0] != graded.GradeWarning() || !strings.Contains(grades[0], fmt.Sprintf("of %d entries", len(graded.Entries))) {
		t.Errorf("it says of grades %q", grades)
	}
	// What does not belong there is refused.
	other := *fresh
	other.Point.Threads++
	if _, err := wrong.Replace(&other); err == nil || !strings.HasSuffix(err.Error(), "point: threads is unknown, the other is 1") {
		t.Errorf("entries of other threads: %v", err)
	}
	other = *fresh
	other.Entries = []lut.Entry{{Key: lut.Key{Resolution: 999, Block: only[0].Block}, Latency: fresh.Entries[0].Latency}}
	if _, err := wrong.Replace(&other); err == nil || !strings.Contains(err.Error(), "no entry") {
		t.Errorf("an entry that the table lacks: %v", err)
	}
}

// TestOnlyRefusals names keys that the space does not have.
func TestOnlyRefusals(t *testing.T) {
	s := tiny(t)
	cfg := config(s)
	cfg.Resolutions = nil
	cfg.Only = []lut.Key{{Resolution: 160, Block: supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 3, Channels: 3}, Out: supernet.Shape{Size: 1, Channels: 3}}}}
	if _, err := measure(t.Context(), cfg, newFakeMeter(s, 0, 1)); err == nil || !strings.Contains(err.Error(), "no block r=160 pool") {
		t.Errorf("error %v", err)
	}
	cfg.Resolutions = []int{128}
	if err := cfg.Validate(); err == nil {
		t.Error("other resolutions than those of the entries are accepted")
	}
}
