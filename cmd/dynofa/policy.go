package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/deploy/policy"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "the runtime managers that can be simulated and deployed",
		Subcommands: []*cli.Command{
			policyListCommand(),
			policyShowCommand(),
			policyTuneCommand(),
			policyTunedCommand(),
		},
	}
}

func policyListCommand() *cli.Command {
	var format string
	return &cli.Command{
		Name:  "list",
		Usage: "list the policies",
		Flags: []cli.Flag{command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			g := &command.Grid{Head: []string{"policy", "what it does"}}
			for _, name := range policy.Names() {
				about, err := policy.About(name)
				if err != nil {
					return err
				}
				g.Add(about.Usage, about.Summary)
			}
			return g.Print(c.App.Writer, format)
		},
	}
}

func policyShowCommand() *cli.Command {
	return &cli.Command{
		Name:      "show",
		Usage:     "show a policy's parameters, and what its rule rests on",
		ArgsUsage: "POLICY",
		Action: func(c *cli.Context) error {
			about, err := policy.About(policy.Name(c.Args().First()))
			if err != nil {
				return command.UsageError{Err: err}
			}
			fmt.Fprintf(c.App.Writer, "%s: %s\n\n%s\n\n", about.Usage, about.Summary, about.Fidelity)
			g := &command.Grid{Head: []string{"parameter", "default", "meaning"}}
			for _, p := range about.Params {
				g.Add(p.Name, p.Default, p.Doc)
			}
			if len(about.Params) == 0 {
				fmt.Fprintln(c.App.Writer, "It has no parameters.")
				return nil
			}
			return g.Print(c.App.Writer, command.FormatText)
		},
	}
}
