package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/profile"
)

func lutProfileCommand() *cli.Command {
	var db, space, resolutions, library string
	cfg := profile.Config{Point: lut.OperatingPoint{Provider: "cpu", Precision: "fp32", Batch: 1}}
	return &cli.Command{
		Name:  "profile",
		Usage: "measure every distinct block of a space on this machine, through ONNX Runtime",
		Flags: []cli.Flag{
			command.DBFlag(&db),
			command.SpaceFlag(&space, "ofa-mbv3-w1.2"),
			command.DeviceFlag(&cfg.Point.Device, "host"),
			command.ProcessorFlag(&cfg.Point.Processor, "cpu"),
			&cli.StringFlag{Name: "resolutions", Usage: "input resolutions, `R,R,...`; default the smallest and largest of the space", Destination: &resolutions},
			&cli.IntFlag{Name: "threads", Usage: "threads of one inference", Value: 1, Destination: &cfg.Point.Threads},
			&cli.StringFlag{Name: "ep", Usage: "execution provider", Value: "cpu", Destination: &cfg.Point.Provider},
			&cli.IntFlag{Name: "rounds", Usage: "samples of each block", Value: 30, Destination: &cfg.Rounds},
			&cli.IntFlag{Name: "networks", Usage: "whole networks to judge the sums by", Value: 4, Destination: &cfg.Networks},
			&cli.DurationFlag{Name: "budget", Usage: "stop after this time with what there is; 0: no limit", Destination: &cfg.Budget},
			command.SeedFlag(&cfg.Seed),
			command.RuntimeFlag(&library),
		},
		Action: func(c *cli.Context) error {
			s, err := supernet.ByName(space)
			if err != nil {
				return command.UsageError{Err: err}
			}
			cfg.Space = s
			if resolutions != "" {
				if cfg.Resolutions, err = command.ParseInts("resolutions", resolutions); err != nil {
					return err
				}
			}
			return profileHost(c, db, library, cfg)
		},
	}
}

func profileHost(c *cli.Context, db, library string, cfg profile.Config) error {
	rt, err := command.LoadRuntime(library)
	if err != nil {
		return err
	}
	info := host.Read(host.FS())
	facts, err := machineFacts(info, rt)
	if err != nil {
		return err
	}
	cfg.Facts = facts
	cfg.Point.Runtime, cfg.Point.RuntimeVersion = "onnxruntime", rt.Version()
	cfg.Created = now()
	began := time.Now()
	cfg.Now = func() time.Duration { return time.Since(began) }
	cfg.Source = "measured on " + describeHost(info)
	cfg.Progress = profileProgress(c)
	study, err := createStudy(c.Context, db)
	if err != nil {
		return err
	}
	defer study.Close()
	table, err := profile.Run(c.Context, cfg, ort.NewMeter(rt, cfg.Space, ort.Options{Threads: cfg.Point.Threads, Provider: cfg.Point.Provider}, cfg.Seed))
	if err != nil {
		return err
	}
	id, err := study.PutTable(c.Context, table)
	if err != nil {
		return err
	}
	g := tableGrid()
	addTable(g, id, table)
	for _, f := range table.Provenance {
		g.Note("%s: %s", f.Name, f.Value)
	}
	return g.Print(c.App.Writer, command.FormatText)
}

// machineFacts is the provenance that every measurement on this machine carries.
func machineFacts(info host.Info, rt *ort.Runtime) ([]lut.Fact, error) {
	machine, err := json.Marshal(info)
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

// describeHost names the machine in a few words: its board, or processor and cores.
func describeHost(info host.Info) string {
	name := info.Machine.Board.Model
	if name == "" {
		name = info.Machine.CPU.Model
	}
	if name == "" {
		name = "an unknown machine"
	}
	return fmt.Sprintf("%s, %d cores, %s %s", name, info.Machine.CPU.Online, info.Machine.Kernel.Name, info.Machine.CPU.Architecture)
}

// profileProgress prints one line per phase and per quarter of it, to standard error.
func profileProgress(c *cli.Context) func(profile.Progress) {
	last := ""
	return func(p profile.Progress) {
		line := fmt.Sprintf("%s: %d%% of %d", p.Phase, 100*p.Done/max(1, p.Total)/25*25, p.Total)
		if line != last {
			fmt.Fprintln(c.App.ErrWriter, line)
			last = line
		}
	}
}
