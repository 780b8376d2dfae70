package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
	"github.com/dynofa/dynofa/lut/sqlite"
)

func TestRefusals(t *testing.T) {
	ctx := context.Background()
	good, err := os.ReadFile(studyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	raw(t, other, "CREATE TABLE t (x)")
	stranger, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	patch := func(offset int, bytes ...byte) []byte {
		data := append([]byte(nil), good...)
		copy(data[offset:], bytes)
		return data
	}
	junk := bytes.Repeat([]byte("no database\n"), 1000)
	for name, c := range map[string]struct {
		data []byte
		want error
		text string
	}{
		"text":             {junk, sqlite.ErrNotStudy, "it is no SQLite database"},
		"short text":       {[]byte("hello"), sqlite.ErrNotStudy, "it is no SQLite database"},
		"zeros":            {make([]byte, 8192), sqlite.ErrNotStudy, ""},
		"another database": {stranger, sqlite.ErrNotStudy, "a SQLite database that dynofa did not write"},
		"GeoPackage":       {patch(68, 'G', 'P', 'K', 'G'), sqlite.ErrNotStudy, "another application (application_id 0x47504b47)"},
		"high bit":         {patch(68, 0xff, 0, 0, 1), sqlite.ErrNotStudy, "application_id 0xff000001"},
		"no application":   {patch(68, 0, 0, 0, 0), sqlite.ErrNotStudy, "did not write"},
		"newer":            {patch(60, 0, 0, 0, 99), sqlite.ErrNewer, "written by a newer dynofa; it has schema version 99, this program knows versions up to"},
		"negative version": {patch(60, 0xff, 0xff, 0xff, 0xff), sqlite.ErrDamaged, "schema version is -1"},
		"version 0":        {patch(60, 0, 0, 0, 0), sqlite.ErrDamaged, "schema version is 0"},
		"truncated":        {good[:len(good)/2], sqlite.ErrDamaged, ""},
		"first page only":  {good[:4096], sqlite.ErrDamaged, ""},
		"half a page":      {good[:2048], sqlite.ErrDamaged, ""},
		"header only":      {good[:100], sqlite.ErrDamaged, ""},
		"half a header":    {good[:50], sqlite.ErrDamaged, ""},
		"schema page":      {patch(100, bytes.Repeat([]byte{0xff}, 3000)...), sqlite.ErrDamaged, ""},
	} {
		path := filepath.Join(t.TempDir(), "s.db")
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, open := range []func(context.Context, string) (*sqlite.Study, error){sqlite.Open, sqlite.Create} {
			s, err := open(ctx, path)
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: error %v, want %v %q", name, err, c.want, c.text)
			} else if !strings.HasPrefix(err.Error(), "sqlite: study "+path+": ") {
				t.Errorf("%s: error %v does not name the file", name, err)
			}
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(after, c.data) {
			t.Errorf("%s: refusing the file changed it", name)
		}
	}

	dir := t.TempDir()
	if _, err := sqlite.Open(ctx, filepath.Join(dir, "absent.db")); !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "absent.db") != 1 {
		t.Errorf("absent: error %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "absent.db")); err == nil {
		t.Error("Open made a file")
	}
	if _, err := sqlite.Create(ctx, filepath.Join(dir, "no", "such", "folder.db")); err == nil {
		t.Error("a file in no folder is opened")
	}
	if _, err := sqlite.Create(ctx, dir); !errors.Is(err, sqlite.ErrNotStudy) {
		t.Errorf("a folder: error %v", err)
	}
	if _, err := sqlite.Create(ctx, ""); err == nil {
		t.Error("no path is opened")
	}
	if _, err := sqlite.Create(ctx, "a\x00b"); err == nil {
		t.Error("a path with a NUL is opened")
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := sqlite.Create(cancelled, filepath.Join(dir, "s.db")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

// An empty file is a study without content: it is what a process leaves that was killed between
// making the file and the first migration.
func TestEmptyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.PutTable(context.Background(), luttest.Table(1, 1)); err != nil {
		t.Error(err)
	}
}

// A file that has seen only some migrations is brought up to date with its content.
func TestUpgrade(t *testing.T) {
	for version := 1; version < sqlite.Version(); version++ {
		path := filepath.Join(t.TempDir(), "s.db")
		names, err := filepath.Glob("migrations/*.sql")
		if err != nil || len(names) != sqlite.Version() {
			t.Fatalf("%d migrations, %d files: %v", sqlite.Version(), len(names), err)
		}
		for i, name := range names[:version] {
			if want := fmt.Sprintf("%04d_", i+1); !strings.HasPrefix(filepath.Base(name), want) {
				t.Errorf("migration %d is in %s", i+1, name)
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			raw(t, path, string(text))
		}
		raw(t, path, fmt.Sprintf("PRAGMA application_id = %d", sqlite.ApplicationID), fmt.Sprintf("PRAGMA user_version = %d", version),
			`INSERT INTO latency_tables (id, space, device, processor, cpu_clock_hz, gpu_clock_hz, memory_clock_hz, power_mode, threads, runtime, runtime_version,
				provider, precision, batch, co_runner, period_ns, origin, source, created_ns, calibration_offset_ns, calibration_scale, entry_count) VALUES (5, 'ofa-mbv3-w1.2', 'old', 'cpu', 0, 0, 0, '', 0, '', '', '', '', 0, '', 0, 'imported', 'old file', NULL, 0, 0, 1)`,
			`INSERT INTO latency_entries (table_id, resolution, block, n, mean_ns) VALUES (5, 160, 'pool in=5x5x8 out=1x1x8', 3, 1.5)`)
		s := create(t, path)
		tab, err := s.Table(context.Background(), lut.Query{})
		if err != nil || tab.ID != 5 || tab.Entries[0].Latency.Mean != 1.5 || !tab.Created.IsZero() {
			t.Errorf("from version %d: %+v, error %v", version, tab, err)
		}
		if err := s.View(context.Background(), func(tx *sql.Tx) error {
			var got, tables int
			err := tx.QueryRow("SELECT user_version, (SELECT count(*) FROM sim_runs) FROM pragma_user_version").Scan(&got, &tables)
			if got != sqlite.Version() {
				t.Errorf("from version %d: now %d", version, got)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
}

// What somebody changed in the file with another tool is noticed when it is read.
func TestDamagedTables(t *testing.T) {
	for name, c := range map[string]struct{ statement, want string }{
		"entry missing":  {"DELETE FROM latency_entries WHERE resolution = 128", "entries of 50"},
		"all missing":    {"DELETE FROM latency_entries", "0 entries of 50"},
		"block":          {"UPDATE latency_entries SET block = 'brick' WHERE resolution = 132 AND block LIKE '%x2 %'", "brick"},
		"block form":     {"UPDATE latency_entries SET block = block || ' ' WHERE resolution = 132", "malformed"},
		"warnings":       {"UPDATE latency_entries SET warnings = '[1]' WHERE resolution = 128", "warnings \"[1]\""},
		"quantiles":      {"UPDATE latency_entries SET p50_ns = 5e9 WHERE resolution = 128", "p90 is below p50"},
		"infinite":       {"UPDATE latency_entries SET p99_ns = 9e999 WHERE resolution = 128", "p99 is +Inf"},
		"network":        {"UPDATE latency_networks SET warnings = '[{}]'", "warnings \"[{}]\""},
		"cut samples":    {"UPDATE latency_networks SET samples = x'80'", "samples are cut short"},
		"empty samples":  {"UPDATE latency_networks SET samples = x''", "0 samples stand behind"},
		"samples":        {"UPDATE latency_networks SET samples = x'01'", "1 samples stand behind"},
		"infinite scale": {"UPDATE latency_tables SET calibration_scale = 9e999", "calibration scale +Inf"},
	} {
		path := studyFile(t)
		raw(t, path, c.statement)
		s := create(t, path)
		_, err := s.Table(context.Background(), lut.Query{})
		if !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "table 1") {
			t.Errorf("%s: error %v, want ErrDamaged with %q", name, err, c.want)
		}
	}
	// The schema itself refuses the rest.
	path := studyFile(t)
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{
		"UPDATE latency_entries SET mean_ns = -1",
		"UPDATE latency_entries SET mean_ns = 'fast'",
		"UPDATE latency_entries SET mean_ns = NULL, p50_ns = NULL",
		"UPDATE latency_entries SET warnings = 'none'",
		"UPDATE latency_entries SET block = 'same', resolution = 1",
		"UPDATE latency_tables SET origin = 'guessed'",
		"UPDATE latency_tables SET device = ''",
		"UPDATE latency_facts SET name = 'same'",
	} {
		if _, err := db.Exec(statement); err == nil {
			t.Errorf("accepted: %s", statement)
		}
	}
}

func TestCheck(t *testing.T) {
	ctx := context.Background()
	path := studyFile(t)
	s := create(t, path)
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	raw(t, path, "PRAGMA foreign_keys = 0; INSERT INTO latency_warnings VALUES (99, 0, 'orphan')")
	if err := s.Check(ctx); !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), "a row of latency_warnings refers to none of latency_tables") {
		t.Errorf("orphan: error %v", err)
	}
	// A page of zeros in the middle of the file.
	path = studyFile(t)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	clear(data[3*4096 : 4*4096])
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := create(t, path).Check(ctx); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("lost page: error %v", err)
	}
}
