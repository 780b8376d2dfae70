package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/formats"
)

func lutCommand() *cli.Command {
	return &cli.Command{
		Name:  "lut",
		Usage: "latency tables: import, measure, predict, audit, compare, show, export",
		Subcommands: []*cli.Command{
			lutImportCommand(),
			lutProfileCommand(),
			lutPredictCommand(),
			lutAuditCommand(),
			lutDiffCommand(),
			lutInterpolateCommand(),
			lutCalibrateCommand(),
			lutRescaleCommand(),
			lutListCommand(),
			lutShowCommand(),
			lutExportCommand(),
		},
	}
}

// tableFlags select a table of a study.
type tableFlags struct {
	db    string
	q     lut.Query
	point pointFlags
}

// flags ask for a table by device, processor and operating point, or by ID.
func (t *tableFlags) flags() []cli.Flag { return append(t.tableOnly(), t.point.flags()...) }

// tableOnly leaves out the operating point.
func (t *tableFlags) tableOnly() []cli.Flag {
	t.point.period = anyPeriod
	return []cli.Flag{
		command.DBFlag(&t.db),
		command.DeviceFlag(&t.q.Device, ""),
		command.ProcessorFlag(&t.q.Processor, ""),
		&cli.Int64Flag{Name: "table", Usage: "`ID` of the table, if device and processor do not say it all", Destination: &t.q.ID},
	}
}

// load returns the newest table that fits.
func (t *tableFlags) load(c *cli.Context) (*lut.Table, error) {
	study, err := openStudy(c.Context, t.db)
	if err != nil {
		return nil, err
	}
	defer study.Close()
	return t.find(c.Context, study)
}

func lutImportCommand() *cli.Command {
	var db, format, space, source string
	var power float64
	var point lut.OperatingPoint
	var clocks clockFlags
	return &cli.Command{
		Name:      "import",
		Usage:     "read a folder or file of somebody's latency tables into the study, all or nothing",
		ArgsUsage: "PATH",
		Flags: append([]cli.Flag{
			command.DBFlag(&db),
			&cli.StringFlag{Name: "format", Usage: "`FORMAT` of the files: " + joinFormats(), Value: string(formats.OFAJSON), Destination: &format},
			command.DeviceFlag(&point.Device, ""),
			command.ProcessorFlag(&point.Processor, ""),
			command.SpaceFlag(&space, "ofa-mbv3-w1.2"),
			&cli.StringFlag{Name: "power-mode", Usage: "power `MODE` that the numbers were taken in, if known", Destination: &point.PowerMode},
			&cli.Float64Flag{Name: "power", Usage: "`WATTS` that the device drew meanwhile, on average; with it latencies become energies", Destination: &power},
			&cli.StringFlag{Name: "source", Usage: "one `LINE` that says where the files come from", Destination: &source},
		}, clocks.flags(" that the numbers were taken at, if known")...),
		Action: func(c *cli.Context) error {
			var err error
			if point.CPUClock, point.GPUClock, point.MemoryClock, err = clocks.parse(); err != nil {
				return err
			}
			if f := formats.Format(format); f != formats.CSV && f != formats.GoBench { // which say it themselves
				if err := command.Required("device", point.Device, "processor", point.Processor); err != nil {
					return err
				}
			}
			if !(power >= 0) {
				return command.Usagef("--power %g is not what a device draws", power)
			}
			s, err := importSpace(c, space, formats.Format(format))
			if err != nil {
				return err
			}
			meta := formats.Meta{Space: s, Point: point, Source: source, Created: now()}
			if !c.IsSet("space") && formats.Format(format) == formats.GoBench { // which may name its own
				meta.Space, meta.DefaultSpace = nil, s
			}
			table, err := formats.Read(c.Context, c.Args().First(), formats.Format(format), meta)
			if err != nil {
				return err
			}
			if c.IsSet("power") {
				table.Power = unit.Watts(power)
				table.Provenance = append(table.Provenance, lut.Fact{Name: "power", Value: "given on import, not measured by this program"})
			}
			study, err := createStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			id, err := study.PutTable(c.Context, table)
			if err != nil {
				return err
			}
			g := tableGrid()
			addTable(g, id, table)
			return g.Print(c.App.Writer, command.FormatText)
		},
	}
}

