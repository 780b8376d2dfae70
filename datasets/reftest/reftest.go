// Package reftest finds the reference data that lies beside a checkout, for tests only.
//
// The data (real tables, checkpoints, golden outputs) may not be committed, so tests on it
// skip where it is absent. With DYNOFA_REQUIRE_REFERENCE=1, which `make test-reference` sets,
// absence is a failure instead. The package reads nothing itself and is imported by no program.
package reftest

import (
	"os"
	"path/filepath"
	"testing"
)

// RequireVariable is the environment variable that turns a missing reference file from a skip
// into a failure when it is "1".
const RequireVariable = "DYNOFA_REQUIRE_REFERENCE"

// Path returns the path of an entry under ../shared/reference of the checkout, for instance
// Path(t, "ofa", "macs.json"). It skips the test if the entry does not exist, or fails it if
// RequireVariable is set.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	root := Root(t)
	path := filepath.Join(append([]string{filepath.Dir(root), "shared", "reference"}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv(RequireVariable) == "1" {
			t.Fatalf("reference data is required but not present: %s", filepath.Join(elem...))
		}
		t.Skipf("reference data not present: %s", filepath.Join(elem...))
	}
	return path
}

// Root returns the root of the checkout: the nearest folder above the working directory that
// holds go.mod. It fails the test if there is none.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod above the working directory")
		}
		dir = parent
	}
}
