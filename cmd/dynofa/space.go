package main

import (
	"fmt"
	"math/big"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
)

func spaceCommand() *cli.Command {
	return &cli.Command{
		Name:  "space",
		Usage: "supernet spaces: those that dynofa knows by name, and your own from a description",
		Subcommands: []*cli.Command{
			{
				Name:      "show",
				Usage:     "check a space and print its description as YAML; of a known one it is a start for your own",
				ArgsUsage: "SPACE",
				Action: func(c *cli.Context) error {
					s, err := command.OpenSpace(c.Args().First())
					if err != nil {
						return err
					}
					if err := describeSpace(c, s); err != nil {
						return err
					}
					_, err = c.App.Writer.Write(s.Describe())
					return err
				},
			},
		},
	}
}

// describeSpace prints, as comments, how large a space is.
func describeSpace(c *cli.Context, s *supernet.Space) error {
	fmt.Fprintf(c.App.Writer, "# %.3g different sub-networks\n", new(big.Float).SetInt(s.Size()))
	for _, end := range []struct {
		name string
		arch supernet.Arch
	}{{"smallest", s.Smallest()}, {"largest", s.Largest()}} {
		macs, err := s.MACs(end.arch)
		if err != nil {
			return err
		}
		params, err := s.Params(end.arch)
		if err != nil {
			return err
		}
		fmt.Fprintf(c.App.Writer, "# %s: %.2f M multiply-accumulates at %d px, %.3f M parameters\n",
			end.name, float64(macs)/1e6, end.arch.R, float64(params)/1e6)
	}
	return nil
}
