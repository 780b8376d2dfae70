package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

var sameBits = cmp.Comparer(func(a, b unit.Nanoseconds) bool { return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) })

func TestRoundTrip(t *testing.T) {
	spec := mustFixture(t, 1)
	dir := filepath.Join(t.TempDir(), "bundle")
	digest, err := bundle.Write(t.Context(), dir, spec)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.Digest() != digest || b.Dir() != dir {
		t.Errorf("digest %s, want %s", b.Digest(), digest)
	}
	m := b.Manifest()
	if d := cmp.Diff(*spec.Family, m.Family); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(spec.Policy, m.Policy); d != "" {
		t.Error(d)
	}
	if m.CreatedBy != spec.CreatedBy || m.Weights != spec.Weights || !cmp.Equal(m.Runtime, spec.Runtime) || len(m.Family.Levels) != 3 {
		t.Errorf("manifest %+v", m)
	}
	space, err := supernet.ByName(m.Family.Space)
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range m.Family.Levels {
		if i == 1 {
			b.Forget() // and read again
		}
		want, err := onnx.Network(space, l.Arch, spec.Supernet, onnx.Options{Statistics: spec.Statistics[i], Source: spec.Weights})
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.Level(i)
		if err != nil || string(got) != string(want) {
			t.Errorf("level %d differs: %v", i, err)
		}
	}
	for _, i := range []int{-1, 3} {
		if _, err := b.Level(i); err == nil {
			t.Errorf("there is a level %d", i)
		}
	}
	labels, err := b.Labels()
	if d := cmp.Diff(spec.Labels, labels); d != "" || err != nil {
		t.Error(err, d)
	}
	want, err := bundle.Excerpt(spec.Table, spec.Family)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Table()
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, sameBits); d != "" {
		t.Error(d)
	}
	// Uniform networks of depths 2, 3 and 4 have the 5 fixed layers that carry a block of their own
	// per resolution plus stem (6) and, per stage, one first and one inner block: 6 + 5*2.
	if n := len(got.Entries); n != 3*16 || len(got.Networks) != 3 {
		t.Errorf("the excerpt has %d entries and %d networks", n, len(got.Networks))
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOptionalPartsAreAbsent(t *testing.T) {
	spec := mustFixture(t, 1)
	spec.Table, spec.Labels, spec.Notes = nil, nil, nil
	dir := filepath.Join(t.TempDir(), "bundle")
	if _, err := bundle.Write(t.Context(), dir, spec); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if _, err := b.Table(); !errors.Is(err, bundle.ErrAbsent) {
		t.Error(err)
	}
	if _, err := b.Labels(); !errors.Is(err, bundle.ErrAbsent) {
		t.Error(err)
	}
	if err := b.Verify(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestSameInputsSameBytes(t *testing.T) {
	a, b := readAll(t, written(t, 1)), readAll(t, written(t, 1))
	if d := cmp.Diff(a, b); d != "" {
		t.Error(d)
	}
	if len(a) != 7 {
		t.Errorf("%d files, want manifest, its digest, supernet, statistics, table, labels and service", len(a))
	}
	if other := readAll(t, written(t, 2)); other["manifest.json"] == a["manifest.json"] {
		t.Error("other weights have the same manifest")
	}
}

func TestDigestFileIsReadBySha256sum(t *testing.T) {
	tool, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	c := exec.Command(tool, "-c", "manifest.sha256")
	c.Dir = written(t, 1)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestAnyFlippedByteIsRefused flips bits in every file: everywhere in the first and last 16 bytes
// and at some 40 places in between. It also cuts, extends and removes every file.
func TestAnyFlippedByteIsRefused(t *testing.T) {
	dir := written(t, 1)
	flips := 0
	for name, data := range readAll(t, dir) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		step := max(1, len(data)/40)
		for i := 0; i < len(data); i++ {
			if i > 16 && i < len(data)-16 && i%step != 0 {
				continue
			}
			patch(t, path, int64(i), data[i]^1<<(i%8))
			if err := check(dir); err == nil {
				t.Errorf("%s: byte %d flipped and accepted", name, i)
			} else if !strings.Contains(err.Error(), filepath.Base(path)) && !strings.Contains(err.Error(), "manifest") {
				t.Errorf("%s: byte %d: the error names no file: %v", name, i, err)
			}
			patch(t, path, int64(i), data[i])
			flips++
		}
		for _, bad := range []string{data[:len(data)-1], data + "\n", ""} {
			put(t, path, bad)
			if check(dir) == nil {
				t.Errorf("%s: %d bytes instead of %d accepted", name, len(bad), len(data))
			}
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if check(dir) == nil {
			t.Errorf("%s: removed and accepted", name)
		}
		put(t, path, data)
	}
	if err := check(dir); err != nil {
		t.Errorf("restored: %v", err)
	}
	t.Logf("%d flipped bytes refused", flips)
}

func TestDigestIsCheckedOnTheBytesUsed(t *testing.T) {
	dir := written(t, 1)
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	path := filepath.Join(dir, "statistics.safetensors")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put(t, path, strings.Repeat("x", len(good))) // same size, after Open
	if _, err := b.Level(1); !errors.Is(err, bundle.ErrDamaged) {
		t.Errorf("error %v", err)
	}
	put(t, path, string(good))
	if _, err := b.Level(1); err != nil {
		t.Errorf("put right: %v", err)
	}
}

// Write makes every level once, so weights that do not serve are found before a board has them.
func TestWriteRefusesUnusableWeights(t *testing.T) {
	for name, change := range map[string]func(*bundle.Spec){
		"other space":      func(s *bundle.Spec) { s.Supernet = weightsOf(t, 0.5) },
		"statistics short": func(s *bundle.Spec) { delete(s.Statistics[2], "blocks.1.conv.depth_conv.bn.bn") },
		"statistics NaN":   func(s *bundle.Spec) { s.Statistics[2]["first_conv.bn"].Mean[0] = float32(math.NaN()) },
		"other level's":    func(s *bundle.Spec) { s.Statistics[1], s.Statistics[2] = s.Statistics[2], s.Statistics[1] },
		"too few levels":   func(s *bundle.Spec) { s.Statistics = s.Statistics[:2] },
	} {
		spec := mustFixture(t, 1)
		change(&spec)
		if _, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "b"), spec); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func weightsOf(t *testing.T, width float64) onnx.Weights {
	s, err := supernet.OFAMobileNetV3(width, 10)
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// A bundle of six levels of which one is the whole supernet takes little more than that level's own
// model, where six models take several times as much.
func TestBundleIsAsLargeAsItsLargestLevel(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 45 MB")
	}
	s, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	w, err := onnx.RandomWeights(s, 1)
	if err != nil {
		t.Fatal(err)
	}
	spec := mustFixture(t, 1)
	spec.Family = &family.Family{Name: "six", Space: s.Name, Source: "test"}
	spec.Supernet, spec.Statistics, spec.Table, spec.Labels = w, nil, nil, nil
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 160), s.Uniform(3, 4, 2, 176), s.Uniform(5, 4, 3, 192), s.Uniform(5, 6, 3, 208), s.Uniform(7, 4, 4, 224), s.Largest()} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		m, err := moments(s, a, uint64(i))
		if err != nil {
			t.Fatal(err)
		}
		spec.Statistics = append(spec.Statistics, m)
		spec.Family.Levels = append(spec.Family.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(.7 + .01*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Milliseconds(float64(i + 1)), Origin: lut.Modelled}}})
	}
	dir := filepath.Join(t.TempDir(), "b")
	if _, err := bundle.Write(t.Context(), dir, spec); err != nil {
		t.Fatal(err)
	}
	b, err := bundle.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var size, all, largest int64
	for _, f := range b.Manifest().Files {
		size += f.Size
	}
	for i := range spec.Family.Levels {
		model, err := b.Level(i)
		if err != nil {
			t.Fatal(err)
		}
		all += int64(len(model))
		largest = max(largest, int64(len(model)))
	}
	t.Logf("bundle %v, largest level %v (%.3f times), six models %v (%.2f times)", unit.Bytes(size), unit.Bytes(largest),
		float64(size)/float64(largest), unit.Bytes(all), float64(all)/float64(largest))
	if float64(size) > 1.1*float64(largest) {
		t.Errorf("%d bytes are more than 1.1 times %d", size, largest)
	}
}

