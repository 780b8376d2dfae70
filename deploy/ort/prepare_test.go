//go:build cgo

package ort_test

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// optimised makes the graph of a small network, with its tensors in dir/weights.
func optimised(t testing.TB, dir string, arch func(*supernet.Space) supernet.Arch) (model, graph []byte) {
	t.Helper()
	model = small(t, arch)
	graph, err := load(t).Optimise(model, dir, "weights", ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return model, graph
}

// mapped runs a graph whose tensors lie in dir.
func mapped(t testing.TB, graph []byte, dir string) *ort.Session {
	t.Helper()
	s, err := load(t).NewMappedSession(graph, dir, ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// An optimised graph answers what the model answers, up to the order of sums, and the same after its
// tensors were moved to another file.
func TestMappedSessionsAnswerTheSame(t *testing.T) {
	dir := t.TempDir()
	model, graph := optimised(t, dir, func(s *supernet.Space) supernet.Arch { return s.Uniform(7, 6, 4, 64) })
	plain := session(t, model, ort.Options{})
	direct := mapped(t, graph, dir)

	other := t.TempDir()
	data, err := os.ReadFile(filepath.Join(dir, "weights"))
	if err != nil {
		t.Fatal(err)
	}
	var blob []byte
	moved, err := onnx.Relocate(graph, func(e onnx.External) onnx.External {
		for len(blob)%64 != 0 {
			blob = append(blob, 0xff)
		}
		at := int64(len(blob))
		blob = append(blob, data[e.Offset:e.Offset+e.Length]...)
		e.File, e.Offset = "blob", at
		return e
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(other, "blob"), blob, 0o644); err != nil {
		t.Fatal(err)
	}
	relocated := mapped(t, moved, other)
	for seed := range uint64(3) {
		fillRandom(plain.Input(), seed)
		copy(direct.Input(), plain.Input())
		copy(relocated.Input(), plain.Input())
		for _, s := range []*ort.Session{plain, direct, relocated} {
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
		}
		peak, diff := 0., 0.
		for i, v := range plain.Output() {
			peak = max(peak, math.Abs(float64(v)))
			diff = max(diff, math.Abs(float64(v-direct.Output()[i])))
		}
		if !(diff <= 3e-6*peak) {
			t.Errorf("the optimised graph differs by %g of %g", diff, peak)
		}
		if !slices.Equal(direct.Output(), relocated.Output()) {
			t.Error("moved tensors give other answers")
		}
	}
	list, err := onnx.Externals(graph)
	if err != nil || len(list) < 20 {
		t.Errorf("%d tensors outside, %v", len(list), err)
	}
	total := int64(0)
	for _, e := range list {
		total += e.Length
	}
	if len(graph) > 200_000 || total < 1_000_000 {
		t.Errorf("the graph has %d bytes, its file %d", len(graph), total)
	}
}

func TestOptimiseLeavesOneFileAndOverwritesNone(t *testing.T) {
	a := t.TempDir()
	optimised(t, a, smallest)
	if entries, _ := os.ReadDir(a); len(entries) != 1 {
		t.Errorf("%d files are left, want the tensors alone", len(entries))
	}
	if _, err := load(t).Optimise(small(t, smallest), a, "weights", ort.Options{}); err == nil {
		t.Error("an existing file was overwritten")
	}
	if _, err := load(t).Optimise([]byte("x"), t.TempDir(), "w", ort.Options{}); !errors.Is(err, ort.ErrModel) {
		t.Errorf("no model: %v", err)
	}
}

func TestMappedSessionRefuses(t *testing.T) {
	dir := t.TempDir()
	_, graph := optimised(t, dir, smallest)
	info, err := os.Stat(filepath.Join(dir, "weights"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(t).NewMappedSession(graph, t.TempDir(), ort.Options{}); !errors.Is(err, ort.ErrModel) {
		t.Errorf("without the file: %v", err)
	}
	for name, move := range map[string]func(onnx.External) onnx.External{
		"beyond the end": func(e onnx.External) onnx.External { e.Offset += info.Size(); return e },
		"another folder": func(e onnx.External) onnx.External { e.File = "../weights"; return e },
		"absolute":       func(e onnx.External) onnx.External { e.File = filepath.Join(dir, "weights"); return e },
		"negative":       func(e onnx.External) onnx.External { e.Offset = -64; return e },
		"overflow":       func(e onnx.External) onnx.External { e.Offset = math.MaxInt64; return e },
		"empty":          func(e onnx.External) onnx.External { e.Length = 0; return e },
	} {
		bad, err := onnx.Relocate(graph, move)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := load(t).NewMappedSession(bad, dir, ort.Options{}); !errors.Is(err, ort.ErrModel) {
			t.Errorf("%s: %v", name, err)
		}
	}
	link := t.TempDir()
	if err := os.Symlink(filepath.Join(dir, "weights"), filepath.Join(link, "weights")); err != nil {
		t.Fatal(err)
	}
	if _, err := load(t).NewMappedSession(graph, link, ort.Options{}); !errors.Is(err, ort.ErrModel) {
		t.Errorf("a link: %v", err)
	}
}

func TestTarget(t *testing.T) {
	r := load(t)
	a, err := r.Target(ort.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.Target(ort.Options{Threads: 4})
	if err != nil || a != b || strings.ContainsAny(a, "\n\r") {
		t.Errorf("targets %q and %q: %v", a, b, err)
	}
	sum, err := r.SHA256()
	if err != nil || !strings.Contains(a, sum) || !strings.Contains(a, r.Version()) || !strings.Contains(a, ort.Processor()) {
		t.Errorf("target %q", a)
	}
	if c, err := r.Target(ort.Options{Provider: "xnnpack"}); err != nil || a == c {
		t.Errorf("the provider does not count: %q, %v", c, err)
	}
}
