package accuracy_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

func mobileNet(t testing.TB, width float64) *supernet.Space {
	t.Helper()
	space, err := supernet.OFAMobileNetV3(width, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func builtin(t testing.TB, width float64) *accuracy.Fitted {
	t.Helper()
	p, err := accuracy.Builtin(mobileNet(t, width))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// within draws valid architectures with resolutions 128 to 224.
func within(seed uint64, n int) []supernet.Arch {
	archs := random(seed, n)
	for i := range archs {
		archs[i].R = 128 + archs[i].R%97
	}
	return archs
}

func TestBuiltinSpaces(t *testing.T) {
	v3 := mobileNet(t, 1.0)
	other := *v3
	other.Kernels = []int{3, 5}
	tinier, err := supernet.OFAMobileNetV3(1.0, 10)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*supernet.Space{&other, tinier, mobileNet(t, 0.75)} {
		_, err := accuracy.Builtin(s)
		if err == nil || !strings.Contains(err.Error(), s.Name) || !strings.Contains(err.Error(), "ofa-mbv3-w1.0 and ofa-mbv3-w1.2") {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
	if _, err := accuracy.Builtin(v3.WithResolutions(160, 224)); err != nil {
		t.Errorf("fewer resolutions to search: %v", err)
	}
	for width, d := range map[float64]string{1.0: "confounded", 1.2: "width 1.2"} {
		p := builtin(t, width)
		if n := p.Describe(); n.Origin != accuracy.Predicted || !strings.Contains(n.Note, d) || !strings.Contains(n.Source, "DyNAS-T") || len(n.SHA256) != 64 {
			t.Errorf("width %v: %+v", width, n)
		}
		if rs := p.Resolutions(); !slices.Equal(rs, []int{128, 160, 192, 224}) {
			t.Errorf("width %v: resolutions %v", width, rs)
		}
	}
}

// The six published networks of width 1.2 (Dynamic-OFA, nets_6) and how well they are met if each is
// left out of the affine map: 0.29 points.
func TestBuiltinWide(t *testing.T) {
	p := builtin(t, 1.2)
	v := p.Validation()
	t.Logf("left out: RMSE %.3f points, MAE %.3f, bias %.3f, tau %.3f", v.All.RMSE.Percent(), v.All.MAE.Percent(), v.All.Bias.Percent(), v.All.Tau)
	if v.Folds != 6 || v.All.Rows != 6 || v.All.RMSE > 0.0035 || v.All.RMSE < 0.002 || v.All.Tau < 0.99 {
		t.Errorf("%+v", v)
	}
	for _, r := range []int{128, 176, 224} {
		bar, err := p.ErrorBar(r)
		if err != nil || bar.StdDev < v.All.RMSE || bar.StdDev > 0.006 || bar.Relative != bar.StdDev {
			t.Errorf("r = %d: %+v (%v)", r, bar, err)
		}
	}
	// The order of networks of one resolution is that of width 1.0.
	archs := within(1, 200)
	for i := range archs {
		archs[i].R = 192
	}
	wide, base := predict(t, p, archs), predict(t, builtin(t, 1.0), archs)
	for i := range archs {
		for j := range i {
			if (wide[i] > wide[j]) != (base[i] > base[j]) {
				t.Fatalf("%s and %s", archs[i], archs[j])
			}
		}
	}
}

// Predictions have the same bits on all machines: here those of an amd64.
func TestBuiltinBits(t *testing.T) {
	space := mobileNet(t, 1.0)
	for _, tt := range []struct {
		width float64
		arch  supernet.Arch
		want  float64
	}{
		{1.0, space.Smallest(), 0x1.449ba7faca77fp-01},
		{1.0, space.Largest(), 0x1.8d324a4f46601p-01},
		{1.0, space.Uniform(5, 4, 3, 172), 0x1.7a3b7c408489ap-01},
		{1.2, space.Uniform(7, 3, 4, 208), 0x1.8aad1f252201fp-01},
	} {
		if got := predict(t, builtin(t, tt.width), []supernet.Arch{tt.arch})[0]; float64(got) != tt.want {
			t.Errorf("width %v, %s: %x (%v), want %x", tt.width, tt.arch, float64(got), got, tt.want)
		}
	}
}

// A larger resolution is better for every network, also between the measured ones.
func TestBuiltinGrowsWithResolution(t *testing.T) {
	p := builtin(t, 1.0)
	for _, a := range append(within(2, 300), mobileNet(t, 1.0).Smallest(), mobileNet(t, 1.0).Largest()) {
		last := unit.Accuracy(0)
		for r := 128; r <= 224; r++ {
			a.R = r
			got := predict(t, p, []supernet.Arch{a})[0]
			if got <= last {
				t.Fatalf("%v at %d, %v at %d: %s", got, r, last, r-1, a)
			}
			last = got
		}
	}
}

// Terms are the model: their sums give the predictions, and dynamic programming over them finds a network
// that no other beats.
func TestTerms(t *testing.T) {
	p := builtin(t, 1.0)
	space := mobileNet(t, 1.0)
	for _, r := range []int{128, 150, 224} {
		terms, err := p.Terms(r)
		if err != nil {
			t.Fatal(err)
		}
		archs := within(3, 100)
		for i := range archs {
			archs[i].R = r
		}
		best := 0.0
		for stage := range 5 {
			most := math.Inf(-1)
			for _, n := range space.Depths {
				sum := 0.0
				for j := range n {
					block := math.Inf(-1)
					for k := range 3 {
						for e := range 3 {
							block = max(block, terms.Block(stage, n, j, k, e))
						}
					}
					sum += block
				}
				most = max(most, sum)
			}
			best += most
		}
		for i, got := range predict(t, p, archs) {
			a := archs[i]
			sum := 0.0
			for pos := range a.KS {
				if pos%4 < a.D[pos/4] {
					sum += terms.Block(pos/4, a.D[pos/4], pos%4, slices.Index(space.Kernels, a.KS[pos]), slices.Index(space.Expands, a.E[pos]))
				}
			}
			if terms.Accuracy(sum) != got || sum > best {
				t.Fatalf("%v, prediction %v: %s", terms.Accuracy(sum), got, a)
			}
		}
		top := predict(t, p, []supernet.Arch{space.Uniform(7, 6, 4, r)})[0]
		if terms.Accuracy(best) < top || terms.Accuracy(best) > top+0.003 {
			t.Errorf("r = %d: best %v, largest network %v", r, terms.Accuracy(best), top)
		}
	}
}

func TestTermsPanic(t *testing.T) {
	terms, err := builtin(t, 1.0).Terms(224)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]func(){
		"depth":  func() { terms.Block(0, 5, 0, 0, 0) },
		"block":  func() { terms.Block(0, 2, 2, 0, 0) },
		"kernel": func() { terms.Block(0, 2, 0, 3, 0) },
		"expand": func() { terms.Block(0, 2, 0, 0, -1) },
		"width":  func() { terms.Width(0, 0) },
		"stem":   func() { terms.StemDepth(0) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}

// Batches, goroutines and inactive entries do not matter, and nothing is allocated.
func TestFittedProperties(t *testing.T) {
	p := builtin(t, 1.2)
	archs := within(4, 300)
	want := predict(t, p, archs)
	rng := rand.New(rand.NewPCG(5, 5))
	for i := range archs {
		for pos := range archs[i].KS {
			if pos%4 >= archs[i].D[pos/4] {
				archs[i].KS[pos], archs[i].E[pos] = rng.IntN(9)-1, math.NaN()
			}
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		fresh := builtin(t, 1.2)
		wg.Go(func() {
			for i, a := range archs {
				out := make([]unit.Accuracy, 1)
				if err := fresh.Predict([]supernet.Arch{a}, out); err != nil || out[0] != want[i] {
					t.Errorf("%v, want %v: %v", out[0], want[i], err)
				}
			}
		})
	}
	wg.Wait()
	out := make([]unit.Accuracy, len(archs))
	if n := testing.AllocsPerRun(10, func() {
		if err := p.Predict(archs, out); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestFittedRefuses(t *testing.T) {
	p := builtin(t, 1.0)
	for _, tt := range []struct {
		name   string
		change func(*supernet.Arch)
		text   string
	}{
		{"resolution 127", func(a *supernet.Arch) { a.R = 127 }, "resolution 127 is outside [128, 224], which were measured"},
		{"resolution 225", func(a *supernet.Arch) { a.R = 225 }, "resolution 225"},
		{"resolution -1", func(a *supernet.Arch) { a.R = math.MinInt }, "is outside"},
		{"kernel", func(a *supernet.Arch) { a.KS[4] = 9 }, "ks[4] is 9"},
		{"expand ratio", func(a *supernet.Arch) { a.E[5] = 5 }, "e[5] is 5"},
		{"NaN", func(a *supernet.Arch) { a.E[1] = math.NaN() }, "e[1] is NaN"},
		{"depth 5", func(a *supernet.Arch) { a.D[2] = 5 }, "d[2] is 5"},
		{"depth 0", func(a *supernet.Arch) { a.D[2] = 0 }, "d[2] is 0"},
		{"21 kernels", func(a *supernet.Arch) { a.KS = append(a.KS, 3) }, "21"},
		{"a width", func(a *supernet.Arch) { a.W = []int{0} }, "no elastic width"},
		{"empty", func(a *supernet.Arch) { *a = supernet.Arch{R: 224} }, "got 0"},
	} {
		archs := within(6, 3)
		tt.change(&archs[1])
		err := p.Predict(archs, make([]unit.Accuracy, 3))
		var bad *accuracy.Error
		if !errors.As(err, &bad) || bad.Index != 1 || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, r := range []int{0, 127, 225} {
		if _, err := p.Terms(r); err == nil {
			t.Errorf("terms at %d", r)
		}
		if _, err := p.ErrorBar(r); err == nil {
			t.Errorf("error bar at %d", r)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for results of another length")
		}
	}()
	_ = p.Predict(within(7, 2), make([]unit.Accuracy, 1))
}

// At measured resolutions error bars are those of the cross-validation; between them they lie between,
// or above by what interpolation adds: 0.05 points in the middle.
func TestErrorBar(t *testing.T) {
	p := builtin(t, 1.0)
	v := p.Validation()
	for i, s := range v.Resolutions {
		bar, err := p.ErrorBar(s.R)
		if err != nil || bar.StdDev != s.RMSE || bar.Relative > bar.StdDev || bar.Relative < bar.StdDev/2 {
			t.Errorf("r = %d: %+v, cross-validation %v (%v)", s.R, bar, s.RMSE, err)
		}
		if i == 0 {
			continue
		}
		before, after := v.Resolutions[i-1].RMSE, s.RMSE
		for r := v.Resolutions[i-1].R + 1; r < s.R; r++ {
			bar, err := p.ErrorBar(r)
			least, most := float64(min(before, after)), math.Hypot(float64(max(before, after)), 0.0005)
			if err != nil || float64(bar.StdDev) <= least || float64(bar.StdDev) > most {
				t.Errorf("r = %d: %v is outside (%v, %v] (%v)", r, bar.StdDev, least, most, err)
			}
		}
	}
	v.Resolutions[0].R = 0
	if p.Validation().Resolutions[0].R != 128 {
		t.Error("a validation is shared with the caller")
	}
}
