package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/sqlite"
	"github.com/dynofa/dynofa/search"
)

// State says whether a search came to its end.
type State string

// The states of a stored search.
const (
	Finished    State = "finished"
	Interrupted State = "interrupted" // the context ended; a finished run of the same inputs replaces it
)

// Run is a stored search.
type Run struct {
	ID      int64
	Digest  string // of its Inputs
	State   State
	Table   lut.Info // where its latencies come from
	Created time.Time
	Result  search.Result
}

// RunInfo describes a stored search without its front.
type RunInfo struct {
	ID      int64
	Digest  string
	State   State
	TableID int64
	Created time.Time
	// Result lacks Front and History.
	Result      search.Result
	Front       int     // networks on the front
	Hypervolume float64 // at the end: milliseconds times accuracy
}

// runColumns are the columns of search_runs after id.
const runColumns = `digest, state, table_id, space, resolutions, method, population, budget, seed, reference_accuracy, reference_latency_ns,
	accuracy_name, accuracy_origin, accuracy_source, accuracy_sha256, accuracy_note, settings, evaluations, generations, stop, reason, created_ns, accuracy_errors`

// PutRun stores the result of a search and returns it as stored. If a finished run of the same inputs
// is there already, that one is returned and nothing changes; an interrupted one is replaced, under a
// new ID. It returns an error if the result is not one of the inputs, or not a front of valid
// networks.
func (s *Store) PutRun(ctx context.Context, in Inputs, r *search.Result, created time.Time) (*Run, error) {
	document, digest, err := in.document()
	if err != nil {
		return nil, err
	}
	if err := in.check(r); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	at, err := sqlite.Timestamp(created)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	resolutions, err := json.Marshal(r.Resolutions)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	accuracyErrors, err := encodeErrors(r.AccuracyErrors)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	state := Finished
	if r.Stop == search.StopCancelled {
		state = Interrupted
	}
	var id int64
	err = s.study.Update(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT id FROM search_runs WHERE digest = ? AND state = ?", digest, Finished).Scan(&id)
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM search_runs WHERE digest = ?", digest); err != nil {
			return err
		}
		if state == Finished {
			if _, err := tx.ExecContext(ctx, "DELETE FROM search_journal WHERE digest = ?", digest); err != nil {
				return err
			}
		}
		table, err := reference(ctx, tx, "latency_tables", in.Table.ID)
		if err != nil {
			return err
		}
		if id, err = sqlite.InsertRow(ctx, tx, "search_runs ("+runColumns+")",
			digest, state, table, r.Space, string(resolutions), r.Method, r.Population, r.Budget, strconv.FormatUint(r.Seed, 10),
			float64(r.Reference.Accuracy), float64(r.Reference.Latency), r.Accuracy.Name, r.Accuracy.Origin, r.Accuracy.Source,
			r.Accuracy.SHA256, r.Accuracy.Note, string(document), r.Evaluations, r.Generations, string(r.Stop), r.Reason, at, accuracyErrors); err != nil {
			return err
		}
		if err := sqlite.Insert(ctx, tx, "search_candidates (run_id, position, arch, arch_id, accuracy, latency_ns, macs, objectives)", len(r.Front), func(i int) []any {
			c := r.Front[i]
			return []any{id, i, c.Arch.String(), c.Arch.ID(), float64(c.Accuracy), float64(c.Latency), c.MACs, encodeValues(c.Others)}
		}); err != nil {
			return err
		}
		return sqlite.Insert(ctx, tx, "search_history (run_id, position, evaluations, hypervolume, front)", len(r.History), func(i int) []any {
			h := r.History[i]
			return []any{id, i, h.Evaluations, h.Hypervolume, h.Front}
		})
	})
	if err != nil {
		return nil, err
	}
	return s.Run(ctx, id)
}

// check compares a result with the inputs that it claims to come from.
func (in Inputs) check(r *search.Result) error {
	p := in.Problem
	if r.Space != p.Space.Name || r.Seed != in.Settings.Seed || r.Accuracy != p.Accuracy.Describe() {
		return errors.New("the result is of another search than the inputs")
	}
	return checkResult(r, p.Space)
}

