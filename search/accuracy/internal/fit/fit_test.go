package fit_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/search/accuracy/internal/fit"
)

// small is a space of three stages, the last one fixed, with an extra of three choices.
func small() *fit.Layout {
	l := fit.NewLayout([]fit.Stage{{1, 2}, {2, 3}, {1}}, []int{3, 5, 7}, []float64{3, 6}, []int{3})
	return &l
}

// truth is a model of two resolutions with random effects.
func truth(l *fit.Layout, seed uint64) *fit.Model {
	rng := rand.New(rand.NewPCG(seed, 1))
	draw := func(n int, sd float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = sd * rng.NormFloat64()
		}
		return x
	}
	m := &fit.Model{Kernel: draw(l.Cells()*3, 0.05), Expand: draw(l.Cells()*2, 0.05), Extra: draw(3, 0.1)}
	for _, ceiling := range []float64{0.7, 0.8} {
		m.At = append(m.At, fit.Level{Ceiling: ceiling, Span: 0.2 * (1 - ceiling), Base: 0.1, Deviation: draw(9, 0.02)})
	}
	return m
}

// share is the ceiling's setting for truth: the factors of a score average about exp(-0.1), so that
// (ceiling-mean)/(1-mean) is 0.18/1.18.
const share = 0.153

// sample draws rows with the accuracies of a model and noise.
func sample(l *fit.Layout, m *fit.Model, seed uint64, n int, sd float64) []fit.Row {
	rng := rand.New(rand.NewPCG(seed, 2))
	rows := make([]fit.Row, n)
	for i := range rows {
		r := fit.Row{Group: i, Resolution: rng.IntN(len(m.At)), Extra: []uint8{uint8(rng.IntN(3))}}
		for _, s := range l.Stages {
			r.Depth = append(r.Depth, uint8(rng.IntN(len(s))))
			for range s.Positions() {
				r.Kernel = append(r.Kernel, uint8(rng.IntN(3)))
				r.Expand = append(r.Expand, uint8(rng.IntN(2)))
			}
		}
		r.Accuracy = m.Predict(l, r) + sd*rng.NormFloat64()
		rows[i] = r
	}
	return rows
}

func predictions(l *fit.Layout, m *fit.Model, rows []fit.Row) (predicted, measured []float64) {
	for _, r := range rows {
		predicted, measured = append(predicted, m.Predict(l, r)), append(measured, r.Accuracy)
	}
	return predicted, measured
}

// A model of the same form, without noise, is found again on networks that it was not fitted to; but
// for its ceiling, which is a setting.
func TestFitFindsTruth(t *testing.T) {
	l := small()
	m := truth(l, 1)
	got, err := fit.Fit(l, sample(l, m, 1, 400, 0), 2, fit.Settings{Ceiling: share, Ridge: 1e-6})
	if err != nil {
		t.Fatal(err)
	}
	p, y := predictions(l, got, sample(l, m, 2, 500, 0))
	s := fit.Compare(p, y)
	t.Logf("%+v", s)
	if s.MAE > 1e-4 || s.Tau < 0.99 { // accuracies spread over 0.62 to 0.78
		t.Errorf("%+v", s)
	}
}

// With noise of 0.002 errors are near it, and Sigma says so.
func TestFitWithNoise(t *testing.T) {
	l := small()
	m := truth(l, 2)
	rows := sample(l, m, 3, 600, 0.002)
	got, err := fit.Fit(l, rows, 2, fit.Settings{Ceiling: share, Ridge: 0.01})
	if err != nil {
		t.Fatal(err)
	}
	p, y := predictions(l, got, sample(l, m, 4, 500, 0))
	if s := fit.Compare(p, y); s.RMSE > 0.001 { // 40 unknowns of 600 rows: sqrt(40/600) of the noise
		t.Errorf("%+v", s)
	}
	for i, at := range got.At {
		if math.Abs(at.Sigma-0.002) > 0.0003 || len(at.Offsets) != 1 {
			t.Errorf("resolution %d: sigma %v, offsets %v", i, at.Sigma, at.Offsets)
		}
	}
}

