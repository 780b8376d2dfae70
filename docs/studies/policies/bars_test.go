package policies_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
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
		w := newWorld(c, known[c.family], requests)
		var p traffic.Profile
		for i := range 200 {
			at := time.Duration(i+1) * 20 * time.Second
			p = append(p, traffic.Step{At: at, Slowdown: 1.5}, traffic.Step{At: at + 5*time.Second, Slowdown: 1})
		}
		w.scenario.Disturbances = []traffic.Disturbance{{Processor: w.scenario.Processor, Profile: p}}
		best, err := w.optimum(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		q, err := w.play(t.Context(), "qdp", map[string]string{"drops": "1000000", "hopeless": "drop", "caution": "25%"})
		if err != nil {
			t.Fatal(err)
		}
		s, err := w.play(t.Context(), "slackfit", nil)
		if err != nil {
			t.Fatal(err)
		}
		effective := float64(q.Metrics.EffectiveAccuracy)
		fmt.Fprintf(&b, "| %s, %g/s, CV2 %g, %v | %.2f%% | %.2f%% | %.1f%% | %.2f%% | %d | %d | %s |\n", c.family, c.rate, c.cv2, c.limit,
			100*float64(best.EffectiveAccuracy()), 100*effective, 100*effective/float64(best.EffectiveAccuracy()), 100*float64(s.Metrics.EffectiveAccuracy),
			afterSteps(q, p), afterSteps(s, p), recovery(q, p))
	}
	return "\n" + b.String()
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
func recovery(r *sim.Result, p traffic.Profile) string {
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
	return fmt.Sprint(most)
}
