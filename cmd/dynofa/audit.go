package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

func lutAuditCommand() *cli.Command {
	var t tableFlags
	var known, format string
	var options lut.AuditOptions
	return &cli.Command{
		Name:  "audit",
		Usage: "find what is wrong with a table, with evidence; exit code 1 if something is",
		Flags: append(t.flags(),
			&cli.StringFlag{Name: "known", Usage: "`FAMILY` with measured latencies of whole networks to hold the sums against, such as paper-gpu6", Destination: &known},
			&cli.Float64Flag{Name: "peak-macs", Usage: "multiply-accumulates per second that the device can do at most", Destination: &options.PeakMACs},
			&cli.Float64Flag{Name: "peak-bytes", Usage: "bytes per second that the device can move at most", Destination: &options.PeakBytes},
			&cli.IntFlag{Name: "evidence", Usage: "instances shown per finding", Value: 3, Destination: &options.MaxEvidence},
			command.OutputFlag(&format),
		),
		Action: func(c *cli.Context) error {
			if err := errors.Join(command.CheckFormat(format), command.InRange("peak-macs", options.PeakMACs, 0, math.MaxFloat64),
				command.InRange("peak-bytes", options.PeakBytes, 0, math.MaxFloat64), command.NotNegative("evidence", options.MaxEvidence)); err != nil {
				return err
			}
			study, err := openStudy(c.Context, t.db)
			if err != nil {
				return err
			}
			defer study.Close()
			table, err := t.find(c.Context, study)
			if err != nil {
				return err
			}
			if options.Space, err = table.Supernet(); err != nil {
				return err
			}
			if options.Others, err = otherTables(c, study, table); err != nil {
				return err
			}
			if known != "" {
				if options.Known, err = knownNetworks(c, t.db, known, table); err != nil {
					return err
				}
			}
			report, err := lut.Audit(table, options)
			if err != nil {
				return err
			}
			return printAudit(c, report, format)
		},
	}
}

// otherTables returns the study's tables of other devices or processors, which should share no
// entry with this one.
func otherTables(c *cli.Context, study *study, table *lut.Table) ([]*lut.Table, error) {
	infos, err := study.Tables(c.Context, lut.Query{Space: table.Space})
	if err != nil {
		return nil, err
	}
	var others []*lut.Table
	for _, i := range infos {
		if i.Point.Device == table.Point.Device && i.Point.Processor == table.Point.Processor {
			continue
		}
		other, err := study.Table(c.Context, lut.Query{ID: i.ID})
		if err != nil {
			return nil, err
		}
		others = append(others, other)
	}
	return others, nil
}

// knownNetworks returns a family's latencies on a table's processor as whole-network measurements. Those
// that are sums over a table are none: they would agree with that table whatever is wrong with it.
func knownNetworks(c *cli.Context, db, name string, table *lut.Table) ([]lut.NetworkLatency, error) {
	f, err := findFamily(c.Context, db, name)
	if err != nil {
		return nil, err
	}
	if f.Space != table.Space || f.SpaceDescription != table.SpaceDescription {
		return nil, fmt.Errorf("family %s is of space %s, the table of %s", f.Name, f.Space, table.Space)
	}
	processor := table.Point.Processor
	var known []lut.NetworkLatency
	for i, l := range f.Levels {
		latency, ok := f.Latency(i, processor)
		if !ok {
			return nil, fmt.Errorf("family %s has no latencies for processor %q", f.Name, processor)
		}
		if strings.HasPrefix(latency.Source, sumOverTable) {
			return nil, fmt.Errorf("the latencies of family %s are no measurements of whole networks: level %d is a %s", f.Name, i, latency.Source)
		}
		known = append(known, lut.NetworkLatency{Arch: l.Arch.String(), Latency: lut.MeanOnly(0, latency.Latency, unit.Nanoseconds(math.NaN()))})
	}
	return known, nil
}

