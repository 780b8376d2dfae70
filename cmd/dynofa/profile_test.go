package main

import (
	"context"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
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

// settable is a machine with one CPU clock that can be set, and no other.
type settable struct{ fstest.MapFS }

func (m settable) WriteFile(name, content string) error {
	if _, ok := m.MapFS[name]; !ok {
		return fs.ErrNotExist
	}
	m.MapFS[name] = &fstest.MapFile{Data: []byte(content)}
	return nil
}

func (settable) Run(context.Context, string, ...string) error { return fs.ErrPermission }

// Clocks are set because the user asks, the table is labelled with what is in force, what is refused
// is a warning of the table, and afterwards everything is as it was.
func TestProfileSetsClocks(t *testing.T) {
	needRuntime(t)
	const dir = "sys/devices/system/cpu/cpufreq/policy0/"
	tree := settable{fstest.MapFS{}}
	for name, text := range map[string]string{"scaling_cur_freq": "1200000", "scaling_min_freq": "600000", "scaling_max_freq": "1500000", "scaling_governor": "ondemand"} {
		tree.MapFS[dir+name] = &fstest.MapFile{Data: []byte(text)}
	}
	db := filepath.Join(t.TempDir(), "s.db")
	f := &profileFlags{cfg: profile.Config{Point: lut.OperatingPoint{Precision: "fp32"}}, fsys: tree, changer: tree}
	app := &cli.App{Name: "dynofa", Flags: f.flags(), Action: f.action, Writer: io.Discard, ErrWriter: io.Discard}
	args := append([]string{"dynofa"}, small(db, "--rounds", "3", "--sweep", "cpu-clock=1.2GHz,900MHz", "--gpu-clock", "1GHz", "--power-mode", "MAXN")[2:]...)
	if err := app.RunContext(t.Context(), args); err != nil {
		t.Fatal(err)
	}
	study, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer study.Close()
	for id, want := range map[int64]unit.Hertz{1: 1.2e9, 2: 900e6} {
		table, err := study.Table(t.Context(), lut.Query{ID: id})
		if err != nil {
			t.Fatal(err)
		}
		warnings := strings.Join(table.Warnings, "\n")
		if table.Point.CPUClock != want || table.Point.GPUClock != 0 || table.Point.PowerMode != "" ||
			!strings.Contains(warnings, "gpu clock 1.000 GHz was asked for, but the system tells none") || !strings.Contains(warnings, "power mode MAXN was asked for, but") {
			t.Errorf("table %d: %+v\n%s", id, table.Point, warnings)
		}
	}
	if low, high := string(tree.MapFS[dir+"scaling_min_freq"].Data), string(tree.MapFS[dir+"scaling_max_freq"].Data); low != "600000" || high != "1500000" {
		t.Errorf("afterwards %s..%s kHz", low, high)
	}
}

// TestProfileOnly measures two entries of a table again: a new table has them, everything else is as it was.
func TestProfileOnly(t *testing.T) {
	needRuntime(t)
	db := filepath.Join(t.TempDir(), "s.db")
	succeed(t, small(db, "--rounds", "5")...)
	study, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer study.Close()
	old, err := study.Table(t.Context(), lut.Query{ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	only := old.Entries[3].Key.String() + "; " + old.Entries[50].Key.String()
	command := []string{"lut", "profile", "--db", db, "--space", "ofa-mbv3-w0.25-c10", "--seams", "1", "--rounds", "6", "--only"}
	succeed(t, append(command, only)...)
	merged, err := study.Table(t.Context(), lut.Query{ID: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range merged.Entries {
		want := 5
		if i == 3 || i == 50 {
			want = 6
		}
		if e.Key != old.Entries[i].Key || e.Latency.N != want {
			t.Errorf("%v has %d samples, want %d", e.Key, e.Latency.N, want)
		}
	}
	if len(merged.Networks) != len(old.Networks) || !strings.Contains(strings.Join(merged.Warnings, "; "), "2 of 96 entries were measured again") {
		t.Errorf("%d networks; warnings %q", len(merged.Networks), merged.Warnings)
	}
	for want, args := range map[string][]string{
		"does not begin with a resolution": append(command, "stem"), "twice": append(command, only+";"+only), "goes without": append(command, only, "--resolutions", "32"),
		"names no entry": append(command, ";"),
	} {
		if code, _, stderr := dynofa(t, args...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, want 2 with %q in %s", code, want, stderr)
		}
	}
	for want, args := range map[string][]string{
		"no table takes the entries": append(command, only, "--threads", "2"), "no such file": append(command, "@nowhere"),
		"there is no measured table": append(command, only, "--device", "other"), "with all of the entries": append(command, strings.ReplaceAll(only, "r=32", "r=64")),
	} {
		if code, _, stderr := dynofa(t, args...); code != 1 && code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, want a failure with %q in %s", code, want, stderr)
		}
	}
}
