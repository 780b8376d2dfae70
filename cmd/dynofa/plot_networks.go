package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	searchplot "github.com/dynofa/dynofa/search/plot"
)

func plotNetworksCommand() *cli.Command {
	var db, out, familyName string
	var id int64
	return &cli.Command{
		Name:  "networks",
		Usage: "what the networks of a search's front look like: resolution, kernel sizes and expand ratios from the fastest to the slowest",
		Flags: []cli.Flag{command.DBFlag(&db), searchFlag(&id), familyFlag(&familyName), plotOutputFlag(&out)},
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
			space, err := run.Result.Supernet()
			if err != nil {
				return err
			}
			picture := searchplot.Networks{
				Title: fmt.Sprintf("Networks on the Pareto front of %s, search %d", run.Result.Space, run.ID),
				Space: space, Front: run.Result.Front,
				Notes: []string{"latency: " + tableNote(run.Table), "accuracy: " + accuracyNote(run.Result.Accuracy)},
			}
			if familyName != "" {
				family, err := study.Family(c.Context, familyName)
				if err != nil {
					return err
				}
				for _, l := range family.Levels {
					for i, f := range run.Result.Front {
						if f.Arch.Equal(l.Arch) {
							picture.Levels = append(picture.Levels, i)
						}
					}
				}
				if len(picture.Levels) != len(family.Levels) {
					return fmt.Errorf("%d of the %d levels of family %s are not on the front of search %d", len(family.Levels)-len(picture.Levels), len(family.Levels), family.Name, run.ID)
				}
			}
			figure, err := picture.Figure()
			if err != nil {
				return err
			}
			return figure.Save(out)
		},
	}
}
