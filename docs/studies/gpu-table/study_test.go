// Package gputable_test is the study of what the flaw of the authors' GPU table costs a family.
package gputable_test

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/selection"
)

var update = flag.Bool("update", false, "rewrite results.md")

// depths is the measured model: a line in the sum of a network's depths.
type depths struct{ offset, block float64 } // ms

func (m depths) ms(a supernet.Arch) float64 {
	sum := 0
	for _, d := range a.D {
		sum += d
	}
	return m.offset + float64(m.block*float64(sum))
}

// Latency implements search.Latency.
func (m depths) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	return unit.Milliseconds(m.ms(a)), nil
}

// fit is the least-squares line through points, and its largest relative error.
func fit(x, y []float64) (offset, slope, worst float64) {
	var mx, my, xx, xy float64
	n := float64(len(x))
	for i := range x {
		mx, my = mx+x[i]/n, my+y[i]/n
	}
	for i := range x {
		xx += (x[i] - mx) * (x[i] - mx)
		xy += (x[i] - mx) * (y[i] - my)
	}
	slope = xy / xx
	offset = my - slope*mx
	for i := range x {
		worst = max(worst, math.Abs(offset+slope*x[i]-y[i])/y[i])
	}
	return offset, slope, worst
}

const (
	levels      = 6
	evaluations = 200_000
)

// chosen is a family: its networks with predicted accuracies, ascending, and latencies as its own
// predictor has them.
type chosen []search.Candidate

