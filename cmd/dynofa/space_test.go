package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
)

// A supernet of one's own goes the whole way from its description to a bundle; the file is needed for
// the first step only.
func TestOwnSpace(t *testing.T) {
	needRuntime(t)
	dir := t.TempDir()
	db, file := filepath.Join(dir, "s.db"), filepath.Join(dir, "own.yaml")
	text, err := os.ReadFile(filepath.Join("..", "..", "datasets", "supernet", "testdata", "small-mbv3.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	shown := succeed(t, "space", "show", file)
	if !strings.Contains(shown, "# 1.8e+14 different") || !strings.Contains(shown, "name: small-mbv3\n") {
		t.Errorf("shown as\n%s", shown)
	}
	succeed(t, "lut", "profile", "--db", db, "--space", file, "--device", "pc", "--resolutions", "16,20", "--rounds", "3", "--networks", "-1", "--seams", "-1")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "search", "run", "--db", db, "--accuracy", "stand-in", "--evaluations", "1000"); !strings.Contains(out, "small-mbv3") {
		t.Errorf("searched\n%s", out)
	}
	succeed(t, "search", "show", "--db", db)
	succeed(t, "family", "choose", "--db", db, "--levels", "3")
	if out := succeed(t, "family", "show", "--db", db); !strings.Contains(out, "of space small-mbv3") {
		t.Errorf("family\n%s", out)
	}
	succeed(t, "plot", "table", "--db", db, "--resolution", "16", "-o", filepath.Join(dir, "table.svg"))
	succeed(t, "export", "--db", db, "--checkpoint", "random:1", "-o", filepath.Join(dir, "bundle"))

	csv := filepath.Join(dir, "t.csv")
	succeed(t, "lut", "export", "--db", db, "-o", csv)
	succeed(t, "lut", "import", "--db", db, "--format", "csv", csv)
	bench := filepath.Join(dir, "table.txt")
	succeed(t, "lut", "export", "--db", db, "--format", "gobench", "-o", bench)

	other := filepath.Join(dir, "other.yaml")
	if err := os.WriteFile(other, []byte(strings.Replace(string(text), "classes: 10", "classes: 11", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := succeed(t, "lut", "import", "--db", filepath.Join(dir, "own.db"), "--format", "gobench", bench); !strings.Contains(out, "small-mbv3") {
		t.Errorf("a file that names its own space:\n%s", out)
	}
	for _, c := range []struct {
		message string
		args    []string
	}{
		{"table 1 is for another space that is called \"small-mbv3\" too", []string{"lut", "profile", "--db", db, "--space", other, "--resolutions", "16", "--rounds", "3", "--networks", "-1", "--seams", "-1"}},
		{"describes space \"small-mbv3\" in another way", []string{"lut", "import", "--db", db, "--format", "csv", "--space", other, csv}},
		{"no such file", []string{"lut", "profile", "--db", db, "--space", file}},
		{"built-in", []string{"search", "run", "--db", db}},
	} {
		code, _, stderr := dynofa(t, c.args...)
		if code != command.ExitFailure || !strings.Contains(stderr, c.message) {
			t.Errorf("%q: exit code %d, want %q in\n%s", c.args, code, c.message, stderr)
		}
		if strings.Contains(stderr, "prepare:") { // the refusal comes before the work
			t.Errorf("%q measured first:\n%s", c.args, stderr)
		}
	}
}
