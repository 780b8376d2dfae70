package main

import (
	"context"
	"fmt"
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
		},
	}
}

// standIn is the --accuracy argument that asks for the stated stand-in.
const standIn = "stand-in"

func searchRunCommand() *cli.Command {
	var t tableFlags
	var predictor, resolutions, format string
	var settings search.Settings
	return &cli.Command{
		Name:  "run",
		Usage: "search with NSGA-II and store the front; the same call again finds the stored one",
		Flags: append(t.flags(),
			&cli.StringFlag{Name: "accuracy", Usage: "accuracy predictor: a `FILE.pth` of OFA's, or stand-in (a function of multiply-accumulates, no accuracy)", Destination: &predictor},
			&cli.StringFlag{Name: "resolutions", Usage: "input resolutions to search, `R,R,...`; default all that space and table share", Destination: &resolutions},
			&cli.IntFlag{Name: "evaluations", Usage: "budget of predicted networks", Value: search.DefaultEvaluations, Destination: &settings.Evaluations},
			&cli.IntFlag{Name: "population", Usage: "candidates that a generation keeps", Value: search.DefaultPopulation, Destination: &settings.Population},
			command.SeedFlag(&settings.Seed),
			command.OutputFlag(&format),
		),
		Action: func(c *cli.Context) error {
			if err := command.Required("accuracy", predictor); err != nil {
				return err
			}
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			var rs []int
			if resolutions != "" {
				var err error
				if rs, err = command.ParseInts("resolutions", resolutions); err != nil {
					return err
				}
			}
			study, err := openStudy(c.Context, t.db)
			if err != nil {
				return err
			}
			defer study.Close()
			table, err := study.Table(c.Context, t.q)
			if err != nil {
				return err
			}
			problem, err := newProblem(table, predictor, rs)
			if err != nil {
				return err
			}
			run, err := findOrSearch(c, study, store.Inputs{Table: table, Problem: problem, Settings: settings})
			if err != nil {
				return err
			}
			return printFront(c, run, format, 12)
		},
	}
}

// newProblem joins a table with an accuracy predictor.
func newProblem(table *lut.Table, predictor string, resolutions []int) (search.Problem, error) {
	space, err := supernet.ByName(table.Space)
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
	a, err := openPredictor(predictor, space)
	if err != nil {
		return search.Problem{}, err
	}
	return search.Problem{Space: space, Latency: latency, Accuracy: a}, nil
}

func openPredictor(arg string, space *supernet.Space) (accuracy.Predictor, error) {
	if arg == standIn {
		return accuracy.NewStandIn(space)
	}
	return accuracy.LoadMLP(arg)
}

// findOrSearch returns the stored run of the same inputs, or searches and stores. An interrupted
// search is stored too, as far as it came, and is an error.
func findOrSearch(c *cli.Context, study *study, in store.Inputs) (*store.Run, error) {
	run, err := study.findRun(c.Context, in)
	if err != nil {
		return nil, err
	}
	if run != nil {
		fmt.Fprintf(c.App.ErrWriter, "this search is in the study already, as run %d\n", run.ID)
		return run, nil
	}
	settings := in.Settings
	settings.Progress = searchProgress(c)
	result, err := search.Run(c.Context, in.Problem, settings)
	if err != nil {
		return nil, err
	}
	run, err = study.PutRun(context.WithoutCancel(c.Context), in, result, now())
	if err != nil {
		return nil, err
	}
	if run.State != store.Finished {
		return nil, fmt.Errorf("search %d stopped after %d evaluations (%s); the same command starts it again", run.ID, result.Evaluations, result.Reason)
	}
	return run, nil
}

func searchProgress(c *cli.Context) func(search.Progress) {
	last := -1
	return func(p search.Progress) {
		if tenth := 10 * p.Evaluations / max(1, p.Budget); tenth != last {
			last = tenth
			fmt.Fprintf(c.App.ErrWriter, "search: %d of %d evaluations, generation %d\n", p.Evaluations, p.Budget, p.Generation)
		}
	}
}

// printFront prints a run and at most limit candidates of its front in text form, evenly spaced;
// all of them for machines.
func printFront(c *cli.Context, run *store.Run, format string, limit int) error {
	r := run.Result
	if format == command.FormatText {
		fmt.Fprintf(c.App.Writer, "search %d: %d networks on the front, %d evaluations (%s), seed %d, %s\n",
			run.ID, len(r.Front), r.Evaluations, r.Stop, r.Seed, r.Method)
	} else {
		limit = len(r.Front)
	}
	g := &command.Grid{Head: []string{"accuracy", "latency", "macs", "arch"}}
	shown := 0
	for i := range r.Front {
		if len(r.Front) > limit && i*(limit-1)/(len(r.Front)-1) < shown {
			continue
		}
		shown++
		f := r.Front[i]
		if format == command.FormatText {
			g.Add(f.Accuracy, f.Latency, fmt.Sprintf("%.1f M", float64(f.MACs)/1e6), f.Arch)
		} else {
			g.Add(float64(f.Accuracy), float64(f.Latency), f.MACs, f.Arch)
		}
	}
	if format != command.FormatText {
		g.Head[1] = "latency_ns"
	} else if shown < len(r.Front) {
		g.Note("%d of %d networks are shown; --format csv prints all", shown, len(r.Front))
	}
	g.Note("latency: %s", tableNote(run.Table))
	g.Note("accuracy: %s", accuracyNote(r.Accuracy))
	return g.Print(c.App.Writer, format)
}

// tableNote says in one line where latencies come from.
func tableNote(t lut.Info) string {
	return fmt.Sprintf("%s, sum over table %d of %s/%s: %s", strings.ToUpper(string(t.Origin)), t.ID, t.Point.Device, t.Point.Processor, t.Source)
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

func searchListCommand() *cli.Command {
	var db, format string
	return &cli.Command{
		Name:  "list",
		Usage: "list the searches of a study",
		Flags: []cli.Flag{command.DBFlag(&db), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			runs, err := study.Runs(c.Context)
			if err != nil {
				return err
			}
			g := &command.Grid{Head: []string{"id", "state", "space", "table", "accuracy", "evaluations", "seed", "front", "hypervolume", "created"}}
			for _, r := range runs {
				g.Add(r.ID, r.State, r.Result.Space, r.TableID, r.Result.Accuracy.Origin+" "+r.Result.Accuracy.Name,
					r.Result.Evaluations, r.Result.Seed, r.Front, fmt.Sprintf("%.5g", r.Hypervolume), r.Created.Format(time.RFC3339))
			}
			return g.Print(c.App.Writer, format)
		},
	}
}

func searchShowCommand() *cli.Command {
	var db, format string
	var id int64
	return &cli.Command{
		Name:  "show",
		Usage: "show the front of a search",
		Flags: []cli.Flag{command.DBFlag(&db), searchFlag(&id), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			run, err := study.Run(c.Context, id)
			if err != nil {
				return err
			}
			return printFront(c, run, format, 1<<30)
		},
	}
}

func searchFlag(to *int64) cli.Flag {
	return &cli.Int64Flag{Name: "search", Usage: "`ID` of the search; 0: the newest", Destination: to}
}
