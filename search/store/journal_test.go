package store_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search"
)

// A search that is killed at a random evaluation goes on from the study's journal and ends with the same
// result; once it is stored, the journal is empty.
func TestJournal(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	in.Settings.Evaluations = 3000
	want := run(t, in)
	rng := rand.New(rand.NewPCG(1, 1))
	for kill := range 3 {
		journal, known, err := s.OpenJournal(ctx, in)
		if err != nil || kill > 0 && len(known) == 0 {
			t.Fatalf("%d accuracies, error %v", len(known), err)
		}
		settings := in.Settings
		settings.Resume, settings.Record = known, journal.Record
		cancelled, cancel := context.WithCancel(ctx)
		n, at := 0, len(known)+rng.IntN(900)
		settings.Observe = func(supernet.Arch, search.Objectives) {
			if n++; n == at {
				cancel()
			}
		}
		r, err := search.Run(cancelled, in.Problem, settings)
		cancel()
		if err != nil || r.Stop != search.StopCancelled {
			t.Fatalf("stop %q, error %v", r.Stop, err)
		}
		if err := journal.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutRun(ctx, in, r, created); err != nil {
			t.Fatal(err)
		}
	}
	journal, known, err := s.OpenJournal(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	settings := in.Settings
	settings.Resume, settings.Record = known, journal.Record
	got, err := search.Run(ctx, in.Problem, settings)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("resumed (-uninterrupted +got):\n%s", diff)
	}
	if _, err := s.PutRun(ctx, in, got, created); err != nil {
		t.Fatal(err)
	}
	if _, known, err := s.OpenJournal(ctx, in); err != nil || len(known) > 0 {
		t.Errorf("after the end: %d accuracies, error %v", len(known), err)
	}
	if err := journal.Record(7, nil); err == nil {
		t.Error("a gap in the journal is no error")
	}
}

func TestJournalDamage(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	for name, change := range map[string]string{
		"checksum": "UPDATE search_journal SET accuracies = CAST(zeroblob(8) || substr(accuracies, 9) AS BLOB)",
		"length":   "UPDATE search_journal SET accuracies = zeroblob(7)",
		"gap":      "UPDATE search_journal SET first = first + 1",
	} {
		journal, _, err := s.OpenJournal(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		if err := journal.Record(0, []unit.Accuracy{0.5, 0.6}); err != nil {
			t.Fatal(err)
		}
		if err := journal.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		exec(t, study, change)
		if _, _, err := s.OpenJournal(ctx, in); !errors.Is(err, sqlite.ErrDamaged) {
			t.Errorf("%s: error %v", name, err)
		}
		exec(t, study, "DELETE FROM search_journal")
	}
}

func exec(t *testing.T, study *sqlite.Study, statement string) {
	t.Helper()
	err := study.Update(context.Background(), func(tx *sql.Tx) error {
		_, err := tx.Exec(statement)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Objectives, constraints and further quantities come back as they went in.
func TestRunWithConstraints(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	plain := digest(t, in)
	in.Problem.Point, in.Problem.Also, in.Also = "cpu", []search.Point{{Name: "gpu", Latency: in.Problem.Latency}}, []*lut.Table{in.Table}
	in.Problem.Objectives = []search.Quantity{{Kind: search.KindAccuracy}, {Kind: search.KindLatency, Point: "gpu"}, {Kind: search.KindParams}}
	in.Problem.Constraints = []search.Constraint{{Quantity: search.Quantity{Kind: search.KindMACs}, Side: search.AtMost, Bound: 1e9}}
	if digest(t, in) == plain {
		t.Error("other objectives are the same inputs")
	}
	result := run(t, in)
	stored, err := s.PutRun(ctx, in, result, created)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(*result, stored.Result); diff != "" || len(result.Front[0].Others) != 3 {
		t.Errorf("%d further quantities, stored (-want +got):\n%s", len(result.Front[0].Others), diff)
	}
	in.Also = nil
	if _, err := in.Digest(); err == nil {
		t.Error("an operating point without a table is no error")
	}
}
