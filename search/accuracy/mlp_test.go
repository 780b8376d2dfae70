package accuracy_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/reftest"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search/accuracy"
)

// fixture is the committed predictor, 128-12-7-1 with seeded weights.
func fixture(t testing.TB) *accuracy.MLP {
	t.Helper()
	m, err := accuracy.LoadMLP(filepath.Join("testdata", "mlp.pth"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

type golden struct {
	Arch     supernet.Arch
	Accuracy float64
}

func readGolden(t testing.TB, path string) (archs []supernet.Arch, want []float64) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows []golden
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		archs, want = append(archs, r.Arch), append(want, r.Accuracy)
	}
	return archs, want
}

// random draws valid architectures with resolutions 112 to 239; inactive entries are random too.
func random(seed uint64, n int) []supernet.Arch {
	rng := rand.New(rand.NewPCG(seed, 0))
	archs := make([]supernet.Arch, n)
	for i := range archs {
		a := supernet.Arch{KS: make([]int, 20), E: make([]float64, 20), D: make([]int, 5), R: 112 + rng.IntN(128)}
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

func predict(t testing.TB, p accuracy.Predictor, archs []supernet.Arch) []unit.Accuracy {
	t.Helper()
	out := make([]unit.Accuracy, len(archs))
	if err := p.Predict(archs, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// worst returns the largest difference.
func worst(got []unit.Accuracy, want []float64) float64 {
	d := 0.0
	for i, w := range want {
		d = max(d, math.Abs(float64(got[i])-w))
	}
	return d
}

// testdata/mlp.py computed the golden values with PyTorch in float64. The weights are float32, 45
// active inputs and two hidden layers: 1e-6 is ten times what float32 sums of values near 1 lose.
func TestGolden(t *testing.T) {
	archs, want := readGolden(t, filepath.Join("testdata", "mlp.json"))
	if len(archs) != 24 {
		t.Fatalf("%d architectures, want 24", len(archs))
	}
	if d := worst(predict(t, fixture(t), archs), want); d > 1e-6 {
		t.Errorf("off by %g", d)
	}
}

// reference/xavier-nx/predictions.json holds what the authors' code predicts in float32.
func TestReference(t *testing.T) {
	m, err := accuracy.LoadMLP(reftest.Path(t, "ofa", "acc_predictor.pth"))
	if err != nil {
		t.Fatal(err)
	}
	archs, want := readGolden(t, reftest.Path(t, "xavier-nx", "predictions.json"))
	if len(archs) != 40 {
		t.Fatalf("%d architectures, want 40", len(archs))
	}
	d := worst(predict(t, m, archs), want)
	t.Logf("largest difference %.2g", d)
	if d > 1e-5 {
		t.Errorf("off by %g, want 1e-5", d)
	}
	if n := m.Describe(); n.Origin != accuracy.Predicted || !strings.Contains(n.Note, "overshoots") || n.Source != "acc_predictor.pth" {
		t.Errorf("description %+v", n)
	}
}

// oracle is the definition: one-hot inputs, dense matrices, float64.
func oracle(t testing.TB, f *checkpoint.File, a supernet.Arch) float64 {
	t.Helper()
	x := make([]float64, 128)
	for p := range 20 {
		if p%4 < a.D[p/4] {
			x[3*p+map[int]int{3: 0, 5: 1, 7: 2}[a.KS[p]]] = 1
			x[60+3*p+map[float64]int{3: 0, 4: 1, 6: 2}[a.E[p]]] = 1
		}
	}
	x[120+(a.R-112)/16] = 1
	for n := 0; ; n += 2 {
		w, ok := f.Tensor(fmt.Sprintf("%d.weight", n))
		if !ok {
			return x[0]
		}
		b, _ := f.Tensor(fmt.Sprintf("%d.bias", n))
		y := make([]float64, w.Shape[0])
		for i := range y {
			y[i] = float64(b.Data[i])
			for j, v := range x {
				if n > 0 {
					v = max(v, 0)
				}
				y[i] += float64(w.Data[i*w.Shape[1]+j]) * v
			}
		}
		x = y
	}
}

func TestAgainstOracle(t *testing.T) {
	f, err := checkpoint.Open(filepath.Join("testdata", "mlp.pth"))
	if err != nil {
		t.Fatal(err)
	}
	archs := random(1, 500)
	want := make([]float64, len(archs))
	for i, a := range archs {
		want[i] = oracle(t, f, a)
	}
	if d := worst(predict(t, fixture(t), archs), want); d > 1e-6 {
		t.Errorf("off by %g", d)
	}
}

// A prediction depends on the active entries and the step of the resolution only, not on the batch,
// and is the same from many goroutines.
func TestPredictProperties(t *testing.T) {
	m := fixture(t)
	archs := random(2, 200)
	want := predict(t, m, archs)
	for i, a := range archs {
		if got := predict(t, m, []supernet.Arch{a})[0]; got != want[i] {
			t.Fatalf("alone %v, in a batch %v: %s", got, want[i], a)
		}
		b := supernet.Arch{KS: append([]int(nil), a.KS...), E: append([]float64(nil), a.E...), D: a.D, R: 112 + (a.R-112)/16*16}
		for p := range b.KS {
			if p%4 >= a.D[p/4] {
				b.KS[p], b.E[p] = -1, math.NaN()
			}
		}
		if got := predict(t, m, []supernet.Arch{b})[0]; got != want[i] {
			t.Fatalf("inactive entries count: %v and %v for %s and %s", got, want[i], b, a)
		}
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				out := make([]unit.Accuracy, len(archs))
				if err := m.Predict(archs, out); err != nil {
					t.Error(err)
				}
				for i := range out {
					if out[i] != want[i] {
						t.Errorf("%v and %v", out[i], want[i])
					}
				}
			}
		})
	}
	wg.Wait()
	if err := m.Predict(nil, nil); err != nil {
		t.Error(err)
	}
}

func TestPredictAllocatesNothing(t *testing.T) {
	m := fixture(t)
	archs := random(3, 10)
	out := make([]unit.Accuracy, len(archs))
	if n := testing.AllocsPerRun(100, func() {
		if err := m.Predict(archs, out); err != nil {
			t.Fatal(err)
		}
	}); n >= 1 { // a garbage collection may take the scratch memory now and then
		t.Errorf("%v allocations", n)
	}
}

func TestPredictRefuses(t *testing.T) {
	m := fixture(t)
	for _, tt := range []struct {
		name   string
		change func(*supernet.Arch)
		text   string
	}{
		{"resolution 111", func(a *supernet.Arch) { a.R = 111 }, "resolution 111 is outside [112, 239]"},
		{"resolution 240", func(a *supernet.Arch) { a.R = 240 }, "resolution 240 is outside [112, 239]"},
		{"resolution -1", func(a *supernet.Arch) { a.R = -1 }, "resolution -1"},
		{"kernel", func(a *supernet.Arch) { a.KS[4] = 9 }, "ks[4] is 9"},
		{"even kernel", func(a *supernet.Arch) { a.KS[0] = 4 }, "ks[0] is 4"},
		{"expand ratio", func(a *supernet.Arch) { a.E[5] = 5 }, "e[5] is 5"},
		{"NaN", func(a *supernet.Arch) { a.E[1] = math.NaN() }, "e[1] is NaN"},
		{"depth 5", func(a *supernet.Arch) { a.D[2] = 5 }, "d[2] is 5"},
		{"depth -1", func(a *supernet.Arch) { a.D[4] = -1 }, "d[4] is -1"},
		{"21 kernels", func(a *supernet.Arch) { a.KS = append(a.KS, 3) }, "21 kernel sizes"},
		{"empty", func(a *supernet.Arch) { *a = supernet.Arch{} }, "0 kernel sizes"},
	} {
		archs := random(4, 3)
		tt.change(&archs[1])
		err := m.Predict(archs, make([]unit.Accuracy, 3))
		var bad *accuracy.Error
		if !errors.As(err, &bad) || bad.Index != 1 || !strings.Contains(err.Error(), tt.text) ||
			!strings.Contains(err.Error(), archs[1].String()) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic for results of another length")
		}
	}()
	_ = m.Predict(random(5, 2), make([]unit.Accuracy, 1))
}

// tensor is a tensor of a made-up predictor.
type tensor struct {
	name  string
	shape []int
	data  []float32
}

// filled is a tensor of equal elements.
func filled(name string, v float32, shape ...int) tensor {
	n := 1
	for _, s := range shape {
		n *= s
	}
	data := make([]float32, n)
	for i := range data {
		data[i] = v
	}
	return tensor{name, shape, data}
}

// write makes a safetensors file.
func write(t testing.TB, tensors ...tensor) string {
	t.Helper()
	var header []string
	var data []byte
	for _, x := range tensors {
		begin := len(data)
		for _, v := range x.data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		shape, _ := json.Marshal(x.shape)
		header = append(header, fmt.Sprintf(`%q:{"dtype":"F32","shape":%s,"data_offsets":[%d,%d]}`, x.name, shape, begin, len(data)))
	}
	text := "{" + strings.Join(header, ",") + "}"
	raw := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	path := filepath.Join(t.TempDir(), "mlp.safetensors")
	if err := os.WriteFile(path, append(raw, data...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLoadRefuses(t *testing.T) {
	nan := float32(math.NaN())
	w0, b0 := filled("0.weight", 0, 4, 128), filled("0.bias", 0, 4)
	w2, b2 := filled("2.weight", 0, 1, 4), filled("2.bias", 0.5, 1)
	if _, err := accuracy.LoadMLP(write(t, w0, b0, w2, b2)); err != nil {
		t.Fatalf("the base of the cases below: %v", err)
	}
	for _, tt := range []struct {
		text    string
		tensors []tensor
	}{
		{"0.weight has shape [4 127], want [n 128]", []tensor{filled("0.weight", 0, 4, 127), b0, w2, b2}},
		{"0.weight has shape [512], want", []tensor{filled("0.weight", 0, 512), b0, w2, b2}},
		{"0.weight has shape [0 128], want", []tensor{filled("0.weight", 0, 0, 128), filled("0.bias", 0, 0), w2, b2}},
		{"0.bias has shape [3], want [4]", []tensor{w0, filled("0.bias", 0, 3), w2, b2}},
		{"0.bias has shape [4 1], want [4]", []tensor{w0, filled("0.bias", 0, 4, 1), w2, b2}},
		{"2.weight has shape [1 5], want [n 4]", []tensor{w0, b0, filled("2.weight", 0, 1, 5), b2}},
		{"the last layer has 4 outputs, want 1", []tensor{w0, b0}},
		{"tensor 2.bias is missing", []tensor{w0, b0, w2}},
		{"tensor 2.weight is missing", []tensor{w0, b0, b2}},
		{`tensor "base_acc" is no part`, []tensor{w0, b0, w2, b2, filled("base_acc", 0, 1)}},
		{`tensor "02.bias" is no part`, []tensor{w0, b0, w2, filled("02.bias", 0, 1)}},
		{`tensor "-2.bias" is no part`, []tensor{w0, b0, w2, filled("-2.bias", 0, 1)}},
		{`tensor "2.weight.x" is no part`, []tensor{w0, b0, filled("2.weight.x", 0, 1, 4), b2}},
		{"2.weight holds NaN", []tensor{w0, b0, filled("2.weight", nan, 1, 4), b2}},
		{"0.bias holds NaN or infinity", []tensor{w0, filled("0.bias", float32(math.Inf(1)), 4), w2, b2}},
		{"holds no tensors", nil},
	} {
		path := write(t, tt.tensors...)
		m, err := accuracy.LoadMLP(path)
		if err == nil || m != nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), path) {
			t.Errorf("want %q: %v", tt.text, err)
		}
	}
	if _, err := accuracy.LoadMLP(filepath.Join(t.TempDir(), "absent.pth")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
}

// Finite weights may overflow, and no prediction beyond [0, 1] is an accuracy.
func TestPredictionIsNoAccuracy(t *testing.T) {
	for _, tt := range []struct {
		text   string
		weight float32 // of the first layer
		last   tensor
	}{
		{"accuracy 1.5 is outside", 0, filled("2.bias", 1.5, 1)},
		{"accuracy -0.5 is outside", 0, filled("2.bias", -0.5, 1)},
		{"accuracy +Inf is outside", math.MaxFloat32, filled("2.bias", 0, 1)},
		{"accuracy NaN is outside", math.MaxFloat32, tensor{"2.weight", []int{1, 2}, []float32{1, -1}}},
	} {
		set := []tensor{filled("0.weight", tt.weight, 2, 128), filled("0.bias", 0, 2), filled("2.weight", 1, 1, 2), filled("2.bias", 0, 1)}
		for i := range set {
			if set[i].name == tt.last.name {
				set[i] = tt.last
			}
		}
		m, err := accuracy.LoadMLP(write(t, set...))
		if err != nil {
			t.Fatal(err)
		}
		archs := random(6, 1)
		err = m.Predict(archs, make([]unit.Accuracy, 1))
		if err == nil || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), archs[0].String()) {
			t.Errorf("want %q: %v", tt.text, err)
		}
	}
}

// One layer, and wide and narrow ones in turn, whose buffers must not mix.
func TestLayerWidths(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, widths := range [][]int{{1}, {1, 1}, {3, 50, 2, 9, 1}, {40, 1, 1}, {1, 40, 1}} {
		var set []tensor
		in := 128
		for i, out := range widths {
			w, b := filled(fmt.Sprintf("%d.weight", 2*i), 0, out, in), filled(fmt.Sprintf("%d.bias", 2*i), 0, out)
			for j := range w.data {
				w.data[j] = float32(rng.NormFloat64()) * 0.05
			}
			for j := range b.data {
				b.data[j] = 0.3 + float32(rng.NormFloat64())*0.02
			}
			set = append(set, b, w) // the order of the tensors does not matter
			in = out
		}
		path := write(t, set...)
		m, err := accuracy.LoadMLP(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := checkpoint.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range random(8, 50) {
			out := make([]unit.Accuracy, 1)
			want := oracle(t, f, a)
			err := m.Predict([]supernet.Arch{a}, out)
			if want < 0 || want > 1 {
				if err == nil {
					t.Errorf("%v: %v accepted", widths, want)
				}
				continue
			}
			if err != nil || math.Abs(float64(out[0])-want) > 1e-5 {
				t.Errorf("%v: %v, want %v (%v)", widths, out[0], want, err)
			}
		}
	}
}

// FuzzNewMLP: whatever file passes as a predictor predicts accuracies, or says why not.
func FuzzNewMLP(f *testing.F) {
	raw, err := os.ReadFile(filepath.Join("testdata", "mlp.pth"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	for _, set := range [][]tensor{
		{filled("0.weight", 0.01, 1, 128), filled("0.bias", 0.1, 1)},
		{filled("0.weight", 0, 2, 128), filled("0.bias", 0.1, 2), filled("2.weight", 1, 1, 2), filled("2.bias", 0, 1)},
	} {
		if raw, err = os.ReadFile(write(f, set...)); err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	archs := random(9, 4)
	f.Fuzz(func(t *testing.T, raw []byte) {
		file, err := checkpoint.Read(strings.NewReader(string(raw)), int64(len(raw)), "fuzz")
		if err != nil {
			return
		}
		m, err := accuracy.NewMLP(file)
		if err != nil {
			return
		}
		out := make([]unit.Accuracy, len(archs))
		if err := m.Predict(archs, out); err != nil {
			var bad *accuracy.Error
			if !errors.As(err, &bad) {
				t.Fatal(err)
			}
			return
		}
		for _, p := range out {
			if p.Validate() != nil {
				t.Fatal(p)
			}
		}
	})
}
