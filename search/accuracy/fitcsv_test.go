package accuracy_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/search/accuracy"
)

func spaced[T any](list []T) string { return strings.Trim(fmt.Sprint(list), "[]") }

// csvRow writes one measurement in the columns r, ks, e, d, top1.
func csvRow(a supernet.Arch, top1 float64) string {
	return fmt.Sprintf("%d,%s,%s,%s,%.5f\n", a.R, spaced(a.KS), spaced(a.E), spaced(a.D), top1)
}

// made is a file of networks of width 1.0 at r = 192 and 224 with the built-in predictor's accuracies
// and normal noise of 0.1 points.
func made(t testing.TB, seed uint64, n int) string {
	t.Helper()
	archs := within(seed, n)
	for i := range archs {
		archs[i].R = 192 + 32*(i%2)
	}
	rng := rand.New(rand.NewPCG(seed, 9))
	text := "r,ks,e,d,top1\n"
	for i, p := range predict(t, builtin(t, 1.0), archs) {
		text += csvRow(archs[i], float64(p)+0.001*rng.NormFloat64())
	}
	return text
}

// From 400 networks with noise of 0.1 points the model is found to 0.07 points, and the validation, which
// has the noise in it, says about 0.1.
func TestFitCSV(t *testing.T) {
	slow(t)
	text := made(t, 1, 400)
	p, err := accuracy.FitCSV("dir/mine.csv", strings.NewReader(text), mobileNet(t, 1.0))
	if err != nil {
		t.Fatal(err)
	}
	archs := within(2, 500)
	want := make([]float64, len(archs))
	for i := range archs {
		archs[i].R = 192 + archs[i].R%33
	}
	sum := 0.0
	got := predict(t, p, archs)
	for i, v := range predict(t, builtin(t, 1.0), archs) {
		want[i] = float64(v)
		sum += math.Abs(float64(got[i]-v)) / float64(len(archs))
	}
	v := p.Validation()
	t.Logf("mean error %.4f points, largest %.4f; %+v", 100*sum, 100*worst(got, want), v)
	if sum > 0.0007 {
		t.Errorf("mean error %.4f points", 100*sum)
	}
	if v.Folds != 5 || v.Networks != 400 || v.All.Rows != 400 || len(v.Resolutions) != 2 || v.Resolutions[0].R != 192 || v.Resolutions[1].Rows != 200 {
		t.Errorf("%+v", v)
	}
	if v.All.MAE < 0.0006 || v.All.MAE > 0.0014 || v.All.Tau < 0.85 {
		t.Errorf("%+v", v.All)
	}
	d := p.Describe()
	if d.Origin != accuracy.Predicted || d.Source != "top-1 of 400 rows of mine.csv" || len(d.SHA256) != 64 || !strings.Contains(d.Note, "points off") {
		t.Errorf("%+v", d)
	}
}

// The order of columns and rows does not matter, nor do columns that do not count, per cent signs,
// inactive entries, or a resolution measured alone.
func TestFitCSVForms(t *testing.T) {
	space := tiny(t)
	archs := randomOf(space, 3, 60)
	plain, other := "r,ks,e,d,top1\n", "top1,macs,source,d,e,ks,r\r\n"
	for i, a := range archs {
		p := 0.7 + 0.01*float64(a.D[0]) + 0.001*float64(a.KS[0]) + 0.0001*float64(i%5)
		plain += csvRow(a, p)
		for pos := range a.KS {
			if pos%4 >= a.D[pos/4] {
				a.KS[pos], a.E[pos] = 0, -7.5
			}
		}
		other += fmt.Sprintf("%.3f%%,,x,%s,%s,%s,%d\r\n", 100*p, spaced(a.D), spaced(a.E), spaced(a.KS), a.R)
	}
	archs = randomOf(space, 4, 100)
	lines := strings.SplitAfter(other, "\n")
	for i, j := 1, len(lines)-2; i < j; i, j = i+1, j-1 {
		lines[i], lines[j] = lines[j], lines[i]
	}
	x, err := accuracy.FitCSV("plain", strings.NewReader(plain), space)
	if err != nil {
		t.Fatal(err)
	}
	again, err := accuracy.FitCSV("plain", strings.NewReader(plain), space)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(predict(t, x, archs), predict(t, again, archs)) {
		t.Error("fitted twice, two models")
	}
	y, err := accuracy.FitCSV("other", strings.NewReader(strings.Join(lines, "")), space)
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float64, len(archs))
	for i, v := range predict(t, x, archs) {
		want[i] = float64(v)
	}
	// Sums in another order: rounding, of a badly conditioned system.
	if d := worst(predict(t, y, archs), want); d > 1e-7 {
		t.Errorf("off by %g", d)
	}
	if x.Validation().Folds != y.Validation().Folds || math.Abs(float64(x.Validation().All.MAE-y.Validation().All.MAE)) > 1e-7 {
		t.Errorf("%+v and %+v", x.Validation(), y.Validation())
	}
}