func TestOpenRefusesWhatIsNotListed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	for name, change := range map[string]func(dir string) error{
		"extra file":   func(dir string) error { return os.WriteFile(filepath.Join(dir, "extra"), nil, 0o644) },
		"extra weight": func(dir string) error { return os.WriteFile(filepath.Join(dir, "weights.bin"), nil, 0o644) },
		"extra folder": func(dir string) error { return os.Mkdir(filepath.Join(dir, "more"), 0o755) },
		"file as link to outside": func(dir string) error {
			p := filepath.Join(dir, "supernet.safetensors")
			return errors.Join(os.Rename(p, outside), os.Symlink(outside, p))
		},
		"file as link inside": func(dir string) error {
			p := filepath.Join(dir, "statistics.safetensors")
			return errors.Join(os.Remove(p), os.Symlink("supernet.safetensors", p))
		},
		"manifest as link": func(dir string) error {
			p := filepath.Join(dir, "manifest.json")
			return errors.Join(os.Rename(p, outside+".json"), os.Symlink(outside+".json", p))
		},
		"file as folder": func(dir string) error {
			p := filepath.Join(dir, "labels.txt")
			return errors.Join(os.Remove(p), os.Mkdir(p, 0o755))
		},
		"many files": func(dir string) error {
			for i := range 1000 {
				if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := written(t, 1)
			if err := change(dir); err != nil {
				t.Fatal(err)
			}
			b, err := bundle.Open(dir)
			if err == nil {
				_ = b.Close()
				t.Fatal("accepted")
			}
			t.Log(err)
		})
	}
}

