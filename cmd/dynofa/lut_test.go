package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
)

// fixtures are small files in the form of the published tables.
const fixtures = "../../lut/formats/testdata/ofa-json"

// importFixtures returns a study with one table of two resolutions.
func importFixtures(t *testing.T) (db string) {
	t.Helper()
	db = filepath.Join(t.TempDir(), "s.db")
	succeed(t, "lut", "import", "--db", db, "--device", "board", "--processor", "cpu", fixtures)
	return db
}

// What is exported in any form and imported again is exported as the same bytes.
func TestExportAndImport(t *testing.T) {
	db := importFixtures(t)
	for _, format := range []string{"csv", "gobench", "ofa-json", "ofa-yaml"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "table")
		succeed(t, "lut", "export", "--db", db, "--format", format, "-o", path)
		again := filepath.Join(dir, "again.db")
		args := []string{"lut", "import", "--db", again, "--format", format}
		if strings.HasPrefix(format, "ofa") {
			args = append(args, "--device", "board", "--processor", "cpu")
		}
		succeed(t, append(args, path)...)
		second := filepath.Join(dir, "second")
		succeed(t, "lut", "export", "--db", again, "--format", format, "-o", second)
		if !strings.HasPrefix(format, "ofa") { // whose files are the table, and name no import
			continue
		}
		files, err := os.ReadDir(path)
		if err != nil || len(files) != 2 {
			t.Fatalf("%s: %d files, %v", format, len(files), err)
		}
		for _, f := range files {
			a, errA := os.ReadFile(filepath.Join(path, f.Name()))
			b, errB := os.ReadFile(filepath.Join(second, f.Name()))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("%s: %s differs after import and export: %v, %v", format, f.Name(), errA, errB)
			}
		}
	}
	one := succeed(t, "lut", "export", "--db", db, "--format", "ofa-yaml", "--resolution", "128", "--spread", "var")
	if !strings.HasPrefix(one, "AvgPool2D-input:4x4x1152-output:1x1x1152:\n  count: ") || !strings.Contains(one, "\n  var: ") {
		t.Errorf("one resolution:\n%.200s", one)
	}
	for _, args := range [][]string{
		{"--format", "xml"},
		{"--format", "ofa-json"},
		{"--format", "csv", "--resolution", "160"},
		{"--format", "ofa-json", "--resolution", "160", "--spread", "iqr"},
	} {
		if code, _, stderr := dynofa(t, append([]string{"lut", "export", "--db", db}, args...)...); code != command.ExitUsage {
			t.Errorf("%v: exit code %d\n%s", args, code, stderr)
		}
	}
	if code, _, stderr := dynofa(t, "lut", "export", "--db", db, "--format", "proxyless-yaml", "--resolution", "128"); code != command.ExitFailure || !strings.Contains(stderr, "ofa-mbv3-w1.2") {
		t.Errorf("a space without ProxylessNAS keys: exit code %d\n%s", code, stderr)
	}
}