// checkResult returns an error unless r is a front of canonical networks of the space, ascending in
// latency and accuracy (unless the search had other objectives), with numbers that networks can have.
func checkResult(r *search.Result, space *supernet.Space) error {
	if len(r.Front) == 0 && r.Stop != search.StopCancelled {
		return errors.New("the front is empty")
	}
	for i, c := range r.Front {
		if err := checkArch(space, c.Arch); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
		if macs, err := space.MACs(c.Arch); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		} else if macs != c.MACs {
			return fmt.Errorf("candidate %d has %d multiply-accumulates, not %d", i, macs, c.MACs)
		}
		if err := c.Accuracy.Validate(); err != nil {
			return fmt.Errorf("candidate %d: %w", i, err)
		}
		if l := float64(c.Latency); !(l > 0) || math.IsInf(l, 0) {
			return fmt.Errorf("candidate %d: latency %g ns is not possible", i, l)
		}
		if i > 0 && len(r.Objectives) == 0 && (c.Latency <= r.Front[i-1].Latency || c.Accuracy <= r.Front[i-1].Accuracy) {
			return fmt.Errorf("candidate %d is not slower and more accurate than the one before", i)
		}
	}
	for i, h := range r.History {
		if math.IsNaN(h.Hypervolume) || math.IsInf(h.Hypervolume, 0) {
			return fmt.Errorf("history %d: hypervolume is %g", i, h.Hypervolume)
		}
	}
	return nil
}

// Run returns the search of an ID, or the newest finished one if id is 0. The error wraps ErrNoRun if
// there is none.
func (s *Store) Run(ctx context.Context, id int64) (*Run, error) {
	if id == 0 {
		return s.run(ctx, "state = 'finished' ORDER BY id DESC LIMIT 1", fmt.Errorf("%w: the study has no finished search", ErrNoRun))
	}
	return s.run(ctx, "id = ?1", fmt.Errorf("%w: ID %d", ErrNoRun, id), id)
}

// FindRun returns the finished search of a digest of Inputs. The error wraps ErrNoRun if there is none.
func (s *Store) FindRun(ctx context.Context, digest string) (*Run, error) {
	return s.run(ctx, "digest = ?1 AND state = 'finished'", fmt.Errorf("%w: digest %s", ErrNoRun, digest), digest)
}

func (s *Store) run(ctx context.Context, where string, none error, args ...any) (*Run, error) {
	var run *Run
	var tableID int64
	err := s.study.View(ctx, func(tx *sql.Tx) error {
		infos, err := selectRuns(ctx, tx, where, args...)
		if err != nil {
			return err
		}
		if len(infos) == 0 {
			return none
		}
		i := infos[0]
		tableID = i.TableID
		run = &Run{ID: i.ID, Digest: i.Digest, State: i.State, Created: i.Created, Result: i.Result}
		return readRun(ctx, tx, run)
	})
	if err != nil {
		return nil, err
	}
	if tableID != 0 { // the schema sees to it that the table is there
		tables, err := s.study.Tables(ctx, lut.Query{ID: tableID})
		if err != nil {
			return nil, err
		}
		if len(tables) == 1 {
			run.Table = tables[0]
		}
	}
	return run, nil
}

// readRun fills in front and history, and checks them.
func readRun(ctx context.Context, tx *sql.Tx, run *Run) error {
	r := &run.Result
	err := sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
		var c search.Candidate
		var arch, others string
		if err := rows.Scan(&arch, &c.Accuracy, &c.Latency, &c.MACs, &others); err != nil {
			return err
		}
		var err error
		if c.Others, err = decodeValues(others); err != nil {
			return sqlite.Damagedf("search %d: %w", run.ID, err)
		}
		if c.Arch, err = supernet.ParseArch([]byte(arch)); err != nil {
			return sqlite.Damagedf("search %d: %w", run.ID, err)
		}
		r.Front = append(r.Front, c)
		return nil
	}, "SELECT arch, accuracy, latency_ns, macs, objectives FROM search_candidates WHERE run_id = ? ORDER BY position", run.ID)
	if err != nil {
		return err
	}
	err = sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
		var h search.Sample
		err := rows.Scan(&h.Evaluations, &h.Hypervolume, &h.Front)
		r.History = append(r.History, h)
		return err
	}, "SELECT evaluations, hypervolume, front FROM search_history WHERE run_id = ? ORDER BY position", run.ID)
	if err != nil {
		return err
	}
	space, err := r.Supernet()
	if err != nil {
		return sqlite.Damagedf("search %d: %w", run.ID, err)
	}
	if err := checkResult(r, space); err != nil {
		return sqlite.Damagedf("search %d: %w", run.ID, err)
	}
	return nil
}

