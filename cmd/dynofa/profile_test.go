package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// small measures a space whose networks take a few hundred microseconds.
func small(db string, more ...string) []string {
	return append([]string{"lut", "profile", "--db", db, "--space", "ofa-mbv3-w0.25-c10", "--resolutions", "32", "--networks", "2", "--seams", "1"}, more...)
}

// Three rounds give no interval of a median: the grade is D, the table is there, and only --strict
// fails.
func TestProfileStrict(t *testing.T) {
	needRuntime(t)
	db := filepath.Join(t.TempDir(), "s.db")
	if out := succeed(t, small(db, "--rounds", "3")...); !strings.Contains(out, "trust grade D: of 96 entries 0 are A, 0 B, 0 C and 96 D") {
		t.Errorf("no grade in\n%s", out)
	}
	code, stdout, stderr := dynofa(t, small(db, "--rounds", "3", "--strict", "--seed", "2")...)
	if code != command.ExitFailure || !strings.Contains(stderr, "table 2 has trust grade D") || !strings.Contains(stdout, "null model: ") {
		t.Errorf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
}

// A sweep stores a table for each point, with the co-runner that was really there; afterwards no
// process is left, which Stop has waited for.
func TestProfileSweep(t *testing.T) {
	needRuntime(t)
	db := filepath.Join(t.TempDir(), "s.db")
	succeed(t, small(db, "--rounds", "3", "--sweep", "co=none,cpu", "--sweep", "batch=1,2", "--period", "1ms")...)
	study, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer study.Close()
	infos, err := study.Tables(t.Context(), lut.Query{})
	if err != nil {
		t.Fatal(err)
	}
	points := map[lut.OperatingPoint]bool{}
	for _, i := range infos {
		points[i.Point] = true
		if co := i.Point.CoRunner; co != "none" && co != "cpu:1" {
			t.Errorf("co-runner %q", co)
		}
	}
	if len(points) != 8 {
		t.Errorf("%d operating points in %d tables, want 8", len(points), len(infos))
	}
}

// A budget that ends while sessions are made leaves no table and says so; one that ends while
// measuring leaves one, keeps the rounds, and the same command completes it.
func TestProfileBudget(t *testing.T) {
	needRuntime(t)
	db := filepath.Join(t.TempDir(), "s.db")
	code, _, stderr := dynofa(t, small(db, "--budget", "1ms")...)
	if code != command.ExitFailure || !strings.Contains(stderr, "the budget was used up before anything was measured") {
		t.Errorf("exit code %d\n%s", code, stderr)
	}
	out := succeed(t, small(db, "--rounds", "10000", "--budget", "4s")...)
	if !strings.Contains(out, "the budget of 4s was used up") {
		t.Errorf("no word of the budget in\n%s", out)
	}
	out = succeed(t, small(db, "--rounds", "1")...) // fewer than the journal has: nothing is left to do
	if strings.Contains(out, "rounds of earlier runs: 0\n") || !strings.Contains(out, "warm-up rounds dropped: 0") {
		t.Errorf("the journal was not used:\n%s", out)
	}
}
