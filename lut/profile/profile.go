// Package profile measures latency tables: every distinct block of a supernet's space, and a few
// whole networks to judge the sums of blocks by. It owns the protocol (what is run in which order,
// how often, and what is claimed about the samples); a Meter, such as package ort's, runs and
// times. It knows no runtime, reads no clock and starts nothing.
//
// The protocol is rotation. A round visits every block once, in network order, so that a block's
// weights are as cold as in a network: blocks timed back to back sum to 12-15% less than the
// network. Rounds at the start are dropped as warm-up and counted; after that every sample counts.
package profile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
)

// Config says what to measure and how long. Space, Point.Device and Point.Processor are required.
type Config struct {
	Space       *supernet.Space
	Resolutions []int // input resolutions; default the smallest and the largest of the space's
	Networks    int   // whole networks, drawn at random; default 4, negative none

	Rounds    int // samples of each block and network; default 30, at most 100,000
	MinRounds int // samples that are taken even beyond the budget; default MinMedian
	Warmup    int // rounds dropped at the start; default 2, negative none

	// Budget is how long Run may take, preparing included; 0: as long as it takes. Run stops after
	// the last round that fits, but not before MinRounds.
	Budget time.Duration
	// Now returns the time since any fixed start. It is required with a Budget; without it no
	// elapsed times are reported.
	Now func() time.Duration

	// Wide is the relative half-width of the median's 95% interval above which an entry carries a
	// warning; default 0.05.
	Wide float64
	// Seed draws the networks and the order inside rounds.
	Seed uint64

	Point    lut.OperatingPoint // of the table
	Source   string             // of the table; default "measured on" and the device
	Created  time.Time          // of the table
	Facts    []lut.Fact         // what the caller knows about device and program; names are unique, none begins with "profile: "
	Warnings []string           // the caller's doubts about the whole table

	// Progress is called after every probe prepared and every round measured.
	Progress func(Progress)
}

// Phase is a part of a run of the profiler.
type Phase string

// The phases, in order.
const (
	Preparing Phase = "prepare"
	Warming   Phase = "warm-up"
	Measuring Phase = "measure"
)

// Progress says how far a phase is.
type Progress struct {
	Phase       Phase
	Done, Total int           // probes while preparing, rounds afterwards
	Elapsed     time.Duration // since Run began; 0 without Config.Now
}

// factPrefix begins the names of the facts that Run adds to a table.
const factPrefix = "profile: "

// maxRounds bounds memory: 100,000 rounds of 400 probes keep 320 MB of samples.
const maxRounds = 100_000

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if len(c.Resolutions) == 0 && c.Space != nil && len(c.Space.Resolutions) > 0 {
		rs := c.Space.Resolutions
		c.Resolutions = slices.Compact([]int{rs[0], rs[len(rs)-1]})
	}
	defaults := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
		*p = max(*p, 0)
	}
	defaults(&c.Networks, 4)
	defaults(&c.Warmup, 2)
	if c.Rounds == 0 {
		c.Rounds = 30
	}
	if c.MinRounds == 0 {
		c.MinRounds = min(MinMedian, c.Rounds)
	}
	if c.Wide == 0 {
		c.Wide = 0.05
	}
	if c.Source == "" {
		c.Source = "measured on " + c.Point.Device
	}
	if c.Progress == nil {
		c.Progress = func(Progress) {}
	}
	return c
}