func printAudit(c *cli.Context, r *lut.AuditReport, format string) error {
	switch format {
	case command.FormatJSON:
		enc := json.NewEncoder(c.App.Writer)
		enc.SetIndent("", " ")
		if err := enc.Encode(r); err != nil {
			return err
		}
	default:
		g := &command.Grid{Head: []string{"severity", "check", "count", "of", "finding"}}
		for _, f := range r.Findings {
			g.Add(f.Severity, f.Code, f.Count, f.Of, f.Message)
			for _, e := range f.Evidence {
				g.Note("%s: %s: %s", f.Code, e.Where, e.What)
			}
		}
		for _, p := range r.Passed {
			g.Add("passed", p.Code, "", "", p.Text)
		}
		for _, s := range r.Skipped {
			g.Add("skipped", s.Code, "", "", s.Text)
		}
		if err := g.Print(c.App.Writer, format); err != nil {
			return err
		}
	}
	if n := r.Count(lut.Fault); n > 0 {
		return fmt.Errorf("the audit found %d faults in the table of %s/%s", n, r.Device, r.Processor)
	}
	return nil
}

func lutDiffCommand() *cli.Command {
	var db, format, arch string
	var options lut.DiffOptions
	return &cli.Command{
		Name:      "diff",
		Usage:     "compare table B with table A, block by block and in sums",
		ArgsUsage: "A B",
		Flags: []cli.Flag{
			command.DBFlag(&db),
			&cli.Float64Flag{Name: "alpha", Usage: "probability of a false alarm in the whole comparison", Value: 0.01, Destination: &options.Alpha},
			&cli.Float64Flag{Name: "run-to-run", Usage: "relative standard deviation by which a whole table moves between measurements, such as 0.02", Destination: &options.RunToRun},
			&cli.Float64Flag{Name: "smallest", Usage: "relative change below which nothing is reported", Destination: &options.Smallest},
			&cli.StringFlag{Name: "arch", Usage: "also compare the sums over this sub-network's blocks, in OFA's `JSON`", Destination: &arch},
			command.OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			if !(options.Alpha > 0 && options.Alpha < 1) {
				return command.Usagef("--alpha %g is outside (0, 1)", options.Alpha)
			}
			if err := errors.Join(command.InRange("run-to-run", options.RunToRun, 0, 0.99), command.NotNegative("smallest", options.Smallest)); err != nil {
				return err
			}
			if arch != "" {
				a, err := supernet.ParseArch([]byte(arch))
				if err != nil {
					return command.UsageError{Err: fmt.Errorf("--arch: %w", err)}
				}
				options.Archs = []supernet.Arch{a}
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			var tables []*lut.Table
			for _, arg := range c.Args().Slice() {
				id, err := strconv.ParseInt(arg, 10, 64)
				if err != nil || id < 1 {
					return command.Usagef("%q is no table ID; 'dynofa lut list' shows them", arg)
				}
				table, err := study.Table(c.Context, lut.Query{ID: id})
				if err != nil {
					return err
				}
				tables = append(tables, table)
			}
			if options.Space, err = tables[0].Supernet(); err != nil {
				return err
			}
			report, err := lut.Diff(tables[0], tables[1], options)
			if err != nil {
				return err
			}
			return printDiff(c, report, format)
		},
	}
}

func printDiff(c *cli.Context, r *lut.DiffReport, format string) error {
	if format == command.FormatJSON {
		enc := json.NewEncoder(c.App.Writer)
		enc.SetIndent("", " ")
		return enc.Encode(r)
	}
	g := &command.Grid{Head: []string{"verdict", "what", "a", "b", "ratio", "95% interval", "corrected p", "name"}}
	for _, row := range r.Rows {
		if format == command.FormatText && row.Kind == lut.DiffBlock && row.Verdict != lut.Slower && row.Verdict != lut.Faster {
			continue // people want the changes; machines get all rows
		}
		interval, p := "-", "-"
		if row.P > 0 || row.Low > 0 {
			interval, p = fmt.Sprintf("%.4f..%.4f", row.Low, row.High), fmt.Sprintf("%.2g", row.Corrected)
		}
		g.Add(row.Verdict, row.Kind, row.A, row.B, fmt.Sprintf("%.4f", row.Ratio), interval, p, row.Name)
	}
	g.Note("%d of %d tested rows are slower, %d faster; a false alarm anywhere has probability %g", r.Slower, r.Tested, r.Faster, r.Alpha)
	for _, w := range r.Warnings {
		g.Note("%s", w)
	}
	if n := len(r.OnlyA) + len(r.OnlyB); n > 0 {
		g.Note("%d entries stand in one of the tables only", n)
	}
	return g.Print(c.App.Writer, format)
}

func lutInterpolateCommand() *cli.Command {
	var t tableFlags
	var resolutions string
	return &cli.Command{
		Name:  "interpolate",
		Usage: "add resolutions between measured ones, by each block's input pixels, as a new, modelled table",
		Flags: append(t.flags(), &cli.StringFlag{Name: "resolutions", Usage: "resolutions to add, `R,R,...`", Destination: &resolutions}),
		Action: func(c *cli.Context) error {
			if err := command.Required("resolutions", resolutions); err != nil {
				return err
			}
			rs, err := command.ParseInts("resolutions", resolutions)
			if err != nil {
				return err
			}
			for _, r := range rs {
				if err := command.InRange("resolutions", r, 1, math.MaxInt32); err != nil {
					return err
				}
			}
			return derive(c, &t, func(table *lut.Table, space *supernet.Space) (*lut.Table, error) {
				return lut.Interpolate(table, space, rs)
			})
		},
	}
}

func lutCalibrateCommand() *cli.Command {
	var t tableFlags
	var options lut.CalibrateOptions
	return &cli.Command{
		Name:  "calibrate",
		Usage: "fit a scale on a few of the table's whole networks, judge it on the others, store the calibrated table",
		Flags: append(t.flags(),
			&cli.IntFlag{Name: "networks", Usage: "networks to fit on; default 5, or half of fewer than 10", Destination: &options.Networks},
			command.SeedFlag(&options.Seed),
		),
		Action: func(c *cli.Context) error {
			if err := command.InRange("networks", options.Networks, 0, lut.MaxCalibration); err != nil {
				return err
			}
			var report *lut.CalibrationReport
			err := derive(c, &t, func(table *lut.Table, space *supernet.Space) (*lut.Table, error) {
				var err error
				if report, err = lut.Calibrate(table, space, options); err != nil {
					return nil, err
				}
				calibrated := *table
				calibrated.ID, calibrated.Calibration, calibrated.Created = 0, report.Calibration, now()
				return &calibrated, nil
			})
			if err != nil {
				return err
			}
			g := &command.Grid{Head: []string{"prediction", "bias", "mean error", "largest", "within 5%", "within 10%", "Kendall tau"}}
			for _, f := range report.Fits {
				g.Add(f.Name, percent(f.Bias), percent(f.MAPE), percent(f.Largest), shareText(f.Within5), shareText(f.Within10), fmt.Sprintf("%.3f", f.Tau))
			}
			g.Note("fitted on %d networks, judged on %d others", len(report.Fitted), report.Judged)
			for _, w := range report.Warnings {
				g.Note("%s", w)
			}
			return g.Print(c.App.Writer, command.FormatText)
		},
	}
}

// derive stores what make turns a table into, as a new table.
func derive(c *cli.Context, t *tableFlags, transform func(*lut.Table, *supernet.Space) (*lut.Table, error)) error {
	study, err := openStudy(c.Context, t.db)
	if err != nil {
		return err
	}
	defer study.Close()
	table, err := t.find(c.Context, study)
	if err != nil {
		return err
	}
	space, err := table.Supernet()
	if err != nil {
		return err
	}
	derived, err := transform(table, space)
	if err != nil {
		return err
	}
	id, err := study.PutTable(c.Context, derived)
	if err != nil {
		return err
	}
	g := tableGrid()
	addTable(g, id, derived)
	return g.Print(c.App.Writer, command.FormatText)
}

func percent(share float64) string { return fmt.Sprintf("%+.2f%%", 100*share) }

func shareText(s lut.Share) string {
	return fmt.Sprintf("%d of %d (%.1f%%..%.1f%%)", s.Count, s.Of, 100*s.Low, 100*s.High)
}
