package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	lutplot "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search/family"
	searchplot "github.com/dynofa/dynofa/search/plot"
)

func plotCommand() *cli.Command {
	return &cli.Command{
		Name:  "plot",
		Usage: "pictures (SVG, PNG, PDF) of fronts, searches, tables and runs",
		Subcommands: []*cli.Command{
			plotFrontCommand(),
			plotNetworksCommand(),
			plotHistoryCommand(),
			plotTableCommand(),
			plotCurvesCommand(),
			plotTimelineCommand(),
		},
	}
}

func plotOutputFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE.svg`, .png or .pdf", Destination: to}
}

// checkPlotPath refuses a file name that asks for no known format, before any work is done.
func checkPlotPath(path string) error {
	if path == "" {
		return nil
	}
	if _, err := lutplot.FormatOf(path); err != nil {
		return command.UsageError{Err: err}
	}
	return nil
}

// plotOutput checks --output, which is required.
func plotOutput(path string) error {
	if err := command.Required("output", path); err != nil {
		return err
	}
	return checkPlotPath(path)
}

func plotFrontCommand() *cli.Command {
	var db, familyName, out string
	var id int64
	var paper bool
	return &cli.Command{
		Name:  "front",
		Usage: "the Pareto front of a search with the family's levels; or the paper's measured points",
		Flags: []cli.Flag{
			command.DBFlag(&db),
			searchFlag(&id),
			familyFlag(&familyName),
			&cli.BoolFlag{Name: "paper", Usage: "draw the measured points that the Dynamic-OFA paper published, and print its headline gains", Destination: &paper},
			plotOutputFlag(&out),
		},
		Action: func(c *cli.Context) error {
			if err := plotOutput(out); err != nil {
				return err
			}
			if paper {
				if err := searchplot.Paper().Save(out); err != nil {
					return err
				}
				return printHeadline(c)
			}
			return plotFront(c, db, id, familyName, out)
		},
	}
}

// intervals returns those of a family's measured levels; none if one of them is not in the study.
func intervals(ctx context.Context, study *study, f *family.Family) ([]searchplot.Interval, error) {
	list, err := study.Evaluations(ctx, f.Space)
	if err != nil {
		return nil, err
	}
	var out []searchplot.Interval
	for _, l := range f.Levels {
		found := false
		for _, e := range slices.Backward(list) {
			if found = l.AccuracyOrigin == family.AccuracyMeasured && e.Inputs.Arch.Equal(l.Arch) && e.Accuracy() == l.Accuracy; found {
				share := lut.NewShare(e.Top1, e.Images)
				out = append(out, searchplot.Interval{Low: unit.Accuracy(share.Low), High: unit.Accuracy(share.High)})
				break
			}
		}
		if !found {
			return nil, nil
		}
	}
	return out, nil
}

func plotFront(c *cli.Context, db string, id int64, familyName, out string) error {
	study, err := openStudy(c.Context, db)
	if err != nil {
		return err
	}
	defer study.Close()
	run, err := study.Run(c.Context, id)
	if err != nil {
		return err
	}
	d, err := doubtOf(c.Context, study, run, 0)
	if err != nil {
		return err
	}
	picture := searchplot.Front{
		Spreads:  d.spreads(&run.Result),
		Title:    fmt.Sprintf("Pareto front of %s, search %d", run.Result.Space, run.ID),
		Latency:  fmt.Sprintf("latency on %s, %s", run.Table.Point.Device, run.Table.Point.Processor),
		Accuracy: run.Result.Accuracy,
		Points:   searchplot.Objectives(run.Result.Front),
		Notes:    slices.Concat([]string{"latency: " + tableNote(run.Table)}, d.audit, run.Table.Point.Doubts(), run.Table.Warnings),
	}
	// The newest family chosen from this very search is drawn, or the one that was asked for.
	families, err := study.Families(c.Context)
	if err != nil {
		return err
	}
	asked, notes := familyName != "", slices.Clip(picture.Notes)
	for i := len(families) - 1; i >= 0 && familyName == ""; i-- {
		if families[i].RunID == run.ID {
			familyName = families[i].Name
		}
	}
	if familyName != "" {
		if picture.Family, err = study.Family(c.Context, familyName); err != nil {
			return err
		}
		picture.Processor = run.Table.Point.Processor
		if picture.Intervals, err = intervals(c.Context, study, picture.Family); err != nil {
			return err
		}
		if len(picture.Intervals) > 0 {
			picture.Notes = append(picture.Notes, "levels: MEASURED on labelled pictures, with Wilson's intervals")
		}
	}
	figure, err := picture.Figure()
	if errors.Is(err, searchplot.ErrAxis) && !asked { // a stand-in's front, measured levels
		picture.Notes = append(notes, fmt.Sprintf("Family %s is not drawn: the accuracies of its levels are %s ones.", familyName, picture.Family.Levels[0].AccuracyOrigin))
		picture.Family, picture.Intervals = nil, nil
		figure, err = picture.Figure()
	}
	if err != nil {
		return err
	}
	return figure.Save(out)
}

// printHeadline prints what the paper's headline claims come to, from its own points.
func printHeadline(c *cli.Context) error {
	g := &command.Grid{Head: []string{"processor", "faster, interpolated", "faster, real networks", "accuracy at similar latency"}}
	for _, h := range searchplot.Headline() {
		g.Add(h.Processor, fmt.Sprintf("%.2fx", h.Interpolated), fmt.Sprintf("%.2fx", h.Members), fmt.Sprintf("%+.2f points", h.Accuracy.Percent()))
	}
	g.Note("published points of Lou et al., Dynamic-OFA, CVPRW 2021, against AutoSlim-MnasNet; digitised, see the picture's footnote")
	return g.Print(c.App.Writer, command.FormatText)
}

func plotHistoryCommand() *cli.Command {
	var db, out string
	var id int64
	return &cli.Command{
		Name:  "history",
		Usage: "hypervolume against evaluations of a search",
		Flags: []cli.Flag{command.DBFlag(&db), searchFlag(&id), plotOutputFlag(&out)},
		Action: func(c *cli.Context) error {
			if err := plotOutput(out); err != nil {
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
			figure, err := searchplot.History{
				Title: fmt.Sprintf("Search %d in %s", run.ID, run.Result.Space),
				Runs:  []searchplot.Run{{Name: run.Result.Method, Samples: run.Result.History}},
				Notes: []string{"latency: " + tableNote(run.Table), "accuracy: " + accuracyNote(run.Result.Accuracy)},
			}.Figure()
			if err != nil {
				return err
			}
			return figure.Save(out)
		},
	}
}

func plotTableCommand() *cli.Command {
	var t tableFlags
	var out string
	var resolution int
	return &cli.Command{
		Name:  "table",
		Usage: "heat map of a latency table at one resolution",
		Flags: append(t.flags(),
			&cli.IntFlag{Name: "resolution", Usage: "input `RESOLUTION`; default the table's largest", Destination: &resolution},
			plotOutputFlag(&out),
		),
		Action: func(c *cli.Context) error {
			if err := errors.Join(plotOutput(out), command.NotNegative("resolution", resolution)); err != nil {
				return err
			}
			table, err := t.load(c)
			if err != nil {
				return err
			}
			space, err := table.Supernet()
			if err != nil {
				return err
			}
			figure, err := heatMap(table, space, resolution)
			if err != nil {
				return err
			}
			return figure.Save(out)
		},
	}
}

// heatMap draws a table at a resolution, 0 for its largest.
func heatMap(table *lut.Table, space *supernet.Space, resolution int) (*lutplot.Figure, error) {
	if resolution == 0 {
		rs := table.Resolutions()
		if resolution = rs[len(rs)-1]; resolution == 0 {
			resolution = space.Resolutions[len(space.Resolutions)-1]
		}
	}
	return lutplot.Table(table, space, resolution)
}

func plotCurvesCommand() *cli.Command {
	var t tableFlags
	var out string
	return &cli.Command{
		Name:  "curves",
		Usage: "latency against input resolution of a table's blocks, a panel per stage",
		Flags: append(t.flags(), plotOutputFlag(&out)),
		Action: func(c *cli.Context) error {
			if err := plotOutput(out); err != nil {
				return err
			}
			table, err := t.load(c)
			if err != nil {
				return err
			}
			return saveCurves(table, out)
		},
	}
}

func saveCurves(table *lut.Table, path string) error {
	space, err := table.Supernet()
	if err != nil {
		return err
	}
	figure, err := lutplot.Curves(table, space)
	if err != nil {
		return err
	}
	return figure.Save(path)
}

func plotTimelineCommand() *cli.Command {
	var out, scenario string
	return &cli.Command{
		Name:      "timeline",
		Usage:     "latency, level and misses over time, a panel per trace",
		ArgsUsage: "TRACE...",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "scenario", Usage: "mark the disturbances of this `SCENARIO`, a file or a built-in one", Destination: &scenario},
			plotOutputFlag(&out),
		},
		Action: func(c *cli.Context) error {
			if err := plotOutput(out); err != nil {
				return err
			}
			var s *traffic.Scenario
			if scenario != "" {
				var err error
				if s, err = loadScenario(scenario); err != nil {
					return err
				}
			}
			var traces []*trace.Trace
			for _, path := range c.Args().Slice() {
				t, err := readTrace(c, path)
				if err != nil {
					return err
				}
				traces = append(traces, t)
			}
			return plotTraces(out, traces, s)
		},
	}
}
