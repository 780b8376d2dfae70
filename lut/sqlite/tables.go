package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

var _ lut.Store = (*Study)(nil)

// tableColumns are the columns of latency_tables after id, in the order of tableValues.
const tableColumns = `space, device, processor, cpu_clock_hz, gpu_clock_hz, memory_clock_hz, power_mode, threads,
	runtime, runtime_version, provider, precision, batch, co_runner, period_ns, origin, source, created_ns,
	calibration_offset_ns, calibration_scale, entry_count, grade, space_description, power_w`

// latencyColumns are the columns of a distribution, in the order of latencyValues.
const latencyColumns = "n, min_ns, p50_ns, p90_ns, p99_ns, mean_ns, std_ns, ci_low_ns, ci_high_ns, preempted, grade, warnings, samples"

// PutTable implements lut.Store in one transaction.
func (s *Study) PutTable(ctx context.Context, t *lut.Table) (int64, error) {
	return s.putTable(ctx, t, func(*sql.Tx) error { return nil })
}

// putTable stores a table and does something else in the same transaction.
func (s *Study) putTable(ctx context.Context, t *lut.Table, also func(*sql.Tx) error) (int64, error) {
	if err := t.Validate(); err != nil {
		return 0, err
	}
	created, err := Timestamp(t.Created)
	if err != nil {
		return 0, fmt.Errorf("sqlite: table of %s/%s: %w", t.Point.Device, t.Point.Processor, err)
	}
	var id int64
	err = s.Update(ctx, func(tx *sql.Tx) error {
		if err := checkSpace(ctx, tx, t); err != nil {
			return err
		}
		p := t.Point
		var err error
		id, err = InsertRow(ctx, tx, "latency_tables ("+tableColumns+")",
			t.Space, p.Device, p.Processor, float64(p.CPUClock), float64(p.GPUClock), float64(p.MemoryClock), p.PowerMode, p.Threads,
			p.Runtime, p.RuntimeVersion, p.Provider, p.Precision, p.Batch, p.CoRunner, int64(p.Period), string(t.Origin), t.Source, created,
			float64(t.Calibration.Offset), t.Calibration.Scale, len(t.Entries), string(t.Grade), t.SpaceDescription, float64(t.Power))
		if err != nil {
			return err
		}
		if err := insertTable(ctx, tx, id, t); err != nil {
			return err
		}
		return also(tx)
	})
	return id, err
}

// CheckSpace returns the error with which PutTable would refuse a table of a space, because the study has
// one of another space with the same name.
func (s *Study) CheckSpace(ctx context.Context, space *supernet.Space) error {
	return s.View(ctx, func(tx *sql.Tx) error {
		return checkSpace(ctx, tx, &lut.Table{Space: space.Name, SpaceDescription: space.Description()})
	})
}

// checkSpace returns an error if the study has a table of another space with the same name.
func checkSpace(ctx context.Context, tx *sql.Tx, t *lut.Table) error {
	var id int64
	err := tx.QueryRowContext(ctx, "SELECT id FROM latency_tables WHERE space = ? AND space_description <> ? LIMIT 1", t.Space, t.SpaceDescription).Scan(&id)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	return fmt.Errorf("table %d is for another space that is called %q too: rename this one", id, t.Space)
}

// insertTable stores what hangs on a row of latency_tables.
func insertTable(ctx context.Context, tx *sql.Tx, id int64, t *lut.Table) error {
	for _, part := range []struct {
		into   string
		n      int
		values func(i int) []any
	}{
		{"latency_facts (table_id, position, name, value)", len(t.Provenance), func(i int) []any {
			return []any{id, i, t.Provenance[i].Name, t.Provenance[i].Value}
		}},
		{"latency_warnings (table_id, position, warning)", len(t.Warnings), func(i int) []any {
			return []any{id, i, t.Warnings[i]}
		}},
		{"latency_entries (table_id, resolution, block, " + latencyColumns + ")", len(t.Entries), func(i int) []any {
			e := &t.Entries[i]
			return append([]any{id, e.Key.Resolution, e.Key.Block.String()}, latencyValues(&e.Latency)...)
		}},
		{"latency_networks (table_id, position, arch, " + latencyColumns + ")", len(t.Networks), func(i int) []any {
			return append([]any{id, i, t.Networks[i].Arch}, latencyValues(&t.Networks[i].Latency)...)
		}},
	} {
		if err := Insert(ctx, tx, part.into, part.n, part.values); err != nil {
			return err
		}
	}
	return nil
}

