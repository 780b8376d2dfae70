package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/search"
)

func searchCompareCommand() *cli.Command {
	var db, format string
	return &cli.Command{
		Name:      "compare",
		Usage:     "compare the fronts of two searches by accuracy and latency",
		ArgsUsage: "A B",
		Flags:     []cli.Flag{command.DBFlag(&db), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			ids, err := command.ParseInts("A B", c.Args().Get(0)+","+c.Args().Get(1))
			if err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			var results [2]search.Result
			var digests [2]string
			var notes [2]string
			for i, id := range ids {
				run, err := study.Run(c.Context, int64(id))
				if err != nil {
					return err
				}
				results[i] = run.Result
				digests[i] = fmt.Sprintf("table %d, %s", run.Table.ID, accuracyNote(run.Result.Accuracy))
				notes[i] = fmt.Sprintf("search %d: %s, seed %d, %d evaluations; %s", run.ID, run.Result.Method, run.Result.Seed, run.Result.Evaluations, digests[i])
			}
			m := search.Compare(results[0].Front, results[1].Front)
			g := &command.Grid{Head: []string{"search", "front", "hypervolume", "igd+", "coverage", "spread"}}
			for i, id := range ids {
				g.Add(id, len(results[i].Front), fmt.Sprintf("%.6g", m[i].Hypervolume), fmt.Sprintf("%.4g", m[i].IGDPlus), fmt.Sprintf("%.4f", m[i].Coverage), fmt.Sprintf("%.4f", m[i].Spread))
			}
			g.Note("hypervolume: ms times accuracy, from the worst latency and accuracy of the two fronts together")
			g.Note("igd+: mean distance of the joint front from this one, both axes scaled to the joint front's range; 0 is best")
			g.Note("coverage: the part of the other front that this one equals or dominates; spread: 0 is even")
			for _, n := range notes {
				g.Note("%s", n)
			}
			if digests[0] != digests[1] {
				g.Note("the two were judged by different tables or predictors: their numbers are not comparable")
			}
			return g.Print(c.App.Writer, format)
		},
	}
}
