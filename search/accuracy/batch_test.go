package accuracy_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

// seeded makes a predictor with seeded random weights: layers of the given widths behind the 128 inputs,
// predictions around 0.5.
func seeded(t testing.TB, seed uint64, widths ...int) *accuracy.MLP {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	var set []tensor
	in := 128
	for i, out := range widths {
		w, bias := filled(fmt.Sprintf("%d.weight", 2*i), 0, out, in), filled(fmt.Sprintf("%d.bias", 2*i), 0, out)
		for j := range w.data {
			w.data[j] = float32(rng.NormFloat64() * math.Sqrt(0.5/float64(in)))
		}
		if i == len(widths)-1 {
			for j := range w.data {
				w.data[j] *= 0.2
			}
			bias.data[0] = 0.5
		}
		set = append(set, w, bias)
		in = out
	}
	m, err := accuracy.LoadMLP(write(t, set...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// published has the sizes of the published predictor, 128-400-400-400-1.
func published(t testing.TB) *accuracy.MLP { return seeded(t, 1, 400, 400, 400, 1) }

// The kernel and the portable code, which compute the same sums in different orders, agree to 1e-5.
func TestPortableAgrees(t *testing.T) {
	for _, widths := range [][]int{{1}, {1, 1}, {16, 1}, {17, 33, 1}, {3, 50, 2, 9, 1}, {400, 400, 400, 1}} {
		m := seeded(t, 3, widths...)
		archs := random(11, 300)
		fast, slow := predict(t, m, archs), predict(t, m.Portable(), archs)
		want := make([]float64, len(archs))
		spread := 0.0
		for i, v := range slow {
			want[i] = float64(v)
			spread = max(spread, math.Abs(want[i]-want[0]))
		}
		if d := worst(fast, want); d > 1e-5 {
			t.Errorf("%v: off by %g", widths, d)
		}
		if spread < 0.01 {
			t.Errorf("%v: predictions differ by %g only", widths, spread)
		}
	}
}

func TestPortableAgreesOnReference(t *testing.T) {
	m, err := accuracy.LoadMLP(reftest.Path(t, "ofa", "acc_predictor.pth"))
	if err != nil {
		t.Fatal(err)
	}
	archs := random(12, 2000)
	want := make([]float64, len(archs))
	for i, v := range predict(t, m.Portable(), archs) {
		want[i] = float64(v)
	}
	d := worst(predict(t, m, archs), want)
	t.Logf("largest difference %.2g (%s)", d, m.Describe().Arithmetic)
	if d > 1e-5 {
		t.Errorf("off by %g, want 1e-5", d)
	}
}

// A network has the same bits in batches of any size and at any place, on both ways.
func TestBatchesDoNotMatter(t *testing.T) {
	kernel := seeded(t, 4, 40, 21, 1)
	for _, m := range []*accuracy.MLP{kernel, kernel.Portable()} {
		archs := random(13, 211)
		want := predict(t, m, archs)
		for _, size := range []int{1, 2, 5, 6, 7, 47, 48, 49, 96, 100, 211} {
			for from := 0; from < len(archs); from += size {
				to := min(from+size, len(archs))
				for i, p := range predict(t, m, archs[from:to]) {
					if p != want[from+i] {
						t.Fatalf("%s: network %d in batches of %d: %v, want %v", m.Describe().Arithmetic, from+i, size, p, want[from+i])
					}
				}
			}
		}
	}
}

// The first network that cannot be predicted is named, whether for its choices or its prediction.
func TestBatchNamesFirstError(t *testing.T) {
	kernel := seeded(t, 5, 20, 1)
	// A predictor of 2 for the resolution step of r = 112, and 0.5 for the others.
	w, b := filled("0.weight", 0, 1, 128), filled("0.bias", 0.5, 1)
	w.data[120] = 1.5
	step, err := accuracy.LoadMLP(write(t, w, b))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*accuracy.MLP{kernel, kernel.Portable(), step, step.Portable()} {
		for _, at := range []int{0, 5, 47, 48, 130, 199} {
			archs := random(14, 200)
			for i := range archs {
				archs[i].R = 224
			}
			archs[at].D[0] = 7
			archs[199].D[0] = 7
			text := "d[0] is 7"
			if m.Describe().Source == step.Describe().Source && at > 3 && m.Describe().SHA256 == step.Describe().SHA256 {
				archs[at-3].R = 112
				at, text = at-3, "accuracy 2 is outside"
			}
			var bad *accuracy.Error
			err := m.Predict(archs, make([]unit.Accuracy, len(archs)))
			if !errors.As(err, &bad) || bad.Index != at || !strings.Contains(err.Error(), text) || !bad.Arch.Equal(archs[at]) {
				t.Errorf("%s: error at %d, want %q at %d: %v", m.Describe().Arithmetic, bad.Index, text, at, err)
			}
		}
	}
}

func TestArithmetic(t *testing.T) {
	m := fixture(t)
	got, portable := m.Describe(), m.Portable().Describe()
	if portable.Arithmetic != "portable" || got.Arithmetic == "" {
		t.Errorf("%q and %q", got.Arithmetic, portable.Arithmetic)
	}
	got.Arithmetic = portable.Arithmetic
	if got != portable {
		t.Errorf("%+v and %+v", got, portable)
	}
}

func TestPortableAllocatesNothing(t *testing.T) {
	m := fixture(t).Portable()
	archs := random(3, 10)
	out := make([]unit.Accuracy, len(archs))
	if n := testing.AllocsPerRun(100, func() {
		if err := m.Predict(archs, out); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 {
		t.Errorf("%v allocations", n)
	}
}

// benchmark measures predictions of batches of 48, in each goroutine: one with -cpu 1, two with -cpu 2.
// Per CPU-second the figure hardly depends on what else the machine does.
func benchmark(b *testing.B, p accuracy.Predictor) {
	b.ReportAllocs()
	const batch = 48
	before := cpuSeconds()
	b.RunParallel(func(pb *testing.PB) {
		archs := random(10, batch)
		for i := range archs {
			archs[i].R = 160 + archs[i].R%65
		}
		out := make([]unit.Accuracy, batch)
		for pb.Next() {
			if err := p.Predict(archs, out); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "predictions/s")
	if cpu := cpuSeconds() - before; cpu > 0 {
		b.ReportMetric(float64(b.N*batch)/cpu, "predictions/cpu-s")
	}
}

// Full evaluations of the published predictor's size: features and all layers.
func BenchmarkMLP(b *testing.B)         { benchmark(b, published(b)) }
func BenchmarkMLPPortable(b *testing.B) { benchmark(b, published(b).Portable()) }

func BenchmarkBuiltin(b *testing.B) {
	for _, width := range []float64{1.0, 1.2} {
		b.Run(fmt.Sprintf("w%.1f", width), func(b *testing.B) {
			space, err := supernet.OFAMobileNetV3(width, 1000)
			if err != nil {
				b.Fatal(err)
			}
			p, err := accuracy.Builtin(space)
			if err != nil {
				b.Fatal(err)
			}
			benchmark(b, p)
		})
	}
}