func choose(t *testing.T, p search.Problem) chosen {
	t.Helper()
	r, err := search.Run(context.Background(), p, search.Settings{Evaluations: evaluations, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	points := make([]search.Objectives, len(r.Front))
	for i, c := range r.Front {
		points[i] = c.Objectives
	}
	c, err := selection.Choose(points, selection.Rule{Levels: levels})
	if err != nil {
		t.Fatal(err)
	}
	var list chosen
	for _, i := range c.Indices {
		list = append(list, r.Front[i])
	}
	return list
}

// expected is the mean, over limits uniform in [low, high] ms, of the accuracy of the best level whose
// latency in ms keeps the limit; 0 if none does.
func (f chosen) expected(low, high float64, latency func(search.Candidate) float64) float64 {
	const steps = 20_000
	sum := 0.0
	for i := range steps {
		limit, best := low+(high-low)*(float64(i)+0.5)/steps, 0.0
		for _, c := range f {
			if latency(c) <= limit {
				best = max(best, float64(c.Accuracy))
			}
		}
		sum += best
	}
	return sum / steps
}

// trusting is what a manager gets that goes by the family's own latencies: the mean accuracy of answers in
// time, late ones counting 0, and the share of limits that it misses.
func (f chosen) trusting(low, high float64, latency func(search.Candidate) float64) (mean, missed float64) {
	const steps = 20_000
	for i := range steps {
		limit, pick := low+(high-low)*(float64(i)+0.5)/steps, 0
		for level, c := range f {
			if c.Latency.Milliseconds() <= limit {
				pick = level
			}
		}
		if latency(f[pick]) <= limit {
			mean += float64(f[pick].Accuracy) / steps
		} else {
			missed += 1. / steps
		}
	}
	return mean, missed
}

func TestStudy(t *testing.T) {
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	table, err := formats.Read(context.Background(), reftest.Path(t, "xavier-nx", "gpu"), formats.OFAJSON, formats.Meta{
		Space: space, Point: lut.OperatingPoint{Device: "xavier-nx", Processor: "gpu"}, Source: "the authors' GPU table",
	})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := lut.NewPredictor(table, space)
	if err != nil {
		t.Fatal(err)
	}
	paper, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	var sums, measured, summed []float64
	for _, l := range paper.Levels {
		sum, err := raw.Latency(l.Arch)
		if err != nil {
			t.Fatal(err)
		}
		sums, measured, summed = append(sums, depths{0, 1}.ms(l.Arch)), append(measured, l.Latencies[0].Latency.Milliseconds()), append(summed, sum.Milliseconds())
	}
	var model depths
	var worst float64
	model.offset, model.block, worst = fit(sums, measured)
	if math.Abs(model.offset-11.6) > 0.1 || math.Abs(model.block-2.56) > 0.01 || worst > 0.03 {
		t.Errorf("the six networks give %.2f ms + %.3f ms a block, off by %.1f%%", model.offset, model.block, 100*worst)
	}
	offset, scale, calibrated := fit(summed, measured)

	predictor, err := accuracy.Builtin(space)
	if err != nil {
		t.Fatal(err)
	}
	space = space.WithResolutions(table.Resolutions()...)
	byTable := choose(t, search.Problem{Space: space, Latency: raw, Accuracy: predictor})
	byModel := choose(t, search.Problem{Space: space, Latency: model, Accuracy: predictor})
	truth := func(c search.Candidate) float64 { return model.ms(c.Arch) }
	low, high := truth(byModel[0]), truth(byModel[len(byModel)-1])

	var w strings.Builder
	fmt.Fprintf(&w, "# Results of the study of the GPU table\n\nGenerated by `go test ./docs/studies/gpu-table -update`; seed 1, %d evaluations a search.\n\n", evaluations)
	fmt.Fprintf(&w, "Model from the six measured networks: %.2f ms + %.3f ms x (sum of depths), off by at most %.1f%%. The table's sums are\n%.2f to %.2f of the measured values; on the line that fits them best (%.1f ms + %.2f x sum) they are still off by up to %.1f%%.\n\n",
		model.offset, model.block, 100*worst, ratio(summed, measured, math.Min), ratio(summed, measured, math.Max), offset, scale, 100*calibrated)
	for _, f := range []struct {
		name string
		list chosen
	}{{"Family chosen by the table", byTable}, {"Family chosen by the measured model", byModel}} {
		fmt.Fprintf(&w, "%s:\n\n| level | accuracy, predicted | by the table | by the model | sum of depths | r | mean kernel | mean expand ratio |\n|---|---|---|---|---|---|---|---|\n", f.name)
		for i, c := range f.list {
			sum, err := raw.Latency(c.Arch)
			if err != nil {
				t.Fatal(err)
			}
			kernel, expand, n := 0., 0., 0.
			for p, k := range c.Arch.KS {
				if k > 0 {
					kernel, expand, n = kernel+float64(k), expand+c.Arch.E[p], n+1
				}
			}
			fmt.Fprintf(&w, "| %d | %v | %v | %.1f ms | %.0f | %d | %.2f | %.2f |\n", i, c.Accuracy, sum, truth(c), depths{0, 1}.ms(c.Arch), c.Arch.R, kernel/n, expand/n)
		}
		w.WriteString("\n")
	}
	eTable, eModel := byTable.expected(low, high, truth), byModel.expected(low, high, truth)
	mean, missed := byTable.trusting(low, high, truth)
	fmt.Fprintf(&w, "Limits uniform over %.1f to %.1f ms, judged by the model:\n\n| family | its manager goes by | expected accuracy | limits missed |\n|---|---|---|---|\n", low, high)
	fmt.Fprintf(&w, "| by the model | the model | %.2f%% | 0%% |\n| by the table | the model (so calibrated) | %.2f%% | 0%% |\n| by the table | the table's own sums | %.2f%% | %.0f%% |\n", 100*eModel, 100*eTable, 100*mean, 100*missed)
	dominated := 0
	for _, c := range byTable {
		for _, d := range byModel {
			if truth(d) <= truth(c) && d.Accuracy > c.Accuracy {
				dominated++
				break
			}
		}
	}
	fmt.Fprintf(&w, "\nOf the table's %d levels, a level chosen by the model dominates %d.\n", len(byTable), dominated)
	if eTable > eModel {
		t.Errorf("the table's family is better (%.4f) than the model's own (%.4f) by the model", eTable, eModel)
	}

	const file = "results.md"
	if *update {
		if err := os.WriteFile(file, []byte(w.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != w.String() {
		t.Errorf("%s is not what the study gives now; run with -update:\n%s", file, w.String())
	}
}

// ratio returns the smallest or largest quotient.
func ratio(a, b []float64, pick func(x, y float64) float64) float64 {
	r := a[0] / b[0]
	for i := range a {
		r = pick(r, a[i]/b[i])
	}
	return r
}
