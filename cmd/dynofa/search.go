package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/store"
)

func searchCommand() *cli.Command {
	return &cli.Command{
		Name:  "search",
		Usage: "the Pareto front of accuracy and latency over a whole space",
		Subcommands: []*cli.Command{
			searchRunCommand(),
			searchListCommand(),
			searchShowCommand(),
			searchCompareCommand(),
		},
	}
}

// Names of accuracy predictors that are no files.
const (
	standIn = "stand-in"
	builtin = "built-in"
)

// searchFlags are what a search is asked for.
type searchFlags struct {
	table                   tableFlags
	predictor, resolutions  string
	method, format          string
	also                    cli.Int64Slice
	objectives, constraints cli.StringSlice
	settings                search.Settings
	deadline                time.Duration
}

// searchMethods are the values of --method.
var searchMethods = []struct {
	name   string
	method search.Method
}{
	{"memetic", search.Memetic{}}, {"nsga2", search.NSGA2{}}, {"random", search.Random{}}, {"exact", search.Exact{}}, {"ofa", search.OFA{}},
}

func searchMethod(name string) (search.Method, error) {
	var names []string
	for _, m := range searchMethods {
		if m.name == name {
			return m.method, nil
		}
		names = append(names, m.name)
	}
	return nil, command.Usagef("--method %q is none of %s", name, strings.Join(names, ", "))
}

func searchRunCommand() *cli.Command {
	var f searchFlags
	return &cli.Command{
		Name:  "run",
		Usage: "search and store the front; the same call again finds the stored one, or goes on where it was interrupted",
		Flags: append(f.table.flags(),
			&cli.StringFlag{Name: "accuracy", Value: builtin, Usage: "accuracy predictor: built-in, measured (fitted to what eval has measured in this study), a `FILE`.pth of OFA's, a .csv of measured networks to fit one to, or stand-in (a function of multiply-accumulates, no accuracy)", Destination: &f.predictor},
			&cli.StringFlag{Name: "resolutions", Usage: "input resolutions to search, `R,R,...`; default all that space and table share", Destination: &f.resolutions},
			&cli.StringFlag{Name: "method", Value: "memetic", Usage: "`NAME` of the method: memetic, nsga2, random, exact (additive accuracies only), ofa (the baseline, one constraint)", Destination: &f.method},
			&cli.Int64SliceFlag{Name: "also-table", Usage: "`ID` of the table of a further operating point, for objectives and constraints", Destination: &f.also},
			&cli.StringSliceFlag{Name: "objective", Usage: "what to improve, 2 to 4 times: accuracy, latency(`POINT`), p99(POINT), energy(POINT), 'meets(POINT,60ms)', macs, params, memory, activations; default accuracy and latency", Destination: &f.objectives},
			&cli.StringSliceFlag{Name: "constraint", Usage: "`EXPRESSION` to keep, as in 'latency(gpu) <= 25ms', 'accuracy >= 75%', 'params <= 6M'", Destination: &f.constraints},
			&cli.IntFlag{Name: "evaluations", Usage: "budget of predicted networks", Value: search.DefaultEvaluations, Destination: &f.settings.Evaluations},
			&cli.IntFlag{Name: "population", Usage: "candidates that a generation keeps", Value: search.DefaultPopulation, Destination: &f.settings.Population},
			&cli.IntFlag{Name: "workers", Usage: "goroutines that predict; 0: one for each processor. The result does not depend on it", Destination: &f.settings.Workers},
			deadlineFlag(&f.deadline),
			command.SeedFlag(&f.settings.Seed),
			command.OutputFlag(&f.format),
		),
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(f.format); err != nil {
				return err
			}
			method, err := searchMethod(f.method)
			if err != nil {
				return err
			}
			if f.deadline < 0 {
				return command.Usagef("--deadline %v is negative", f.deadline)
			}
			if err := f.settings.Validate(); err != nil {
				return command.UsageError{Err: err}
			}
			objectives, constraints, err := f.expressions()
			if err != nil {
				return err
			}
			var rs []int
			if f.resolutions != "" {
				if rs, err = command.ParseInts("resolutions", f.resolutions); err != nil {
					return err
				}
			}
			study, err := openStudy(c.Context, f.table.db)
			if err != nil {
				return err
			}
			defer study.Close()
			in, doubts, err := f.inputs(c.Context, study, rs, objectives, constraints)
			if err != nil {
				return err
			}
			if f.predictor == builtin {
				warning, err := builtinWarning(in.Problem.Space)
				if err != nil {
					return err
				}
				if warning != "" {
					fmt.Fprintln(c.App.ErrWriter, "search: "+warning)
				}
			}
			in.Settings = f.settings
			in.Settings.Method = method
			run, err := findOrSearch(c, study, in)
			if err != nil {
				return err
			}
			return printFront(c, study, run, frontOptions{f.format, 12, f.deadline, doubts})
		},
	}
}

