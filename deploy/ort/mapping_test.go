//go:build cgo && linux

package ort_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
)

// places counts the pieces of address space in which this process sees a file.
func places(t *testing.T, path string) int {
	t.Helper()
	data, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(data), " "+path+"\n")
}

// All sessions see a file of tensors in one place, which goes with the last of them.
func TestSessionsShareOneMapping(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, graph := optimised(t, dir, smallest)
	path := filepath.Join(dir, "weights")
	var sessions []*ort.Session
	for range 3 {
		s, err := load(t).NewMappedSession(graph, dir, ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
		if n := places(t, path); n != 1 {
			t.Fatalf("%d sessions see the file in %d places, want 1", len(sessions), n)
		}
	}
	for i, s := range sessions {
		if err := s.Run(); err != nil {
			t.Errorf("beside %d closed sessions: %v", i, err)
		}
		for range 2 {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n, want := places(t, path), min(1, len(sessions)-1-i); n != want {
			t.Errorf("after %d of %d sessions were closed the file is seen in %d places, want %d", i+1, len(sessions), n, want)
		}
	}
	bad, err := onnx.Relocate(graph, func(e onnx.External) onnx.External { e.Length--; return e })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := load(t).NewMappedSession(bad, dir, ort.Options{}); !errors.Is(err, ort.ErrModel) {
		t.Errorf("tensors with a byte too few: %v", err)
	}
	if n := places(t, path); n != 0 {
		t.Errorf("after an error the file is seen in %d places", n)
	}
}

// flags returns what the kernel was asked of the place in which this process sees a file.
func flags(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), " "+path+"\n")
	_, rest, ok := strings.Cut(rest, "VmFlags:")
	if !ok {
		t.Skip("this kernel does not tell what it was asked")
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line + " "
}

// Large pages are asked for until memory is short; sessions that are there go on.
func TestSmallPages(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("a kernel without large pages")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	_, graph := optimised(t, dir, smallest)
	path := filepath.Join(dir, "weights")
	s := mapped(t, graph, dir)
	fillRandom(s.Input(), 1)
	if err := s.Run(); err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(s.Output())
	if f := flags(t, path); !strings.Contains(f, " hg ") {
		t.Errorf("large pages were not asked for: %s", f)
	}
	for range 2 {
		ort.SmallPages()
		if f := flags(t, path); !strings.Contains(f, " nh ") || strings.Contains(f, " hg ") {
			t.Errorf("small pages were not asked for: %s", f)
		}
	}
	if err := s.Run(); err != nil || !slices.Equal(s.Output(), before) {
		t.Errorf("the answer changed, %v", err)
	}
}

// What a graph says of its tensors is not believed.
func TestMappedTensorsAreChecked(t *testing.T) {
	dir := t.TempDir()
	_, graph := optimised(t, dir, smallest)
	for name, change := range map[string]func(*onnx.External){
		"more elements":      func(e *onnx.External) { e.Shape[0] *= 2 },
		"fewer dimensions":   func(e *onnx.External) { e.Shape = e.Shape[:1] },
		"a negative one":     func(e *onnx.External) { e.Shape[0] = -e.Shape[0] },
		"more than there is": func(e *onnx.External) { e.Shape = []int64{1 << 62, 1 << 62} },
		"strings":            func(e *onnx.External) { e.Type = 8 },
		"no type":            func(e *onnx.External) { e.Type = 0 },
		"an unknown type":    func(e *onnx.External) { e.Type = 1000 },
		"a negative type":    func(e *onnx.External) { e.Type = -1 },
		"wider elements":     func(e *onnx.External) { e.Type = 11 },
	} {
		done := false
		bad, err := onnx.Relocate(graph, func(e onnx.External) onnx.External {
			if !done && len(e.Shape) > 1 {
				done = true
				e.Shape = slices.Clone(e.Shape)
				change(&e)
			}
			return e
		})
		if err != nil {
			t.Fatal(err)
		}
		if s, err := load(t).NewMappedSession(bad, dir, ort.Options{}); !errors.Is(err, ort.ErrModel) {
			t.Errorf("%s: %v, session %v", name, err, s != nil)
		}
	}
}