// importSpace returns the space of --space, nil for a CSV file, which names its own, unless --space is given.
func importSpace(c *cli.Context, arg string, format formats.Format) (*supernet.Space, error) {
	if !c.IsSet("space") && format == formats.CSV {
		return nil, nil
	}
	return command.OpenSpace(arg)
}

func joinFormats() string {
	var names []string
	for _, f := range formats.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, ", ")
}

func tableGrid() *command.Grid {
	return &command.Grid{Head: []string{"id", "device", "processor", "operating point", "space", "entries", "resolutions", "origin", "source"}}
}

func addTable(g *command.Grid, id int64, t *lut.Table) {
	g.Add(id, t.Point.Device, t.Point.Processor, settings(t.Point), t.Space, len(t.Entries), resolutionsText(t.Resolutions()), t.Origin, t.Source)
	for _, w := range t.Warnings {
		g.Note("table %d: %s", id, w)
	}
}

// settings prints what is out of the ordinary about an operating point.
func settings(p lut.OperatingPoint) string {
	return cmp.Or(strings.Join(p.Settings(), ", "), "-")
}

// resolutionsText prints "160..224 (17)", or "any" for tables whose entries serve every resolution.
func resolutionsText(rs []int) string {
	switch {
	case len(rs) == 0:
		return "-"
	case len(rs) == 1 && rs[0] == 0:
		return "any"
	case len(rs) == 1:
		return fmt.Sprint(rs[0])
	}
	return fmt.Sprintf("%d..%d (%d)", rs[0], rs[len(rs)-1], len(rs))
}

func lutPredictCommand() *cli.Command {
	var t tableFlags
	var arch, format string
	return &cli.Command{
		Name:  "predict",
		Usage: "predict a sub-network's latency: the sum over its blocks, its uncertainty, its tail",
		Flags: append(t.flags(),
			&cli.StringFlag{Name: "arch", Usage: "sub-network in OFA's `JSON`, {\"ks\":[...],\"e\":[...],\"d\":[...],\"r\":224}", Destination: &arch},
			command.OutputFlag(&format),
		),
		Action: func(c *cli.Context) error {
			if err := command.Required("arch", arch); err != nil {
				return err
			}
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			a, err := supernet.ParseArch([]byte(arch))
			if err != nil {
				return command.UsageError{Err: fmt.Errorf("--arch: %w", err)}
			}
			table, err := t.load(c)
			if err != nil {
				return err
			}
			return predict(c, table, a, format)
		},
	}
}

func predict(c *cli.Context, table *lut.Table, a supernet.Arch, format string) error {
	space, err := table.Supernet()
	if err != nil {
		return err
	}
	predictor, err := lut.NewPredictor(table, space)
	if err != nil {
		return err
	}
	parts, err := predictor.Parts(a)
	if err != nil {
		return err
	}
	p, err := predictor.Predict(a)
	if err != nil {
		return err
	}
	macs, err := space.MACs(a)
	if err != nil {
		return err
	}
	g := &command.Grid{Head: []string{"layer", "latency", "block"}}
	if format != command.FormatText {
		g.Head[1] = "latency_ns"
	}
	add := func(name string, n unit.Nanoseconds, block string) {
		if format == command.FormatText {
			g.Add(name, n, block)
		} else {
			g.Add(name, fmt.Sprintf("%.17g", float64(n)), block)
		}
	}
	for _, p := range parts {
		add(p.Layer.Name, p.Latency, p.Layer.Block.String())
	}
	add("total", p.Median, fmt.Sprintf("%.2f M multiply-accumulates", float64(macs)/1e6))
	for _, b := range []struct {
		name    string
		value   unit.Nanoseconds
		meaning string
	}{
		{"low", p.Low, "the network's median is above this with 97.5%"},
		{"high", p.High, "and below this with 97.5%"},
		{"p99", p.P99, "99 of 100 single inferences are faster"},
		{"p99 at most", p.P99High, "the same, with 95%"},
	} {
		if !math.IsNaN(float64(b.value)) {
			add(b.name, b.value, fmt.Sprintf("%s; from %d whole networks", b.meaning, p.Networks))
		}
	}
	g.Note("table %d of %s: %s; %s", table.ID, table.Point.Label(), table.Origin, table.Source)
	for _, d := range table.Point.Doubts() {
		g.Note("%s", d)
	}
	if table.Calibration != (lut.Calibration{}) {
		g.Note("the total is calibrated: %v + %g times the sum over blocks", table.Calibration.Offset, table.Calibration.Scale)
	}
	for _, w := range p.Warnings {
		g.Note("%s", w)
	}
	return g.Print(c.App.Writer, format)
}

