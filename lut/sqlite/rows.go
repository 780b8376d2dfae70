package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// What follows is for the stores of other packages as much as for this one.

// InsertRow inserts one row into "table (columns)" and returns its id.
func InsertRow(ctx context.Context, tx *sql.Tx, into string, values ...any) (id int64, err error) {
	err = tx.QueryRowContext(ctx, insertStatement(into)+" RETURNING id", values...).Scan(&id)
	return id, err
}

// Insert inserts n rows into "table (columns)"; values returns the i-th.
func Insert(ctx context.Context, tx *sql.Tx, into string, n int, values func(i int) []any) error {
	if n == 0 {
		return nil
	}
	insert, err := tx.PrepareContext(ctx, insertStatement(into))
	if err != nil {
		return err
	}
	defer insert.Close()
	for i := range n {
		if _, err := insert.ExecContext(ctx, values(i)...); err != nil {
			return err
		}
	}
	return nil
}

func insertStatement(into string) string {
	return "INSERT INTO " + into + " VALUES (?" + strings.Repeat(",?", strings.Count(into, ",")) + ")"
}

// Select calls scan for every row of a query, until it returns an error.
func Select(ctx context.Context, tx *sql.Tx, scan func(*sql.Rows) error, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Damagedf returns an error that wraps ErrDamaged, for stored data that no store has written.
func Damagedf(format string, args ...any) error {
	return &damaged{fmt.Errorf(format, args...)}
}

// Timestamp returns the value of a created_ns column: nanoseconds since 1970, or nil for the zero
// time. It returns an error for times that do not fit (before 1678 or after 2261).
func Timestamp(t time.Time) (any, error) {
	if t.IsZero() {
		return nil, nil
	}
	if t.Year() < 1678 || t.Year() > 2261 {
		return nil, fmt.Errorf("time %v is outside the years 1678 to 2261", t)
	}
	return t.UnixNano(), nil
}

// Time is the inverse of Timestamp; the location is UTC.
func Time(ns sql.NullInt64) time.Time {
	if !ns.Valid {
		return time.Time{}
	}
	return time.Unix(0, ns.Int64).UTC()
}
