package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
	"github.com/dynofa/dynofa/lut/profile"
)

// profileFlags are the flags of lut profile.
type profileFlags struct {
	db, space, library              string
	resolutions, networkResolutions string
	clock, coRunner, neighbours     string
	only                            string
	sweep                           cli.StringSlice
	period                          time.Duration
	clocks                          clockFlags
	governor, powerMode             string
	fsys                            fs.FS // of this machine
	changer                         host.Changer
	gigaflops                       float64
	strict                          bool
	cfg                             profile.Config
}

func lutProfileCommand() *cli.Command {
	f := &profileFlags{cfg: profile.Config{Point: lut.OperatingPoint{Precision: "fp32"}}, fsys: host.FS(), changer: host.Changes()}
	return &cli.Command{
		Name:  "profile",
		Usage: "measure every distinct block of a space on this machine, through ONNX Runtime",
		Description: "Killed or out of budget, the same command goes on where it stopped: every round of samples is kept in the study.\n" +
			"docs/measuring.md says what is measured and what the numbers cannot say.",
		Flags:  f.flags(),
		Action: f.action,
	}
}

func (f *profileFlags) flags() []cli.Flag {
	p := &f.cfg.Point
	return append([]cli.Flag{
		command.DBFlag(&f.db),
		command.SpaceFlag(&f.space, "ofa-mbv3-w1.2"),
		command.DeviceFlag(&p.Device, "host"),
		command.ProcessorFlag(&p.Processor, "cpu"),
		&cli.StringFlag{Name: "resolutions", Usage: "input resolutions, `R,R,...`; default the smallest and largest of the space", Destination: &f.resolutions},
		&cli.StringFlag{Name: "only", Usage: "measure these `BLOCKS` again and put them into the newest table of the operating point: entries as lut show and a run's drift warning name them, separated by ; or @FILE with one a line", Destination: &f.only},
		&cli.IntFlag{Name: "threads", Usage: "threads of one inference", Value: 1, Destination: &p.Threads},
		&cli.IntFlag{Name: "batch", Usage: "pictures per inference", Value: 1, Destination: &p.Batch},
		&cli.StringFlag{Name: "ep", Usage: "execution provider", Value: "cpu", Destination: &p.Provider},
		&cli.StringFlag{Name: "co", Usage: "load beside the measurement: none, cpu[:THREADS], mem[:THREADS[:BYTES]]", Value: "none", Destination: &f.coRunner},
		&cli.DurationFlag{Name: "period", Usage: "measure a second table with inferences started at this distance", Destination: &f.period},
		&cli.StringSliceFlag{Name: "sweep", Usage: "measure a table for each value of `threads=1,2`, co=none,cpu,mem, batch=1,4, cpu-clock=, gpu-clock=, memory-clock= or power-mode=; may be repeated", Destination: &f.sweep},
		&cli.IntFlag{Name: "rounds", Usage: "samples of each block; 0: until the medians are known to --target", Destination: &f.cfg.Rounds},
		&cli.IntFlag{Name: "max-rounds", Usage: "samples of each block at most, without --rounds", Value: 300, Destination: &f.cfg.MaxRounds},
		&cli.Float64Flag{Name: "target", Usage: "relative half-width of the medians' 95% intervals", Value: 0.01, Destination: &f.cfg.Target},
		&cli.IntFlag{Name: "networks", Usage: "whole networks to judge the sums by, in the same rounds; -1: none", Value: 12, Destination: &f.cfg.Networks},
		&cli.StringFlag{Name: "network-resolutions", Usage: "theirs, `R,R,...`, in turn; default those of the blocks", Destination: &f.networkResolutions},
		&cli.IntFlag{Name: "calibrate", Usage: "how many of the networks a factor is fitted to, judged on the others; -1: none", Value: 5, Destination: &f.cfg.Calibrate},
		&cli.IntFlag{Name: "seams", Usage: "pairs of blocks for each kind of seam; -1: none", Value: 8, Destination: &f.cfg.Seams},
		&cli.IntFlag{Name: "hot", Usage: "rounds that measure blocks twice in a row as well, for comparison", Destination: &f.cfg.Hot},
		&cli.StringFlag{Name: "clock", Usage: "wall or thread (processor time); default thread where one thread does all the work", Destination: &f.clock},
		&cli.Float64Flag{Name: "peak-gflops", Usage: "most operations per second that the processor can do, in 10^9; 0: any CPU's", Destination: &f.gigaflops},
		&cli.DurationFlag{Name: "budget", Usage: "stop in this time with what there is, per table; 0: no limit", Destination: &f.cfg.Budget},
		&cli.StringFlag{Name: "neighbours", Usage: "`none`: this virtual machine is alone on its host; its grades are capped at C otherwise", Destination: &f.neighbours},
		&cli.BoolFlag{Name: "strict", Usage: "fail if a table's trust grade is below B", Destination: &f.strict},
		command.SeedFlag(&f.cfg.Seed),
		command.RuntimeFlag(&f.library),
		&cli.StringFlag{Name: "governor", Usage: "`GOVERNOR` to set while measuring, where the system allows", Destination: &f.governor},
		&cli.StringFlag{Name: "power-mode", Usage: "power `MODE` to set while measuring, where the system allows: a name or number of nvpmodel's, or ACPI's profile", Destination: &f.powerMode},
	}, f.clocks.flags(" to hold while measuring, where the system allows")...)
}