// expressions reads objectives and constraints.
func (f *searchFlags) expressions() (objectives []search.Quantity, constraints []search.Constraint, err error) {
	for _, text := range f.objectives.Value() {
		q, err := search.ParseQuantity(text)
		if err != nil {
			return nil, nil, command.Usagef("--objective %w", err)
		}
		objectives = append(objectives, q)
	}
	for _, text := range f.constraints.Value() {
		c, err := search.ParseConstraint(text)
		if err != nil {
			return nil, nil, command.Usagef("--constraint %w", err)
		}
		constraints = append(constraints, c)
	}
	return objectives, constraints, nil
}

// inputs reads the tables and opens the predictors. The doubts are about the choice of the table.
func (f *searchFlags) inputs(ctx context.Context, study *study, resolutions []int, objectives []search.Quantity, constraints []search.Constraint) (in store.Inputs, doubts []string, err error) {
	table, doubts, err := f.table.choose(ctx, study)
	if err != nil {
		return in, nil, err
	}
	if in.Problem, err = newProblem(ctx, study, table, f.predictor, resolutions); err != nil {
		return in, nil, err
	}
	in.Table, in.Problem.Point = table, table.Point.Processor
	names := map[string]bool{in.Problem.Point: true}
	aliases := map[string]string{}
	addAlias(aliases, table, in.Problem.Point)
	for _, id := range f.also.Value() {
		other, err := study.Table(ctx, lut.Query{ID: id})
		if err != nil {
			return in, nil, err
		}
		latency, err := lut.NewPredictor(other, in.Problem.Space)
		if err != nil {
			return in, nil, err
		}
		name := pointName(other.Point, id, names)
		names[name] = true
		addAlias(aliases, other, name)
		in.Also = append(in.Also, other)
		in.Problem.Also = append(in.Problem.Also, search.Point{Name: name, Latency: latency})
	}
	for i := range objectives {
		renamePoint(aliases, &objectives[i])
	}
	for i := range constraints {
		renamePoint(aliases, &constraints[i].Quantity)
	}
	in.Problem.Objectives, in.Problem.Constraints = objectives, constraints
	return in, doubts, nil
}

// addAlias notes that an operating point is meant by its processor with its power mode or table too:
// "cpu,15W", "cpu,3".
func addAlias(aliases map[string]string, t *lut.Table, name string) {
	aliases[fmt.Sprintf("%s,%d", t.Point.Processor, t.ID)] = name
	if t.Point.PowerMode == "" {
		return
	}
	alias := t.Point.Processor + "," + t.Point.PowerMode
	if _, taken := aliases[alias]; !taken {
		aliases[alias] = name
	}
}

