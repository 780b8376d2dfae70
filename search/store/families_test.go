package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/store"
)

func TestFamilies(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	if _, err := s.Family(ctx, ""); !errors.Is(err, store.ErrNoFamily) || !strings.Contains(err.Error(), "the study has none") {
		t.Errorf("newest of none: error %v", err)
	}
	first, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	other := *first
	other.Name, other.Levels, other.Notes = "three", first.Levels[:3], []string{"a doubt"}
	newer := *first
	newer.Rule = "again"
	for i, f := range []*family.Family{first, &other, &newer} {
		id, err := s.PutFamily(ctx, f, 0, created.Add(time.Duration(i)))
		if err != nil || id != int64(i+1) {
			t.Fatalf("ID %d, error %v", id, err)
		}
	}
	for name, want := range map[string]*family.Family{"": &newer, "paper-gpu6": &newer, "three": &other} {
		got, err := s.Family(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", name, diff)
		}
	}
	if _, err := s.Family(ctx, "four"); !errors.Is(err, store.ErrNoFamily) || !strings.Contains(err.Error(), `"four"; the study has "paper-gpu6", "three"`) {
		t.Errorf("unknown name: error %v", err)
	}
	infos, err := s.Families(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := []store.FamilyInfo{
		{ID: 1, Name: "paper-gpu6", Space: "ofa-mbv3-w1.2", Source: first.Source, Levels: 6, Created: created},
		{ID: 2, Name: "three", Space: "ofa-mbv3-w1.2", Source: first.Source, Levels: 3, Created: created.Add(1)},
		{ID: 3, Name: "paper-gpu6", Space: "ofa-mbv3-w1.2", Source: first.Source, Levels: 6, Created: created.Add(2)},
	}
	if diff := cmp.Diff(want, infos); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
	// The view for people: published figures of the family's level 0.
	if err := study.View(ctx, func(tx *sql.Tx) error {
		var got string
		err := tx.QueryRow("SELECT printf('%.3f%% %.2f ms %s %s', accuracy_percent, latency_ms, processor, latency_origin) FROM family_levels_ms WHERE family_id = 1 AND level = 0").Scan(&got)
		if got != "74.202% 41.16 ms gpu imported" {
			t.Errorf("family_levels_ms: %s", got)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestBadFamilies(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	for name, c := range map[string]struct {
		change func(*family.Family)
		runID  int64
		want   string
	}{
		"invalid":       {func(f *family.Family) { f.Levels = nil }, 0, "0 levels"},
		"space":         {func(f *family.Family) { f.Space = "resnet" }, 0, `unknown space "resnet"`},
		"not canonical": {func(f *family.Family) { f.Levels[0].Arch = notCanonical(mustSpace(t)) }, 0, "level 0: architecture"},
		"other network": {func(f *family.Family) { f.Levels[2].Arch = supernet.Arch{R: 160} }, 0, "level 2: architecture"},
		"no such run":   {func(*family.Family) {}, 4, "search_runs of the study has no row 4"},
	} {
		f, err := family.PaperGPU6()
		if err != nil {
			t.Fatal(err)
		}
		c.change(f)
		if _, err := s.PutFamily(ctx, f, c.runID, created); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if infos, err := s.Families(ctx); err != nil || len(infos) != 0 {
		t.Errorf("refused families left %d, error %v", len(infos), err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutFamily(ctx, f, 0, created); err != nil {
		t.Fatal(err)
	}
	for document, want := range map[string]string{
		`'{}'`:                              "name or space is empty",
		`'[]'`:                              "", // refused by the schema
		`'{'`:                               "",
		`'null'`:                            "",
		`json_set(document, '$.name', 'x')`: `named "x" inside`,
		`json_set(document, '$.levels[0].accuracy', 2)`:           "level 0: accuracy 2",
		`json_set(document, '$.levels[0].accuracy', 'high')`:      "cannot unmarshal",
		`json_set(document, '$.levels[1].arch.d', json('[1]'))`:   "architecture",
		`json_set(document, '$.levels[1].latencies', json('[]'))`: "level 1: latencies for 0 processors",
		`json_set(document, '$.surprise', 1)`:                     `unknown field "surprise"`,
	} {
		err := study.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec("UPDATE families SET document = (SELECT " + strings.ReplaceAll(document, "document", "original") + " FROM (SELECT document AS original))")
			return err
		})
		if want == "" {
			if err == nil {
				t.Errorf("%s: the schema accepts it", document)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", document, err)
		}
		if _, err := s.Family(ctx, ""); !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want ErrDamaged with %q", document, err, want)
		}
		if err := study.Update(ctx, func(tx *sql.Tx) error { _, err := tx.Exec("DELETE FROM families"); return err }); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutFamily(ctx, f, 0, created); err != nil {
			t.Fatal(err)
		}
	}
}

func mustSpace(t testing.TB) *supernet.Space {
	t.Helper()
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	return space
}

func ExampleStore() {
	dir, err := os.MkdirTemp("", "study")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	study, err := sqlite.Create(ctx, filepath.Join(dir, "s.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer study.Close()
	f, err := family.PaperGPU6()
	if err != nil {
		fmt.Println(err)
		return
	}
	families := store.New(study)
	if _, err := families.PutFamily(ctx, f, 0, time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC)); err != nil {
		fmt.Println(err)
		return
	}
	newest, err := families.Family(ctx, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(newest.Name, len(newest.Levels), newest.Levels[0].Accuracy)
	_, err = families.Family(ctx, "phone")
	fmt.Println(errors.Is(err, store.ErrNoFamily))
	// Output:
	// paper-gpu6 6 74.20%
	// true
}