// Measurements of another width fit the same architectures: their multiply-accumulates tell.
func TestFitCSVOfAnotherWidth(t *testing.T) {
	space := tiny(t)
	for _, c := range []struct {
		name  string
		macs  func(own int64) string
		doubt string
	}{
		{"the space's own", func(own int64) string { return fmt.Sprint(own) }, ""},
		{"counted a little otherwise", func(own int64) string { return fmt.Sprint(own * 103 / 100) }, ""},
		{"of another width", func(own int64) string { return fmt.Sprint(own * 7 / 10) }, "0.7 times the multiply-accumulates"},
		{"in millions", func(own int64) string { return fmt.Sprint(float64(own) / 1e6) }, "1e-06 times"},
		{"no numbers", func(int64) string { return "many" }, ""},
	} {
		text := "macs,r,ks,e,d,top1\n"
		for i, a := range randomOf(space, 3, 60) {
			own, err := space.MACs(a)
			if err != nil {
				t.Fatal(err)
			}
			text += c.macs(own) + "," + csvRow(a, 0.7+0.001*float64(i%5))
		}
		p, err := accuracy.FitCSV("x.csv", strings.NewReader(text), space)
		if err != nil {
			t.Fatal(err)
		}
		if note := p.Describe().Note; strings.Contains(note, "another width") != (c.doubt != "") || !strings.Contains(note, c.doubt) {
			t.Errorf("%s: %s", c.name, note)
		}
	}
}

// randomOf draws networks of any space.
func randomOf(space *supernet.Space, seed uint64, n int) []supernet.Arch {
	rng := rand.New(rand.NewPCG(seed, 4))
	archs := make([]supernet.Arch, n)
	for i := range archs {
		a := supernet.Arch{R: space.Resolutions[len(space.Resolutions)-1]}
		for range space.Positions() {
			a.KS = append(a.KS, space.Kernels[rng.IntN(len(space.Kernels))])
			a.E = append(a.E, space.Expands[rng.IntN(len(space.Expands))])
		}
		for d := range space.DepthEntries() {
			choices := space.DepthChoices(d)
			a.D = append(a.D, choices[rng.IntN(len(choices))])
		}
		for range space.WidthEntries() {
			a.W = append(a.W, rng.IntN(len(space.Widths)))
		}
		archs[i] = a
	}
	return archs
}

