package main

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
)

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
	var deadline time.Duration
	return &cli.Command{
		Name:  "show",
		Usage: "show the front of a search",
		Flags: []cli.Flag{command.DBFlag(&db), searchFlag(&id), deadlineFlag(&deadline), command.OutputFlag(&format)},
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
			return printFront(c, study, run, frontOptions{format, 1 << 30, deadline, nil})
		},
	}
}

func searchFlag(to *int64) cli.Flag {
	return &cli.Int64Flag{Name: "search", Usage: "`ID` of the search; 0: the newest", Destination: to}
}
