package main

import (
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim/store"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

func simSweepCommand() *cli.Command {
	var f simFlags
	var p planFlags
	var vary cli.StringSlice
	var plot, measure string
	flags := append(f.flags(), p.flags("slack,slackfit,qdp")...)
	return &cli.Command{
		Name:  "sweep",
		Usage: "compare policies over variants of a scenario; results stay in the study, so a killed sweep goes on where it was",
		Flags: append(flags,
			&cli.StringSliceFlag{Name: "vary", Usage: "values of a key of the scenario, `KEY=VALUE,VALUE,...`; may be repeated: every combination is played", Destination: &vary},
			&cli.StringFlag{Name: "plot", Usage: "draw a measure of each policy over the cells to `FILE.svg`, .png or .pdf", Destination: &plot},
			&cli.StringFlag{Name: "measure", Usage: "`NAME` of what is drawn: SLO, effective, accuracy served, switches, energy ...", Value: "effective", Destination: &measure},
		),
		Action: func(c *cli.Context) error {
			plan, err := p.plan(c)
			if err != nil {
				return err
			}
			if err := checkPlotPath(plot); err != nil {
				return err
			}
			drawn, ok := simstudy.MeasureNamed(measure)
			if !ok {
				return command.Usagef("--measure %q is not known", measure)
			}
			var axes []simstudy.Axis
			for _, text := range joinPieces(vary.Value()) {
				a, err := simstudy.ParseAxis(text)
				if err != nil {
					return command.UsageError{Err: err}
				}
				axes = append(axes, a)
			}
			if len(axes) == 0 {
				return command.Usagef("--vary is required")
			}
			if plan.Cells, err = f.cells(c, axes); err != nil {
				return err
			}
			settle(&plan)
			done, err := useStudy(c, f.db, &plan)
			if err != nil {
				return err
			}
			defer done()
			results, err := simstudy.Run(c.Context, plan)
			if err != nil {
				return err
			}
			if plot != "" {
				if err := plotSweep(plot, drawn, results); err != nil {
					return err
				}
			}
			return comparisonGrid(&plan, results).Print(c.App.Writer, p.format)
		},
	}
}

// maxCells bounds a sweep.
const maxCells = 100_000

// cells returns the variants of a scenario.
func (f *simFlags) cells(c *cli.Context, axes []simstudy.Axis) ([]simstudy.Cell, error) {
	changes, err := f.overrides()
	if err != nil {
		return nil, err
	}
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	n := 1
	for _, a := range axes {
		if n *= len(a.Values); n > maxCells {
			return nil, command.Usagef("--vary: more than %d combinations", maxCells)
		}
	}
	var cells []simstudy.Cell
	err = simstudy.Factorial(axes, func(values []string) error {
		var name []string
		all := changes[:len(changes):len(changes)]
		for i, v := range values {
			all = append(all, traffic.Change{Key: axes[i].Key, Value: v})
			name = append(name, axes[i].Key+"="+v)
		}
		s, err := file.Scenario(all...)
		if err != nil {
			return err
		}
		cell, err := f.cell(c, strings.Join(name, " "), s)
		cells = append(cells, cell)
		return err
	})
	return cells, err
}

// useStudy makes a plan keep its outcomes in a study, which is made if there is none. The function that it returns
// closes the study.
func useStudy(c *cli.Context, path string, plan *simstudy.Plan) (func(), error) {
	s, err := createStudy(c.Context, path)
	if err != nil {
		return nil, err
	}
	plan.Cache = store.New(s.Study, now)
	return func() { _ = s.Close() }, nil // everything is committed
}
