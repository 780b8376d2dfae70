package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// ApplicationID marks study files ("dynf"); it stands in the header of the SQLite file.
const ApplicationID = 0x64796e66

// Migration n is the n-th file by name, from 1. PRAGMA user_version counts the migrations that a
// file has seen. A migration that has been released is never changed.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

// Version is the number of migrations that this program knows.
func Version() int { return len(migrations()) }

// migrations returns the statements of each migration.
func migrations() []string {
	entries, err := fs.ReadDir(migrationFiles, "migrations") // by name
	if err != nil {
		panic("sqlite: migrations: " + err.Error())
	}
	var list []string
	for _, e := range entries {
		text, err := fs.ReadFile(migrationFiles, "migrations/"+e.Name())
		if err != nil {
			panic("sqlite: migrations: " + err.Error())
		}
		list = append(list, string(text))
	}
	return list
}

// prepare checks whose file it is before changing anything, then brings it up to date.
func (s *Study) prepare(ctx context.Context) error {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := checkOwner(ctx, conn); err != nil {
		return err
	}
	if err := useWAL(ctx, conn); err != nil {
		return err
	}
	list := migrations()
	for {
		done, err := migrateOne(ctx, conn, list)
		if done || err != nil {
			return err
		}
	}
}

// queryer is a connection or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// header reads the numbers that tell whose file it is.
func header(ctx context.Context, q queryer) (application uint32, version, objects int, err error) {
	var id int64
	err = q.QueryRowContext(ctx, `SELECT
		(SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_schema)`).Scan(&id, &version, &objects)
	return uint32(id), version, objects, err
}

// checkOwner returns an error unless the file is empty or a study that this program understands.
func checkOwner(ctx context.Context, q queryer) error {
	application, version, objects, err := header(ctx, q)
	switch {
	case err != nil:
		return err
	case application == 0 && version == 0 && objects == 0:
		return nil
	case application == 0:
		return fmt.Errorf("%w: it is a SQLite database that dynofa did not write", ErrNotStudy)
	case application != ApplicationID:
		return fmt.Errorf("%w: it is a SQLite database of another application (application_id %#x)", ErrNotStudy, application)
	case version > Version():
		return fmt.Errorf("%w; it has schema version %d, this program knows versions up to %d: update dynofa to open it", ErrNewer, version, Version())
	case version < 1:
		return &damaged{fmt.Errorf("its schema version is %d", version)}
	}
	return nil
}

// useWAL switches the file to write-ahead logging, which persists. SQLite does not wait by itself
// when two processes switch a new file at the same time, so this does.
func useWAL(ctx context.Context, conn *sql.Conn) error {
	const pause = 20 * time.Millisecond
	for attempt := time.Duration(0); ; attempt++ {
		var mode string
		err := conn.QueryRowContext(ctx, "PRAGMA journal_mode = WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("its file system does not allow write-ahead logging (journal mode %q)", mode)
		}
		if err == nil || !isBusy(err) || attempt*pause > busyTimeout {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// migrateOne applies the next migration, with the file's marks, in one transaction; another process
// may be doing the same.
func migrateOne(ctx context.Context, conn *sql.Conn, list []string) (done bool, err error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if err := checkOwner(ctx, tx); err != nil {
		return false, err
	}
	_, version, _, err := header(ctx, tx)
	if err != nil || version == len(list) {
		return true, err
	}
	for _, statements := range []string{
		list[version],
		fmt.Sprintf("PRAGMA application_id = %d", ApplicationID),
		fmt.Sprintf("PRAGMA user_version = %d", version+1),
	} {
		if _, err := tx.ExecContext(ctx, statements); err != nil {
			if ctx.Err() != nil {
				return false, ctx.Err()
			}
			return false, errors.Join(fmt.Errorf("migration %d", version+1), err)
		}
	}
	return false, tx.Commit()
}
