package main

import (
	"strconv"
	"strings"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/load"
)

// sweepSetters are what --sweep can vary: each sets one value of a point.
var sweepSetters = []struct {
	name string
	set  func(p *profilePoint, value string) error
}{
	{"power-mode", func(p *profilePoint, v string) error { p.settings.PowerMode = v; return nil }},
	{"cpu-clock", func(p *profilePoint, v string) error { return parseClock(&p.settings.CPUClock, v) }},
	{"gpu-clock", func(p *profilePoint, v string) error { return parseClock(&p.settings.GPUClock, v) }},
	{"memory-clock", func(p *profilePoint, v string) error { return parseClock(&p.settings.MemoryClock, v) }},
	{"threads", func(p *profilePoint, v string) (err error) { p.threads, err = strconv.Atoi(v); return err }},
	{"batch", func(p *profilePoint, v string) (err error) { p.batch, err = strconv.Atoi(v); return err }},
	{"co", setCoRunner},
}

func parseClock(to *unit.Hertz, text string) (err error) {
	*to, err = unit.ParseHertz(text)
	return err
}

func setCoRunner(p *profilePoint, value string) error {
	if value == coNone {
		p.co = coNone
		return nil
	}
	spec, err := load.ParseSpec(value)
	p.co = spec.String()
	return err
}

// points lists the operating points to measure: every combination of the sweeps, modes and clocks
// outermost, and each of them back to back and, if asked for, with a period.
func (f *profileFlags) points() ([]profilePoint, error) {
	first := profilePoint{threads: f.cfg.Point.Threads, batch: f.cfg.Point.Batch,
		settings: host.Settings{Governor: f.governor, PowerMode: f.powerMode}}
	var err error
	if first.settings.CPUClock, first.settings.GPUClock, first.settings.MemoryClock, err = f.clocks.parse(); err != nil {
		return nil, err
	}
	if err := setCoRunner(&first, f.coRunner); err != nil {
		return nil, command.UsageError{Err: err}
	}
	sweeps := map[string][]string{}
	for _, item := range joinSweeps(f.sweep.Value()) {
		name, text, _ := strings.Cut(item, "=")
		values, err := command.SplitList("sweep", text)
		if err != nil {
			return nil, err
		}
		if sweeps[name] != nil {
			return nil, command.Usagef("--sweep %s= is repeated", name)
		}
		sweeps[name] = values
	}
	points := []profilePoint{first}
	for _, s := range sweepSetters {
		values := sweeps[s.name]
		if delete(sweeps, s.name); values == nil {
			continue
		}
		var more []profilePoint
		for _, p := range points {
			for _, v := range values {
				if err := s.set(&p, v); err != nil {
					return nil, command.Usagef("--sweep %s=%s: %w", s.name, v, err)
				}
				more = append(more, p)
			}
		}
		points = more
	}
	for name := range sweeps { // any of them
		return nil, command.Usagef("--sweep %q is none of threads=, co=, batch=, cpu-clock=, gpu-clock=, memory-clock=, power-mode=", name)
	}
	var all []profilePoint
	for _, p := range points {
		if p.threads < 1 || p.batch < 1 || f.period < 0 {
			return nil, command.Usagef("threads %d, batch %d and period %v must be positive", p.threads, p.batch, f.period)
		}
		all = append(all, p)
		if f.period > 0 {
			p.period = f.period
			all = append(all, p)
		}
	}
	return all, nil
}

// joinSweeps undoes what cli does to values with commas: "threads=1,2" arrives as two.
func joinSweeps(words []string) []string {
	var items []string
	for _, w := range words {
		if n := len(items); n > 0 && !strings.Contains(w, "=") {
			items[n-1] += "," + w
		} else {
			items = append(items, w)
		}
	}
	return items
}