func lutListCommand() *cli.Command {
	var db, format string
	return &cli.Command{
		Name:  "list",
		Usage: "list the tables of a study",
		Flags: []cli.Flag{command.DBFlag(&db), command.OutputFlag(&format)},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			study, err := openStudy(c.Context, db)
			if err != nil {
				return err
			}
			defer study.Close()
			infos, err := study.Tables(c.Context, lut.Query{})
			if err != nil {
				return err
			}
			g := &command.Grid{Head: []string{"id", "device", "processor", "operating point", "space", "entries", "grade", "origin", "created", "source"}}
			for _, i := range infos {
				g.Add(i.ID, i.Point.Device, i.Point.Processor, settings(i.Point), i.Space, i.Entries, i.Grade, i.Origin, i.Created.Format(time.RFC3339), i.Source)
			}
			return g.Print(c.App.Writer, format)
		},
	}
}

func lutShowCommand() *cli.Command {
	var t tableFlags
	var format, heat, curves string
	var resolution int
	return &cli.Command{
		Name:  "show",
		Usage: "show a table: where it comes from, how it was measured, its entries, and pictures of them",
		Flags: append(t.flags(), command.OutputFlag(&format),
			&cli.StringFlag{Name: "heat-map", Usage: "draw each block's latency to `FILE.svg`, .png or .pdf", Destination: &heat},
			&cli.IntFlag{Name: "resolution", Usage: "`RESOLUTION` of the heat map; default the table's largest", Destination: &resolution},
			&cli.StringFlag{Name: "curves", Usage: "draw latency against resolution to `FILE.svg`, .png or .pdf", Destination: &curves},
		),
		Action: func(c *cli.Context) error {
			if err := errors.Join(command.CheckFormat(format), checkPlotPath(heat), checkPlotPath(curves), command.NotNegative("resolution", resolution)); err != nil {
				return err
			}
			table, err := t.load(c)
			if err != nil {
				return err
			}
			if err := drawTable(table, heat, resolution, curves); err != nil {
				return err
			}
			if format == command.FormatText {
				showProvenance(c, table)
			}
			g := &command.Grid{Head: []string{"resolution", "n", "preempted", "grade", "min", "p50", "ci low", "ci high", "p99", "mean", "std", "block"}}
			for _, e := range table.Entries {
				l := e.Latency
				g.Add(resolutionsText([]int{e.Key.Resolution}), l.N, l.Preempted, l.Grade, l.Min, l.P50, l.CILow, l.CIHigh, l.P99, l.Mean, l.Std, e.Key.Block)
				for _, w := range l.Warnings {
					g.Note("%v: %s", e.Key, w)
				}
			}
			for _, w := range table.Warnings {
				g.Note("%s", w)
			}
			return g.Print(c.App.Writer, format)
		},
	}
}

// drawTable draws the pictures that have a path.
func drawTable(table *lut.Table, heat string, resolution int, curves string) error {
	if heat != "" {
		space, err := table.Supernet()
		if err != nil {
			return err
		}
		figure, err := heatMap(table, space, resolution)
		if err != nil {
			return err
		}
		if err := figure.Save(heat); err != nil {
			return err
		}
	}
	if curves != "" {
		return saveCurves(table, curves)
	}
	return nil
}

func showProvenance(c *cli.Context, t *lut.Table) {
	line := func(format string, args ...any) {
		fmt.Fprintln(c.App.Writer, command.Printable(fmt.Sprintf(format, args...)))
	}
	line("table %d: %s, space %s, %s: %s", t.ID, t.Point.Label(), t.Space, t.Origin, t.Source)
	for _, f := range t.Provenance {
		line("  %s: %s", f.Name, f.Value)
	}
	for _, n := range t.Networks {
		line("  whole network %v: %s", n.Latency.Central(), n.Arch)
	}
}