func (f *profileFlags) action(c *cli.Context) error {
	s, err := command.OpenSpace(f.space)
	if err != nil {
		return err
	}
	f.cfg.Space = s
	if f.resolutions != "" {
		if f.cfg.Resolutions, err = command.ParseInts("resolutions", f.resolutions); err != nil {
			return err
		}
	}
	if f.networkResolutions != "" {
		if f.cfg.NetworkResolutions, err = command.ParseInts("network-resolutions", f.networkResolutions); err != nil {
			return err
		}
	}
	if f.only != "" {
		if f.resolutions != "" || f.period != 0 || len(f.sweep.Value()) > 0 {
			return command.Usagef("--only says what is measured: it goes without --resolutions, --sweep and --period")
		}
		if f.cfg.Only, err = parseOnly(f.only); err != nil {
			return err
		}
	}
	f.cfg.Clock, f.cfg.Neighbours = profile.Clock(f.clock), profile.Neighbours(f.neighbours)
	f.cfg.Peak = f.gigaflops * 1e9
	points, err := f.points()
	if err != nil {
		return err
	}
	for _, p := range points {
		if err := p.apply(f.cfg).Validate(); err != nil {
			return command.UsageError{Err: err}
		}
	}
	rt, err := command.LoadRuntime(f.library)
	if err != nil {
		return err
	}
	return f.measure(c, rt, points)
}

// measure profiles one operating point after the other; each table is in the study before the next
// one begins.
func (f *profileFlags) measure(c *cli.Context, rt *ort.Runtime, points []profilePoint) error {
	study, err := createStudy(c.Context, f.db)
	if err != nil {
		return err
	}
	defer study.Close()
	if err := study.CheckSpace(c.Context, f.cfg.Space); err != nil { // now, and not after measuring
		return err
	}
	if len(f.cfg.Only) > 0 {
		if _, err := replaceable(c.Context, study, f.cfg.Space.Name, f.cfg.Point, f.cfg.Only); err != nil {
			return err
		}
	}
	g := tableGrid()
	var untrusted []string
	for i, p := range points {
		if len(points) > 1 {
			fmt.Fprintf(c.App.ErrWriter, "table %d of %d: %v\n", i+1, len(points), p)
		}
		id, table, err := f.measureOne(c, rt, study, p)
		if err != nil {
			return errors.Join(err, g.Print(c.App.Writer, command.FormatText))
		}
		addTable(g, id, table)
		for _, fact := range table.Provenance {
			if slices.Contains(shownFacts, fact.Name) {
				g.Note("table %d: %s: %s", id, strings.TrimPrefix(fact.Name, "profile: "), fact.Value)
			}
		}
		g.Note("table %d: 'dynofa lut show --table %d' has everything else that is known about it", id, id)
		if table.Grade.Worse(lut.GradeB) {
			untrusted = append(untrusted, fmt.Sprintf("table %d has trust grade %s", id, table.Grade))
		}
	}
	if err := g.Print(c.App.Writer, command.FormatText); err != nil {
		return err
	}
	if f.strict && len(untrusted) > 0 {
		return fmt.Errorf("%s (the warnings above say why)", strings.Join(untrusted, ", "))
	}
	return nil
}

// shownFacts are the facts of a table that the command prints; lut show prints all.
var shownFacts = []string{
	"program", "onnxruntime", "profile: timed region", "profile: null model", "profile: clock", "profile: rounds kept", "profile: rounds of earlier runs",
	"profile: warm-up rounds dropped", "profile: samples",
	"profile: stopped because", "profile: measuring took", "profile: raw sum", "profile: raw sum, seams not taken off",
	"profile: baseline, MACs and depth", "profile: calibration", "profile: grade",
}

