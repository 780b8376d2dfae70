package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim/study"
)

// ErrNoTuned is the reason for which no tuned policy is returned, to be found with errors.Is.
var ErrNoTuned = errors.New("no such tuned policy")

// Tuned is a policy that was picked by simulation.
type Tuned struct {
	ID      int64
	Name    string
	Family  string
	Digest  string // of the family, see FamilyDigest
	Board   string // empty: none
	Spec    study.Spec
	Tuning  Tuning
	Created time.Time
}

// Tuning says how a policy was picked.
type Tuning struct {
	Scenarios    []string       `json:"scenarios"` // names
	Goal         study.Goal     `json:"goal"`
	Replications int            `json:"replications"`
	Ranking      []study.Ranked `json:"ranking"` // of all candidates, the best first
	Notes        []string       `json:"notes,omitempty"`
	// Table is what the policy solved for in simulation and starts from, for its parameter table; empty if none.
	Table string `json:"table,omitempty"`
	// Placed is the family with the operating points that the policy chooses among, nil if it chooses none.
	Placed *family.Family `json:"placed,omitempty"`
}

// FamilyDigest returns the SHA-256, in hexadecimal, of a family: policies are tuned for its very latencies.
func FamilyDigest(f *family.Family) (string, error) {
	text, err := json.Marshal(f)
	if err != nil {
		return "", fmt.Errorf("store: family %q: %w", f.Name, err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// PutTuned stores a tuned policy for a family under a name and returns its ID. One of the same name stays where it
// is, but is found by its name no more. It returns an error if the family cannot be managed by the policy.
func (s *Store) PutTuned(ctx context.Context, name string, f *family.Family, boardName string, spec study.Spec, t Tuning) (int64, error) {
	if name == "" {
		return 0, errors.New("store: a tuned policy needs a name")
	}
	if err := t.check(spec, f); err != nil {
		return 0, fmt.Errorf("store: tuned policy %q: %w", name, err)
	}
	digest, err := FamilyDigest(f)
	if err != nil {
		return 0, err
	}
	params := spec.Params
	if params == nil {
		params = map[string]string{}
	}
	paramsText, err := json.Marshal(params)
	if err != nil {
		return 0, fmt.Errorf("store: tuned policy %q: %w", name, err)
	}
	document, err := json.Marshal(t)
	if err != nil {
		return 0, fmt.Errorf("store: tuned policy %q: %w", name, err)
	}
	created, err := s.timestamp()
	if err != nil {
		return 0, err
	}
	var id int64
	err = s.study.Update(ctx, func(tx *sql.Tx) error {
		id, err = sqlite.InsertRow(ctx, tx, "tuned_policies (name, family, family_digest, board, policy, params, document, created_ns)",
			name, f.Name, digest, boardName, spec.Policy, string(paramsText), string(document), created)
		return err
	})
	return id, err
}

// Tuned returns the newest tuned policy of a name, or the newest of all if the name is empty. The error wraps
// ErrNoTuned if there is none, and names those that there are.
func (s *Store) Tuned(ctx context.Context, name string) (*Tuned, error) {
	all, err := s.list(ctx, "WHERE ?1 = '' OR name = ?1 ORDER BY id DESC LIMIT 1", name)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		return &all[0], nil
	}
	others, err := s.list(ctx, "ORDER BY id DESC LIMIT 8")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, t := range others {
		names = append(names, fmt.Sprintf("%q", t.Name))
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%w: the study has none; 'dynofa policy tune' makes one", ErrNoTuned)
	}
	return nil, fmt.Errorf("%w: %q; the study has %s", ErrNoTuned, name, strings.Join(names, ", "))
}

// AllTuned lists the tuned policies of the study, by ID.
func (s *Store) AllTuned(ctx context.Context) ([]Tuned, error) { return s.list(ctx, "ORDER BY id") }

func (s *Store) list(ctx context.Context, where string, args ...any) ([]Tuned, error) {
	var all []Tuned
	err := s.study.View(ctx, func(tx *sql.Tx) error {
		return sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
			var t Tuned
			var params, document string
			var created sql.NullInt64
			if err := rows.Scan(&t.ID, &t.Name, &t.Family, &t.Digest, &t.Board, &t.Spec.Policy, &params, &document, &created); err != nil {
				return err
			}
			t.Created = sqlite.Time(created)
			if err := decodeTuned(params, document, &t); err != nil {
				return sqlite.Damagedf("tuned policy %d: %w", t.ID, err)
			}
			all = append(all, t)
			return nil
		}, "SELECT id, name, family, family_digest, board, policy, params, document, created_ns FROM tuned_policies "+where, args...)
	})
	return all, err
}

// decodeTuned reads the documents of a tuned policy.
func decodeTuned(params, document string, t *Tuned) error {
	if err := strict(params, &t.Spec.Params); err != nil {
		return fmt.Errorf("parameters: %w", err)
	}
	if len(t.Spec.Params) == 0 {
		t.Spec.Params = nil
	}
	if err := strict(document, &t.Tuning); err != nil {
		return err
	}
	if _, err := policy.About(policy.Name(t.Spec.Policy)); err != nil {
		return err
	}
	return nil
}

// strict reads one JSON value with nothing unknown in it and nothing behind it.
func strict(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text follows the document")
	}
	return nil
}

// For returns an error unless the policy was tuned for this very family.
func (t *Tuned) For(f *family.Family) error {
	digest, err := FamilyDigest(f)
	if err != nil {
		return err
	}
	if digest != t.Digest {
		return fmt.Errorf("store: policy %q was tuned for family %s as it was then, not for this family %s: tune again", t.Name, t.Family, f.Name)
	}
	return t.Tuning.check(t.Spec, f)
}

// Managed returns what the policy manages, which is the family or the same with operating points, and the policy's parameters
// with its table.
func (t *Tuned) Managed(f *family.Family) (*family.Family, map[string]string) {
	return t.Tuning.managed(f), t.Tuning.params(t.Spec)
}

func (t *Tuning) managed(f *family.Family) *family.Family {
	if t.Placed != nil {
		return t.Placed
	}
	return f
}

func (t *Tuning) params(spec study.Spec) map[string]string {
	params := maps.Clone(spec.Params)
	if t.Table != "" {
		if params == nil {
			params = map[string]string{}
		}
		params["table"] = t.Table
	}
	return params
}

// check returns an error unless the policy can be built for the family, and the placed family is that one.
func (t *Tuning) check(spec study.Spec, f *family.Family) error {
	if t.Placed != nil {
		plain := *t.Placed
		plain.Clocks, plain.Levels = nil, slices.Clone(plain.Levels)
		for i := range plain.Levels {
			latencies := slices.Clone(plain.Levels[i].Latencies)
			for k := range latencies {
				latencies[k].Points = nil
			}
			plain.Levels[i].Latencies = latencies
		}
		got, err := FamilyDigest(&plain)
		if err != nil {
			return err
		}
		want, err := FamilyDigest(f)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("the family with operating points is not family %s", f.Name)
		}
	}
	m, err := policy.NewModel(t.managed(f))
	if err != nil {
		return err
	}
	_, err = policy.New(spec.Policy, t.params(spec), m)
	return err
}
