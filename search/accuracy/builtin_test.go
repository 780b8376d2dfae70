package accuracy

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy/internal/fit"
)

var update = flag.Bool("update", false, "write builtin.json from the reference data")

// builtinFolds is the number of parts in the cross-validation of the built-in model.
const builtinFolds = 10

// reference holds the measured networks and what cross-validation says about them.
type reference struct {
	data   *data
	held   []fit.Held
	sha256 string
}

// measured reads the reference data once; it takes seconds.
func measured(t *testing.T) reference {
	t.Helper()
	path := reftest.Path(t, "measured", "ofa-mbv3-w1.0.csv")
	if RaceEnabled {
		t.Skip("takes a minute under the race detector")
	}
	ref, err := readReference(path)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

var cached struct {
	sync.Once
	ref reference
	err error
}

func readReference(path string) (reference, error) {
	cached.Do(func() {
		raw, err := os.ReadFile(path)
		if err != nil {
			cached.err = err
			return
		}
		cached.ref, cached.err = validateReference(raw)
	})
	return cached.ref, cached.err
}

func validateReference(raw []byte) (ref reference, err error) {
	rows, err := readCSV(bytes.NewReader(raw), space(baseWidth))
	if err != nil {
		return ref, err
	}
	if ref.data, err = newData(rows, space(baseWidth)); err != nil {
		return ref, err
	}
	ref.sha256 = fmt.Sprintf("%x", sha256.Sum256(raw))
	ref.held, err = ref.data.crossValidate(builtinSettings, builtinFolds)
	return ref, err
}

func space(width float64) *supernet.Space {
	s, err := supernet.OFAMobileNetV3(width, 1000)
	if err != nil {
		panic(err)
	}
	return s
}

// TestBuiltinReproduces fits the model again: the parameters in the program are those of the data, to
// the digits written. With -update it writes them.
func TestBuiltinReproduces(t *testing.T) {
	ref := measured(t)
	if *update {
		writeBuiltin(t, ref)
	}
	var p parameters
	raw, err := os.ReadFile("builtin.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	f, err := p.fitted(space(baseWidth))
	if err != nil {
		t.Fatal(err)
	}
	again, err := ref.data.fit(builtinSettings, builtinFolds, ref.held)
	if err != nil {
		t.Fatal(err)
	}
	if f.Describe().SHA256 != ref.sha256 {
		t.Errorf("parameters of data with digest %s, it is %s", f.Describe().SHA256, ref.sha256)
	}
	// 0.001 points: parameters have six decimals, some 20 of them make a score.
	archs := randomArchs(1, 500)
	got, want := make([]unit.Accuracy, len(archs)), make([]unit.Accuracy, len(archs))
	if err := f.Predict(archs, got); err != nil {
		t.Fatal(err)
	}
	if err := again.Predict(archs, want); err != nil {
		t.Fatal(err)
	}
	for i, a := range archs {
		if math.Abs(float64(got[i]-want[i])) > 1e-5 {
			t.Fatalf("%v, fitted again %v: %s", got[i], want[i], a)
		}
	}
	close := func(a, b float64) bool { return math.Abs(a-b) < 1e-5 }
	if d := cmp.Diff(f.Validation(), again.Validation(), cmp.Comparer(close),
		cmp.Comparer(func(a, b unit.Accuracy) bool { return close(float64(a), float64(b)) })); d != "" {
		t.Errorf("validation, computed again: %s", d)
	}
	for _, r := range f.Resolutions() {
		got, _ := f.ErrorBar(r)
		want, _ := again.ErrorBar(r)
		if math.Abs(float64(got.StdDev-want.StdDev)) > 1e-5 || math.Abs(float64(got.Relative-want.Relative)) > 1e-5 {
			t.Errorf("r = %d: error bar %v, computed again %v", r, got, want)
		}
	}
}

// The bars that the model was made for, on networks that it had not seen. A network measured at
// several resolutions, or several times, is in one part.
func TestBuiltinCrossValidation(t *testing.T) {
	ref := measured(t)
	if n := len(ref.held); n != 3750 {
		t.Fatalf("%d rows, want 3750", n)
	}
	all, inRun := ref.data.scores(ref.held, -1)
	t.Logf("all: %d rows, MAE %.4f points, tau %.4f; within a run %.4f, %.4f", all.Rows, all.MAE.Percent(), all.Tau, inRun.MAE.Percent(), inRun.Tau)
	if all.MAE > 0.0020 {
		t.Errorf("mean absolute error %.4f points, want 0.20", all.MAE.Percent())
	}
	// Below r = 224 what plain ridge regression reaches, tau .70, .76 and .75, must be exceeded.
	for i, want := range []struct{ mae, tau float64 }{{0.0030, 0.71}, {0.0023, 0.765}, {0.0024, 0.755}, {0.0010, 0.94}} {
		s, inRun := ref.data.scores(ref.held, i)
		t.Logf("r = %d: %d rows, MAE %.4f points, RMSE %.4f, bias %.4f, tau %.4f; within a run %.4f, %.4f, tau %.4f", ref.data.resolutions[i], s.Rows,
			s.MAE.Percent(), s.RMSE.Percent(), s.Bias.Percent(), s.Tau, inRun.MAE.Percent(), inRun.RMSE.Percent(), inRun.Tau)
		if float64(s.MAE) > want.mae || s.Tau < want.tau {
			t.Errorf("r = %d: mean absolute error %.4f points and tau %.4f, want %.2f and %.2f",
				ref.data.resolutions[i], s.MAE.Percent(), s.Tau, 100*want.mae, want.tau)
		}
	}
}

// Error bars are standard deviations: of normal errors 68% are within one, 95% within two. The runs'
// offsets make those of r < 224 flatter than that.
func TestBuiltinCoverage(t *testing.T) {
	ref := measured(t)
	f, err := Builtin(space(baseWidth))
	if err != nil {
		t.Fatal(err)
	}
	for level, r := range ref.data.resolutions {
		bar, err := f.ErrorBar(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []struct {
			name string
			sd   unit.Accuracy
			of   func(fit.Held) float64
		}{
			{"all", bar.StdDev, func(h fit.Held) float64 { return h.Accuracy }},
			{"within a run", bar.Relative, func(h fit.Held) float64 { return h.InRun }},
		} {
			var n, one, two float64
			for i, row := range ref.data.rows {
				if row.Resolution != level {
					continue
				}
				d := math.Abs(kind.of(ref.held[i]) - row.Accuracy)
				n++
				if d < float64(kind.sd) {
					one++
				}
				if d < 2*float64(kind.sd) {
					two++
				}
			}
			t.Logf("r = %d, %s: %.4f points, %.1f%% and %.1f%%", r, kind.name, kind.sd.Percent(), 100*one/n, 100*two/n)
			if one/n < 0.60 || one/n > 0.75 || two/n < 0.93 || two/n > 0.99 {
				t.Errorf("r = %d, %s: %.1f%% within one error bar, %.1f%% within two", r, kind.name, 100*one/n, 100*two/n)
			}
		}
	}
}

// randomArchs draws networks with resolutions 128 to 224; inactive entries are random too.
func randomArchs(seed uint64, n int) []supernet.Arch {
	rng := rand.New(rand.NewPCG(seed, 0))
	archs := make([]supernet.Arch, n)
	for i := range archs {
		a := supernet.Arch{KS: make([]int, 20), E: make([]float64, 20), D: make([]int, 5), R: 128 + rng.IntN(97)}
		for p := range a.KS {
			a.KS[p] = []int{3, 5, 7}[rng.IntN(3)]
			a.E[p] = []float64{3, 4, 6}[rng.IntN(3)]
		}
		for s := range a.D {
			a.D[s] = 2 + rng.IntN(3)
		}
		archs[i] = a
	}
	return archs
}

// writeBuiltin writes builtin.json.
func writeBuiltin(t *testing.T, ref reference) {
	t.Helper()
	d := ref.data
	m, err := fit.Fit(&d.layout.Layout, d.rows, len(d.resolutions), builtinSettings)
	if err != nil {
		t.Fatal(err)
	}
	var p parameters
	p.Data.SHA256, p.Data.Rows, p.Data.Networks = ref.sha256, len(d.rows), d.networks
	p.Folds = builtinFolds
	all, _ := d.scores(ref.held, -1)
	p.All = rounded(all)
	p.Kernel, p.Expand = split(m.Kernel, len(d.layout.kernels)), split(m.Expand, len(d.layout.expands))
	for i, at := range m.At {
		score, inRun := d.scores(ref.held, i)
		p.Levels = append(p.Levels, levelJSON{R: d.resolutions[i], Ceiling: round(at.Ceiling), Gap: round(at.Span * math.Exp(-at.Base)),
			Deviation: split(at.Deviation, 3), Relative: round(float64(inRun.RMSE)), Runs: split(at.Offsets, len(at.Offsets))[0], Score: rounded(score)})
	}
	raw, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	// One row of a table per line.
	text := strings.NewReplacer("],[", "],\n[", "[[", "[\n[", `},{`, "},\n{", `,"kernel"`, ",\n\"kernel\"", `,"expand"`, ",\n\"expand\"",
		`,"resolutions"`, ",\n\"resolutions\"").Replace(string(raw)) + "\n"
	if err := os.WriteFile(filepath.Join(".", "builtin.json"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func round(x float64) float64 { return math.Round(x*1e6)/1e6 + 0 } // no -0

func rounded(s Score) scoreJSON {
	return scoreJSON{s.Rows, round(float64(s.MAE)), round(float64(s.RMSE)), round(float64(s.Bias)), round(s.Tau)}
}

func split(x []float64, width int) [][]float64 {
	var rows [][]float64
	for i := 0; i < len(x); i += width {
		row := make([]float64, width)
		for j := range row {
			row[j] = round(x[i+j])
		}
		rows = append(rows, row)
	}
	return rows
}

// What interpolation would say of a measured resolution, without it: the error that ErrorBar adds covers
// it. The neighbours are twice as far apart as they are between measured resolutions.
func TestInterpolation(t *testing.T) {
	full, err := Builtin(space(baseWidth))
	if err != nil {
		t.Fatal(err)
	}
	archs := randomArchs(2, 500)
	for i := 1; i < len(full.levels)-1; i++ {
		levels := append([]level(nil), full.levels[:i]...)
		f, err := newFitted(full.space, full.layout, append(levels, full.levels[i+1:]...))
		if err != nil {
			t.Fatal(err)
		}
		for j := range archs {
			archs[j].R = full.levels[i].r
		}
		got, want := make([]unit.Accuracy, len(archs)), make([]unit.Accuracy, len(archs))
		if err := errors.Join(f.Predict(archs, got), full.Predict(archs, want)); err != nil {
			t.Fatal(err)
		}
		var bias, square float64
		for j := range archs {
			d := float64(got[j] - want[j])
			bias += d / float64(len(archs))
			square += d * d / float64(len(archs))
		}
		t.Logf("r = %d: bias %.3f points, RMSE %.3f", full.levels[i].r, 100*bias, 100*math.Sqrt(square))
		if math.Sqrt(square) > interpolationError {
			t.Errorf("r = %d is missed by %.3f points", full.levels[i].r, 100*math.Sqrt(square))
		}
	}
}
