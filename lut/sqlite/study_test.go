package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
	"github.com/dynofa/dynofa/lut/sqlite"
)

func create(t testing.TB, path string) *sqlite.Study {
	t.Helper()
	s, err := sqlite.Create(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// studyFile returns the path of a closed study with one table of 50 entries.
func studyFile(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.db")
	s, err := sqlite.Create(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutTable(context.Background(), luttest.Table(1, 50)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// raw runs statements on a file behind the package's back.
func raw(t testing.TB, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestStore(t *testing.T) {
	luttest.TestStore(t, func(t *testing.T) lut.Store {
		return create(t, filepath.Join(t.TempDir(), "s.db"))
	})
}

func TestReopen(t *testing.T) {
	path := studyFile(t)
	s, err := sqlite.Open(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Table(context.Background(), lut.Query{})
	if err != nil {
		t.Fatal(err)
	}
	want := luttest.Table(1, 50)
	want.ID = 1
	if d := luttest.Differences(want, got); d != nil {
		t.Errorf("after reopening: %q", d)
	}
	if err := s.Check(context.Background()); err != nil {
		t.Error(err)
	}
	if s.Path() != path {
		t.Errorf("path %q, want %q", s.Path(), path)
	}
}

// IDs of deleted tables are not given again.
func TestIDsAreNotReused(t *testing.T) {
	path := studyFile(t)
	raw(t, path, "PRAGMA foreign_keys = 1; DELETE FROM latency_tables")
	s := create(t, path)
	id, err := s.PutTable(context.Background(), luttest.Table(2, 3))
	if err != nil || id != 2 {
		t.Errorf("ID %d, error %v; want 2", id, err)
	}
	if err := s.View(context.Background(), func(tx *sql.Tx) error {
		var n int
		err := tx.QueryRow("SELECT count(*) FROM latency_entries").Scan(&n)
		if n != 3 {
			t.Errorf("%d entries, want 3: those of the deleted table are gone", n)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

// The file header, by the SQLite file format: bytes 18 and 19 are 2 for WAL, 60 to 63 are
// user_version, 68 to 71 application_id.
func TestFileHeader(t *testing.T) {
	data, err := os.ReadFile(studyFile(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(data, []byte("SQLite format 3\x00")) || data[18] != 2 || data[19] != 2 {
		t.Errorf("header % x", data[:20])
	}
	if v := binary.BigEndian.Uint32(data[60:]); v != uint32(sqlite.Version()) || v < 4 {
		t.Errorf("user_version %d, want %d", v, sqlite.Version())
	}
	if string(data[68:72]) != "dynf" || sqlite.ApplicationID != 0x64796e66 {
		t.Errorf("application_id % x", data[68:72])
	}
}

// The settings of both kinds of connection; synchronous 2 is FULL.
func TestConnections(t *testing.T) {
	ctx := context.Background()
	s := create(t, filepath.Join(t.TempDir(), "s.db"))
	check := func(want map[string]string) func(*sql.Tx) error {
		return func(tx *sql.Tx) error {
			for pragma, value := range want {
				var got string
				if err := tx.QueryRow("PRAGMA " + pragma).Scan(&got); err != nil {
					return err
				}
				if got != value {
					t.Errorf("%s is %s, want %s", pragma, got, value)
				}
			}
			return nil
		}
	}
	if err := s.Update(ctx, check(map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "10000", "trusted_schema": "0", "query_only": "0"})); err != nil {
		t.Error(err)
	}
	if err := s.View(ctx, check(map[string]string{"journal_mode": "wal", "foreign_keys": "1", "busy_timeout": "10000", "trusted_schema": "0", "query_only": "1"})); err != nil {
		t.Error(err)
	}
	if err := s.View(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM latency_tables")
		return err
	}); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("writing in View: error %v", err)
	}
	// Every table is STRICT and knows its parents.
	if err := s.View(ctx, func(tx *sql.Tx) error {
		var loose string
		err := tx.QueryRow("SELECT coalesce(group_concat(name), '') FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'").Scan(&loose)
		if loose != "" {
			t.Errorf("tables that are not STRICT: %s", loose)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	if err := s.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("INSERT INTO latency_warnings VALUES (77, 0, 'of no table')")
		return err
	}); err == nil || !strings.Contains(err.Error(), "FOREIGN KEY") {
		t.Errorf("a row without parent: error %v", err)
	}
}

func TestUpdateIsAllOrNothing(t *testing.T) {
	ctx := context.Background()
	s := create(t, filepath.Join(t.TempDir(), "s.db"))
	insert := func(tx *sql.Tx) {
		if _, err := tx.Exec("INSERT INTO families (name, space, source, rule, document) VALUES ('f', 's', '', '', '{}')"); err != nil {
			t.Error(err)
		}
	}
	mine := errors.New("changed my mind")
	if err := s.Update(ctx, func(tx *sql.Tx) error { insert(tx); return mine }); !errors.Is(err, mine) {
		t.Errorf("error %v, want the callback's", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.Update(ctx, func(tx *sql.Tx) error { insert(tx); panic("oops") })
	}()
	cancelled, cancel := context.WithCancel(ctx)
	if err := s.Update(cancelled, func(tx *sql.Tx) error { insert(tx); cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before the commit: error %v", err)
	}
	var n int
	if err := s.View(ctx, func(tx *sql.Tx) error { return tx.QueryRow("SELECT count(*) FROM families").Scan(&n) }); err != nil || n != 0 {
		t.Errorf("%d rows, error %v; want none", n, err)
	}
	if err := s.Update(ctx, func(tx *sql.Tx) error { insert(tx); return nil }); err != nil {
		t.Errorf("the study is stuck: %v", err)
	}
}

func TestPaths(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"plain.db", "a b?mode=memory&c#d%41.db", "\u00fcber\u4e2d.db", ":memory:", "file:x.db", "../" + filepath.Base(dir) + "/up.db", filepath.Join(dir, "absolute.db")} {
		s, err := sqlite.Create(ctx, name)
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if _, err := s.PutTable(ctx, luttest.Table(1, 1)); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%q: %v", name, err)
		}
		if info, err := os.Stat(name); err != nil || info.Size() == 0 {
			t.Errorf("%q: not where it should be: %v", name, err)
		}
		if s, err = sqlite.Open(ctx, name); err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if infos, err := s.Tables(ctx, lut.Query{}); err != nil || len(infos) != 1 {
			t.Errorf("%q: %v, %v", name, infos, err)
		}
		s.Close()
	}
	left, err := filepath.Glob("*-wal")
	if err != nil || left != nil {
		t.Errorf("closing left %v", left)
	}
}

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
			`INSERT INTO latency_tables VALUES (5, 'ofa-mbv3-w1.2', 'old', 'cpu', 0, 0, 0, '', 0, '', '', '', '', 0, '', 0, 'imported', 'old file', NULL, 0, 0, 1)`,
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

func TestTimes(t *testing.T) {
	s := create(t, filepath.Join(t.TempDir(), "s.db"))
	for _, c := range []struct {
		created time.Time
		ok      bool
	}{
		{time.Time{}, true},
		{time.Unix(0, 0), true},
		{time.Date(1700, 1, 1, 0, 0, 0, 1, time.UTC), true},
		{time.Date(1500, 1, 1, 0, 0, 0, 0, time.UTC), false},
		{time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC), false},
	} {
		tab := luttest.Table(1, 1)
		tab.Created = c.created
		_, err := s.PutTable(context.Background(), tab)
		if (err == nil) != c.ok {
			t.Errorf("%v: error %v", c.created, err)
		}
		if got, err := s.Table(context.Background(), lut.Query{}); c.ok && (err != nil || !got.Created.Equal(c.created)) {
			t.Errorf("%v comes back as %v, error %v", c.created, got.Created, err)
		}
	}
}

// Another process that keeps the write lock is an error in the end, and names itself as such. The
// lock here belongs to another connection of this process, which is the same to SQLite.
func TestReadersDoNotWait(t *testing.T) {
	path := studyFile(t)
	s := create(t, path)
	db, err := sql.Open("sqlite3", path+"?_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec("DELETE FROM latency_warnings"); err != nil {
		t.Fatal(err)
	}
	got, err := s.Table(context.Background(), lut.Query{})
	if err != nil || len(got.Warnings) != 2 {
		t.Errorf("a reader beside an open writer: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := s.PutTable(ctx, luttest.Table(2, 1))
		done <- err
	}()
	cancel() // stops the wait for the lock
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("a writer that waits for another: error %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutTable(context.Background(), luttest.Table(2, 1)); err != nil {
		t.Error(err)
	}
}

func BenchmarkPutTable(b *testing.B) {
	s, err := sqlite.Create(context.Background(), filepath.Join(b.TempDir(), "s.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	tab := luttest.Table(1, 1632) // as many entries as one of the published tables
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.PutTable(context.Background(), tab); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*1632/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkTable(b *testing.B) {
	s, err := sqlite.Create(context.Background(), filepath.Join(b.TempDir(), "s.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.PutTable(context.Background(), luttest.Table(1, 1632)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Table(context.Background(), lut.Query{}); err != nil {
			b.Fatal(err)
		}
	}
}

func ExampleCreate() {
	dir, err := os.MkdirTemp("", "study")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	study, err := sqlite.Create(ctx, filepath.Join(dir, "s.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer study.Close()
	id, err := study.PutTable(ctx, luttest.Table(1, 96))
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := study.Table(ctx, lut.Query{Device: "board", Processor: "cpu"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(id, table.ID, len(table.Entries), table.Origin)
	_, err = study.Table(ctx, lut.Query{Device: "xavier-nx"})
	fmt.Println(errors.Is(err, lut.ErrNoTable))
	// Output:
	// 1 1 96 measured
	// true
}
