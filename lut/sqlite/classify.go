//go:build cgo

package sqlite

import (
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

// classify maps the driver's result codes to this package's errors.
func classify(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrNotADB:
		return fmt.Errorf("%w: it is no SQLite database", ErrNotStudy)
	case sqlite3.ErrCorrupt:
		return &damaged{errors.New(e.Error())}
	case sqlite3.ErrBusy, sqlite3.ErrLocked:
		return fmt.Errorf("%w: %v", ErrBusy, e)
	}
	return err
}

// isBusy reports whether another connection is in the way.
func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}
