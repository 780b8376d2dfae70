package sim_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/sim"
)

// segment is a run of inferences at one level.
type segment struct {
	level, n   int
	start, end time.Duration
	mean       float64 // latency, ms
}

// segments returns the runs of a level of the inferences that start at or after a time.
func segments(r *sim.Result, from time.Duration) []segment {
	var all []segment
	for _, rec := range r.Trace.Records {
		if rec.Start < from {
			continue
		}
		if n := len(all); n == 0 || all[n-1].level != rec.Decision.Level {
			all = append(all, segment{level: rec.Decision.Level, start: rec.Start})
		}
		s := &all[len(all)-1]
		s.n++
		s.end = rec.End
		s.mean += (rec.End - rec.Start).Seconds() * 1e3
	}
	for i := range all {
		all[i].mean /= float64(all[i].n)
	}
	return all
}

const disturbed = 2470 * ms

// TestFig7Ladder holds the published policy to the published figure: segment means of 62.9, 60.8 and
// 52.9 ms after the disturbance (digitised), at the figure's L4, L3 and L2, which are our levels 3, 2
// and 1. The model takes the family's latencies times 1.23: 62.83, 60.81 and 55.87 ms.
func TestFig7Ladder(t *testing.T) {
	r := run(t, sim.Config{Scenario: builtin(t, "fig7"), Family: paper(t), Policy: "ladder"})
	got := segments(r, disturbed)
	want := []struct {
		level int
		mean  float64
	}{{3, 62.9}, {2, 60.8}, {1, 52.9}}
	if len(got) < len(want) {
		t.Fatalf("%d segments after the disturbance: %+v", len(got), got)
	}
	for i, w := range want {
		t.Logf("level %d: %d images, %v to %v, mean %.2f ms (figure %.1f, %+.1f%%)", got[i].level, got[i].n, got[i].start, got[i].end, got[i].mean, w.mean, 100*(got[i].mean/w.mean-1))
		if got[i].level != w.level || math.Abs(got[i].mean/w.mean-1) > 0.06 {
			t.Errorf("segment %d is level %d at %.2f ms, want level %d at %.1f ms within 6%%", i, got[i].level, got[i].mean, w.level, w.mean)
		}
	}
	for i := 1; i < 3; i++ {
		if gap := got[i].start - got[i-1].end; gap != 580*ms {
			t.Errorf("gap of %v before level %d, want the scenario's 580ms", gap, got[i].level)
		}
	}
	c := compliance(t, r)
	t.Logf("ladder: %+v", c)
	if !c.Complied || c.After != got[2].start-disturbed {
		t.Errorf("compliance after %v, want at the start of level 1, %v after the disturbance", c.After, got[2].start-disturbed)
	}
}

// TestFig7LadderTime reads the figure's 6.15 s. Its L4 begins anew at 2.45 s, after a gap, and 0.02 s
// later the training job starts; so the manager counts its 40 images from the disturbance on, which
// the scenario says by restart_at. Without it the rule complies earlier, after 4.64 s.
func TestFig7LadderTime(t *testing.T) {
	c := compliance(t, run(t, sim.Config{Scenario: builtin(t, "fig7"), Family: paper(t), Policy: "ladder"}))
	t.Logf("compliance after %v, figure 6.15s", c.After)
	if off := math.Abs(c.After.Seconds()/6.15 - 1); !c.Complied || !c.Lasting || off > 0.02 {
		t.Errorf("compliance after %v, lasting %v, want 6.15s within 2%%", c.After, c.Lasting)
	}
	c = compliance(t, run(t, sim.Config{Scenario: builtin(t, "fig7"), Family: paper(t), Policy: "ladder", Params: map[string]string{"restart_at": "0s"}}))
	if c.After < 4500*ms || c.After > 4800*ms {
		t.Errorf("without a restart compliance after %v, want about 4.64s", c.After)
	}
}

func TestFig7Others(t *testing.T) {
	results, err := sim.Compare(t.Context(), sim.Config{Scenario: builtin(t, "fig7"), Family: paper(t)}, []string{"slack", "static:3"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	slack, static := compliance(t, results[0]), compliance(t, results[1])
	t.Logf("slack: %+v", slack)
	if !slack.Complied || !slack.Lasting || slack.Before > 3 || slack.Over > 3 {
		t.Errorf("slack complies only after %d frames: %+v", slack.Before, slack)
	}
	if static.Complied || static.Lasting || static.Over < static.Frames-1 { // one is half done at the disturbance
		t.Errorf("static:3 complies: %+v", static)
	}
}

func compliance(t *testing.T, r *sim.Result) sim.Compliance {
	t.Helper()
	if len(r.Metrics.Compliance) != 1 {
		t.Fatalf("%d compliances, want one: %+v", len(r.Metrics.Compliance), r.Metrics.Compliance)
	}
	return r.Metrics.Compliance[0]
}

// The published rule swings for ever at a slow-down of 1.35 and ends at 1.5 (traced by hand from the
// authors' code: 4 3 2 1 0 1 0 1 0 ... and 4 3 2 1 0 exit); at 2.3 every latency is over 90 ms, so it
// sees none and stays. Our policy serves on, and does not swing.
func TestSlowdownsThatBreakTheLadder(t *testing.T) {
	for _, slowdown := range []float64{1.35, 1.5, 2.3} {
		s := builtin(t, "fig7")
		s.Duration = 60 * time.Second
		s.Disturbances[0].Profile[0].Slowdown = slowdown
		results, err := sim.Compare(t.Context(), sim.Config{Scenario: s, Family: paper(t)}, []string{"ladder", "slack"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		ladder, slack := results[0].Metrics, results[1].Metrics
		var levels []int
		for _, seg := range segments(results[0], disturbed) {
			levels = append(levels, seg.level)
		}
		t.Logf("x%g: ladder %v, refused %d, slack %d switches", slowdown, levels, ladder.Refused, slack.Switches)
		switch slowdown {
		case 1.35:
			if ladder.Refused > 0 || ladder.Switches < 8 || ladder.Compliance[0].Lasting || !slices.Equal(levels[:6], []int{3, 2, 1, 0, 1, 0}) {
				t.Errorf("x%g: the ladder does not swing: %v", slowdown, levels)
			}
		case 1.5:
			if ladder.Refused == 0 || ladder.Compliance[0].Complied || !slices.Equal(levels, []int{3, 2, 1, 0}) {
				t.Errorf("x%g: the ladder goes on: %v", slowdown, levels)
			}
		case 2.3:
			if ladder.Refused > 0 || ladder.Compliance[0].Complied || !slices.Equal(levels, []int{3}) {
				t.Errorf("x%g: the ladder moves: %v", slowdown, levels)
			}
		}
		if slack.Refused+slack.Dropped > 0 || slack.Switches > 6 {
			t.Errorf("x%g: slack: %+v", slowdown, slack)
		}
	}
}
