package sqlite_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
)

// The stock sqlite3 shell reads a study, open or closed. Expected numbers: luttest.Table(1, 50) has
// resolutions 128 to 224 in steps of 4 (25), two warnings, and entry 0 has all statistics, with its
// median 2 ns above 1000001 ns.
func TestStockShell(t *testing.T) {
	shell, err := exec.LookPath("sqlite3")
	if err != nil {
		t.Skip("the sqlite3 shell is not installed")
	}
	path := studyFile(t)
	run := func(commands ...string) string {
		t.Helper()
		out, err := exec.Command(shell, append([]string{"-batch", "-bail", path}, commands...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", commands, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	check := func() {
		t.Helper()
		for command, want := range map[string]string{
			"PRAGMA integrity_check":   "ok",
			"PRAGMA foreign_key_check": "",
			"PRAGMA application_id":    "1685679718", // 0x64796e66
			"PRAGMA journal_mode":      "wal",
			"SELECT device, processor, entries, resolutions, warnings, created FROM latency_tables_overview":      "board|cpu|50|25|2|2026-01-02T04:04:05Z",
			"SELECT p50_ms, n FROM latency_entries_ms WHERE resolution = 128 AND block LIKE '%x1 %'":              "1.000003|300",
			"SELECT count(*) FROM latency_entries_ms WHERE central_ms IS NULL":                                    "0",
			"SELECT name FROM latency_facts ORDER BY position":                                                    "seed\nkernel\nempty",
			"SELECT count(*) FROM search_front, search_runs_overview, family_levels_ms, sim_runs, search_history": "0",
		} {
			if got := run(command); got != want {
				t.Errorf("%s: %q, want %q", command, got, want)
			}
		}
		schema := run(".schema")
		for _, name := range []string{"latency_tables", "latency_entries", "search_runs", "search_candidates", "families", "family_levels", "sim_runs"} {
			if !strings.Contains(schema, "CREATE TABLE "+name+" (") {
				t.Errorf(".schema has no table %s", name)
			}
		}
		if n := strings.Count(schema, "CREATE TABLE") - strings.Count(schema, "CREATE TABLE sqlite_sequence"); strings.Count(schema, "STRICT") != n {
			t.Errorf("%d tables, %d of them STRICT", n, strings.Count(schema, "STRICT"))
		}
	}
	check()
	s := create(t, path)
	check()
	// What the shell writes, this program reads, and the other way round, while both have it open.
	run("PRAGMA foreign_keys = 1; UPDATE latency_tables SET source = 'edited'")
	infos, err := s.Tables(t.Context(), lut.Query{})
	if err != nil || len(infos) != 1 || infos[0].Source != "edited" {
		t.Errorf("after the shell's edit: %+v, error %v", infos, err)
	}
	if _, err := s.PutTable(t.Context(), luttest.Table(2, 3)); err != nil {
		t.Fatal(err)
	}
	if got := run("SELECT count(*) FROM latency_tables"); got != "2" {
		t.Errorf("the shell sees %s tables, want 2", got)
	}
	if got := run(".backup " + filepath.Join(t.TempDir(), "copy.db")); got != "" {
		t.Errorf(".backup: %s", got)
	}
}
