package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

func simCompareCommand() *cli.Command {
	return comparison("compare", "simulate policies in one scenario, on the same arrivals and noise", "ladder,slack")
}

func simRunCommand() *cli.Command {
	return comparison("run", "simulate a policy in a scenario", "slack")
}

// comparison is the command that simulates one or several policies in a scenario.
func comparison(name, usage, policies string) *cli.Command {
	var f simFlags
	var p planFlags
	var sinks sinkFlags
	var save bool
	var tradeoff string
	flags := append(append(f.flags(), p.flags(policies)...), sinks.flags()...)
	return &cli.Command{
		Name:  name,
		Usage: usage,
		Flags: append(flags,
			&cli.StringFlag{Name: "tradeoff", Usage: "draw SLO attainment against accuracy, with intervals, to `FILE.svg`, .png or .pdf", Destination: &tradeoff},
			&cli.BoolFlag{Name: "save", Usage: "keep the results in the study, and take what is there already", Destination: &save}),
		Action: func(c *cli.Context) error {
			plan, err := p.plan(c)
			if err != nil {
				return err
			}
			if name == "run" && len(plan.Specs) != 1 {
				return command.Usagef("sim run simulates one policy, sim compare several")
			}
			if err := errors.Join(sinks.check(), checkPlotPath(tradeoff)); err != nil {
				return err
			}
			changes, err := f.overrides()
			if err != nil {
				return err
			}
			file, err := f.open()
			if err != nil {
				return err
			}
			s, err := file.Scenario(changes...)
			if err != nil {
				return err
			}
			cell, err := f.cell(c, s.Name, s)
			if err != nil {
				return err
			}
			plan.Cells = []simstudy.Cell{cell}
			settle(&plan)
			if save {
				done, err := useStudy(c, f.db, &plan)
				if err != nil {
					return err
				}
				defer done()
			}
			results, err := simstudy.Run(c.Context, plan)
			if err != nil {
				return err
			}
			if tradeoff != "" {
				if err := plotTradeoff(tradeoff, &results[0]); err != nil {
					return err
				}
			}
			if err := sinks.write(c, &plan.Cells[0], plan.Specs); err != nil {
				return err
			}
			if p.format == command.FormatText {
				fmt.Fprintf(c.App.Writer, "scenario %s: %s\n%s\n", s.Name, s.Title, s.Description)
			}
			return comparisonGrid(&plan, results).Print(c.App.Writer, p.format)
		},
	}
}
