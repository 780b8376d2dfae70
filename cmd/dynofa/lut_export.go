package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

// exportFlags are the flags of lut export.
type exportFlags struct {
	t              tableFlags
	format, spread string
	resolution     int
	out            string
}

func lutExportCommand() *cli.Command {
	f := &exportFlags{}
	return &cli.Command{
		Name:  "export",
		Usage: "write a table to standard output, a file or a folder",
		Description: "csv holds everything but raw samples, gobench those too (benchstat compares two of them).\n" +
			"The others are the forms that Once-for-all, Dynamic-OFA and ProxylessNAS read, one file per resolution:\n" +
			"give --resolution, or a folder as --output for all of them.",
		Flags: append(f.t.flags(),
			&cli.StringFlag{Name: "format", Usage: "`FORMAT` to write: " + joinFormats(), Value: string(formats.CSV), Destination: &f.format},
			&cli.IntFlag{Name: "resolution", Usage: "the `RESOLUTION` to write, in formats of one file per resolution", Destination: &f.resolution},
			&cli.StringFlag{Name: "spread", Usage: "std or var, in formats of one file per resolution", Value: "std", Destination: &f.spread},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`FILE` or folder; standard output if empty", Destination: &f.out},
		),
		Action: f.action,
	}
}

func (f *exportFlags) action(c *cli.Context) error {
	format := formats.Format(f.format)
	if !slices.Contains(formats.Formats(), format) {
		return command.Usagef("--format %q is none of %s", f.format, joinFormats())
	}
	if f.spread != "std" && f.spread != string(formats.Var) {
		return command.Usagef("--spread %q is neither std nor var", f.spread)
	}
	if err := command.NotNegative("resolution", f.resolution); err != nil {
		return err
	}
	onePer := format != formats.CSV && format != formats.GoBench
	if !onePer && f.resolution != 0 {
		return command.Usagef("--format %s holds every resolution of a table", f.format)
	}
	if onePer && f.resolution == 0 && f.out == "" {
		return command.Usagef("--format %s is one file per resolution: give --resolution, or a folder as --output", f.format)
	}
	table, err := f.t.load(c)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error { return formats.WriteCSV(w, table) }
	switch {
	case format == formats.GoBench:
		write = func(w io.Writer) error { return formats.WriteGoBench(w, table) }
	case onePer:
		space, err := table.Supernet()
		if err != nil {
			return err
		}
		o := formats.OFAOptions{Format: format, Space: space, Resolution: f.resolution}
		if f.spread == string(formats.Var) {
			o.Spread = formats.Var
		}
		if table.Calibration != (lut.Calibration{}) {
			fmt.Fprintf(c.App.ErrWriter, "lut export: %s has no place for the table's calibration (%v + %g times the sum over blocks): sums over what is written are not calibrated\n",
				format, table.Calibration.Offset, table.Calibration.Scale)
		}
		if f.resolution == 0 {
			return f.writeFolder(c, table, o)
		}
		write = func(w io.Writer) error { return formats.WriteOFA(w, table, o) }
	}
	if f.out == "" {
		return write(c.App.Writer)
	}
	return command.WriteFile(f.out, func(file *os.File) error { return write(file) })
}

// writeFolder writes a file for each resolution.
func (f *exportFlags) writeFolder(c *cli.Context, t *lut.Table, o formats.OFAOptions) error {
	extension := ".json"
	if strings.HasSuffix(string(o.Format), "yaml") {
		extension = ".yaml"
	}
	resolutions := t.Resolutions()
	if resolutions[0] == 0 { // entries that serve every resolution
		resolutions = append(resolutions[1:], o.Space.Resolutions...)
		slices.Sort(resolutions)
		resolutions = slices.Compact(resolutions)
	}
	if err := os.Mkdir(f.out, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	for _, r := range resolutions {
		o.Resolution = r
		path := filepath.Join(f.out, fmt.Sprint(r)+extension)
		if err := command.WriteFile(path, func(file *os.File) error { return formats.WriteOFA(file, t, o) }); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		fmt.Fprintln(c.App.Writer, path)
	}
	return nil
}