// encodeErrors returns the errors of a predictor as a JSON list.
func encodeErrors(list []search.AccuracyError) (string, error) {
	if list == nil {
		return "[]", nil
	}
	text, err := json.Marshal(list)
	return string(text), err
}

// decodeErrors reads them back.
func decodeErrors(text string) ([]search.AccuracyError, error) {
	var list []search.AccuracyError
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	for _, e := range list {
		if !(e.Bar.StdDev >= 0 && e.Bar.StdDev <= 1 && e.Bar.Relative >= 0 && e.Bar.Relative <= 1) {
			return nil, fmt.Errorf("at resolution %d they are %g and %g", e.Resolution, float64(e.Bar.StdDev), float64(e.Bar.Relative))
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	return list, nil
}

// encodeValues returns values as a JSON object by name.
func encodeValues(list []search.Value) string {
	values := make(map[string]float64, len(list))
	for _, v := range list {
		values[v.Quantity.String()] = v.Value
	}
	text, err := json.Marshal(values)
	if err != nil {
		panic("store: " + err.Error()) // the search has refused what is not finite
	}
	return string(text)
}

// decodeValues reads them back, in the order of their names.
func decodeValues(text string) ([]search.Value, error) {
	var values map[string]float64
	if err := json.Unmarshal([]byte(text), &values); err != nil {
		return nil, fmt.Errorf("objectives: %w", err)
	}
	var list []search.Value
	for _, name := range slices.Sorted(maps.Keys(values)) {
		q, err := search.ParseQuantity(name)
		if err != nil {
			return nil, fmt.Errorf("objectives: %w", err)
		}
		list = append(list, search.Value{Quantity: q, Value: values[name]})
	}
	return list, nil
}

// Runs lists the searches of the study, by ID.
func (s *Store) Runs(ctx context.Context) ([]RunInfo, error) {
	var infos []RunInfo
	err := s.study.View(ctx, func(tx *sql.Tx) (err error) {
		infos, err = selectRuns(ctx, tx, "TRUE ORDER BY id")
		return err
	})
	return infos, err
}

func selectRuns(ctx context.Context, tx *sql.Tx, where string, args ...any) ([]RunInfo, error) {
	var infos []RunInfo
	err := sqlite.Select(ctx, tx, func(rows *sql.Rows) error {
		var i RunInfo
		r := &i.Result
		var table, created sql.NullInt64
		var hypervolume sql.NullFloat64
		var resolutions, seed, settings, accuracyErrors string
		if err := rows.Scan(&i.ID, &i.Digest, &i.State, &table, &r.Space, &resolutions, &r.Method, &r.Population, &r.Budget, &seed,
			&r.Reference.Accuracy, &r.Reference.Latency, &r.Accuracy.Name, &r.Accuracy.Origin, &r.Accuracy.Source, &r.Accuracy.SHA256,
			&r.Accuracy.Note, &settings, &r.Evaluations, &r.Generations, &r.Stop, &r.Reason, &created, &accuracyErrors, &i.Front, &hypervolume); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(resolutions), &r.Resolutions); err != nil {
			return sqlite.Damagedf("search %d: resolutions: %w", i.ID, err)
		}
		var err error
		if r.AccuracyErrors, err = decodeErrors(accuracyErrors); err != nil {
			return sqlite.Damagedf("search %d: errors of accuracies: %w", i.ID, err)
		}
		var document inputsDocument
		if err := json.Unmarshal([]byte(settings), &document); err != nil {
			return sqlite.Damagedf("search %d: settings: %w", i.ID, err)
		}
		r.Objectives, r.Constraints = document.Objectives, document.Constraints
		if document.Space != nil {
			r.SpaceDescription = document.Space.Description()
		}
		if r.Seed, err = strconv.ParseUint(seed, 10, 64); err != nil {
			return sqlite.Damagedf("search %d: seed: %w", i.ID, err)
		}
		i.TableID, i.Created, i.Hypervolume = table.Int64, sqlite.Time(created), hypervolume.Float64
		infos = append(infos, i)
		return nil
	}, "SELECT id, "+runColumns+`,
		(SELECT count(*) FROM search_candidates c WHERE c.run_id = r.id),
		(SELECT h.hypervolume FROM search_history h WHERE h.run_id = r.id ORDER BY h.position DESC LIMIT 1)
		FROM search_runs r WHERE `+where, args...)
	return infos, err
}