// renamePoint puts a point's name in place of its alias; "cpu, 15W" is as good as "cpu,15W".
func renamePoint(aliases map[string]string, q *search.Quantity) {
	parts := strings.Split(q.Point, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	if name, ok := aliases[strings.Join(parts, ",")]; ok {
		q.Point = name
	}
}

// pointName returns the shortest name that no other operating point has: the processor; with the power
// mode; with the table's ID.
func pointName(p lut.OperatingPoint, id int64, taken map[string]bool) string {
	if !taken[p.Processor] {
		return p.Processor
	}
	if name := p.Processor + "," + p.PowerMode; p.PowerMode != "" && !taken[name] {
		return name
	}
	return fmt.Sprintf("%s,%d", p.Processor, id)
}

// newProblem joins a table with an accuracy predictor.
func newProblem(ctx context.Context, study *study, table *lut.Table, predictor string, resolutions []int) (search.Problem, error) {
	space, err := table.Supernet()
	if err != nil {
		return search.Problem{}, err
	}
	if len(resolutions) > 0 {
		space = space.WithResolutions(resolutions...)
	}
	latency, err := lut.NewPredictor(table, space)
	if err != nil {
		return search.Problem{}, err
	}
	a, err := openPredictor(ctx, study, predictor, space)
	if err != nil {
		return search.Problem{}, err
	}
	return search.Problem{Space: space, Latency: latency, Accuracy: a}, nil
}

func openPredictor(ctx context.Context, study *study, arg string, space *supernet.Space) (accuracy.Predictor, error) {
	switch {
	case arg == measured:
		m, err := findMeasurements(ctx, study, space)
		if err != nil {
			return nil, err
		}
		fitted, _, err := m.fit(m.rows)
		return fitted, err
	case arg == standIn:
		return accuracy.NewStandIn(space)
	case arg == builtin:
		return accuracy.Builtin(space)
	case strings.EqualFold(filepath.Ext(arg), ".csv"):
		file, err := os.Open(arg)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return accuracy.FitCSV(arg, file, space)
	}
	if _, err := os.Stat(arg); errors.Is(err, os.ErrNotExist) && !strings.ContainsAny(arg, "./") {
		return nil, command.Usagef("--accuracy %q is neither built-in, measured, stand-in nor a file", arg)
	}
	return accuracy.LoadMLP(arg)
}

// findOrSearch returns the stored run of the same inputs, or searches and stores, from where the same
// search was interrupted if it was. An interrupted search is stored too, as far as it came, and is an
// error.
func findOrSearch(c *cli.Context, study *study, in store.Inputs) (*store.Run, error) {
	run, err := study.findRun(c.Context, in)
	if err != nil {
		return nil, err
	}
	if run != nil {
		fmt.Fprintf(c.App.ErrWriter, "this search is in the study already, as run %d\n", run.ID)
		return run, nil
	}
	journal, known, err := study.OpenJournal(c.Context, in)
	if err != nil {
		return nil, err
	}
	if len(known) > 0 {
		fmt.Fprintf(c.App.ErrWriter, "search: going on after %d evaluations\n", len(known))
	}
	settings := in.Settings
	settings.Progress, settings.Resume, settings.Record = searchProgress(c), known, journal.Record
	result, err := search.Run(c.Context, in.Problem, settings)
	if err != nil {
		return nil, err
	}
	ctx := context.WithoutCancel(c.Context)
	if result.Stop == search.StopCancelled {
		if err := journal.Flush(ctx); err != nil {
			return nil, err
		}
	}
	if run, err = study.PutRun(ctx, in, result, now()); err != nil {
		return nil, err
	}
	if run.State != store.Finished {
		return nil, fmt.Errorf("search %d stopped after %d evaluations (%s); the same command goes on from there", run.ID, result.Evaluations, result.Reason)
	}
	return run, nil
}

// searchProgress prints a line for each tenth of the budget: hypervolume so far and the time that the
// rest will take at the pace so far.
func searchProgress(c *cli.Context) func(search.Progress) {
	last, start, first := -1, now(), 0
	return func(p search.Progress) {
		if first == 0 {
			first, start = p.Evaluations, now()
		}
		tenth := 10 * p.Evaluations / max(1, p.Budget)
		if tenth == last {
			return
		}
		last = tenth
		left := ""
		if done := p.Evaluations - first; done > 0 {
			rest := time.Duration(float64(now().Sub(start)) / float64(done) * float64(p.Budget-p.Evaluations))
			left = fmt.Sprintf(", about %v left", rest.Round(100*time.Millisecond))
		}
		fmt.Fprintf(c.App.ErrWriter, "search: %d of %d evaluations, %d on the front, hypervolume %.5g%s\n", p.Evaluations, p.Budget, p.Front, p.Hypervolume, left)
	}
}

// tableNote says in one line where latencies come from.
func tableNote(t lut.Info) string {
	return fmt.Sprintf("%s, sum over table %d of %s: %s", strings.ToUpper(string(t.Origin)), t.ID, t.Point.Label(), t.Source)
}

// accuracyNote says in one line what kind of number an accuracy is.
func accuracyNote(d accuracy.Description) string {
	text := fmt.Sprintf("%s by %s", strings.ToUpper(d.Origin), d.Name)
	if d.Source != "" {
		text += " (" + d.Source + ")"
	}
	if d.Note != "" {
		text += ": " + d.Note
	}
	return text
}
