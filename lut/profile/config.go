package profile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
)

// Config says what to measure and how long. Space, Point.Device and Point.Processor are required.
type Config struct {
	Space       *supernet.Space
	Resolutions []int // input resolutions; default the smallest and the largest of the space's

	// Only are the entries that are wanted, of one of Resolutions each; nil: every block of the space. The table then has these alone,
	// and no judgement of sums. What else the protocol needs is measured with them, see lut.Table.Replace.
	Only []lut.Key

	Networks           int   // whole networks, drawn at random; default 12, negative none
	NetworkResolutions []int // theirs, in turn; default Resolutions. Those between are interpolated.
	Calibrate          int   // networks, drawn by the seed, that Table.Calibration is fitted to, at most 5; default 5 but at most half, negative: nothing is judged
	Seams              int   // pairs of blocks per kind of seam and resolution; default 8, negative none: entries then hold what a block costs alone
	Hot                int   // rounds in which blocks are measured twice in a row as well, to show what that would give; default none

	// Rounds fixes the samples of each block and network. Zero: until the 95% interval of every
	// median is within Target of it (or a microsecond), but at most MaxRounds, default 300.
	Rounds    int
	MaxRounds int
	Target    float64 // relative half-width; default 0.01
	// Warmup is how many rounds are dropped at the start. Zero: until a round is no faster than the one
	// before, at most 10; negative none.
	Warmup int

	// Budget is how long Run may take, preparing included; 0: as long as it takes. Run stops in time
	// and says what is missing.
	Budget time.Duration
	// Now returns the time since any fixed start. It is required with a Budget or a Point.Period;
	// without it no elapsed times are reported.
	Now func() time.Duration
	// Sleep waits. It is required with a Point.Period, at whose rate runs are started then.
	Sleep func(context.Context, time.Duration) error

	Clock Clock
	// Peak is the most floating-point operations per second that the processor can do; an entry that
	// would need more is graded D. Default DefaultPeak for each of Point.Threads; negative: no such
	// gate. It is the caller's to raise for an accelerator.
	Peak float64
	// Seed draws the networks, the pairs and the order inside rounds.
	Seed uint64

	Point    lut.OperatingPoint // of the table
	Source   string             // of the table; default "measured on" and the device
	Created  time.Time          // of the table
	Facts    []lut.Fact         // what the caller knows about device and program; names are unique, none begins with "profile: "
	Warnings []string           // the caller's doubts about the whole table

	// Load runs beside the measurement and is stopped after it. Point.CoRunner has to name it.
	Load *load.Spec
	// Host is the file system of the machine, read before and after; nil: conditions are unknown.
	Host fs.FS
	// Neighbours says who else may use the processor's caches and memory unseen.
	Neighbours Neighbours

	// Journal keeps the rounds; Run continues where an earlier one with the same Digest ended. nil:
	// nothing is kept. Fingerprint is what else has to be the same: machine, library, program.
	Journal     Journal
	Fingerprint string

	// Progress is called after every probe prepared and every round measured.
	Progress func(Progress)
}

// Neighbours says whether programs that this system cannot see may slow it down.
type Neighbours string

// The values.
const (
	// DetectNeighbours takes a virtual machine to have neighbours and any other machine to have none.
	DetectNeighbours Neighbours = ""
	// NoNeighbours is a virtual machine alone on its host.
	NoNeighbours Neighbours = "none"
)

// Journal keeps rounds of samples, so that a run that was killed goes on.
type Journal interface {
	// Rounds returns what Append acknowledged, in order.
	Rounds(ctx context.Context) ([][]byte, error)
	// Append stores round number position, from 0. When it returns nil the round survives the process.
	Append(ctx context.Context, position int, samples []byte) error
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
	Done, Total int           // probes while preparing, rounds afterwards (Total: at most)
	Elapsed     time.Duration // since Run began; 0 without Config.Now
	Began       int           // Done when the phase began: rounds of an earlier run
	Since       time.Duration // Elapsed when the phase began
}

// Left estimates how long the phase takes from now on, 0 if that is unknown.
func (p Progress) Left() time.Duration {
	if p.Done <= p.Began {
		return 0
	}
	return (p.Elapsed - p.Since) / time.Duration(p.Done-p.Began) * time.Duration(p.Total-p.Done)
}

