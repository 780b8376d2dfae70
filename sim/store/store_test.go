package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim/store"
	"github.com/dynofa/dynofa/sim/study"
)

var created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func open(t testing.TB) (*sqlite.Study, *store.Store) {
	t.Helper()
	s, err := sqlite.Create(context.Background(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, store.New(s, func() time.Time { return created })
}

func paper(t testing.TB) *family.Family {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOutcomes(t *testing.T) {
	ctx := context.Background()
	s, st := open(t)
	key := strings.Repeat("ab", 32)
	if got, err := st.Load(ctx, key); got != nil || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	e := study.Entry{Key: key, Scenario: "s", Document: "family: f\n", Spec: study.Spec{Policy: "slack"}, Family: "f", Seed: 1<<64 - 1, Replication: 3, Outcome: []byte(`[{"a":1}]`)}
	if err := st.Save(ctx, e); err != nil {
		t.Fatal(err)
	}
	again := e
	again.Outcome = []byte(`[]`)
	if err := st.Save(ctx, again); err != nil { // two processes computed it
		t.Fatal(err)
	}
	if got, err := st.Load(ctx, key); string(got) != `[{"a":1}]` || err != nil {
		t.Errorf("%s, %v", got, err)
	}
	if n, err := st.Count(ctx); n != 1 || err != nil {
		t.Errorf("%d outcomes, %v", n, err)
	}
	for _, document := range []string{`{}`, `{"outcome":1,"x":2}`} {
		if err := s.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec("UPDATE sim_runs SET metrics = ?", document)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Load(ctx, key); !errors.Is(err, sqlite.ErrDamaged) {
			t.Errorf("%s: error %v", document, err)
		}
	}
	if err := st.Save(ctx, study.Entry{Key: "short", Scenario: "s", Spec: study.Spec{Policy: "p"}, Outcome: []byte("1")}); err == nil {
		t.Error("a key that is no digest is accepted")
	}
}

func TestTuned(t *testing.T) {
	ctx := context.Background()
	s, st := open(t)
	if _, err := st.Tuned(ctx, ""); !errors.Is(err, store.ErrNoTuned) || !strings.Contains(err.Error(), "has none") {
		t.Errorf("none: %v", err)
	}
	f := paper(t)
	tuning := store.Tuning{Scenarios: []string{"camera", "poisson"}, Goal: study.Goal{Target: 0.999}, Replications: 5,
		Ranking: []study.Ranked{{Spec: study.Spec{Policy: "slackfit", Params: map[string]string{"margin": "10%"}}, Effective: 0.75, LeastSLO: 0.9, Reaches: true}}}
	spec := study.Spec{Policy: "slackfit", Params: map[string]string{"margin": "10%"}}
	for i, name := range []string{"a", "b", "a"} {
		p := spec
		if i == 2 {
			p = study.Spec{Policy: "static:2"}
		}
		if id, err := st.PutTuned(ctx, name, f, "jetson-xavier-nx", p, tuning); id != int64(i+1) || err != nil {
			t.Fatalf("%d, %v", id, err)
		}
	}
	got, err := st.Tuned(ctx, "b")
	if err != nil {
		t.Fatal(err)
	}
	digest, err := store.FamilyDigest(f)
	if err != nil {
		t.Fatal(err)
	}
	want := &store.Tuned{ID: 2, Name: "b", Family: "paper-gpu6", Digest: digest, Board: "jetson-xavier-nx", Spec: spec, Tuning: tuning, Created: created}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if newest, err := st.Tuned(ctx, ""); err != nil || newest.ID != 3 || newest.Spec.Policy != "static:2" || newest.Spec.Params != nil {
		t.Errorf("%+v, %v", newest, err)
	}
	if all, err := st.AllTuned(ctx); len(all) != 3 || err != nil {
		t.Errorf("%d, %v", len(all), err)
	}
	if _, err := st.Tuned(ctx, "c"); !errors.Is(err, store.ErrNoTuned) || !strings.Contains(err.Error(), `"c"; the study has "a", "b", "a"`) {
		t.Errorf("unknown: %v", err)
	}
	if err := got.For(f); err != nil {
		t.Error(err)
	}
	other := *f
	other.Levels = f.Levels[:5]
	if err := got.For(&other); err == nil || !strings.Contains(err.Error(), "tune again") {
		t.Errorf("another family: %v", err)
	}
	for _, bad := range []study.Spec{{Policy: "static:9"}, {Policy: "magic"}, {Policy: "slack", Params: map[string]string{"x": "1"}}, {}} {
		if _, err := st.PutTuned(ctx, "x", f, "", bad, tuning); err == nil {
			t.Errorf("%s is stored", bad)
		}
	}
	if _, err := st.PutTuned(ctx, "", f, "", spec, tuning); err == nil {
		t.Error("stored without a name")
	}
	for column, value := range map[string]string{"params": `{"a":1}`, "document": `{"x":1}`, "policy": "magic"} {
		if err := s.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec(fmt.Sprintf("UPDATE tuned_policies SET %s = ? WHERE id = 3", column), value)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Tuned(ctx, ""); !errors.Is(err, sqlite.ErrDamaged) {
			t.Errorf("%s = %s: error %v", column, value, err)
		}
	}
}
