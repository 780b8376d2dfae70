package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

func simReplayCommand() *cli.Command {
	var spec, format, scenario, calibration, out string
	var params cli.StringSlice
	var arrivals bool
	return &cli.Command{
		Name:      "replay",
		Usage:     "feed a trace's recorded observations to its policy and compare the decisions, bit for bit",
		ArgsUsage: "TRACE",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "another `POLICY`, to see what it would have decided", Destination: &spec},
			command.ParamFlag(&params),
			&cli.BoolFlag{Name: "arrivals", Usage: "simulate the recorded arrivals and deadlines afresh instead", Destination: &arrivals},
			&cli.StringFlag{Name: "scenario", Usage: "with --arrivals: disturbances, noise and switching times of this `SCENARIO`; default none", Destination: &scenario},
			&cli.StringFlag{Name: "calibrate", Usage: "with --arrivals: draw latencies from this recorded `TRACE` of the same family, beside the same co-running loads", Destination: &calibration},
			&cli.StringFlag{Name: "perfetto", Usage: "write the trace to `FILE.pftrace` for ui.perfetto.dev as well", Destination: &out},
			command.OutputFlag(&format),
		},
		Action: func(c *cli.Context) error {
			if err := command.CheckFormat(format); err != nil {
				return err
			}
			if scenario != "" && !arrivals {
				return command.Usagef("--scenario goes with --arrivals")
			}
			if calibration != "" && (!arrivals || scenario != "") {
				return command.Usagef("--calibrate goes with --arrivals, without --scenario")
			}
			t, err := readTrace(c, c.Args().First())
			if err != nil {
				return err
			}
			recorded := t
			if arrivals {
				if t, err = replayArrivals(c, t, scenario, calibration, spec, params.Value()); err != nil {
					return err
				}
			}
			if out != "" {
				err := command.WriteFile(out, func(f *os.File) error { return t.WritePerfetto(f, trace.PerfettoOptions{}) })
				if err != nil {
					return err
				}
			}
			if arrivals {
				return printArrivals(c, recorded, t, format)
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

// replayArrivals simulates what arrived in a trace.
func replayArrivals(c *cli.Context, t *trace.Trace, scenario, calibration, spec string, items []string) (*trace.Trace, error) {
	params, err := command.ParseParams(items)
	if err != nil {
		return nil, err
	}
	config := sim.Config{Policy: spec, Params: params, Program: "dynofa " + version}
	if scenario != "" {
		if config.Scenario, err = loadScenario(scenario); err != nil {
			return nil, err
		}
	}
	if calibration != "" {
		from, err := readTrace(c, calibration)
		if err != nil {
			return nil, err
		}
		if config.Calibration, err = sim.Calibrate(from); err != nil {
			return nil, fmt.Errorf("%s: %w", calibration, err)
		}
	}
	r, err := sim.ReplayArrivals(c.Context, t, config)
	if err != nil {
		return nil, err
	}
	r.Trace.Name = t.Name
	return r.Trace, nil
}

// printArrivals prints the metrics of a trace and of a simulation of what arrived in it, and how often their decisions agree.
func printArrivals(c *cli.Context, recorded, simulated *trace.Trace, format string) error {
	was, m, agreement := sim.Measure(recorded, nil), sim.Measure(simulated, nil), sim.Agreement(recorded, simulated)
	if format == command.FormatJSON {
		enc := json.NewEncoder(c.App.Writer)
		enc.SetIndent("", " ")
		return enc.Encode(map[string]any{"metrics": m, "recorded": was, "agreement": agreement})
	}
	g := &command.Grid{Head: []string{"arrivals of", "kind", "policy", "requests", "on time", "mean latency", "p99", "mean accuracy", "effective", "switches"}}
	for _, row := range []struct {
		t *trace.Trace
		m sim.Metrics
	}{{recorded, was}, {simulated, m}} {
		g.Add(row.t.Name, row.t.Header.Kind, row.t.Header.Policy, row.m.Requests, proportion(row.m.SLO), row.m.Response.Mean, row.m.Response.P99, row.m.MeanAccuracy, row.m.EffectiveAccuracy, row.m.Switches)
	}
	if simulated.Header.Policy == recorded.Header.Policy {
		g.Note("%d of %d decisions are the recorded ones; latency is from arrival to answer", agreement.Hits, agreement.Trials)
	}
	for _, n := range simulated.Header.Notes {
		g.Note("%s", n)
	}
	return g.Print(c.App.Writer, format)
}
