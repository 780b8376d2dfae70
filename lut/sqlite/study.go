package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/mattn/go-sqlite3"
)

// Study is an open study file. It is safe for concurrent use.
type Study struct {
	path   string
	writer *sql.DB // one connection; its transactions take the write lock at once
	reader *sql.DB // cannot write
}

// busyTimeout is how long a statement waits for another process.
const busyTimeout = 10 * time.Second

// readers bounds the connections that read at the same time.
const readers = 4

// Open opens an existing study and brings its schema up to date. It returns an error that wraps
// fs.ErrNotExist, ErrNotStudy, ErrNewer, ErrDamaged or ErrBusy where that is the reason, and then
// has not changed the file. An empty file counts as a study without content.
func Open(ctx context.Context, path string) (*Study, error) {
	return open(ctx, path, "rw")
}

// Create is Open, but makes the file if there is none.
func Create(ctx context.Context, path string) (*Study, error) {
	return open(ctx, path, "rwc")
}

func open(ctx context.Context, path, mode string) (*Study, error) {
	fail := func(err error) (*Study, error) {
		return nil, fmt.Errorf("sqlite: study %s: %w", path, classify(err))
	}
	if path == "" {
		return nil, errors.New("sqlite: the study's path is empty")
	}
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist) && mode == "rwc":
	case err != nil:
		var p *fs.PathError
		if errors.As(err, &p) {
			err = p.Err
		}
		return fail(err)
	case !info.Mode().IsRegular():
		return fail(fmt.Errorf("%w: it is not a regular file", ErrNotStudy))
	}
	file, err := filepath.Abs(path)
	if err != nil {
		return fail(err)
	}
	s := &Study{path: path, writer: connect(file, mode, "_txlock=immediate&_synchronous=FULL")}
	s.writer.SetMaxOpenConns(1)
	if err := s.prepare(ctx); err != nil {
		return fail(errors.Join(err, s.writer.Close()))
	}
	s.reader = connect(file, "rw", "_query_only=1")
	s.reader.SetMaxOpenConns(readers)
	return s, nil
}

// Close releases the file. Transactions that are still open fail.
func (s *Study) Close() error {
	// The writer goes last: the last connection to close may fold the log into the file.
	if err := errors.Join(s.reader.Close(), s.writer.Close()); err != nil {
		return fmt.Errorf("sqlite: study %s: %w", s.path, classify(err))
	}
	return nil
}

// Path returns the path that the study was opened under.
func (s *Study) Path() string { return s.path }

// View runs read in a transaction that sees one state of the study. It is for the stores of other
// packages. Errors of read come back wrapped.
func (s *Study) View(ctx context.Context, read func(*sql.Tx) error) error {
	return s.transact(ctx, s.reader, read)
}

// Update runs write in a transaction. When Update returns nil the changes are on disk; otherwise,
// also if write fails or panics, there are none. It waits for other writers.
func (s *Study) Update(ctx context.Context, write func(*sql.Tx) error) error {
	return s.transact(ctx, s.writer, write)
}

func (s *Study) transact(ctx context.Context, db *sql.DB, do func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err == nil {
		defer tx.Rollback() // without effect after Commit
		if err = do(tx); err == nil {
			err = tx.Commit()
		}
	}
	if err == nil {
		return nil
	}
	if ctx.Err() != nil { // whatever a statement said when it was interrupted
		err = ctx.Err()
	}
	return fmt.Errorf("sqlite: study %s: %w", s.path, classify(err))
}

// Check reads the whole file and returns an error that wraps ErrDamaged if its structure, its
// constraints or its references between tables are broken.
func (s *Study) Check(ctx context.Context) error {
	return s.View(ctx, func(tx *sql.Tx) error {
		var problem string
		if err := tx.QueryRowContext(ctx, "PRAGMA integrity_check(1)").Scan(&problem); err != nil {
			return err
		}
		if problem != "ok" {
			return &damaged{errors.New(problem)}
		}
		rows, err := tx.QueryContext(ctx, "SELECT \"table\", parent FROM pragma_foreign_key_check LIMIT 1")
		if err != nil {
			return err
		}
		defer rows.Close()
		if rows.Next() {
			var table, parent string
			if err := rows.Scan(&table, &parent); err != nil {
				return err
			}
			return &damaged{fmt.Errorf("a row of %s refers to none of %s", table, parent)}
		}
		return rows.Err()
	})
}

// connect returns a pool of connections to a file. Nothing is opened yet.
func connect(file, mode, options string) *sql.DB {
	uri := url.URL{Path: filepath.ToSlash(file)}
	return sql.OpenDB(connector(fmt.Sprintf("file:%s?mode=%s&_foreign_keys=1&_busy_timeout=%d&%s",
		uri.EscapedPath(), mode, busyTimeout.Milliseconds(), options)))
}

// connector opens connections to a URI.
type connector string

// Connect opens one. A study may come from anywhere: functions with side effects are kept out of
// its schema, and pages are checked as they are read.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(string(c))
	if err != nil {
		return nil, err
	}
	for _, pragma := range []string{"PRAGMA trusted_schema = 0", "PRAGMA cell_size_check = 1"} {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, pragma, nil); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return conn, nil
}

// Driver returns the SQLite driver.
func (connector) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }
