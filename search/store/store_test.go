package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/store"
)

var created = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

func open(t testing.TB) (*sqlite.Study, *store.Store) {
	t.Helper()
	study, err := sqlite.Create(context.Background(), filepath.Join(t.TempDir(), "s.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := study.Close(); err != nil {
			t.Error(err)
		}
	})
	return study, store.New(study)
}

// inventedTable holds every block of OFA-MobileNetV3 w1.2 at 160 and 192, with a latency from a hash.
func inventedTable(t testing.TB) *lut.Table {
	t.Helper()
	space, err := supernet.ByName("ofa-mbv3-w1.2")
	if err != nil {
		t.Fatal(err)
	}
	tab := &lut.Table{Space: space.Name, Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Origin: lut.Modelled, Source: "a hash", Created: created}
	for _, r := range []int{160, 192} {
		blocks, err := space.DistinctBlocks(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			h := fnv.New32a()
			h.Write([]byte(b.String()))
			tab.Entries = append(tab.Entries, lut.Entry{Key: lut.Key{Resolution: r, Block: b}, Latency: lut.MeanOnly(1, 1e6+unit.Nanoseconds(h.Sum32()%1000000), 0)})
		}
	}
	return tab
}

// inputs stores the invented table in the study and returns a small search on it.
func inputs(t testing.TB, study *sqlite.Study) store.Inputs {
	t.Helper()
	ctx := context.Background()
	if _, err := study.PutTable(ctx, inventedTable(t)); err != nil {
		t.Fatal(err)
	}
	tab, err := study.Table(ctx, lut.Query{})
	if err != nil {
		t.Fatal(err)
	}
	return inputsOf(t, tab)
}

func inputsOf(t testing.TB, tab *lut.Table) store.Inputs {
	t.Helper()
	space, err := supernet.ByName(tab.Space)
	if err != nil {
		t.Fatal(err)
	}
	p, err := lut.NewPredictor(tab, space)
	if err != nil {
		t.Fatal(err)
	}
	a, err := accuracy.NewStandIn(space)
	if err != nil {
		t.Fatal(err)
	}
	return store.Inputs{
		Table:    tab,
		Problem:  search.Problem{Space: space, Latency: p, Accuracy: a},
		Settings: search.Settings{Population: 20, Evaluations: 300, Seed: math.MaxUint64 - 1, Workers: 1},
	}
}

