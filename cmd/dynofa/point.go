package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// clockFlags name clocks.
type clockFlags struct{ cpu, gpu, memory string }

// flags returns --cpu-clock, --gpu-clock and --memory-clock; purpose ends their descriptions.
func (f *clockFlags) flags(purpose string) []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cpu-clock", Usage: "`CLOCK` of the processors, such as 1.9GHz" + purpose, Destination: &f.cpu},
		&cli.StringFlag{Name: "gpu-clock", Usage: "`CLOCK` of the GPU" + purpose, Destination: &f.gpu},
		&cli.StringFlag{Name: "memory-clock", Usage: "`CLOCK` of the memory" + purpose, Destination: &f.memory},
	}
}

// parse returns the clocks, 0 where none was named.
func (f *clockFlags) parse() (cpu, gpu, memory unit.Hertz, err error) {
	for _, c := range []struct {
		name, text string
		to         *unit.Hertz
	}{{"cpu-clock", f.cpu, &cpu}, {"gpu-clock", f.gpu, &gpu}, {"memory-clock", f.memory, &memory}} {
		if c.text == "" {
			continue
		}
		if *c.to, err = unit.ParseHertz(c.text); err != nil {
			return 0, 0, 0, command.Usagef("--%s: %w", c.name, err)
		}
	}
	return cpu, gpu, memory, nil
}

// pointFlags ask for a table of one operating point.
type pointFlags struct {
	clocks         clockFlags
	powerMode, co  string
	threads, batch int
	period         time.Duration
}

// anyPeriod stands for no --period: its zero means back to back.
const anyPeriod = -1

func (f *pointFlags) flags() []cli.Flag {
	const purpose = " that the table was measured at"
	return append(f.clocks.flags(purpose),
		&cli.StringFlag{Name: "power-mode", Usage: "power `MODE`" + purpose, Destination: &f.powerMode},
		&cli.IntFlag{Name: "threads", Usage: "threads" + purpose, Destination: &f.threads},
		&cli.IntFlag{Name: "batch", Usage: "batch" + purpose, Destination: &f.batch},
		&cli.StringFlag{Name: "co", Usage: "co-running `LOAD` that the table was measured beside, none for alone", Destination: &f.co},
		&cli.DurationFlag{Name: "period", Usage: "distance between inferences" + purpose + ", 0s for back to back", Value: anyPeriod, DefaultText: "any", Destination: &f.period},
	)
}

// wanted returns the operating point that was asked for, zero where it was not.
func (f *pointFlags) wanted() (want lut.OperatingPoint, rule lut.PeriodRule, err error) {
	want = lut.OperatingPoint{PowerMode: f.powerMode, Threads: f.threads, Batch: f.batch, CoRunner: f.co}
	want.CPUClock, want.GPUClock, want.MemoryClock, err = f.clocks.parse()
	if f.period != anyPeriod {
		want.Period, rule = f.period, lut.SamePeriod
	}
	if f.threads < 0 || f.batch < 0 || f.period < anyPeriod {
		err = command.Usagef("threads %d, batch %d or period %v is negative", f.threads, f.batch, f.period)
	}
	return want, rule, err
}

// find is choose with the doubts among the table's warnings.
func (t *tableFlags) find(ctx context.Context, study *study) (*lut.Table, error) {
	table, doubts, err := t.choose(ctx, study)
	if err != nil {
		return nil, err
	}
	table.Warnings = append(slices.Clone(table.Warnings), doubts...)
	return table, nil
}

// choose returns the newest table that fits device, processor and operating point; none that differs is taken. The doubts
// are about the choice: the table does not tell all of the operating point, or is only the newest of several that fit.
func (t *tableFlags) choose(ctx context.Context, study *study) (table *lut.Table, doubts []string, err error) {
	if err := command.NotNegative("table", t.q.ID); err != nil {
		return nil, nil, err
	}
	want, rule, err := t.point.wanted()
	if err != nil {
		return nil, nil, err
	}
	infos, err := study.Tables(ctx, t.q)
	if err != nil {
		return nil, nil, err
	}
	if len(infos) == 0 {
		table, err = study.Table(ctx, t.q) // which says what there is
		return table, nil, err
	}
	info, doubts, err := lut.FindPoint(infos, want, rule)
	if err != nil {
		return nil, nil, fmt.Errorf("%w; 'dynofa lut profile' measures there, 'dynofa lut rescale' carries clocks over by a model", err)
	}
	if text := lut.Undecided(infos, info, want, rule); text != "" {
		doubts = append(doubts, text)
	}
	table, err = study.Table(ctx, lut.Query{ID: info.ID})
	return table, doubts, err
}

func lutRescaleCommand() *cli.Command {
	var t tableFlags
	var clocks clockFlags
	var model lut.Rescale
	return &cli.Command{
		Name:  "rescale",
		Usage: "carry a table over to other clocks by a stated model, as a new, modelled table",
		Description: "A share of the time follows the memory clock, the rest the clock of the table's processor. It is a crude model:\n" +
			"the table, and everything derived from it, says so.",
		Flags: append(append(t.tableOnly(), clocks.flags(" to carry the table over to")...),
			&cli.Float64Flag{Name: "memory-share", Usage: "share of the time that follows the memory clock, 0 to 1", Destination: &model.MemoryShare},
		),
		Action: func(c *cli.Context) error {
			cpu, gpu, memory, err := clocks.parse()
			if err == nil {
				err = command.InRange("memory-share", model.MemoryShare, 0, 1)
			}
			if err != nil {
				return err
			}
			return derive(c, &t, func(table *lut.Table, _ *supernet.Space) (*lut.Table, error) {
				scaled, err := model.Table(table, cpu, gpu, memory)
				if scaled != nil {
					scaled.Created = now()
				}
				return scaled, err
			})
		},
	}
}
