package main

import (
	"errors"
	"io/fs"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/board"
)

func boardCommand() *cli.Command {
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
				Usage:     "show a board, built in or from a file, with sources and assumptions",
				ArgsUsage: "BOARD",
				Action: func(c *cli.Context) error {
					b, err := loadBoard(c.Args().First())
					if err != nil {
						return err
					}
					return b.Describe(c.App.Writer)
				},
			},
		},
	}
}

// loadBoard reads a file, or takes a built-in board where there is no such file.
func loadBoard(name string) (*board.Board, error) {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		return board.Builtin(name)
	}
	return board.Load(name)
}