const (
	factPrefix = "profile: " // begins the names of the facts that Run adds to a table
	maxRounds  = 10_000      // bounds memory: 400 probes keep some 100 MB of samples
	mostWarm   = 10          // rounds of a warm-up that does not end by itself
)

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	if len(c.Only) > 0 {
		if len(c.Resolutions) == 0 {
			c.Resolutions = resolutionsOfKeys(c.Only)
		}
		c.Networks, c.Calibrate = -1, -1
	}
	if len(c.Resolutions) == 0 && c.Space != nil && len(c.Space.Resolutions) > 0 {
		rs := c.Space.Resolutions
		c.Resolutions = slices.Compact([]int{rs[0], rs[len(rs)-1]})
	}
	if len(c.NetworkResolutions) == 0 {
		c.NetworkResolutions = c.Resolutions
	}
	defaults := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
		*p = max(*p, 0)
	}
	defaults(&c.Networks, 12)
	defaults(&c.Seams, 8)
	defaults(&c.Calibrate, 5)
	if c.MaxRounds == 0 {
		c.MaxRounds = 300
	}
	if c.Target == 0 {
		c.Target = 0.01
	}
	if c.Peak == 0 {
		c.Peak = DefaultPeak * float64(max(1, c.Point.Threads))
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
	check(len(c.Only) > 0 && !slices.Equal(resolutionsOfKeys(c.Only), slices.Sorted(slices.Values(c.Resolutions))), "entries of resolutions %v are wanted, but %v are measured", resolutionsOfKeys(c.Only), c.Resolutions)
	check(c.Rounds < 0 || c.Rounds > maxRounds, "%d rounds are outside [0, %d]", c.Rounds, maxRounds)
	check(c.MaxRounds < 1 || c.MaxRounds > maxRounds, "at most %d rounds: outside [1, %d]", c.MaxRounds, maxRounds)
	check(c.Warmup > maxRounds, "%d warm-up rounds are above %d", c.Warmup, maxRounds)
	check(c.Hot < 0 || c.Hot > maxRounds, "%d hot rounds are outside [0, %d]", c.Hot, maxRounds)
	check(c.Calibrate > lut.MaxCalibration, "%d networks to calibrate by are above %d", c.Calibrate, lut.MaxCalibration)
	check(c.Networks > 1000, "%d whole networks are above 1000", c.Networks)
	check(c.Seams > 100, "%d pairs per seam are above 100", c.Seams)
	check(c.Budget < 0, "the budget %v is negative", c.Budget)
	check(c.Budget > 0 && c.Now == nil, "a budget needs a clock")
	check(c.Point.Period > 0 && (c.Now == nil || c.Sleep == nil), "a period needs a clock and a way to wait")
	check(!(c.Target > 0 && c.Target < 1), "the target %g is outside (0, 1)", c.Target)
	check(c.Neighbours != DetectNeighbours && c.Neighbours != NoNeighbours, "neighbours %q is not none", string(c.Neighbours))
	check(c.Clock != Auto && c.Clock != Wall && c.Clock != Thread, "clock %q is none of wall, thread", string(c.Clock))
	for _, rs := range [][]int{c.Resolutions, c.NetworkResolutions} {
		sorted := slices.Sorted(slices.Values(rs))
		check(len(slices.Compact(sorted)) != len(rs), "a resolution is repeated in %v", rs)
	}
	for _, r := range c.NetworkResolutions {
		check(r < slices.Min(c.Resolutions) || r > slices.Max(c.Resolutions), "networks of resolution %d are outside the blocks' %v", r, c.Resolutions)
	}
	if c.Load != nil {
		check(c.Load.Validate() != nil, "%w", c.Load.Validate())
		check(c.Point.CoRunner != c.Load.String(), "the co-runner is %q, but the table is for %q", c.Load.String(), c.Point.CoRunner)
	}
	names := map[string]bool{}
	for _, f := range c.Facts {
		check(f.Name == "" || names[f.Name], "fact %q is unnamed or repeated", f.Name)
		check(strings.HasPrefix(f.Name, factPrefix), "fact %q: names that begin with %q are the protocol's own", f.Name, factPrefix)
		names[f.Name] = true
	}
	if c.Space != nil { // what would spoil the table at the end is refused at the start
		t := lut.Table{Space: c.Space.Name, Point: c.Point, Origin: lut.Measured, Source: c.Source, Provenance: c.Facts,
			Entries: []lut.Entry{{Key: lut.Key{Block: nothing}, Latency: lut.MeanOnly(1, 1, 0)}}}
		if err := t.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("profile: %w", errors.Join(errs...))
	}
	return nil
}

// nothing is the smallest block there is, the mean of one number: what running it takes is what
// running anything takes.
var nothing = supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 1, Channels: 1}, Out: supernet.Shape{Size: 1, Channels: 1}}
