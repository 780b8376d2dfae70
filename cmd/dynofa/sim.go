package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

func simCommand() *cli.Command {
	return &cli.Command{
		Name:  "sim",
		Usage: "prove a policy before it is deployed",
		Subcommands: []*cli.Command{
			simCompareCommand(),
			simReplayCommand(),
			simScenariosCommand(),
		},
	}
}

// simFlags say what to simulate; those that stand in a scenario file override it.
type simFlags struct {
	db, scenario, family, processor string
	limit                           time.Duration
	seed                            uint64
	params                          cli.StringSlice
}

func (f *simFlags) flags() []cli.Flag {
	return []cli.Flag{
		command.DBFlag(&f.db),
		&cli.StringFlag{Name: "scenario", Usage: "scenario `FILE.yaml`, or one that is built in: " + strings.Join(traffic.Builtins(), ", "), Destination: &f.scenario},
		&cli.StringFlag{Name: "family", Usage: "`NAME` of the family, if not the scenario's", Destination: &f.family},
		&cli.StringFlag{Name: "processor", Usage: "`NAME` of the processor, if not the scenario's", Destination: &f.processor},
		&cli.DurationFlag{Name: "limit", Usage: "latency limit, if not the scenario's", Destination: &f.limit},
		&cli.Uint64Flag{Name: "seed", Usage: "root `SEED`, if not the scenario's", Destination: &f.seed},
		command.ParamFlag(&f.params),
	}
}

// config loads scenario and family and applies the flags.
func (f *simFlags) config(c *cli.Context) (sim.Config, error) {
	if err := command.Required("scenario", f.scenario); err != nil {
		return sim.Config{}, err
	}
	params, err := command.ParseParams(f.params.Value())
	if err != nil {
		return sim.Config{}, err
	}
	s, err := loadScenario(f.scenario)
	if err != nil {
		return sim.Config{}, err
	}
	if f.family != "" {
		s.Family = f.family
	}
	if f.processor != "" {
		s.Processor = f.processor
	}
	if f.limit > 0 {
		s.Limit = f.limit
	}
	fam, err := findFamily(c.Context, f.db, s.Family)
	if err != nil {
		return sim.Config{}, fmt.Errorf("scenario %s: %w", s.Name, err)
	}
	return sim.Config{Scenario: s, Family: fam, Params: params, Seed: f.seed, Program: "dynofa " + version}, nil
}

// loadScenario reads a file, or takes a built-in scenario where there is no such file.
func loadScenario(name string) (*traffic.Scenario, error) {
	if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
		builtin := strings.TrimSuffix(name, ".yaml")
		for _, known := range traffic.Builtins() {
			if builtin == known {
				return traffic.Builtin(builtin)
			}
		}
		return nil, fmt.Errorf("scenario %q is neither a file nor built in (%s)", name, strings.Join(traffic.Builtins(), ", "))
	}
	return traffic.Load(name)
}

func simCompareCommand() *cli.Command {
	var f simFlags
	var policies, plotPath, traces, format string
	var workers int
	return &cli.Command{
		Name:  "compare",
		Usage: "simulate policies in one scenario, on the same arrivals and noise",
		Flags: append(f.flags(),
			&cli.StringFlag{Name: "policy", Usage: "policies, `P,P,...`: " + strings.Join(policy.Names(), ", ") + " (static:L)", Value: "ladder,slack", Destination: &policies},
			&cli.StringFlag{Name: "plot", Usage: "draw the timelines to `FILE.svg`, .png or .pdf", Destination: &plotPath},
			&cli.StringFlag{Name: "traces", Usage: "write each policy's trace to a CSV file in `FOLDER`", Destination: &traces},
			&cli.IntFlag{Name: "workers", Usage: "simulations at a time; the result does not depend on it", Value: runtime.NumCPU(), Destination: &workers},
			command.OutputFlag(&format),
		),
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			specs, err := command.SplitList("policy", policies)
			if err != nil {
				return err
			}
			if err := checkPlotPath(plotPath); err != nil {
				return err
			}
			base, err := f.config(c)
			if err != nil {
				return err
			}
			results, err := sim.Compare(c.Context, base, specs, workers)
			if err != nil {
				return err
			}
			if err := writeTraces(traces, results); err != nil {
				return err
			}
			if plotPath != "" {
				if err := plotTimelines(plotPath, results); err != nil {
					return err
				}
			}
			if format == command.FormatText {
				fmt.Fprintf(c.App.Writer, "scenario %s: %s\n%s\n", base.Scenario.Name, base.Scenario.Title, base.Scenario.Description)
			}
			return metricsGrid(base.Scenario, results).Print(c.App.Writer, format)
		},
	}
}

