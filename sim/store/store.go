// Package store keeps simulation results and tuned policies in a study. A result is found again by everything that
// decides it, so that a sweep which was killed goes on where it was, and costs nothing the second time. The schema is
// package sqlite's; this package simulates nothing.
package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/sim/study"
)

// Store reads and writes simulation results and tuned policies of a study. It is safe for concurrent use and does
// not own the study.
type Store struct {
	study *sqlite.Study
	now   func() time.Time
}

var _ study.Cache = (*Store)(nil)

// New returns the store of a study. The function gives the times that are stored; nil stores none.
func New(s *sqlite.Study, now func() time.Time) *Store { return &Store{s, now} }

// stored wraps an outcome, which is any JSON value, for a column that holds objects.
type stored struct {
	Outcome json.RawMessage `json:"outcome"`
}

// Load returns the outcome that is stored under a key, nil if none is. What is no outcome's document is an error that
// wraps sqlite.ErrDamaged.
func (s *Store) Load(ctx context.Context, key string) ([]byte, error) {
	var outcome []byte
	err := s.study.View(ctx, func(tx *sql.Tx) error {
		var document string
		err := tx.QueryRowContext(ctx, "SELECT metrics FROM sim_runs WHERE digest = ?", key).Scan(&document)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		outcome, err = decodeOutcome(document)
		if err != nil {
			return sqlite.Damagedf("simulation %s: %w", key, err)
		}
		return nil
	})
	return outcome, err
}

func decodeOutcome(document string) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(document)))
	d.DisallowUnknownFields()
	var v stored
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if len(v.Outcome) == 0 {
		return nil, errors.New("it has no outcome")
	}
	return v.Outcome, nil
}

// Save stores an outcome in one transaction. One that is there already stays.
func (s *Store) Save(ctx context.Context, e study.Entry) error {
	document, err := json.Marshal(stored{e.Outcome})
	if err != nil {
		return fmt.Errorf("store: outcome %s: %w", e.Key, err)
	}
	created, err := s.timestamp()
	if err != nil {
		return err
	}
	return s.study.Update(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sim_runs (digest, scenario, scenario_document, policy, family, seed, replication, metrics, created_ns)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING`,
			e.Key, e.Scenario, e.Document, e.Spec.String(), e.Family, fmt.Sprint(e.Seed), e.Replication, string(document), created)
		return err
	})
}

func (s *Store) timestamp() (any, error) {
	if s.now == nil {
		return nil, nil
	}
	return sqlite.Timestamp(s.now())
}

// Count returns the number of stored outcomes, optima included.
func (s *Store) Count(ctx context.Context) (n int, err error) {
	err = s.study.View(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(*) FROM sim_runs").Scan(&n)
	})
	return n, err
}
