package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/family"
)

// FamilyInfo describes a stored family.
type FamilyInfo struct {
	ID      int64
	Name    string
	Space   string
	Source  string
	RunID   int64 // the search that it was chosen from; 0: none of the study
	Levels  int
	Created time.Time
}

// PutFamily validates and stores a family and returns its ID. A family of the same name stays where
// it is, but is found by its name no more. runID is the search that the family was chosen from, 0 for
// none.
func (s *Store) PutFamily(ctx context.Context, f *family.Family, runID int64, created time.Time) (int64, error) {
	if err := checkFamily(f); err != nil {
		return 0, fmt.Errorf("store: %w", err)
	}
	document, err := json.Marshal(f)
	if err != nil {
		return 0, fmt.Errorf("store: family %q: %w", f.Name, err)
	}
	at, err := sqlite.Timestamp(created)
	if err != nil {
		return 0, fmt.Errorf("store: family %q: %w", f.Name, err)
	}
	var id int64
	err = s.study.Update(ctx, func(tx *sql.Tx) error {
		run, err := reference(ctx, tx, "search_runs", runID)
		if err != nil {
			return err
		}
		if id, err = sqlite.InsertRow(ctx, tx, "families (name, space, source, rule, run_id, document, created_ns)",
			f.Name, f.Space, f.Source, f.Rule, run, string(document), at); err != nil {
			return err
		}
		if err := sqlite.Insert(ctx, tx, "family_levels (family_id, level, arch, arch_id, accuracy, accuracy_origin, macs, params)", len(f.Levels), func(i int) []any {
			l := f.Levels[i]
			return []any{id, i, l.Arch.String(), l.Arch.ID(), float64(l.Accuracy), string(l.AccuracyOrigin), l.MACs, l.Params}
		}); err != nil {
			return err
		}
		for level, l := range f.Levels {
			if err := sqlite.Insert(ctx, tx, "family_latencies (family_id, level, processor, latency_ns, origin, source)", len(l.Latencies), func(i int) []any {
				p := l.Latencies[i]
				return []any{id, level, p.Processor, float64(p.Latency), string(p.Origin), p.Source}
			}); err != nil {
				return err
			}
		}
		return nil
	})
	return id, err
}

// Family returns the newest family of a name, or the newest of all if name is empty, validated. The
// error wraps ErrNoFamily if there is none, and names those that there are.
func (s *Store) Family(ctx context.Context, name string) (*family.Family, error) {
	var f family.Family
	err := s.study.View(ctx, func(tx *sql.Tx) error {
		var id int64
		var stored, document string
		err := tx.QueryRowContext(ctx, "SELECT id, name, document FROM families WHERE ?1 = '' OR name = ?1 ORDER BY id DESC LIMIT 1", name).Scan(&id, &stored, &document)
		if errors.Is(err, sql.ErrNoRows) {
			return noFamily(ctx, tx, name)
		}
		if err != nil {
			return err
		}
		if err := decodeFamily(document, &f); err != nil {
			return sqlite.Damagedf("family %d: %w", id, err)
		}
		if f.Name != stored {
			return sqlite.Damagedf("family %d is named %q inside and %q outside", id, f.Name, stored)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &f, nil
}

// noFamily says what was asked for and what there is.
func noFamily(ctx context.Context, tx *sql.Tx, name string) error {
	var names []string
	err := sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
		var n string
		err := rows.Scan(&n)
		names = append(names, fmt.Sprintf("%q", n))
		return err
	}, "SELECT name FROM families GROUP BY name ORDER BY max(id) DESC LIMIT 8")
	switch {
	case err != nil:
		return err
	case len(names) == 0:
		return fmt.Errorf("%w: the study has none", ErrNoFamily)
	}
	return fmt.Errorf("%w: %q; the study has %s", ErrNoFamily, name, strings.Join(names, ", "))
}

// Families lists the families of the study, by ID.
func (s *Store) Families(ctx context.Context) ([]FamilyInfo, error) {
	var infos []FamilyInfo
	err := s.study.View(ctx, func(tx *sql.Tx) error {
		return sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
			var i FamilyInfo
			var run, created sql.NullInt64
			err := rows.Scan(&i.ID, &i.Name, &i.Space, &i.Source, &run, &created, &i.Levels)
			i.RunID, i.Created = run.Int64, sqlite.Time(created)
			infos = append(infos, i)
			return err
		}, `SELECT id, name, space, source, run_id, created_ns, (SELECT count(*) FROM family_levels l WHERE l.family_id = f.id)
			FROM families f ORDER BY id`)
	})
	return infos, err
}

// decodeFamily reads a stored document and checks everything about it.
func decodeFamily(document string, f *family.Family) error {
	d := json.NewDecoder(bytes.NewReader([]byte(document)))
	d.DisallowUnknownFields()
	if err := d.Decode(f); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text follows the document")
	}
	return checkFamily(f)
}

// checkFamily validates a family and its architectures in their space.
func checkFamily(f *family.Family) error {
	if err := f.Validate(); err != nil {
		return err
	}
	space, err := f.Supernet()
	if err != nil {
		return fmt.Errorf("family %q: %w", f.Name, err)
	}
	for i, l := range f.Levels {
		if err := checkArch(space, l.Arch); err != nil {
			return fmt.Errorf("family %q: level %d: %w", f.Name, i, err)
		}
	}
	return nil
}
