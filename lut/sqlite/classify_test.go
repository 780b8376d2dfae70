//go:build cgo

package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
)

// Two connections that do not wait for each other: the second writer is told that the study is in use.
func TestClassifyBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.db")
	var dbs [2]*sql.DB
	for i := range dbs {
		db, err := sql.Open("sqlite3", path+"?_busy_timeout=0&_txlock=immediate")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		dbs[i] = db
	}
	tx, err := dbs[0].Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	_, err = dbs[1].Begin()
	if !errors.Is(classify(err), ErrBusy) || !isBusy(err) {
		t.Errorf("error %v becomes %v, want ErrBusy", err, classify(err))
	}
	if other := errors.New("other"); classify(other) != other || isBusy(other) {
		t.Error("another error is changed")
	}
}
