//go:build cgo

package ort

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/onnx"
)

// adapter compiles deploy/ort/older and puts a library, unless "", behind it.
func adapter(t *testing.T, behind string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("older", "older.c"))
	if err != nil {
		t.Fatal(err)
	}
	path := fake(t, string(source))
	if behind != "" {
		if err := os.Symlink(behind, filepath.Join(filepath.Dir(path), "libonnxruntime_older.so")); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

// olderVariable names the library that the child process of TestOlderRuntime runs a block with.
const olderVariable = "DYNOFA_TEST_OLDER"

// TestOlderRuntime runs a block with a library that says that it is version 1.18.0, and has no newer API than that one's
// to give, behind the adapter, and without it. The library is this machine's otherwise: every release still
// offers the API of 1.18. DYNOFA_OLDER_ONNXRUNTIME names a real one to use instead.
func TestOlderRuntime(t *testing.T) {
	if path := os.Getenv(olderVariable); path != "" {
		fmt.Println("answer", runBlock(t, path))
		return
	}
	current := here(t)
	behind := os.Getenv("DYNOFA_OLDER_ONNXRUNTIME")
	if behind == "" {
		behind = fake(t, fmt.Sprintf(`
			#include <dlfcn.h>
			static struct base { const void *(*api)(unsigned); const char *(*version)(void); } *real;
			static const void *api(unsigned v) { return v > 18 ? 0 : real->api(v); }
			static const char *version(void) { return "1.18.0"; }
			static struct base base = {api, version};
			void *OrtGetApiBase(void) {
				void *library = dlopen(%q, RTLD_NOW);
				void *(*get)(void) = (void *(*)(void))dlsym(library, "OrtGetApiBase");
				real = get();
				return &base; }`, current))
	}
	child := func(path string) (string, error) {
		c := exec.Command(os.Args[0], "-test.run=^TestOlderRuntime$")
		c.Env = append(os.Environ(), olderVariable+"="+path)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	want, err := child(current)
	if err != nil {
		t.Fatalf("%v\n%s", err, want)
	}
	if _, err := handshake(behind); err == nil || !strings.Contains(err.Error(), "make runtime-older") {
		t.Errorf("without the adapter: %v", err)
	}
	got, err := child(adapter(t, behind))
	if err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	first, _, _ := strings.Cut(got, "\n")
	if wanted, _, _ := strings.Cut(want, "\n"); first != wanted {
		t.Errorf("behind the adapter %q, without it %q", first, wanted)
	}
}

// runBlock runs a block with every way in which sessions are made, and returns what it answers to a constant input.
func runBlock(t *testing.T, path string) string {
	r, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	shape := supernet.Shape{Size: 8, Channels: 64} // large enough for tensors in a file of their own
	block, err := onnx.Block(supernet.Block{Op: supernet.OpSepConv, In: shape, Out: shape, Kernel: 3, Stride: 1, Act: supernet.HSwish, Residual: true}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.NewSession(block, Options{Provider: "cuda"}); err == nil || !bytes.Contains([]byte(err.Error()), []byte("cuda")) {
		t.Errorf("CUDA: %v", err)
	}
	dir := t.TempDir()
	graph, err := r.Optimise(block, dir, "tensors", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if list, err := onnx.Externals(graph); err != nil || len(list) == 0 {
		t.Fatalf("%d tensors outside of the graph, %v", len(list), err)
	}
	plain, err := r.NewSession(block, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := r.NewMappedSession(graph, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var sums []float64
	for _, s := range []*Session{plain, mapped} {
		for i := range s.Input() {
			s.Input()[i] = float32(i%7) - 3
		}
		if err := s.Run(); err != nil {
			t.Fatal(err)
		}
		sum := 0.
		for _, v := range s.Output() {
			sum += math.Abs(float64(v))
		}
		sums = append(sums, sum)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return fmt.Sprint(sums)
}