// metricsGrid has a row per result.
func metricsGrid(s *traffic.Scenario, results []*sim.Result) *command.Grid {
	g := &command.Grid{Head: []string{"policy", "requests", "on time", "SLO (95%)", "mean accuracy", "effective", "switches", "median", "p99", "longest miss run"}}
	rises := 0
	for _, r := range results {
		rises = max(rises, len(r.Metrics.Compliance))
	}
	for i := range rises {
		name := "compliance"
		if rises > 1 {
			name = fmt.Sprintf("compliance %d", i+1)
		}
		g.Head = append(g.Head, name)
	}
	for _, r := range results {
		m := r.Metrics
		row := []any{r.Trace.Header.Policy, m.Requests, m.OnTime, proportion(m.SLO), m.MeanAccuracy, m.EffectiveAccuracy,
			m.Switches, unit.Nanos(m.Latency.P50), unit.Nanos(m.Latency.P99), m.LongestMissRun}
		for i := range rises {
			text := "-"
			if i < len(m.Compliance) {
				text = complianceText(m.Compliance[i])
			}
			row = append(row, text)
		}
		g.Add(row...)
		for _, n := range r.Trace.Header.Notes {
			g.Note("%s", n)
		}
	}
	if rises > 0 {
		g.Note("compliance: time from the disturbance to the start of the first of 20 inferences in a row that keep the limit (inferences before it)")
	}
	if len(results) > 0 {
		f := results[0].Trace.Header.Family
		for _, n := range f.Notes {
			g.Note("family: %s", n)
		}
		g.Note("accuracy: %s; latency: %s, %s", f.Levels[0].AccuracyOrigin, f.Levels[0].Latencies[0].Origin, f.Levels[0].Latencies[0].Source)
	}
	if s != nil {
		g.Note("simulated; limit %v, seed %d", s.Limit, s.Seed)
	}
	return g
}

func proportion(p sim.Proportion) string {
	return fmt.Sprintf("%.2f%% (%.2f..%.2f)", 100*p.Share, 100*p.Low, 100*p.High)
}

func complianceText(c sim.Compliance) string {
	if !c.Complied {
		return "never"
	}
	return fmt.Sprintf("%v (%d)", unit.Nanos(c.After), c.Before)
}

// writeTraces writes a file per result, named for its policy.
func writeTraces(folder string, results []*sim.Result) error {
	if folder == "" {
		return nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, r := range results {
		name := strings.ReplaceAll(r.Trace.Header.Policy, ":", "-") + ".csv"
		err := command.WriteFile(filepath.Join(folder, name), func(f *os.File) error {
			_, err := r.Trace.WriteTo(f)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func simReplayCommand() *cli.Command {
	var spec, format string
	var params cli.StringSlice
	return &cli.Command{
		Name:      "replay",
		Usage:     "feed a trace's recorded observations to its policy and compare the decisions, bit for bit",
		ArgsUsage: "TRACE",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "another `POLICY`, to see what it would have decided", Destination: &spec},
			command.ParamFlag(&params),
			command.OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			t, err := readTrace(c, c.Args().First())
			if err != nil {
				return err
			}
			report, err := replay(t, spec, params.Value())
			if err != nil {
				return err
			}
			if err := printReplay(c, t, report, format); err != nil {
				return err
			}
			if report.Equal != report.N && spec == "" {
				return fmt.Errorf("%d of %d decisions differ from the recorded ones", report.N-report.Equal, report.N)
			}
			return nil
		},
	}
}

func replay(t *trace.Trace, spec string, items []string) (trace.ReplayReport, error) {
	if spec == "" && len(items) == 0 {
		return trace.Replay(t)
	}
	params, err := command.ParseParams(items)
	if err != nil {
		return trace.ReplayReport{}, err
	}
	if spec == "" {
		spec = t.Header.Policy
	}
	return trace.ReplayWith(t, spec, params)
}

func printReplay(c *cli.Context, t *trace.Trace, r trace.ReplayReport, format string) error {
	m := sim.Measure(t, nil)
	if format == command.FormatJSON {
		enc := json.NewEncoder(c.App.Writer)
		enc.SetIndent("", " ")
		return enc.Encode(map[string]any{"decisions": r.N, "equal": r.Equal, "metrics": m})
	}
	g := &command.Grid{Head: []string{"trace", "kind", "policy", "decisions", "equal", "on time", "mean accuracy", "switches"}}
	g.Add(t.Name, t.Header.Kind, t.Header.Policy, r.N, r.Equal, proportion(m.SLO), m.MeanAccuracy, m.Switches)
	if r.First != nil {
		g.Note("first difference: %v", r.First)
	}
	for _, n := range t.Header.Notes {
		g.Note("%s", n)
	}
	return g.Print(c.App.Writer, format)
}

// readTrace reads a trace. One that a killed run left is read as far as it is complete, with a
// warning.
func readTrace(c *cli.Context, path string) (*trace.Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := trace.Read(path, f)
	var cut *trace.TruncatedError
	if errors.As(err, &cut) && t != nil {
		fmt.Fprintf(c.App.ErrWriter, "warning: %v; the complete records are used\n", cut)
		return t, nil
	}
	return t, err
}

func simScenariosCommand() *cli.Command {
	return &cli.Command{
		Name:  "scenarios",
		Usage: "list the scenarios that are built in",
		Action: func(c *cli.Context) error {
			g := &command.Grid{Head: []string{"name", "family", "processor", "limit", "title"}}
			for _, name := range traffic.Builtins() {
				s, err := traffic.Builtin(name)
				if err != nil {
					return err
				}
				g.Add(s.Name, s.Family, s.Processor, s.Limit, s.Title)
			}
			return g.Print(c.App.Writer, command.FormatText)
		},
	}
}