// Validate returns every problem of the configuration.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	check := func(bad bool, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	check(c.Space == nil, "no space given")
	check(c.Space != nil && len(c.Resolutions) == 0, "no resolutions given")
	check(c.Rounds < 1 || c.Rounds > maxRounds, "%d rounds are outside [1, %d]", c.Rounds, maxRounds)
	check(c.MinRounds < 1 || c.MinRounds > c.Rounds, "at least %d of %d rounds makes no sense", c.MinRounds, c.Rounds)
	check(c.Warmup > maxRounds, "%d warm-up rounds are above %d", c.Warmup, maxRounds)
	check(c.Networks > 1000, "%d whole networks are above 1000", c.Networks)
	check(c.Budget < 0, "the budget %v is negative", c.Budget)
	check(c.Budget > 0 && c.Now == nil, "a budget needs a clock")
	check(!(c.Wide > 0), "wide intervals start at %g", c.Wide)
	sorted := slices.Sorted(slices.Values(c.Resolutions))
	check(len(slices.Compact(sorted)) != len(c.Resolutions), "a resolution is repeated in %v", c.Resolutions)
	names := map[string]bool{}
	for _, f := range c.Facts {
		check(f.Name == "" || names[f.Name], "fact %q is unnamed or repeated", f.Name)
		check(strings.HasPrefix(f.Name, factPrefix), "fact %q: names that begin with %q are the protocol's own", f.Name, factPrefix)
		names[f.Name] = true
	}
	if c.Space != nil { // what would spoil the table at the end is refused at the start
		one := supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 1, Channels: 1}, Out: supernet.Shape{Size: 1, Channels: 1}}
		t := lut.Table{Space: c.Space.Name, Point: c.Point, Origin: lut.Measured, Source: c.Source, Provenance: c.Facts,
			Entries: []lut.Entry{{Key: lut.Key{Block: one}, Latency: lut.MeanOnly(1, 1, 0)}}}
		if err := t.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("profile: %w", errors.Join(errs...))
	}
	return nil
}

// Run measures every distinct block of the space at each resolution and the whole networks, and
// returns the table, which is valid. On any error, a cancelled context included, it returns no
// table: nothing half-measured leaves it. An error of the meter names the block or network.
func Run(ctx context.Context, cfg Config, m Meter) (*lut.Table, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &run{Config: cfg.withDefaults(), meter: m}
	t, err := r.measure(ctx)
	if err := errors.Join(err, r.close()); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return t, nil
}

// run is one run of the profiler.
type run struct {
	Config
	meter   Meter
	began   time.Duration
	plan    *plan
	targets []target
	opened  []Probe           // each once, to be closed
	probes  []Probe           // by visit index: targets, then networks
	names   []string          // by visit index
	samples [][]time.Duration // by visit index
	stop    string            // why the rounds ended
}

func (r *run) measure(ctx context.Context) (*lut.Table, error) {
	r.began = r.now()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	r.samples = make([][]time.Duration, len(r.probes))
	for i := range r.Warmup {
		if err := r.round(ctx, false); err != nil {
			return nil, err
		}
		r.Progress(Progress{Warming, i + 1, r.Warmup, r.elapsed()})
	}
	r.stop = "all rounds done"
	for i := range r.Rounds {
		start := r.elapsed()
		if err := r.round(ctx, true); err != nil {
			return nil, err
		}
		now := r.elapsed()
		r.Progress(Progress{Measuring, i + 1, r.Rounds, now})
		// The next round is expected to take as long as this one.
		if r.Budget > 0 && i+1 >= r.MinRounds && i+1 < r.Rounds && now+(now-start) > r.Budget {
			r.stop = "the budget of " + r.Budget.String() + " was used up"
			break
		}
	}
	return r.table()
}

