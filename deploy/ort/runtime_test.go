//go:build cgo

package ort_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/dynofa/dynofa/deploy/ort"
)

func TestLoadOncePerProcess(t *testing.T) {
	r := load(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			if again, err := ort.Load(r.Path()); err != nil || again != r {
				t.Errorf("%p, %v; want %p", again, err, r)
			}
		})
	}
	wait.Wait()
	link := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.Symlink(r.Path(), link); err != nil {
		t.Skip(err)
	}
	if again, err := ort.Load(link); err != nil || again != r {
		t.Errorf("by a link: %p, %v", again, err)
	}
	other := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(other, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ort.Load(other); !errors.Is(err, ort.ErrLoaded) {
		t.Errorf("another library: %v", err)
	}
	if _, err := ort.Load(other + ".missing"); !errors.Is(err, ort.ErrNoLibrary) {
		t.Errorf("a missing library: %v", err)
	}
	if _, err := ort.Load(t.TempDir()); !errors.Is(err, ort.ErrNoLibrary) {
		t.Errorf("a folder: %v", err)
	}
}

func TestRuntimeDescribesItself(t *testing.T) {
	r := load(t)
	if !strings.HasPrefix(r.Version(), "1.") || !filepath.IsAbs(r.Path()) {
		t.Errorf("version %q at %q", r.Version(), r.Path())
	}
	sum, err := r.SHA256()
	if err != nil || len(sum) != 64 {
		t.Errorf("digest %q, %v", sum, err)
	}
	t.Logf("ONNX Runtime %s, SHA-256 %s", r.Version(), sum)
}
