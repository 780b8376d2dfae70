package bundle_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/checkpoint"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// alone fails the test if anything but the named entries stands in a folder.
func alone(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if fmt.Sprint(got) != fmt.Sprint(names) {
		t.Errorf("the folder holds %q, want %q", got, names)
	}
}

func TestWriteReplacesABundle(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "bundle")
	var digests []string
	for seed := range uint64(3) {
		d, err := bundle.Write(t.Context(), dir, mustFixture(t, seed))
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, d)
		if err := check(dir); err != nil {
			t.Fatal(err)
		}
		alone(t, parent, "bundle")
	}
	if digests[0] == digests[1] {
		t.Error("different bundles have the same digest")
	}
	// A damaged bundle may be replaced, too.
	put(t, filepath.Join(dir, "supernet.safetensors"), "")
	if err := os.Remove(filepath.Join(dir, "manifest.sha256")); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(t.Context(), dir, mustFixture(t, 1)); err != nil {
		t.Error(err)
	}
	if err := check(dir); err != nil {
		t.Error(err)
	}
}

func TestWriteIntoAnEmptyFolderAndThroughALink(t *testing.T) {
	parent := t.TempDir()
	dir, link := filepath.Join(parent, "bundle"), filepath.Join(parent, "link")
	if err := errors.Join(os.Mkdir(dir, 0o755), os.Symlink("bundle", link)); err != nil {
		t.Fatal(err)
	}
	if _, err := bundle.Write(t.Context(), link, mustFixture(t, 1)); err != nil {
		t.Fatal(err)
	}
	if err := check(dir); err != nil {
		t.Error(err)
	}
	if target, err := os.Readlink(link); target != "bundle" {
		t.Errorf("the link became %q: %v", target, err)
	}
	alone(t, parent, "bundle", "link")
}

func TestWriteRefusesToOverwrite(t *testing.T) {
	for name, prepare := range map[string]func(dir string) error{
		"a file":                 func(dir string) error { return os.WriteFile(dir, []byte("mine"), 0o644) },
		"a folder of mine":       func(dir string) error { return makeFile(dir, "thesis.txt", "mine") },
		"a manifest of others":   func(dir string) error { return makeFile(dir, "manifest.json", `{"name": "app"}`) },
		"models of mine":         func(dir string) error { return makeFile(dir, "levels/a.onnx", "mine") },
		"a bundle with my notes": func(dir string) error { return makeFile(dir, "notes.txt", "mine") },
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "bundle")
			if strings.HasPrefix(name, "a bundle") {
				if _, err := bundle.Write(t.Context(), dir, mustFixture(t, 1)); err != nil {
					t.Fatal(err)
				}
			}
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			if _, err := bundle.Write(t.Context(), dir, mustFixture(t, 2)); !errors.Is(err, bundle.ErrNotBundle) {
				t.Errorf("error %v", err)
			}
			alone(t, parent, "bundle")
		})
	}
	if _, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "no", "parent"), mustFixture(t, 1)); err == nil {
		t.Error("a parent was made up")
	}
}

func makeFile(dir, name, data string) error {
	p := filepath.Join(dir, filepath.FromSlash(name))
	return errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte(data), 0o644))
}