// prepare plans the run and opens a probe for each distinct block and each network.
func (r *run) prepare(ctx context.Context) error {
	var err error
	if r.plan, r.targets, err = newPlan(r.Space, r.Resolutions, r.Seed, r.Networks); err != nil {
		return err
	}
	total := len(r.targets) + len(r.plan.networks)
	open := func(name string, prepare func() (Probe, error)) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, err := prepare()
		if err != nil {
			return fmt.Errorf("%s: prepare: %w", name, err)
		}
		r.opened = append(r.opened, p)
		r.add(name, p, total)
		return nil
	}
	byBlock := map[supernet.Block]Probe{}
	for _, t := range r.targets {
		name := lut.Key{Resolution: t.resolution, Block: t.block}.String()
		if p, ok := byBlock[t.block]; ok { // the same at another resolution
			r.add(name, p, total)
			continue
		}
		if err := open(name, func() (Probe, error) { return r.meter.Prepare(ctx, t.block) }); err != nil {
			return err
		}
		byBlock[t.block] = r.probes[len(r.probes)-1]
	}
	for _, a := range r.plan.networks {
		if err := open("network "+a.String(), func() (Probe, error) { return r.meter.PrepareNetwork(ctx, a) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) add(name string, p Probe, total int) {
	r.names, r.probes = append(r.names, name), append(r.probes, p)
	r.Progress(Progress{Preparing, len(r.probes), total, r.elapsed()})
}

// round runs every probe once and keeps the samples if keep is set.
func (r *run) round(ctx context.Context, keep bool) error {
	for _, v := range r.plan.round(len(r.targets)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		d, err := r.probes[v].Run()
		if err == nil && d <= 0 {
			err = fmt.Errorf("the meter returned %v", d)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", r.names[v], err)
		}
		if keep {
			r.samples[v] = append(r.samples[v], d)
		}
	}
	return nil
}

// table summarises the samples.
func (r *run) table() (*lut.Table, error) {
	t := &lut.Table{Space: r.Space.Name, Point: r.Point, Origin: lut.Measured, Source: r.Source,
		Created: r.Created, Warnings: slices.Clone(r.Warnings)}
	wide := 0
	summarize := func(i int) lut.Latency {
		l := Summarize(r.samples[i])
		l.Warnings = doubts(l, r.Wide)
		wide += len(l.Warnings)
		return l
	}
	for i, target := range r.targets {
		t.Entries = append(t.Entries, lut.Entry{Key: lut.Key{Resolution: target.resolution, Block: target.block}, Latency: summarize(i)})
	}
	for i, a := range r.plan.networks {
		t.Networks = append(t.Networks, lut.NetworkLatency{Arch: a.String(), Latency: summarize(len(r.targets) + i)})
	}
	if wide > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("the median of %d of %d blocks and networks is not known to +-%.1f%% (95%%): the machine was busy or the rounds were few",
			wide, len(r.probes), 100*r.Wide))
	}
	if now := r.elapsed(); r.Budget > 0 && now > r.Budget {
		t.Warnings = append(t.Warnings, fmt.Sprintf("measuring took %v, beyond the budget of %v, for the least number of rounds", now, r.Budget))
	}
	t.Sort()
	t.Provenance = slices.Concat(r.Facts, r.facts())
	bias, err := biasFacts(t, r.Space)
	if err != nil {
		return nil, err
	}
	t.Provenance = append(t.Provenance, bias...)
	return t, t.Validate()
}

// facts returns what the protocol adds to the provenance.
func (r *run) facts() []lut.Fact {
	facts := []lut.Fact{
		{Name: factPrefix + "protocol", Value: "rotation: a round visits every block once, in network order, dealt at random to walks; whole networks between walks"},
		{Name: factPrefix + "timed region", Value: r.meter.TimedRegion()},
		{Name: factPrefix + "rounds kept", Value: strconv.Itoa(len(r.samples[0]))},
		{Name: factPrefix + "warm-up rounds dropped", Value: strconv.Itoa(r.Warmup)},
		{Name: factPrefix + "samples dropped", Value: "0"},
		{Name: factPrefix + "stopped because", Value: r.stop},
		{Name: factPrefix + "seed", Value: strconv.FormatUint(r.Seed, 10)},
	}
	if r.Now != nil {
		facts = append(facts, lut.Fact{Name: factPrefix + "measuring took", Value: r.elapsed().String()})
	}
	return facts
}

func (r *run) now() time.Duration {
	if r.Now == nil {
		return 0
	}
	return r.Now()
}

func (r *run) elapsed() time.Duration { return r.now() - r.began }

func (r *run) close() error {
	var errs []error
	for _, p := range r.opened {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
