package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
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
