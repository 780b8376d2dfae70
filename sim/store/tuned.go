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
	if err := checkSpec(spec, f); err != nil {
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
	return checkSpec(t.Spec, f)
}

func checkSpec(spec study.Spec, f *family.Family) error {
	m, err := policy.NewModel(f)
	if err != nil {
		return err
	}
	_, err = policy.New(spec.Policy, spec.Params, m)
	return err
}