// Spaces with other shapes: a fixed last stage; a deep stem, elastic widths and one kernel size, whose
// column may be missing. The accuracies depend on multiply-accumulates alone, to which a width contributes
// by products with blocks that the model does not have.
func TestFitCSVOtherSpaces(t *testing.T) {
	slow(t)
	proxyless, err := supernet.OFAProxylessNAS(1.3, 1000)
	if err != nil {
		t.Fatal(err)
	}
	resnet, err := supernet.OFAResNet50([]float64{0.65, 0.8, 1}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, space := range []*supernet.Space{proxyless, resnet} {
		top1 := func(a supernet.Arch) float64 {
			macs, err := space.MACs(a)
			if err != nil {
				t.Fatal(err)
			}
			return 0.8 - 0.05*math.Exp(-float64(macs)/2e9)
		}
		text := "r,e,d,w,ks,top1\n"
		if space == proxyless {
			text = "r,e,d,ks,top1\n"
		} else {
			text = strings.Replace(text, ",ks", "", 1)
		}
		for _, a := range randomOf(space, 1, 300) {
			text += fmt.Sprintf("%d,%s,%s,", a.R, spaced(a.E), spaced(a.D))
			if space == resnet {
				text += spaced(a.W)
			} else {
				text += spaced(a.KS)
			}
			text += fmt.Sprintf(",%.6f\n", top1(a))
		}
		p, err := accuracy.FitCSV("x.csv", strings.NewReader(text), space)
		if err != nil {
			t.Fatal(err)
		}
		archs := randomOf(space, 2, 200)
		for i := range archs { // another form of the same networks
			if space == resnet {
				archs[i].KS = nil
				archs[i].D[0] = i % 3 // 1 is as 0
			}
		}
		off, spread := 0.0, 0.0
		for i, got := range predict(t, p, archs) {
			off += math.Abs(float64(got)-top1(archs[i])) / 200
			spread += math.Abs(top1(archs[0])-top1(archs[i])) / 200
		}
		v := p.Validation()
		t.Logf("%s: mean error %.4f points, of %.2f; %+v", space.Name, 100*off, 100*spread, v.All)
		if off > 0.3*spread || v.All.Tau < 0.8 {
			t.Errorf("%s: mean error %.4f points", space.Name, 100*off)
		}
		if _, err := accuracy.Builtin(space); err == nil {
			t.Errorf("a built-in predictor for %s", space.Name)
		}
	}
}

// Extras are reachable by Terms.
func TestTermsOfWidths(t *testing.T) {
	slow(t)
	space, err := supernet.OFAResNet50([]float64{0.65, 1}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	text := "r,e,d,w,top1\n"
	for i, a := range randomOf(space, 3, 100) {
		text += fmt.Sprintf("%d,%s,%s,%s,%.4f\n", a.R, spaced(a.E), spaced(a.D), spaced(a.W), 0.7+0.01*float64(a.W[3])+0.02*float64(a.D[0])+0.0001*float64(i%7))
	}
	p, err := accuracy.FitCSV("x", strings.NewReader(text), space)
	if err != nil {
		t.Fatal(err)
	}
	a, err := space.Canonical(randomOf(space, 4, 1)[0])
	if err != nil {
		t.Fatal(err)
	}
	terms, err := p.Terms(a.R)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for stage := range space.Stages {
		n := space.ActiveBlocks(stage, a.D)
		for j := range n {
			pos := space.FirstPosition(stage) + j
			expand := 0
			for i, e := range space.Expands {
				if e == a.E[pos] {
					expand = i
				}
			}
			sum += terms.Block(stage, n, j, 0, expand)
		}
	}
	sum += terms.StemDepth(a.D[0])
	for entry, w := range a.W {
		sum += terms.Width(entry, w)
	}
	if got := predict(t, p, []supernet.Arch{a})[0]; math.Abs(float64(got-terms.Accuracy(sum))) > 1e-12 {
		t.Errorf("prediction %v, sum of terms %v", got, terms.Accuracy(sum))
	}
	if terms.Width(3, 1) <= terms.Width(3, 0) || terms.StemDepth(2) <= terms.StemDepth(0) {
		t.Error("what raises accuracy has a smaller term")
	}
}

func TestFitCSVRefuses(t *testing.T) {
	space := mobileNet(t, 1.0)
	arch := within(5, 1)[0]
	arch.R = 224
	good := csvRow(arch, 0.75)
	const header = "r,ks,e,d,top1\n"
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "no header line"},
		{"no rows", header, "no rows"},
		{"unknown column", "r,ks,e,d,top1,latency\n", `line 1: unknown column "latency"`},
		{"missing column", "r,ks,e,d\n", `line 1: column "top1" is missing`},
		{"column twice", "r,ks,e,d,top1,r\n", `line 1: column "r" is there twice`},
		{"width without elastic width", "r,ks,e,d,w,top1\n", `unknown column "w"`},
		{"too few fields", header + good + "224,1\n", "line 3"},
		{"too many fields", header + strings.TrimSpace(good) + ",1\n", "line 2"},
		{"quote", header + good + "\"224\n", "line 3"},
		{"resolution", header + strings.Replace(good, "224,", "x,", 1), "line 2: r: "},
		{"resolution 7", header + strings.Replace(good, "224,", "7,", 1), "line 2: architecture: resolution 7"},
		{"per cent", header + csvRow(arch, 75), "line 2: top1: "},
		{"no number", header + strings.Replace(good, "0.75000", "high", 1), "line 2: top1: "},
		{"NaN", header + strings.Replace(good, "0.75000", "NaN", 1), "line 2: top1: "},
		{"two spaces", header + good + strings.Replace(good, " ", "  ", 1), "line 3: ks: "},
		{"comma in a list", header + good + strings.Replace(good, " ", ",", 1), "line 3"},
		{"kernel", header + good + "224," + strings.Repeat("9 ", 19) + "9," + strings.Repeat("3 ", 19) + "3,4 4 4 4 4,0.7\n", "line 3: architecture: ks[0] is 9"},
		{"short list", header + "224,3 3,3 3,2 2,0.7\n", "line 2: architecture: ofa-mbv3-w1.0 has 20"},
		{"few networks", header + strings.Repeat(good, 30), "1 different networks with resolution 224, at least 20 are needed"},
		{"few networks at one resolution", made(t, 6, 60) + strings.Replace(good, "224,", "160,", 1), "1 different networks with resolution 160"},
	} {
		p, err := accuracy.FitCSV("mine.csv", strings.NewReader(tt.text), space)
		if err == nil || p != nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "accuracy: mine.csv: ") {
			t.Errorf("%s: want %q: %v", tt.name, tt.want, err)
		}
	}
}