func TestWriteFailsWhole(t *testing.T) {
	for name, change := range map[string]func(*bundle.Spec, context.CancelFunc){
		"missing tensor": func(s *bundle.Spec, _ context.CancelFunc) { s.Supernet = without{s.Supernet, "classifier.linear.bias"} },
		"cancel":         func(s *bundle.Spec, cancel context.CancelFunc) { s.Supernet = cancelAt{s.Supernet, cancel} },
		"no family":      func(s *bundle.Spec, _ context.CancelFunc) { s.Family = nil },
		"no weights":     func(s *bundle.Spec, _ context.CancelFunc) { s.Supernet = nil },
		"NaN latency":    func(s *bundle.Spec, _ context.CancelFunc) { s.Family.Levels[1].Latencies[0].Latency = nan },
		"inactive entry": func(s *bundle.Spec, _ context.CancelFunc) { s.Family.Levels[0].Arch.KS[3] = 7 },
		"other space":    func(s *bundle.Spec, _ context.CancelFunc) { s.Family.Space = "resnet" },
		"bad version":    func(s *bundle.Spec, _ context.CancelFunc) { s.Runtime.MinVersion = "new" },
		"no policy":      func(s *bundle.Spec, _ context.CancelFunc) { s.Policy.Spec = "" },
		"unknown policy": func(s *bundle.Spec, _ context.CancelFunc) { s.Policy.Spec = "oracle" },
		"bad parameter":  func(s *bundle.Spec, _ context.CancelFunc) { s.Policy.Params["margin"] = "NaN" },
		"bad note":       func(s *bundle.Spec, _ context.CancelFunc) { s.Notes = []string{"\x1b[2J"} },
		"few labels":     func(s *bundle.Spec, _ context.CancelFunc) { s.Labels = s.Labels[:9] },
		"two-line label": func(s *bundle.Spec, _ context.CancelFunc) { s.Labels[3] = "a\nb" },
		"table NaN":      func(s *bundle.Spec, _ context.CancelFunc) { s.Table.Entries[0].Latency.Mean = nan },
	} {
		t.Run(name, func(t *testing.T) {
			parent := t.TempDir()
			dir := filepath.Join(parent, "bundle")
			old, err := bundle.Write(t.Context(), dir, mustFixture(t, 1))
			if err != nil {
				t.Fatal(err)
			}
			spec := mustFixture(t, 2)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			change(&spec, cancel)
			if _, err := bundle.Write(ctx, dir, spec); err == nil {
				t.Fatal("no error")
			}
			b, err := bundle.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if b.Digest() != old {
				t.Error("the old bundle is gone")
			}
			alone(t, parent, "bundle")
		})
	}
}

var nan = unit.Nanoseconds(math.NaN())

// without lacks a tensor.
type without struct {
	onnx.Weights
	name string
}

func (w without) Tensor(name string) (checkpoint.Tensor, bool) {
	if name == w.name {
		return checkpoint.Tensor{}, false
	}
	return w.Weights.Tensor(name)
}

// cancelAt cancels while weights are read.
type cancelAt struct {
	onnx.Weights
	cancel context.CancelFunc
}

func (w cancelAt) Tensor(name string) (checkpoint.Tensor, bool) {
	w.cancel()
	return w.Weights.Tensor(name)
}

// childVariable names the folder in which a re-executed test binary writes bundles for ever.
const childVariable = "DYNOFA_BUNDLE_TEST_CHILD"

// prepareVariable names a bundle and a cache, "BUNDLE|CACHE", which the child prepares and removes for
// ever.
const prepareVariable = "DYNOFA_BUNDLE_TEST_PREPARE"

// kills is how often writers are killed; 100 takes a minute or more.
var kills = flag.Int("kills", 8, "processes to kill in the tests of killed writers")

func TestMain(m *testing.M) {
	if arg := os.Getenv(prepareVariable); arg != "" {
		dir, cache, _ := strings.Cut(arg, "|")
		b, err := bundle.Open(dir)
		fmt.Println("ready")
		for i := 0; err == nil; i++ {
			p := preparation(cache)
			p.Target = fmt.Sprint("machine ", i%2)
			var made *bundle.Prepared
			if made, _, _, err = b.PrepareRead(context.Background(), p); err == nil && i%3 == 2 {
				err = made.Remove()
			}
			fmt.Println("done")
		}
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
	if dir := os.Getenv(childVariable); dir != "" {
		fmt.Println("ready")
		for seed := uint64(0); ; seed = 1 - seed {
			spec, err := fixture(seed)
			if err == nil {
				_, err = bundle.Write(context.Background(), dir, spec)
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(3)
			}
			fmt.Println("done")
		}
	}
	os.Exit(m.Run())
}

// killChild starts this program again, lets it do its work a few times, at most most, and kills it at a
// random moment of the next within about as long as the work has just taken.
func killChild(t *testing.T, variable, value string, rng *rand.Rand, most int) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), variable+"="+value)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	took := 20 * time.Millisecond
	for range 1 + rng.IntN(most+1) { // "ready" comes first
		start := time.Now()
		if !lines.Scan() {
			t.Fatalf("the child ended: %v", lines.Err())
		}
		took = time.Since(start)
	}
	time.Sleep(time.Duration(rng.Int64N(int64(took) + 1)))
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() == 3 {
		t.Fatalf("the child failed before it was killed: %v", err)
	}
}

