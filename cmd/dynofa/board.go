package main

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/host"
)

func boardCommand() *cli.Command {
	var overrides cli.StringSlice
	return &cli.Command{
		Name:  "board",
		Usage: "boards as data: clocks, power modes, power, thermal, each number with its source",
		Subcommands: []*cli.Command{
			{
				Name:  "list",
				Usage: "list the boards that are built in",
				Action: func(c *cli.Context) error {
					g := &command.Grid{Head: []string{"name", "assumptions"}}
					for _, name := range board.Builtins() {
						b, err := board.Builtin(name)
						if err != nil {
							return err
						}
						g.Add(name, len(b.Assumptions()))
					}
					g.Note("assumptions: numbers without a document behind them; 'board show' marks each")
					return g.Print(c.App.Writer, command.FormatText)
				},
			},
			{
				Name:      "show",
				Usage:     "show a board, built in, from a file, or this machine as host, with sources and assumptions",
				ArgsUsage: "BOARD",
				Flags:     []cli.Flag{setFlag(&overrides)},
				Action: func(c *cli.Context) error {
					b, err := loadBoard(c.Args().First())
					if err != nil {
						return err
					}
					if b, err = override(b, overrides.Value()); err != nil {
						return err
					}
					return b.Describe(c.App.Writer)
				},
			},
		},
	}
}

// setFlag binds the flag that overrides assumptions of a board.
func setFlag(into *cli.StringSlice) cli.Flag {
	return &cli.StringSliceFlag{Name: "set", Usage: "another value for an assumption of the board, `KEY=VALUE` as in thermal.ambient=35C; repeatable", Destination: into}
}

// override returns the board with other values for some of its assumptions.
func override(b *board.Board, items []string) (*board.Board, error) {
	if len(items) == 0 {
		return b, nil
	}
	var all []board.Override
	for _, item := range items {
		key, value, ok := strings.Cut(item, "=")
		if !ok {
			return nil, command.Usagef("--set %s: want KEY=VALUE", item)
		}
		all = append(all, board.Override{Key: key, Value: value, Reason: "set on the command line"})
	}
	return b.Override(all...)
}

// loadBoard reads a file, or takes this machine or a built-in board where there is no such file.
func loadBoard(name string) (*board.Board, error) {
	_, err := os.Stat(name)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return board.Load(name)
	case name == host.BoardName:
		return host.AsBoard(host.FS())
	}
	return board.Builtin(name)
}
