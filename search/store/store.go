// Package store keeps searches and families in a study. A search that was finished is found again by
// everything that decides its result, so that re-running a command costs nothing; families come back
// validated. The schema is package sqlite's; this package searches nothing and chooses nothing.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// Reasons for which nothing is returned, to be found with errors.Is.
var (
	ErrNoRun    = errors.New("no such search")
	ErrNoFamily = errors.New("no such family")
)

// Store reads and writes searches and families of a study. It is safe for concurrent use and does
// not own the study.
type Store struct{ study *sqlite.Study }

// New returns the store of a study.
func New(study *sqlite.Study) *Store { return &Store{study} }

// checkArch returns an error unless a is a canonical sub-network of the space of that name.
func checkArch(space *supernet.Space, a supernet.Arch) error {
	c, err := space.Canonical(a)
	if err != nil {
		return err
	}
	if !c.Equal(a) {
		return fmt.Errorf("architecture %v is not canonical in %s", a, space.Name)
	}
	return nil
}

// reference returns the value of a column that refers to a row of a table: NULL for 0, and an error if
// there is no such row.
func reference(ctx context.Context, tx *sql.Tx, table string, id int64) (any, error) {
	if id == 0 {
		return nil, nil
	}
	var found bool
	if err := tx.QueryRowContext(ctx, "SELECT EXISTS (SELECT 1 FROM "+table+" WHERE id = ?)", id).Scan(&found); err != nil {
		return nil, err
	}
	if !found {
		return nil, fmt.Errorf("%s of the study has no row %d", table, id)
	}
	return id, nil
}