// TestKilledWriterLeavesABundle kills a process that writes two bundles in turn, -kills times, at
// random moments. Afterwards the folder is one of the two, complete; before the first write has
// ended it may be missing.
func TestKilledWriterLeavesABundle(t *testing.T) {
	want := map[string]bool{}
	for seed := range uint64(2) {
		d, err := bundle.Write(t.Context(), filepath.Join(t.TempDir(), "b"), mustFixture(t, seed))
		if err != nil {
			t.Fatal(err)
		}
		want[d] = true
	}
	rng := rand.New(rand.NewPCG(1, 1))
	parent := t.TempDir()
	dir := filepath.Join(parent, "bundle")
	seen, missing := map[string]int{}, 0
	for range *kills {
		killChild(t, childVariable, dir, rng, 2)
		b, err := bundle.Open(dir)
		if errors.Is(err, os.ErrNotExist) && len(seen) == 0 {
			missing++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if !want[b.Digest()] {
			t.Errorf("neither of the two bundles: %s", b.Digest())
		}
		seen[b.Digest()]++
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d bundles seen %v, %d times none yet", len(seen), seen, missing)
	if len(seen) < 2 {
		t.Errorf("after %d kills %d of the two bundles were seen", *kills, len(seen))
	}
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(entries); n > 3 { // at most what the last child was building and removing
		t.Errorf("%d leftovers are kept", n-1)
	}
	if _, err := bundle.Write(t.Context(), dir, mustFixture(t, 5)); err != nil {
		t.Error(err)
	}
	alone(t, parent, "bundle")
}

// TestKilledPreparationLeavesACache kills a process that prepares a bundle for two machines in turn and
// removes what it made, at random moments. Whatever is left, the next preparation finds or makes what
// it needs.
func TestKilledPreparationLeavesACache(t *testing.T) {
	dir, cache := written(t, 1), filepath.Join(t.TempDir(), "cache")
	b := openFixture(t, dir)
	rng := rand.New(rand.NewPCG(2, 2))
	for range (*kills + 1) / 2 {
		killChild(t, prepareVariable, dir+"|"+cache, rng, 3)
		p := preparation(cache)
		p.Target = fmt.Sprint("machine ", rng.IntN(2))
		made, graphs, remade, err := b.PrepareRead(t.Context(), p)
		if err != nil || remade || len(graphs) != 3 {
			t.Fatalf("after a kill: %d graphs, damaged %v: %v", len(graphs), remade, err)
		}
		reads(t, made)
	}
	if entries, _ := os.ReadDir(cache); len(entries) > 5 {
		t.Errorf("%d entries are left", len(entries))
	}
}

// TestSwapRenames covers the way that is taken where the system cannot exchange two folders.
func TestSwapRenames(t *testing.T) {
	parent := t.TempDir()
	a, b := filepath.Join(parent, "a"), filepath.Join(parent, "b")
	if err := errors.Join(makeFile(a, "f", "new"), makeFile(b, "f", "old")); err != nil {
		t.Fatal(err)
	}
	if err := bundle.SwapRenames(a, b); err != nil {
		t.Fatal(err)
	}
	if readAll(t, a)["f"] != "old" || readAll(t, b)["f"] != "new" {
		t.Error("not swapped")
	}
	if err := os.RemoveAll(a); err != nil {
		t.Fatal(err)
	}
	if err := bundle.SwapRenames(a, b); err == nil {
		t.Error("nothing was put in place")
	}
	if readAll(t, b)["f"] != "new" {
		t.Error("the old folder did not come back")
	}
	alone(t, parent, "b")
}
