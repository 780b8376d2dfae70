package bundle_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/deploy/bundle"
)

func TestWriteModels(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "models")
	files, err := bundle.WriteModels(t.Context(), dir, mustFixture(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	got := readAll(t, dir)
	if len(files) != 5 || len(got) != 5 {
		t.Errorf("%d files, want three levels, family and digests", len(got))
	}
	b, err := bundle.Open(written(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for i, name := range []string{"level-0.onnx", "level-1.onnx", "level-2.onnx"} {
		want, err := b.Level(i)
		if err != nil || got[name] != string(want) {
			t.Errorf("%s is not the bundle's level %d: %v", name, i, err)
		}
	}
	if tool, err := exec.LookPath("sha256sum"); err == nil {
		c := exec.Command(tool, "-c", "sha256sums")
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}
	alone(t, parent, "models")
	if _, err := bundle.Open(dir); !errors.Is(err, bundle.ErrNotBundle) || !strings.Contains(err.Error(), "export without --standalone") {
		t.Errorf("opened as a bundle: %v", err)
	}
	again := filepath.Join(t.TempDir(), "models")
	if err := os.Mkdir(again, 0o755); err != nil { // an empty folder is taken
		t.Fatal(err)
	}
	if _, err := bundle.WriteModels(t.Context(), again, mustFixture(t, 1)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(got, readAll(t, again)); d != "" {
		t.Error("the same inputs give other files")
	}
	if _, err := bundle.WriteModels(t.Context(), dir, mustFixture(t, 2)); err == nil {
		t.Error("a folder with files was overwritten")
	}
}
