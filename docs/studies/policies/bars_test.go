package policies_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// wrongTable plays tables that are wrong by 1.5 in windows of 5 s: a step up every 20 s.
func wrongTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| cell | oracle | qdp | of the oracle | slackfit | longest run of misses after a step: qdp | slackfit | inferences after a step until one is on time, at most: qdp |\n|---|---|---|---|---|---|---|---|\n")
	known := families(t)
	seed := uint64(5001)
	for _, c := range []cell{
		{family: "paper-gpu6", rate: 8, cv2: 0, limit: 150 * time.Millisecond}, {family: "paper-gpu6", rate: 8, cv2: 0.25, limit: 150 * time.Millisecond},
		{family: "paper-gpu6", rate: 10, cv2: 1, limit: 150 * time.Millisecond}, {family: "wide-ladder", rate: 30, cv2: 0, limit: 60 * time.Millisecond},
		{family: "wide-ladder", rate: 30, cv2: 0.25, limit: 100 * time.Millisecond}, {family: "wide-ladder", rate: 30, cv2: 1, limit: 100 * time.Millisecond},
	} {
		c.disturbance, c.seed = "noise", seed
		seed++
		w, p := wrongWorld(c, known[c.family], requests)
		best, err := w.optimum(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q, err := w.play(t.Context(), "qdp", oneSetting)
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.play(t.Context(), "slackfit", nil)
		if err != nil {
			t.Fatal(err)
		}
		effective := float64(q.Metrics.EffectiveAccuracy)
		fmt.Fprintf(&b, "| %s, %g/s, CV2 %g, %v | %.2f%% | %.2f%% | %.1f%% | %.2f%% | %d | %d | %d |\n", c.family, c.rate, c.cv2, c.limit,
			100*float64(best.EffectiveAccuracy()), 100*effective, 100*effective/float64(best.EffectiveAccuracy()), 100*float64(s.Metrics.EffectiveAccuracy),
			afterSteps(q, p), afterSteps(s, p), recovery(q, p))
	}
	return "\n" + b.String()
}

// wrongWorld is a cell whose table is wrong by 1.5 for 5 s, every 20 s, with the slow-down.
func wrongWorld(c cell, f *family.Family, requests int) (*world, traffic.Profile) {
	w := newWorld(c, f, requests)
	var p traffic.Profile
	for i := range 200 {
		at := time.Duration(i+1) * 20 * time.Second
		p = append(p, traffic.Step{At: at, Slowdown: 1.5}, traffic.Step{At: at + 5*time.Second, Slowdown: 1})
	}
	w.scenario.Disturbances = []traffic.Disturbance{{Processor: w.scenario.Processor, Profile: p}}
	return w, p
}