// Table implements lut.Store.
func (s *Study) Table(ctx context.Context, q lut.Query) (*lut.Table, error) {
	var t *lut.Table
	err := s.View(ctx, func(tx *sql.Tx) error {
		found, err := selectTables(ctx, tx, q)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			all, err := selectTables(ctx, tx, lut.Query{})
			if err != nil {
				return err
			}
			return noTable(q, all)
		}
		last := found[len(found)-1]
		t = &last.table
		if err := readTable(ctx, tx, t); err != nil {
			return fmt.Errorf("table %d: %w", t.ID, err)
		}
		if len(t.Entries) != last.entries {
			return Damagedf("table %d has %d entries of %d", t.ID, len(t.Entries), last.entries)
		}
		if err := t.Validate(); err != nil {
			return Damagedf("table %d: %w", t.ID, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.Sort()
	return t, nil
}

// Tables implements lut.Store.
func (s *Study) Tables(ctx context.Context, q lut.Query) ([]lut.Info, error) {
	var infos []lut.Info
	err := s.View(ctx, func(tx *sql.Tx) error {
		found, err := selectTables(ctx, tx, q)
		if err != nil {
			return err
		}
		for _, f := range found {
			t := f.table
			if t.Warnings, err = readWarnings(ctx, tx, t.ID); err != nil {
				return err
			}
			infos = append(infos, lut.Info{ID: t.ID, Space: t.Space, Point: t.Point, Origin: t.Origin, Source: t.Source, Created: t.Created,
				Entries: f.entries, Grade: t.Grade, Warnings: t.Warnings})
		}
		return nil
	})
	return infos, err
}

// tableRow is a row of latency_tables.
type tableRow struct {
	table   lut.Table
	entries int
}

func selectTables(ctx context.Context, tx *sql.Tx, q lut.Query) ([]tableRow, error) {
	var found []tableRow
	err := Select(ctx, tx, func(rows *sql.Rows) error {
		var r tableRow
		t, p := &r.table, &r.table.Point
		var created sql.NullInt64
		err := rows.Scan(&t.ID, &t.Space, &p.Device, &p.Processor, &p.CPUClock, &p.GPUClock, &p.MemoryClock, &p.PowerMode, &p.Threads,
			&p.Runtime, &p.RuntimeVersion, &p.Provider, &p.Precision, &p.Batch, &p.CoRunner, &p.Period, &t.Origin, &t.Source, &created,
			&t.Calibration.Offset, &t.Calibration.Scale, &r.entries, &t.Grade, &t.SpaceDescription, &t.Power)
		t.Created = Time(created)
		found = append(found, r)
		return err
	}, "SELECT id, "+tableColumns+` FROM latency_tables
		WHERE (?1 = 0 OR id = ?1) AND (?2 = '' OR device = ?2) AND (?3 = '' OR processor = ?3) AND (?4 = '' OR space = ?4)
		ORDER BY id`, q.ID, q.Device, q.Processor, q.Space)
	return found, err
}

// noTable says what a query asked for and what there is.
func noTable(q lut.Query, all []tableRow) error {
	var asked, there []string
	for _, f := range []struct{ name, value string }{{"device", q.Device}, {"processor", q.Processor}, {"space", q.Space}} {
		if f.value != "" {
			asked = append(asked, fmt.Sprintf("%s %q", f.name, f.value))
		}
	}
	if q.ID != 0 {
		asked = append(asked, fmt.Sprintf("ID %d", q.ID))
	}
	for _, r := range all {
		there = append(there, fmt.Sprintf("%d: %s of %s", r.table.ID, r.table.Point.Label(), r.table.Space))
	}
	const most = 8
	if n := len(there) - most; n > 0 {
		there = append(slices.Clone(there[n:]), fmt.Sprintf("and %d older ones", n))
	}
	switch {
	case len(there) == 0:
		return fmt.Errorf("%w: the study has none", lut.ErrNoTable)
	case len(asked) == 0:
		asked = []string{"any"}
	}
	return fmt.Errorf("%w: %s; the study has %s", lut.ErrNoTable, strings.Join(asked, ", "), strings.Join(there, ", "))
}

// readWarnings returns the warnings of a table as a whole.
func readWarnings(ctx context.Context, tx *sql.Tx, id int64) (warnings []string, err error) {
	err = Select(ctx, tx, func(rows *sql.Rows) error {
		var w string
		err := rows.Scan(&w)
		warnings = append(warnings, w)
		return err
	}, "SELECT warning FROM latency_warnings WHERE table_id = ? ORDER BY position", id)
	return warnings, err
}

// readTable fills in what hangs on a row of latency_tables.
func readTable(ctx context.Context, tx *sql.Tx, t *lut.Table) error {
	var err error
	if t.Warnings, err = readWarnings(ctx, tx, t.ID); err != nil {
		return err
	}
	for _, part := range []struct {
		query string
		scan  func(*sql.Rows) error
	}{
		{"SELECT name, value FROM latency_facts WHERE table_id = ? ORDER BY position", func(rows *sql.Rows) error {
			var f lut.Fact
			err := rows.Scan(&f.Name, &f.Value)
			t.Provenance = append(t.Provenance, f)
			return err
		}},
		{"SELECT resolution, block, " + latencyColumns + " FROM latency_entries WHERE table_id = ? ORDER BY resolution, block", func(rows *sql.Rows) error {
			var e lut.Entry
			var block string
			if err := scanLatency(rows, &e.Latency, &e.Key.Resolution, &block); err != nil {
				return err
			}
			var err error
			if e.Key.Block, err = supernet.ParseBlock(block); err != nil {
				return &damaged{err}
			}
			t.Entries = append(t.Entries, e)
			return nil
		}},
		{"SELECT arch, " + latencyColumns + " FROM latency_networks WHERE table_id = ? ORDER BY position", func(rows *sql.Rows) error {
			var n lut.NetworkLatency
			err := scanLatency(rows, &n.Latency, &n.Arch)
			t.Networks = append(t.Networks, n)
			return err
		}},
	} {
		if err := Select(ctx, tx, part.scan, part.query, t.ID); err != nil {
			return err
		}
	}
	return nil
}

func latencyValues(l *lut.Latency) []any {
	values := []any{l.N}
	for _, v := range statistics(l) {
		if math.IsNaN(float64(*v)) {
			values = append(values, nil)
		} else {
			values = append(values, float64(*v))
		}
	}
	warnings := "[]"
	if len(l.Warnings) > 0 {
		text, err := json.Marshal(l.Warnings)
		if err != nil {
			panic("sqlite: strings have a JSON form: " + err.Error())
		}
		warnings = string(text)
	}
	return append(values, l.Preempted, string(l.Grade), warnings, encodeSamples(l.Samples))
}

// statistics returns the statistics of l in the order of latencyColumns.
func statistics(l *lut.Latency) []*unit.Nanoseconds {
	return []*unit.Nanoseconds{&l.Min, &l.P50, &l.P90, &l.P99, &l.Mean, &l.Std, &l.CILow, &l.CIHigh}
}

// scanLatency scans columns into first, and the latencyColumns that follow into l.
func scanLatency(rows *sql.Rows, l *lut.Latency, first ...any) error {
	var values [8]sql.NullFloat64
	var warnings string
	var samples []byte
	targets := append(first, &l.N)
	for i := range values {
		targets = append(targets, &values[i])
	}
	if err := rows.Scan(append(targets, &l.Preempted, &l.Grade, &warnings, &samples)...); err != nil {
		return err
	}
	for i, v := range statistics(l) {
		*v = unit.Nanoseconds(math.NaN())
		if values[i].Valid {
			*v = unit.Nanoseconds(values[i].Float64)
		}
	}
	var err error
	if l.Samples, err = decodeSamples(samples); err != nil {
		return err
	}
	if warnings == "[]" {
		return nil
	}
	if err := json.Unmarshal([]byte(warnings), &l.Warnings); err != nil {
		return Damagedf("warnings %q: %w", warnings, err)
	}
	return nil
}
