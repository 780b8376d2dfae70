// Command dynofa is the whole path from latency tables to a deployed family: see dynofa --help.
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
	return command.Main(ctx, newApp(stdout, stderr), args)
}

func newApp(stdout, stderr io.Writer) *cli.App {
	return command.Prepare(&cli.App{
		Name:    "dynofa",
		Usage:   "families of sub-networks that switch at run time, from latency table to board",
		Version: version,
		Commands: []*cli.Command{
			demoCommand(),
			lutCommand(),
			searchCommand(),
			evalCommand(),
			familyCommand(),
			simCommand(),
			boardCommand(),
			spaceCommand(),
			policyCommand(),
			plotCommand(),
			exportCommand(),
			keyCommand(),
			command.Run(version),
			command.Doctor(),
		},
	}, stdout, stderr)
}
