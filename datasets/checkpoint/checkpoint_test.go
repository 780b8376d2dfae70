package checkpoint_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/dynofa/dynofa/datasets/checkpoint"
)

// expected reads testdata/expected.json, what PyTorch says the fixtures hold.
func expected(t testing.TB) []checkpoint.Tensor {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Name, DType string
		Shape       []int
		Data        []string
	}
	if err := json.Unmarshal(raw, &rows); err != nil {
		t.Fatal(err)
	}
	var out []checkpoint.Tensor
	for _, r := range rows {
		data := make([]float32, len(r.Data))
		for i, s := range r.Data {
			// The text is a float64 equal to a float32, so parsing rounds nothing.
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				t.Fatal(err)
			}
			data[i] = float32(v)
		}
		out = append(out, checkpoint.Tensor{Name: r.Name, DType: r.DType, Shape: r.Shape, Data: data})
	}
	return out
}

// diff returns the first difference of two lists of tensors, or "". Elements are compared by their
// bits, so NaN equals itself and 0 differs from -0. (cmp.Diff takes seconds on a supernet.)
func diff(want, got []checkpoint.Tensor) string {
	if len(want) != len(got) {
		return fmt.Sprintf("%d tensors, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) || len(g.Data) != len(w.Data) {
			return fmt.Sprintf("%q %s %v, want %q %s %v", g.Name, g.DType, g.Shape, w.Name, w.DType, w.Shape)
		}
		for j, v := range w.Data {
			if math.Float32bits(v) != math.Float32bits(g.Data[j]) {
				return fmt.Sprintf("%q: element %d is %v, want %v", g.Name, j, g.Data[j], v)
			}
		}
	}
	return ""
}

// tensors returns all tensors of a file, in order.
func tensors(t testing.TB, f *checkpoint.File) []checkpoint.Tensor {
	t.Helper()
	var out []checkpoint.Tensor
	for _, name := range f.Names() {
		x, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("%s lists %q but does not find it", f.Name(), name)
		}
		out = append(out, x)
	}
	return out
}

// rename gives all tensors their canonical names.
func rename(xs []checkpoint.Tensor) []checkpoint.Tensor {
	for i := range xs {
		xs[i].Name = checkpoint.CanonicalName(xs[i].Name)
	}
	return xs
}

// The fixtures hold the same tensors; zip.pth under OFA's elder names and within "state_dict".
// testdata/checkpoints.py wrote them, and expected.json beside them.
func TestFixtures(t *testing.T) {
	for _, tt := range []struct{ file, format, block string }{
		{"legacy.pth", "torch-legacy", "conv"},
		{"zip.pth", "torch-zip", "mobile_inverted_conv"},
		{"model.safetensors", "safetensors", "conv"},
	} {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata", tt.file)
			f, err := checkpoint.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if f.Format() != tt.format || f.Name() != path {
				t.Errorf("format %q, name %q", f.Format(), f.Name())
			}
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(raw)
			if got := hex.EncodeToString(sum[:]); f.SHA256() != got {
				t.Errorf("SHA256 is %s, want %s", f.SHA256(), got)
			}
			if got, want := f.Names()[1], "blocks.1."+tt.block+".inverted_bottleneck.conv.weight"; got != want {
				t.Errorf("the second name is %q, want %q", got, want)
			}
			if d := diff(expected(t), rename(tensors(t, f))); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLookup(t *testing.T) {
	for _, file := range []string{"legacy.pth", "zip.pth"} {
		f, err := checkpoint.Open(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		for name, found := range map[string]bool{
			"blocks.1.conv.depth_conv.conv.conv.weight":                 true,
			"blocks.1.mobile_inverted_conv.depth_conv.conv.conv.weight": true,
			"blocks.1.conv.depth_conv.conv.weight":                      false,
			"":                                                          false,
		} {
			if _, ok := f.Tensor(name); ok != found {
				t.Errorf("%s: %q found: %v", file, name, ok)
			}
		}
	}
}

func TestCanonicalName(t *testing.T) {
	for in, want := range map[string]string{
		"blocks.1.mobile_inverted_conv.depth_conv.conv.conv.weight": "blocks.1.conv.depth_conv.conv.conv.weight",
		"blocks.1.conv.depth_conv.conv.conv.weight":                 "blocks.1.conv.depth_conv.conv.conv.weight",
		"a.mobile_inverted_conv.mobile_inverted_conv.b":             "a.conv.mobile_inverted_conv.b",
		"mobile_inverted_conv.x":                                    "mobile_inverted_conv.x",
		"":                                                          "",
	} {
		if got := checkpoint.CanonicalName(in); got != want {
			t.Errorf("CanonicalName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestFinite(t *testing.T) {
	f, err := checkpoint.Open(filepath.Join("testdata", "legacy.pth"))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range tensors(t, f) {
		if got, want := x.Finite(), x.Name != "special"; got != want {
			t.Errorf("%s: Finite is %v", x.Name, got)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if (checkpoint.Tensor{Data: []float32{0, float32(v)}}).Finite() {
			t.Errorf("%v counts as finite", v)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := checkpoint.Open(filepath.Join(dir, "absent.pth"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	_, err = checkpoint.Open(dir)
	if !errors.Is(err, checkpoint.ErrRefused) {
		t.Errorf("a folder: %v", err)
	}
	var placed *checkpoint.Error
	if !errors.As(err, &placed) || placed.File != dir || placed.Offset != -1 {
		t.Errorf("a folder: %#v", placed)
	}
}

// Reading has no state: concurrent reads of the same bytes give the same tensors.
func TestConcurrent(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join("testdata", "zip.pth"))
	if err != nil {
		t.Fatal(err)
	}
	want := expected(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f, err := checkpoint.Read(bytes.NewReader(raw), int64(len(raw)), "zip.pth")
			if err != nil {
				t.Error(err)
				return
			}
			if d := diff(want, rename(tensors(t, f))); d != "" {
				t.Error(d)
			}
		})
	}
	wg.Wait()
}

func BenchmarkReadLegacy(b *testing.B) {
	raw, err := os.ReadFile(filepath.Join("testdata", "legacy.pth"))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := checkpoint.Read(bytes.NewReader(raw), int64(len(raw)), ""); err != nil {
			b.Fatal(err)
		}
	}
}