// measureOne profiles at one operating point and stores the table. Clocks and modes that were asked for
// are set meanwhile; the table carries those that are in force, and warnings about those that are not.
func (f *profileFlags) measureOne(c *cli.Context, rt *ort.Runtime, study *study, p profilePoint) (id int64, table *lut.Table, err error) {
	cfg := p.apply(f.cfg)
	change := host.Set(c.Context, f.fsys, f.changer, p.settings)
	defer func() { // not cut short by the interrupt that ended the measurement
		err = errors.Join(err, change.Undo(context.WithoutCancel(c.Context)))
	}()
	info := host.Read(f.fsys)
	facts, err := machineFacts(info, rt)
	if err != nil {
		return 0, nil, err
	}
	options := ort.Options{Threads: cfg.Point.Threads, Provider: cfg.Point.Provider}
	cfg.Facts = append(facts, lut.Fact{Name: "session options", Value: options.String()})
	cfg.Point.Runtime, cfg.Point.RuntimeVersion = "onnxruntime", rt.Version()
	cfg.Point.PowerMode = info.State.PowerMode.Name
	cfg.Point.CPUClock, cfg.Point.GPUClock, cfg.Point.MemoryClock = info.State.Clocks()
	cfg.Warnings = change.Warnings
	cfg.Created = now()
	cfg.Source = "measured on " + describeHost(info)
	cfg.Host = f.fsys
	cfg.Fingerprint = facts[0].Value + "\n" + facts[1].Value + "\n" + facts[2].Value
	if cfg.Progress, err = profileProgress(c); err != nil {
		return 0, nil, err
	}
	digest, err := profile.Digest(cfg)
	if err != nil {
		return 0, nil, err
	}
	journal := study.Profile(digest)
	if len(cfg.Only) == 0 { // a few entries take seconds
		cfg.Journal = journal
	}
	meter := ort.NewBatchMeter(rt, cfg.Space, options, cfg.Seed, cfg.Point.Batch)
	result, err := profile.Run(c.Context, cfg, meter)
	if err != nil {
		if errors.Is(err, context.Canceled) {
			err = fmt.Errorf("%w; the same command goes on after the last complete round", err)
		}
		return 0, nil, err
	}
	if len(cfg.Only) > 0 {
		id, table, err = replaceEntries(c.Context, study, result.Table)
		return id, table, err
	}
	store := journal.Finish
	if !result.Complete { // the rounds stay, so that the same command goes on
		store = study.PutTable
	}
	id, err = store(c.Context, result.Table)
	return id, result.Table, err
}

// profilePoint is one combination of what a sweep varies.
type profilePoint struct {
	threads, batch int
	co             string
	period         time.Duration
	settings       host.Settings
}

func (p profilePoint) String() string {
	s := fmt.Sprintf("%d threads, batch %d, beside %s", p.threads, p.batch, p.co)
	if p.period > 0 {
		s += ", every " + p.period.String()
	}
	for _, c := range []struct {
		name  string
		value unit.Hertz
	}{{"cpu", p.settings.CPUClock}, {"gpu", p.settings.GPUClock}, {"memory", p.settings.MemoryClock}} {
		if c.value > 0 {
			s += fmt.Sprintf(", %s at %v", c.name, c.value)
		}
	}
	if p.settings.PowerMode != "" {
		s += ", power mode " + p.settings.PowerMode
	}
	return s
}

// apply returns cfg at this point.
func (p profilePoint) apply(cfg profile.Config) profile.Config {
	cfg.Point.Threads, cfg.Point.Batch, cfg.Point.Period = p.threads, p.batch, p.period
	cfg.Point.CoRunner = p.co
	if p.co != coNone {
		spec, err := load.ParseSpec(p.co)
		if err != nil {
			panic("profile: the co-runner was checked: " + err.Error())
		}
		cfg.Load = &spec
	}
	began := time.Now()
	cfg.Now = func() time.Duration { return time.Since(began) }
	cfg.Sleep = sleep
	return cfg
}

const coNone = "none"

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// machineFacts is the provenance that every measurement on this machine carries: what does not change
// while it runs.
func machineFacts(info host.Info, rt *ort.Runtime) ([]lut.Fact, error) {
	machine, err := json.Marshal(info.Machine)
	if err != nil {
		return nil, err
	}
	sum, err := rt.SHA256()
	if err != nil {
		return nil, err
	}
	return []lut.Fact{
		{Name: "program", Value: "dynofa " + version},
		{Name: "machine", Value: string(machine)},
		{Name: "onnxruntime", Value: rt.Version() + " sha256:" + sum},
	}, nil
}

// describeHost names a machine in a few words.
func describeHost(info host.Info) string {
	var parts []string
	for _, s := range []string{info.Machine.Board.Model, info.Machine.CPU.Model, info.Machine.CPU.Architecture} {
		if s != "" {
			parts = append(parts, s)
		}
	}
	if n := info.Machine.CPU.Online; n > 0 {
		parts = append(parts, strconv.Itoa(n)+" processors")
	}
	if len(parts) == 0 {
		return "an unknown machine"
	}
	return strings.Join(parts, ", ")
}
