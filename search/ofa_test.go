package search_test

import (
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
)

func TestOFA(t *testing.T) {
	p := twoPoints(1)
	p.Constraints = mustConstrain(t, "latency(gpu) <= 150us")
	r, err := search.Run(ctx, p, search.Settings{Method: search.OFA{Generations: 20}, Population: 40})
	if err != nil {
		t.Fatal(err)
	}
	best := r.Front[len(r.Front)-1].Accuracy
	var want unit.Accuracy
	for _, a := range enumerate(t, p.Space) {
		if valueOf(t, p, search.Quantity{Kind: search.KindLatency, Point: "gpu"}, a) <= 150e3 {
			want = max(want, unit.Accuracy(valueOf(t, p, search.Quantity{Kind: search.KindAccuracy}, a)))
		}
	}
	// 20 generations of 40 in a space of 9,248 networks.
	if best > want || best < want*0.95 || r.Stop != search.StopConverged || r.Generations != 21 || r.Evaluations > 850 {
		t.Errorf("best accuracy %v of %v, stop %q after %d generations and %d evaluations", best, want, r.Stop, r.Generations, r.Evaluations)
	}
	for _, constraints := range [][]string{nil, {"accuracy >= 1%"}, {"latency >= 1us"}, {"macs <= 10M", "params <= 1M"}} {
		p.Constraints = mustConstrain(t, constraints...)
		if _, err := search.Run(ctx, p, search.Settings{Method: search.OFA{}}); err == nil || !strings.Contains(err.Error(), "exactly one constraint") {
			t.Errorf("constraints %v: error %v", constraints, err)
		}
	}
	if err := (search.OFA{MutateProb: 2, Attempts: -1}).Validate(); err == nil {
		t.Error("a probability of 2 is valid")
	}
}

// The authors' code (all its settings as published, this predictor and table, the whole space, 3 seeds) found
// .8246 to .8280 within 1600 ms and .8303 to .8317 within 22 ms; its port must lie about there after as many
// generations, and not beat the best known (.8320, .8318).
func TestOFAReproducesAuthors(t *testing.T) {
	for i, c := range []struct {
		limit     string
		low, high unit.Accuracy
	}{{"latency <= 1600ms", 0.8225, 0.8305}, {"latency <= 22ms", 0.828, 0.83185}} {
		p := xaviers[i].problem(t)
		p.Constraints = mustConstrain(t, c.limit)
		r, err := search.Run(ctx, p, search.Settings{Method: search.OFA{}, Evaluations: 60_000, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		best := r.Front[len(r.Front)-1]
		t.Logf("%s: %.4f after %d different networks", c.limit, float64(best.Accuracy), r.Evaluations)
		// 50,100 networks, of which theirs judged a median of 25,500 different ones.
		if best.Accuracy < c.low || best.Accuracy > c.high || r.Evaluations > 50_103 {
			t.Errorf("%s: %.4f after %d evaluations", c.limit, float64(best.Accuracy), r.Evaluations)
		}
	}
}