func run(t testing.TB, in store.Inputs) *search.Result {
	t.Helper()
	r, err := search.Run(context.Background(), in.Problem, in.Settings)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func digest(t testing.TB, in store.Inputs) string {
	t.Helper()
	d, err := in.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRunRoundTrip(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	key := digest(t, in)
	if _, err := s.FindRun(ctx, key); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("before the search: error %v", err)
	}
	if _, err := s.Run(ctx, 0); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("newest of none: error %v", err)
	}
	result := run(t, in)
	if len(result.Front) < 3 || len(result.History) < 2 {
		t.Fatalf("a front of %d with a history of %d is too small to test with", len(result.Front), len(result.History))
	}
	put, err := s.PutRun(ctx, in, result, created)
	if err != nil {
		t.Fatal(err)
	}
	for name, find := range map[string]func() (*store.Run, error){
		"put":    func() (*store.Run, error) { return put, nil },
		"id":     func() (*store.Run, error) { return s.Run(ctx, put.ID) },
		"newest": func() (*store.Run, error) { return s.Run(ctx, 0) },
		"digest": func() (*store.Run, error) { return s.FindRun(ctx, key) },
	} {
		got, err := find()
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := &store.Run{ID: 1, Digest: key, State: store.Finished, Created: created, Result: *result, Table: lut.Info{
			ID: 1, Space: "ofa-mbv3-w1.2", Point: lut.OperatingPoint{Device: "board", Processor: "cpu"}, Origin: lut.Modelled, Source: "a hash", Created: created, Entries: 192,
		}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	infos, err := s.Runs(ctx)
	if err != nil || len(infos) != 1 {
		t.Fatalf("%d runs, error %v", len(infos), err)
	}
	last := result.History[len(result.History)-1]
	if i := infos[0]; i.ID != 1 || i.TableID != 1 || i.Front != len(result.Front) || i.Hypervolume != last.Hypervolume || i.Result.Seed != math.MaxUint64-1 || i.Result.Front != nil {
		t.Errorf("listed as %+v", i)
	}
	// The views for people.
	if err := study.View(ctx, func(tx *sql.Tx) error {
		var n int
		var least, accuracyOrigin, latencyOrigin string
		if err := tx.QueryRow("SELECT count(*), min(latency_ms), accuracy_origin FROM search_front WHERE run_id = 1").Scan(&n, &least, &accuracyOrigin); err != nil {
			return err
		}
		if n != len(result.Front) || accuracyOrigin != "stand-in" || least != fmt.Sprint(result.Front[0].Latency.Milliseconds()) {
			t.Errorf("search_front: %d rows, %s ms, %s", n, least, accuracyOrigin)
		}
		err := tx.QueryRow("SELECT candidates, latency_origin FROM search_runs_overview").Scan(&n, &latencyOrigin)
		if n != len(result.Front) || latencyOrigin != "modelled" {
			t.Errorf("search_runs_overview: %d candidates, %s", n, latencyOrigin)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}

func TestPutRunAgain(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	// Cancelled after the second generation: an interrupted run, which FindRun does not find.
	cancelled, cancel := context.WithCancel(ctx)
	stopping := in
	stopping.Settings.Progress = func(p search.Progress) {
		if p.Generation == 2 {
			cancel()
		}
	}
	partial, err := search.Run(cancelled, stopping.Problem, stopping.Settings)
	if err != nil || partial.Stop != search.StopCancelled {
		t.Fatalf("stop %q, error %v; want a cancelled search", partial.Stop, err)
	}
	first, err := s.PutRun(ctx, in, partial, created)
	if err != nil || first.State != store.Interrupted {
		t.Fatalf("%+v, error %v", first, err)
	}
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutFamily(ctx, f, first.ID, created); err != nil {
		t.Fatal(err)
	}
	if _, err := s.FindRun(ctx, digest(t, in)); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("an interrupted run is found as a finished one: %v", err)
	}
	if _, err := s.Run(ctx, 0); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("an interrupted run is the newest finished one: %v", err)
	}
	full := run(t, in)
	second, err := s.PutRun(ctx, in, full, created)
	if err != nil || second.State != store.Finished || second.ID == first.ID {
		t.Fatalf("%+v, error %v", second, err)
	}
	if _, err := s.Run(ctx, first.ID); !errors.Is(err, store.ErrNoRun) {
		t.Errorf("the interrupted run is still there: %v", err)
	}
	// Neither a second copy nor an interrupted one replaces a finished run.
	for _, r := range []*search.Result{full, partial} {
		again, err := s.PutRun(ctx, in, r, created.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(second, again); diff != "" {
			t.Errorf("stored again (-first +second):\n%s", diff)
		}
	}
	if infos, err := s.Runs(ctx); err != nil || len(infos) != 1 {
		t.Errorf("%d runs, error %v; want 1", len(infos), err)
	}
	families, err := s.Families(ctx)
	if err != nil || len(families) != 1 || families[0].RunID != 0 {
		t.Errorf("the family of the replaced run: %+v, error %v", families, err)
	}
	if err := study.Check(ctx); err != nil {
		t.Error(err)
	}
}

func TestPutRunErrors(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	good := run(t, in)
	for name, c := range map[string]struct {
		change func(*search.Result, *store.Inputs)
		want   string
	}{
		"another seed":    {func(r *search.Result, _ *store.Inputs) { r.Seed++ }, "another search"},
		"another space":   {func(r *search.Result, _ *store.Inputs) { r.Space = "ofa-mbv3-w1.0" }, "another search"},
		"no front":        {func(r *search.Result, _ *store.Inputs) { r.Front = nil }, "the front is empty"},
		"not ascending":   {func(r *search.Result, _ *store.Inputs) { r.Front[0], r.Front[1] = r.Front[1], r.Front[0] }, "candidate 1 is not slower"},
		"accuracy":        {func(r *search.Result, _ *store.Inputs) { r.Front[0].Accuracy = unit.Accuracy(math.NaN()) }, "candidate 0: accuracy NaN"},
		"latency":         {func(r *search.Result, _ *store.Inputs) { r.Front[0].Latency = 0 }, "candidate 0: latency 0 ns"},
		"infinite":        {func(r *search.Result, _ *store.Inputs) { r.Front[0].Latency = unit.Nanoseconds(math.Inf(1)) }, "latency +Inf"},
		"count":           {func(r *search.Result, _ *store.Inputs) { r.Front[0].MACs++ }, "multiply-accumulates, not"},
		"no network":      {func(r *search.Result, _ *store.Inputs) { r.Front[0].Arch = supernet.Arch{} }, "candidate 0: "},
		"not canonical":   {func(r *search.Result, in *store.Inputs) { r.Front[0].Arch = notCanonical(in.Problem.Space) }, "not canonical"},
		"hypervolume":     {func(r *search.Result, _ *store.Inputs) { r.History[0].Hypervolume = math.NaN() }, "hypervolume is NaN"},
		"unknown table":   {func(_ *search.Result, in *store.Inputs) { tab := *in.Table; tab.ID = 9; in.Table = &tab }, "latency_tables of the study has no row 9"},
		"settings, inner": {func(_ *search.Result, in *store.Inputs) { in.Settings.Evaluations = -1 }, "-1 evaluations"},
	} {
		r, changed := *good, in
		r.Front = append([]search.Candidate(nil), good.Front...)
		r.History = append([]search.Sample(nil), good.History...)
		c.change(&r, &changed)
		if _, err := s.PutRun(ctx, changed, &r, created); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.want)
		}
	}
	if _, err := s.PutRun(ctx, in, good, time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)); err == nil {
		t.Error("the year 3000 is stored")
	}
	if infos, err := s.Runs(ctx); err != nil || len(infos) != 0 {
		t.Errorf("refused runs left %d, error %v", len(infos), err)
	}
}

// notCanonical returns a network whose inactive entries are not zero.
func notCanonical(s *supernet.Space) supernet.Arch { return s.Uniform(3, 3, 2, 160) }

func TestDamagedRuns(t *testing.T) {
	ctx := context.Background()
	study, s := open(t)
	in := inputs(t, study)
	result := run(t, in)
	if _, err := s.PutRun(ctx, in, result, created); err != nil {
		t.Fatal(err)
	}
	for statement, want := range map[string]string{
		"UPDATE search_candidates SET arch = '{}' WHERE position = 1":        "search 1: architecture",
		"UPDATE search_candidates SET accuracy = 0.9 WHERE position = 0":     "candidate 1 is not slower",
		"UPDATE search_candidates SET macs = 1 WHERE position = 2":           "candidate 2 has",
		"UPDATE search_candidates SET latency_ns = 9e999 WHERE position = 0": "latency +Inf",
		"DELETE FROM search_candidates":                                      "the front is empty",
		"UPDATE search_runs SET seed = 'x'":                                  "search 1: seed",
		"UPDATE search_runs SET resolutions = '[true]'":                      "search 1: resolutions",
		"UPDATE search_runs SET space = 'resnet'":                            `unknown space "resnet"`,
	} {
		if err := study.Update(ctx, func(tx *sql.Tx) error { _, err := tx.Exec(statement); return err }); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
		if _, err := s.Run(ctx, 1); !errors.Is(err, sqlite.ErrDamaged) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want ErrDamaged with %q", statement, err, want)
		}
		// Back to the stored run.
		if err := study.Update(ctx, func(tx *sql.Tx) error {
			_, err := tx.Exec("DELETE FROM search_runs; UPDATE sqlite_sequence SET seq = 0 WHERE name = 'search_runs'")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.PutRun(ctx, in, result, created); err != nil {
			t.Fatal(err)
		}
	}
}
