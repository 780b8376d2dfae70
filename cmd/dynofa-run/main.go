// Command dynofa-run runs a bundle on a board. It is what remains of dynofa without tables, searches,
// simulations and plots: see dynofa-run --help.
package main

import (
	"context"
	"io"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/lut/load"
)

// version is set by the linker.
var version = "unknown"

func main() {
	load.Main() // a co-running load is this program, started again
	os.Exit(run(context.Background(), os.Args, os.Stdout, os.Stderr))
}

// run is the program but for the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return command.Main(ctx, command.Prepare(&cli.App{
		Name:     "dynofa-run",
		Usage:    "run a bundle of dynofa on this machine",
		Version:  version,
		Commands: []*cli.Command{command.Run(version), command.Doctor()},
	}, stdout, stderr), args)
}