// afterSteps returns the longest run of misses, by arrival, among requests that arrived within a second of a
// step up or were still waiting then.
func afterSteps(r *sim.Result, p traffic.Profile) int {
	longest, run := 0, 0
	for i := range r.Trace.Records {
		rec := &r.Trace.Records[i]
		near := false
		for _, s := range p {
			near = near || s.Slowdown > 1 && rec.Deadline > s.At && rec.Arrival < s.At+time.Second
		}
		if !near || rec.Outcome == trace.OnTime {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// recovery returns the largest number of inferences that began after a step up before one was on time, over all
// steps.
func recovery(r *sim.Result, p traffic.Profile) int {
	most := 0
	for _, s := range p {
		if s.Slowdown <= 1 {
			continue
		}
		n := 0
		for i := range r.Trace.Records {
			rec := &r.Trace.Records[i]
			if rec.Start < s.At || !rec.Outcome.Answered() {
				continue
			}
			n++
			if rec.Outcome == trace.OnTime {
				most = max(most, n)
				break
			}
		}
	}
	return most
}

// oneSetting are the parameters of qdpSetting.
var oneSetting = map[string]string{"drops": "1000000", "hopeless": "drop", "doubt": "2.5"}

// TestCells holds qdp with its one setting to the aims, on some of the cells with other random numbers than the study's: no more than
// 0.1 point behind the best of the others, each tuned on the cell, no more than 2% behind the optimum where nothing
// disturbs, and with switches priced at most half of slackfit's switches over the cells where it is no worse.
func TestCells(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("long, and starts no goroutines")
	}
	cells, known := readCells(t), families(t)
	gap, clean, switches, fitSwitches := 0.0, 0, 0, 0
	for _, i := range []int{13, 27, 54, 81, 121, 135} {
		c := cells[i]
		c.seed += 90_000
		outcomes, best, err := compare(t.Context(), c, known[c.family])
		if err != nil {
			t.Fatal(err)
		}
		qdp, steady := outcomes[0], outcomes[1]
		for _, o := range outcomes[ours:] {
			if o.effective > qdp.effective+0.001 {
				t.Errorf("%v: qdp has %.3f%%, %s %.3f%%", c, 100*qdp.effective, o.setting, 100*o.effective)
			}
			if o.policy == "slackfit" && steady.effective >= o.effective {
				switches, fitSwitches = switches+steady.switches, fitSwitches+o.switches
			}
		}
		if c.disturbance == "none" {
			gap += 1 - qdp.effective/best
			clean++
		}
	}
	if fitSwitches == 0 || 2*switches > fitSwitches {
		t.Errorf("%d switches, slackfit makes %d", switches, fitSwitches)
	}
	if clean == 0 || gap/float64(clean) > 0.02 {
		t.Errorf("qdp is %.2f%% behind the optimum in %d cells without disturbance", 100*gap/float64(clean), clean)
	}
}

// TestWrongTable: at least 95% of the optimum while the table is wrong by 1.5 a quarter of the time, no more than three misses in
// a row after a step, and the fifth inference after one is on time.
func TestWrongTable(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("long; what runs at once here other tests run too")
	}
	for _, c := range []cell{
		{family: "paper-gpu6", rate: 8, cv2: 0.25, limit: 150 * time.Millisecond, disturbance: "noise", seed: 7201},
		{family: "wide-ladder", rate: 30, cv2: 0.25, limit: 100 * time.Millisecond, disturbance: "noise", seed: 7202},
	} {
		w, p := wrongWorld(c, families(t)[c.family], 1500)
		best, err := w.optimum(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r, err := w.play(t.Context(), "qdp", oneSetting)
		if err != nil {
			t.Fatal(err)
		}
		if share := float64(r.Metrics.EffectiveAccuracy / best.EffectiveAccuracy()); share < 0.95 || afterSteps(r, p) > 3 || recovery(r, p) > 5 {
			t.Errorf("%v: %.2f%% of the optimum, %d misses in a row after a step, on time with inference %d", c, 100*share, afterSteps(r, p), recovery(r, p))
		}
	}
}

// TestDisturbance plays the paper's figure 7 with qdp: it complies within three frames, where the published ladder takes
// 6.15 s; at 1.35 times it settles, and at 1.5 and 2.3 times it serves on.
func TestDisturbance(t *testing.T) {
	if reftest.RaceDetector {
		t.Skip("long; what runs at once here other tests run too")
	}
	for _, slowdown := range []float64{1.23, 1.35, 1.5, 2.3} {
		s, err := traffic.Builtin("fig7")
		if err != nil {
			t.Fatal(err)
		}
		s.Duration = 60 * time.Second
		s.Disturbances[0].Profile[0].Slowdown = slowdown
		r, err := sim.Run(t.Context(), sim.Config{Scenario: s, Family: families(t)["paper-gpu6"], Policy: "qdp"})
		if err != nil {
			t.Fatal(err)
		}
		m := &r.Metrics
		late := 0 // switches in the last half
		last := -1
		for _, rec := range r.Trace.Records {
			if rec.Start > 30*time.Second {
				if last >= 0 && rec.Decision.Level != last {
					late++
				}
				last = rec.Decision.Level
			}
		}
		if m.Dropped+m.Refused > 0 || late > 0 {
			t.Errorf("x%g: %d requests given up, %d switches after 30 s", slowdown, m.Dropped+m.Refused, late)
		}
		if c := m.Compliance[0]; slowdown <= 1.35 && (!c.Complied || !c.Lasting || c.Before > 3) {
			t.Errorf("x%g: %+v", slowdown, c)
		}
	}
}
