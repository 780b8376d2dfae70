package sqlite_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/luttest"
	"github.com/dynofa/dynofa/lut/sqlite"
)

// A journal keeps rounds in order and apart from other profiles', over a reopening, until the table
// is finished; a refused table leaves it as it is.
func TestProfileJournal(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "study.db")
	s, err := sqlite.Create(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	one, two := strings.Repeat("1", 64), strings.Repeat("2", 64)
	for i, samples := range []string{"a", "", "c"} {
		if err := s.Profile(one).Append(ctx, i, []byte(samples)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Profile(two).Append(ctx, 0, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, position := range []int{0, 2, 4, -1} {
		if err := s.Profile(one).Append(ctx, position, nil); err == nil {
			t.Errorf("round %d is accepted after three", position)
		}
	}
	if err := s.Profile("short").Append(ctx, 0, []byte("x")); err == nil {
		t.Error("a digest of 5 digits is accepted")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = sqlite.Open(ctx, path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := func(digest string, want ...string) {
		t.Helper()
		rounds, err := s.Profile(digest).Rounds(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range rounds {
			got = append(got, string(r))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	want(one, "a", "", "c")
	bad := luttest.Table(1, 3)
	bad.Grade = "E"
	if _, err := s.Profile(one).Finish(ctx, bad); err == nil {
		t.Error("grade E is accepted")
	}
	want(one, "a", "", "c")
	id, err := s.Profile(one).Finish(ctx, luttest.Table(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	want(one)
	want(two, "x")
	if _, err := s.Table(ctx, lut.Query{ID: id}); err != nil {
		t.Error(err)
	}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
}

// A round that is missing in the middle is damage, not a short journal.
func TestProfileJournalDamaged(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "study.db")
	s, err := sqlite.Create(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	digest := strings.Repeat("0", 64)
	for i := range 3 {
		if err := s.Profile(digest).Append(ctx, i, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	raw(t, path, "DELETE FROM profile_rounds WHERE position = 1")
	if s, err = sqlite.Open(ctx, path); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Profile(digest).Rounds(ctx); !errors.Is(err, sqlite.ErrDamaged) {
		t.Errorf("error %v", err)
	}
}
