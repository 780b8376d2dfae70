package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

func simExplainCommand() *cli.Command {
	var f simFlags
	var spec, app, tracePath, format string
	var replication int
	return &cli.Command{
		Name:      "explain",
		Usage:     "say why a request was served as it was: slack, the alternatives with their margins, the reason",
		ArgsUsage: "REQUEST",
		Flags: append(f.flags(),
			&cli.StringFlag{Name: "trace", Usage: "a recorded `TRACE`, instead of a scenario", Destination: &tracePath},
			&cli.StringFlag{Name: "policy", Usage: "`POLICY` to simulate, parameters in braces with spaces between", Value: "slack", Destination: &spec},
			&cli.StringFlag{Name: "app", Usage: "`NAME` of the application, if there are several", Destination: &app},
			&cli.IntFlag{Name: "replication", Usage: "`NUMBER` of the repetition, from 0", Destination: &replication},
			command.OutputFlag(&format),
		),
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			request, err := strconv.ParseInt(c.Args().First(), 10, 64)
			if err != nil || request < 0 {
				return command.Usagef("request %q is no number", c.Args().First())
			}
			var t *trace.Trace
			if tracePath != "" {
				t, err = readTrace(c, tracePath)
			} else {
				t, err = f.traceOf(c, spec, app, replication)
			}
			if err != nil {
				return err
			}
			return explain(c, t, request, format)
		},
	}
}

// traceOf simulates a policy and returns its records.
func (f *simFlags) traceOf(c *cli.Context, text, app string, replication int) (*trace.Trace, error) {
	spec, err := simstudy.ParseSpec(text)
	if err != nil {
		return nil, command.UsageError{Err: err}
	}
	changes, err := f.overrides()
	if err != nil {
		return nil, err
	}
	file, err := f.open()
	if err != nil {
		return nil, err
	}
	s, err := file.Scenario(changes...)
	if err != nil {
		return nil, err
	}
	cell, err := f.cell(c, s.Name, s)
	if err != nil {
		return nil, err
	}
	i := 0
	if app != "" {
		if i = slices.IndexFunc(s.Apps, func(a traffic.App) bool { return a.Name == app }); i < 0 {
			return nil, command.Usagef("--app %q is none of the scenario's applications", app)
		}
	}
	results, err := simstudy.Simulate(c.Context, &cell, spec, replication)
	if err != nil {
		return nil, err
	}
	return results[i].Trace, nil
}

// explain prints what a policy had to choose from.
func explain(c *cli.Context, t *trace.Trace, request int64, format string) error {
	p, m, r, err := t.Before(request)
	if err != nil {
		return err
	}
	o := r.Observation
	alternatives := policy.Explain(p, m, &o)
	again := p.Decide(&o)
	g := &command.Grid{Head: []string{"", "action", "level", "accuracy", "processor", "latency", "margin", "chance", "value"}}
	if len(m.Clocks) > 0 {
		g.Head = append(g.Head, "best clock")
	}
	for _, a := range alternatives {
		mark := ""
		if a.Action == r.Decision.Action && a.Level == r.Decision.Level && a.Processor == r.Decision.Processor {
			mark = "*"
		}
		row := []any{mark, a.Action, "", "", "", "", "", number(a.Chance, "%.4f"), number(a.Value, "%+.5f")}
		if a.Action == policy.Serve {
			row[2], row[3], row[4], row[5] = a.Level, m.Levels[a.Level].Accuracy, m.Processors[a.Processor], unit.Nanos(a.Latency)
			row[6] = "none"
			if a.Margin != math.MaxInt64 {
				row[6] = unit.Nanos(a.Margin)
			}
		}
		if len(m.Clocks) > 0 {
			clock := "-"
			if a.Clock > 0 {
				clock = m.Clocks[a.Processor].Steps[a.Clock-1].String()
			}
			row = append(row, clock)
		}
		g.Add(row...)
	}
	if format == command.FormatText {
		slack := "no deadline"
		if r.Deadline > 0 {
			slack = fmt.Sprintf("due at %v, slack %v", r.Deadline, r.Deadline-o.Now)
		}
		fmt.Fprintf(c.App.Writer, "request %d of a %s run under policy %s: arrived at %v, %s\n", request, t.Header.Kind, t.Header.Policy, r.Arrival, slack)
		fmt.Fprintf(c.App.Writer, "asked at %v with %d waiting, limit %v, accuracy asked for %v; last level %d\n", o.Now, o.Waiting, o.Limit, o.MinAccuracy, o.Level)
		fmt.Fprintf(c.App.Writer, "decided: %v; started at %v, ended at %v: %s\n\n", r.Decision, r.Start, r.End, r.Outcome)
	}
	g.Note("*: what was decided. Latency and margin as the policy reckoned at that moment; value: what it maximises, less that of the best alternative; -: it has none")
	if r.Overridden() {
		g.Note("the decision is not the policy's: its caller took another (%s)", r.Decision.Reason)
	} else if again != r.Decision {
		g.Note("the policy, rebuilt, decides otherwise: %v", again)
	}
	return g.Print(c.App.Writer, format)
}

func number(f float64, format string) string {
	if math.IsNaN(f) {
		return "-"
	}
	return fmt.Sprintf(format, f)
}