func TestOpenOfNoBundle(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "nothing"), os.Args[0]} {
		if _, err := bundle.Open(dir); err == nil {
			t.Errorf("%s is opened", dir)
		}
	}
	if _, err := bundle.Open(t.TempDir()); !errors.Is(err, bundle.ErrNotBundle) {
		t.Errorf("empty folder: %v", err)
	}
}

func TestTableForAnotherSpace(t *testing.T) {
	spec := mustFixture(t, 1)
	spec.Table.Space = "ofa-mbv3-w1.0"
	if _, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "b"), spec); err == nil {
		t.Error("accepted")
	}
	spec = mustFixture(t, 1)
	gone := spec.Table.Entries[3]
	spec.Table.Entries = spec.Table.Entries[:3]
	_, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "b"), spec)
	var missing *lut.MissingError
	if !errors.As(err, &missing) {
		t.Errorf("without %v and more: %v", gone.Key, err)
	}
}

func TestRuntimeCheck(t *testing.T) {
	r := bundle.Runtime{Name: "onnxruntime", MinVersion: "1.24.0", Provider: "cpu"}
	for _, v := range []string{"1.24.0", "1.24.1", "1.27.0", "2.0.0", "1.27.0-dev+abc"} {
		if err := r.Check(v); err != nil {
			t.Errorf("%s: %v", v, err)
		}
	}
	for _, v := range []string{"1.23.9", "0.99.0", "", "1.27", "one.two.three", "1.-2.3", "1.99999999999.0"} {
		if r.Check(v) == nil {
			t.Errorf("%q is accepted", v)
		}
	}
}

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "bundle-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	spec, err := fixture(1)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := bundle.Write(context.Background(), filepath.Join(dir, "b"), spec); err != nil {
		fmt.Println(err)
		return
	}
	b, err := bundle.Open(filepath.Join(dir, "b"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	model, err := b.Level(2)
	fmt.Println(b.Manifest().Family.Name, len(model) > 1e6, b.Manifest().Weights, err)
	// Output: tiny true random, seed 1 <nil>
}