// Rows of two runs that differ by 0.01: with Runs the offsets are found, and the fit is as good as
// without them; their mean is zero.
func TestFitFindsRuns(t *testing.T) {
	l := small()
	m := truth(l, 3)
	rows := sample(l, m, 5, 800, 0.001)
	for i := range rows {
		if i < 300 {
			rows[i].Accuracy += 0.01
		}
	}
	settings := fit.Settings{Ceiling: share, Ridge: 0.01, Runs: true}
	got, err := fit.Fit(l, rows, 2, settings)
	if err != nil {
		t.Fatal(err)
	}
	for i, at := range got.At {
		if len(at.Offsets) != 2 || math.Abs(at.Offsets[0]-at.Offsets[1]-0.01) > 0.0005 || at.Sigma > 0.0012 {
			t.Errorf("resolution %d: offsets %v, sigma %v", i, at.Offsets, at.Sigma)
		}
	}
	p, y := predictions(l, got, sample(l, m, 6, 500, 0))
	s := fit.Compare(p, y)
	// The prediction is for the mean run: 300 of 800 rows 0.01 higher.
	if math.Abs(s.Bias-0.00375) > 0.0005 || s.RMSE > 0.0045 {
		t.Errorf("%+v", s)
	}
	held, err := fit.CrossValidate(l, rows, 2, settings, 5)
	if err != nil {
		t.Fatal(err)
	}
	var pooled, inRun []float64
	y = nil
	for i, h := range held {
		pooled, inRun, y = append(pooled, h.Accuracy), append(inRun, h.InRun), append(y, rows[i].Accuracy)
	}
	// Pooled: the deviation of the offsets, 0.01 sqrt(3/8 * 5/8) = 0.0048; in the run, the noise.
	if a, b := fit.Compare(pooled, y).RMSE, fit.Compare(inRun, y).RMSE; math.Abs(a-0.0049) > 0.0004 || b > 0.0013 {
		t.Errorf("error %v, within a run %v", a, b)
	}
}

// What cross-validation predicts for a row is what a model fitted without its fold predicts, and
// rows of one group are in one fold.
func TestCrossValidateHoldsGroupsBack(t *testing.T) {
	l := small()
	m := truth(l, 4)
	rows := sample(l, m, 7, 200, 0.002)
	for i := range rows {
		rows[i].Group = i / 2
	}
	settings := fit.Settings{Ceiling: share, Ridge: 0.1}
	want, err := fit.CrossValidate(l, rows, 2, settings, 4)
	if err != nil {
		t.Fatal(err)
	}
	// A change of one row leaves the predictions for its group alone, and changes most others.
	for _, changed := range []int{0, 77, 199} {
		again := append([]fit.Row(nil), rows...)
		again[changed].Accuracy += 0.01
		got, err := fit.CrossValidate(l, again, 2, settings, 4)
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for i := range got {
			if got[i] == want[i] {
				same++
			} else if rows[i].Group == rows[changed].Group {
				t.Errorf("row %d is predicted from row %d of its own group", i, changed)
			}
		}
		if same < 30 || same > 70 { // a fold is about 50 rows
			t.Errorf("%d of 200 predictions are the same", same)
		}
	}
	again, err := fit.CrossValidate(l, rows, 2, settings, 4)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, again); d != "" {
		t.Error(d)
	}
}

func TestRefuses(t *testing.T) {
	l := small()
	m := truth(l, 5)
	rows := sample(l, m, 8, 100, 0)
	settings := fit.Settings{Ceiling: share, Ridge: 0.1}
	for i := range rows {
		rows[i].Accuracy = 1
	}
	if _, err := fit.Fit(l, rows, 2, settings); err == nil {
		t.Error("accuracies of 1, which leave no error to explain, are accepted")
	}
	for i := range rows {
		rows[i].Resolution = min(i, 1)
		rows[i].Accuracy = 0.5
	}
	if _, err := fit.CrossValidate(l, rows, 2, settings, 5); err == nil {
		t.Error("a resolution with a single row is accepted")
	}
	stages := make([]fit.Stage, 100)
	for i := range stages {
		stages[i] = fit.Stage{4}
	}
	wide := fit.NewLayout(stages, []int{1, 2, 3, 4, 5}, []float64{1, 2, 3, 4, 5}, nil)
	if _, err := fit.Fit(&wide, rows, 2, settings); err == nil {
		t.Error("4,600 unknowns are accepted")
	}
}

// Equal accuracies are fitted exactly.
func TestFitConstant(t *testing.T) {
	l := small()
	rows := sample(l, truth(l, 6), 9, 100, 0)
	for i := range rows {
		rows[i].Accuracy = 0.75
	}
	m, err := fit.Fit(l, rows, 2, fit.Settings{Ceiling: share, Ridge: 0.1, Runs: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		if p := m.Predict(l, r); math.Abs(p-0.75) > 1e-9 {
			t.Fatal(p)
		}
	}
}
