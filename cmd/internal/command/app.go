// Package command has what the programs of dynofa share: how a command line is read and refused, how
// results print, and the run command, which is on every board. It computes nothing.
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// Exit codes.
const (
	ExitOK      = 0
	ExitFailure = 1 // the work failed
	ExitUsage   = 2 // the command line is wrong
)

// UsageError is a mistake in the command line, as opposed to failed work.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

// Unwrap returns the mistake.
func (e UsageError) Unwrap() error { return e.Err }

// Usagef returns a UsageError with a message.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Main executes a command line with an app, which Prepare has made ready, and returns the exit code.
// It is the whole program but for the process: tests call it with buffers. The context ends at
// SIGINT or SIGTERM.
func Main(ctx context.Context, app *cli.App, args []string) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := app.RunContext(ctx, flagsFirst(app, args))
	if err == nil {
		return ExitOK
	}
	fmt.Fprintf(app.ErrWriter, "%s: %v\n", app.Name, err)
	var usage UsageError
	if errors.As(err, &usage) {
		fmt.Fprintf(app.ErrWriter, "Try '%s --help' or '%s COMMAND --help'.\n", app.Name, app.Name)
		return ExitUsage
	}
	return ExitFailure
}

// Prepare sets up an app's errors, writers and argument checks.
func Prepare(app *cli.App, stdout, stderr io.Writer) *cli.App {
	app.Writer, app.ErrWriter = stdout, stderr
	app.HideHelpCommand = true
	app.DisableSliceFlagSeparator = true // architectures, expressions and lists have commas
	app.Suggest = true
	app.DisableSliceFlagSeparator = true // values have commas: latency(cpu,15W), architectures
	// Errors are returned to Main, which prints them once and chooses the exit code.
	app.ExitErrHandler = func(*cli.Context, error) {}
	app.OnUsageError = onUsageError
	if app.Action == nil {
		app.Action = refuseUnknown
	}
	for _, c := range app.Commands {
		prepare(c)
	}
	return app
}

// prepare sets on a command and its subcommands what cli does not inherit.
func prepare(c *cli.Command) {
	c.OnUsageError = onUsageError
	c.HideHelpCommand = true
	for _, sub := range c.Subcommands {
		prepare(sub)
	}
	if len(c.Subcommands) > 0 {
		if c.Action == nil {
			c.Action = refuseUnknown
		}
		return
	}
	action, names := c.Action, strings.Fields(c.ArgsUsage)
	c.Action = func(ctx *cli.Context) error {
		many := strings.HasSuffix(c.ArgsUsage, "...") // one or more
		if ctx.NArg() != len(names) && !(many && ctx.NArg() > len(names)) {
			if len(names) == 0 {
				return Usagef("%s takes no arguments, got %q", ctx.Command.HelpName, ctx.Args().Slice())
			}
			return Usagef("%s wants %s, got %d argument(s) %q", ctx.Command.HelpName, c.ArgsUsage, ctx.NArg(), ctx.Args().Slice())
		}
		return action(ctx)
	}
}

func onUsageError(_ *cli.Context, err error, _ bool) error { return UsageError{err} }

// refuseUnknown is the action of commands that only hold subcommands: without a word they show
// help, any other word is a mistake.
func refuseUnknown(ctx *cli.Context) error {
	if ctx.NArg() > 0 {
		return Usagef("unknown command %q", ctx.Args().First())
	}
	return cli.ShowSubcommandHelp(ctx)
}

// flagsFirst moves the flags of the addressed command in front of its positional arguments, because
// cli/v2 silently ignores flags behind them. Everything after "--" stays where it is.
func flagsFirst(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	flags := app.Flags
	commands := app.Commands
	i := 1
	for i < len(args) {
		c := findCommand(commands, args[i])
		if c == nil {
			break
		}
		flags, commands = c.Flags, c.Subcommands
		i++
	}
	head, rest := args[:i], args[i:]
	var options, positional []string
	for j := 0; j < len(rest); j++ {
		arg := rest[j]
		if arg == "--" {
			positional = append(positional, rest[j:]...)
			break
		}
		if len(arg) < 2 || arg[0] != '-' {
			positional = append(positional, arg)
			continue
		}
		options = append(options, arg)
		if !strings.Contains(arg, "=") && takesValue(flags, strings.TrimLeft(arg, "-")) && j+1 < len(rest) {
			j++
			options = append(options, rest[j])
		}
	}
	out := append([]string{}, head...)
	return append(append(out, options...), positional...)
}

func findCommand(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func takesValue(flags []cli.Flag, name string) bool {
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*cli.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}