// slow skips a test of many fits under the race detector, which sees the concurrency of
// cross-validation in TestFitCSVForms and in package fit.
func slow(t *testing.T) {
	t.Helper()
	if accuracy.RaceEnabled {
		t.Skip("takes half a minute under the race detector")
	}
}

// tiny is a space of two stages, which is fitted in milliseconds, and small is a file of n of its
// networks.
func tiny(t testing.TB) *supernet.Space {
	s := *mobileNet(t, 1.0)
	s.Name, s.Stages, s.Resolutions = "tiny", s.Stages[:2], []int{224}
	return &s
}

func small(t testing.TB, n int, top1 func(i int) float64) string {
	text := "r,ks,e,d,top1\n"
	for i, a := range randomOf(tiny(t), 7, n) {
		text += csvRow(a, top1(i))
	}
	return text
}

// Accuracies that are all 100% leave the model nothing to explain, and ones that are next to 0 or
// noise from one end to the other may leave [0, 1]: errors, not predictions.
func TestFitCSVOfNoUse(t *testing.T) {
	slow(t)
	for name, top1 := range map[string]func(i int) float64{
		"all right": func(int) float64 { return 1 },
		"all wrong": func(int) float64 { return 0 },
		"coin":      func(i int) float64 { return float64(i % 2) },
	} {
		p, err := accuracy.FitCSV("mine.csv", strings.NewReader(small(t, 100, top1)), tiny(t))
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		for _, v := range predict(t, p, randomOf(tiny(t), 8, 300)) {
			if v.Validate() != nil {
				t.Fatalf("%s: %v", name, v)
			}
		}
	}
}

// The rows of the reference data at r = 224, as a user would fit to them.
func TestFitCSVReference(t *testing.T) {
	path := reftest.Path(t, "measured", "ofa-mbv3-w1.0.csv")
	slow(t)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var text []byte
	for line := range bytes.Lines(raw) {
		if bytes.HasPrefix(line, []byte("source,")) || bytes.HasPrefix(line, []byte("dynas-t,")) {
			text = append(text, line...)
		}
	}
	p, err := accuracy.FitCSV("measured.csv", bytes.NewReader(text), mobileNet(t, 1.0))
	if err != nil {
		t.Fatal(err)
	}
	v := p.Validation()
	t.Logf("MAE %.4f points, tau %.4f, %d networks", v.All.MAE.Percent(), v.All.Tau, v.Networks)
	if note := p.Describe().Note; strings.Contains(note, "another width") {
		t.Error(note)
	}
	if v.All.Rows != 1795 || v.All.MAE > 0.0010 || v.All.Tau < 0.94 {
		t.Errorf("%+v", v)
	}
}

// FuzzFitCSV: whatever file passes is fitted, or refused with an error that names it.
func FuzzFitCSV(f *testing.F) {
	space := tiny(f)
	full := small(f, 30, func(i int) float64 { return 0.7 + 0.01*float64(i%7) })
	f.Add([]byte(full))
	for i := range 8 {
		f.Add([]byte(full[:len(full)*i/8]))
	}
	f.Add([]byte("r,ks,e,d,top1,macs\n224,\"3 3\",x,,50%,1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := accuracy.FitCSV("fuzz.csv", bytes.NewReader(raw), space)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "accuracy: fuzz.csv: ") {
				t.Fatal(err)
			}
			return
		}
		archs := randomOf(space, 9, 5)
		for i := range archs {
			archs[i].R = p.Resolutions()[0]
		}
		for _, v := range predict(t, p, archs) {
			if err := v.Validate(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
