package search_test

import (
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
)

// xavier is a search over the authors' Xavier NX table of a processor with OFA's predictor, in the space of
// all resolutions that the table has.
type xavier struct {
	processor string
	reference search.Objectives
	// best is the hypervolume, in ms times accuracy, of the best front known: several searchers pooled,
	// more than 2.5e7 evaluations.
	best float64
	// authors is the share of it that the authors' own finder reaches with 501,000 evaluations.
	authors float64
}

var xaviers = []xavier{
	{"cpu", search.Objectives{Accuracy: 0.75, Latency: unit.Milliseconds(2600)}, 147.342, 0.848},
	{"gpu", search.Objectives{Accuracy: 0.75, Latency: unit.Milliseconds(30)}, 1.15701, 0.928},
}

func (x xavier) problem(t testing.TB) search.Problem {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	table, err := formats.Read(ctx, reftest.Path(t, "xavier-nx", x.processor), formats.OFAJSON, formats.Meta{
		Space: space, Point: lut.OperatingPoint{Device: "xavier-nx", Processor: x.processor}})
	if err != nil {
		t.Fatal(err)
	}
	latency, err := lut.NewPredictor(table, space)
	if err != nil {
		t.Fatal(err)
	}
	mlp, err := accuracy.LoadMLP(reftest.Path(t, "ofa", "acc_predictor.pth"))
	if err != nil {
		t.Fatal(err)
	}
	return search.Problem{Space: space, Latency: latency, Accuracy: mlp}
}

// share runs a search and returns its part of the best known hypervolume.
func (x xavier) share(t testing.TB, p search.Problem, s search.Settings) float64 {
	t.Helper()
	s.Reference = x.reference
	r, err := search.Run(ctx, p, s)
	if err != nil {
		t.Fatal(err)
	}
	return r.History[len(r.History)-1].Hypervolume / x.best
}

// Three thousand evaluations beat the authors' 501,000. The benchmark has the shares at 50,000.
func TestBeatsAuthors(t *testing.T) {
	for _, x := range xaviers {
		p := x.problem(t)
		// The authors' tables have 160 to 224 in steps of 4.
		if rs := p.Resolutions(); len(rs) != 17 || rs[0] != 160 || rs[16] != 224 {
			t.Errorf("%s: resolutions %v", x.processor, rs)
		}
		if got := x.share(t, p, search.Settings{Evaluations: 3000, Seed: 1}); got <= x.authors || got > 1 {
			t.Errorf("%s: share %.4f of the best known hypervolume, the authors' finder reaches %.3f", x.processor, got, x.authors)
		}
	}
}

// BenchmarkRun reports the median share of the best known hypervolume over five seeds. The peers reach,
// with as many evaluations: pymoo's NSGA-II .949 and .982, DEAP's .954 and .979.
func BenchmarkRun(b *testing.B) {
	for _, x := range xaviers {
		for _, m := range methods() {
			b.Run(x.processor+"/"+m.String(), func(b *testing.B) {
				p := x.problem(b)
				var shares []float64
				for b.Loop() {
					shares = shares[:0]
					for seed := range uint64(5) {
						shares = append(shares, x.share(b, p, search.Settings{Method: m, Seed: seed + 1}))
					}
				}
				slices.Sort(shares)
				b.ReportMetric(shares[2], "share")
				b.ReportMetric(float64(5*b.N*search.DefaultEvaluations)/b.Elapsed().Seconds(), "evals/s")
			})
		}
	}
}
