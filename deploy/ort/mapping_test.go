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
