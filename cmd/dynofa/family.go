package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/selection"
)

func familyCommand() *cli.Command {
	return &cli.Command{
		Name:  "family",
		Usage: "choose the levels that a runtime manager switches among",
		Subcommands: []*cli.Command{
			familyChooseCommand(),
			familyMeasureCommand(),
			familyShowCommand(),
		},
	}
}

func familyFlag(to *string) cli.Flag {
	return &cli.StringFlag{Name: "family", Usage: "`NAME` of the family: one of the study (default the newest) or " + family.PaperGPU6Name, Destination: to}
}

func familyChooseCommand() *cli.Command {
	var db, name, format string
	var id int64
	var rule selection.Rule
	var bothEnds, joint bool
	var memory, weights string
	var also cli.Int64Slice
	return &cli.Command{
		Name:  "choose",
		Usage: "choose levels from a front: the most expected accuracy under a random latency limit",
		Flags: []cli.Flag{
			command.DBFlag(&db),
			searchFlag(&id),
			&cli.IntFlag{Name: "levels", Usage: "number of levels", Destination: &rule.Levels},
			&cli.Float64Flag{Name: "share", Usage: "instead of --levels: the fewest levels that reach this share of the whole front's gain", Destination: &rule.Share},
			&cli.BoolFlag{Name: "both-ends", Usage: "keep the front's most accurate network too, not only the fastest", Destination: &bothEnds},
			&cli.Int64SliceFlag{Name: "also-table", Usage: "`ID` of the table of another processor that levels get a latency for", Destination: &also},
			&cli.BoolFlag{Name: "joint", Usage: "choose levels that serve all processors of --also-table too, not only the searched one", Destination: &joint},
			&cli.StringFlag{Name: "memory", Usage: "`SIZE` that the levels' weights must fit, as in 20MiB", Destination: &memory},
			&cli.StringFlag{Name: "weights", Value: "shared", Usage: "whether levels keep their weights `shared` or separate, for --memory", Destination: &weights},
			&cli.StringFlag{Name: "name", Usage: "`NAME` of the family; default from device, processor and size", Destination: &name},
			command.OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if (rule.Levels == 0) == (rule.Share == 0) {
				return command.Usagef("give either --levels or --share")
			}
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			if bothEnds {
				rule.Keep = selection.KeepBothEnds
			}
			err := rule.Validate()
			if err != nil {
				return command.UsageError{Err: err}
			}
			options := selection.Options{Name: name, Joint: joint}
			if options.Memory, err = parseMemory(memory, weights); err != nil {
				return err
			}
			if joint && (rule.Levels == 0 || memory != "" || bothEnds) {
				return command.Usagef("--joint takes --levels, and neither --memory nor --both-ends")
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			f, err := chooseFamily(c.Context, study, id, rule, also.Value(), options)
			if err != nil {
				return err
			}
			return printFamily(c, f, format)
		},
	}
}

// parseMemory reads --memory and --weights.
func parseMemory(size, weights string) (selection.Memory, error) {
	var m selection.Memory
	switch weights {
	case "shared":
	case "separate":
		m.Sharing = selection.SeparateWeights
	default:
		return m, command.Usagef("--weights %q is neither shared nor separate", weights)
	}
	if size == "" {
		return m, nil
	}
	c, err := search.ParseConstraint("memory <= " + size)
	if err != nil || c.Bound < 1 || c.Bound >= 1<<53 {
		return m, command.Usagef("--memory %q is not a size like 20MiB", size)
	}
	m.Budget = int64(c.Bound)
	return m, nil
}

// sumOverTable begins the source of latencies that are no measurements of whole networks.
const sumOverTable = "sum over table "

func chooseFamily(ctx context.Context, study *study, id int64, rule selection.Rule, also []int64, options selection.Options) (*family.Family, error) {
	run, err := study.Run(ctx, id)
	if err != nil {
		return nil, err
	}
	space, err := run.Result.Supernet()
	if err != nil {
		return nil, err
	}
	name := options.Name
	options.Space, options.Accuracy = space, run.Result.Accuracy
	options.Source = fmt.Sprintf("search %d: %s, seed %d, %d evaluations", run.ID, run.Result.Method, run.Result.Seed, run.Result.Evaluations)
	for i, tableID := range append([]int64{run.Table.ID}, also...) {
		table, err := study.Table(ctx, lut.Query{ID: tableID})
		if err != nil {
			return nil, err
		}
		predictor, err := lut.NewPredictor(table, space)
		if err != nil {
			return nil, err
		}
		if i == 0 && name == "" {
			options.Name = fmt.Sprintf("%s-%s-search%d", table.Point.Device, table.Point.Processor, run.ID)
		}
		options.Processors = append(options.Processors, selection.Processor{
			Name: table.Point.Processor, Latency: predictor, Origin: table.Origin,
			Source: fmt.Sprintf(sumOverTable+"%d (%s): %s", table.ID, table.Point.Label(), table.Source),
		})
		options.Notes = append(append(options.Notes, table.Point.Doubts()...), table.Warnings...)
	}
	f, err := selection.Family(run.Result.Front, rule, options)
	if err != nil {
		return nil, err
	}
	_, err = study.PutFamily(ctx, f, run.ID, now())
	return f, err
}

func familyShowCommand() *cli.Command {
	var db, name, format string
	return &cli.Command{
		Name:  "show",
		Usage: "show a family",
		Flags: []cli.Flag{command.DBFlag(&db), familyFlag(&name), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			f, err := findFamily(c.Context, db, name)
			if err != nil {
				return err
			}
			return printFamily(c, f, format)
		},
	}
}

func printFamily(c *cli.Context, f *family.Family, format string) error {
	g := &command.Grid{Head: []string{"level", "accuracy", "accuracy_origin"}}
	g.Head = append(g.Head, f.Processors()...)
	g.Head = append(g.Head, "macs", "params", "arch")
	for i, l := range f.Levels {
		row := []any{i, l.Accuracy, l.AccuracyOrigin}
		for _, lat := range l.Latencies {
			row = append(row, lat.Latency)
			g.Note("latency on %s: %s, %s", lat.Processor, lat.Origin, lat.Source)
		}
		g.Add(append(row, fmt.Sprintf("%.1f M", float64(l.MACs)/1e6), fmt.Sprintf("%.2f M", float64(l.Params)/1e6), l.Arch)...)
	}
	g.Note("family %s of space %s, from %s", f.Name, f.Space, f.Source)
	if f.Rule != "" {
		g.Note("rule: %s", f.Rule)
	}
	for _, n := range f.Notes {
		g.Note("%s", n)
	}
	return g.Print(c.App.Writer, format)
}
