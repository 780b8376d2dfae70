package lut

import (
	"context"
	"errors"
	"time"
)

// ErrNoTable is returned by a Store when no table fits.
var ErrNoTable = errors.New("no such latency table")

// Query selects tables. Zero fields select all.
type Query struct {
	ID        int64
	Device    string
	Processor string
	Space     string
}

// Info describes a stored table without its entries.
type Info struct {
	ID      int64
	Space   string
	Point   OperatingPoint
	Origin  Origin
	Source  string
	Created time.Time
	Entries int
	Grade   Grade
	// Warnings are the table's own, not its entries'.
	Warnings []string
}

// Store keeps tables. Package luttest has the conformance suite that every implementation passes.
type Store interface {
	// PutTable validates and stores t as a new table, all of it or nothing, and returns its ID
	// (at least 1, ascending). t is not changed. A table of a space with the name, but not the
	// description, of an earlier one is refused.
	PutTable(ctx context.Context, t *Table) (int64, error)
	// Table returns the table with the largest ID that fits the query, entries sorted, or an error
	// that wraps ErrNoTable and says what is there instead.
	Table(ctx context.Context, q Query) (*Table, error)
	// Tables returns the tables that fit the query, by ID.
	Tables(ctx context.Context, q Query) ([]Info, error)
}
