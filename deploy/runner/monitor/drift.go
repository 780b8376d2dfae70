package monitor

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// DriftConfig says when latencies have left what the table predicts. Family, and Processor or Processors, are required.
type DriftConfig struct {
	Family    *family.Family
	Processor string
	// Processors are those of a run on several, in its order.
	Processors []string
	// Band is by how much the median of observed over predicted latency may be off 1, as a factor: with 0.25 a level drifts above 1.25
	// and below 1/1.25. It is back within half of that. Default 0.25.
	Band float64
	// Window is the number of a level's last inferences whose median counts; default 64.
	Window int
	Next   runner.Recorder // gets every record, too; nil: nobody
	Logger *slog.Logger    // nil: discard
}

// Drift compares, level by level and processor by processor, what inferences take with what the table says. It is a run's
// Recorder.
type Drift struct {
	cfg DriftConfig

	mu     sync.Mutex
	levels []drifting // of the first processor, then of the second, and so on
	sorted []float64  // reused
}

var _ runner.Recorder = (*Drift)(nil)

type drifting struct {
	predicted float64 // nanoseconds
	ratios    []float64
	next      int
	since     int // records since the median was computed
	ratio     float64
	out       bool
	left      uint64        // how often it went out
	told      time.Duration // when that was last logged, of the run's clock
	telling   bool          // whether the last time was logged
}

// NewDrift returns a detector. It returns an error for an unusable configuration.
func NewDrift(cfg DriftConfig) (*Drift, error) {
	if cfg.Band == 0 {
		cfg.Band = 0.25
	}
	if cfg.Window == 0 {
		cfg.Window = 64
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Family == nil || !(cfg.Band > 0) || cfg.Window < 8 || cfg.Window > 1<<20 {
		return nil, fmt.Errorf("monitor: drift: a family, a band above 0 (%g) and a window of at least 8 (%d) are required", cfg.Band, cfg.Window)
	}
	if len(cfg.Processors) == 0 {
		cfg.Processors = []string{cfg.Processor}
	}
	d := &Drift{cfg: cfg}
	for _, p := range cfg.Processors {
		for i := range cfg.Family.Levels {
			l, ok := cfg.Family.Latency(i, p)
			if !ok {
				return nil, fmt.Errorf("monitor: drift: the family has no latencies on processor %q", p)
			}
			d.levels = append(d.levels, drifting{predicted: float64(l.Latency)})
		}
	}
	return d, nil
}

// Flush implements runner.Recorder.
func (d *Drift) Flush() error {
	if d.cfg.Next == nil {
		return nil
	}
	return d.cfg.Next.Flush()
}

// Write implements runner.Recorder.
func (d *Drift) Write(r trace.Record) error {
	if n := len(d.cfg.Family.Levels); r.Outcome.Answered() && r.Decision.Level < n && r.Decision.Processor < len(d.cfg.Processors) {
		d.observe(r.Decision.Processor*n+r.Decision.Level, float64(r.End-r.Start)/d.slower(&r.Decision), r.End)
	}
	if d.cfg.Next == nil {
		return nil
	}
	return d.cfg.Next.Write(r)
}

// slower returns how much longer than the table says an inference takes at the clock step of a decision.
func (d *Drift) slower(c *policy.Decision) float64 {
	l, _ := d.cfg.Family.Latency(c.Level, d.cfg.Processors[c.Processor])
	if c.Clock < 1 || c.Clock > len(l.Points) {
		return 1
	}
	return float64(l.Points[c.Clock-1].Latency / l.Latency)
}

// quiet is how long nothing more is logged of a level: the metrics count every time.
const quiet = time.Minute

// observe takes in an inference of an entry of levels that ended at a time of the run. The median is computed eight times per
// window.
func (d *Drift) observe(at int, took float64, end time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := &d.levels[at]
	n := len(d.cfg.Family.Levels)
	level, processor := at%n, at/n
	name := d.cfg.Processors[processor]
	if len(l.ratios) < d.cfg.Window {
		l.ratios = append(l.ratios, took/l.predicted)
	} else {
		l.ratios[l.next] = took / l.predicted
		l.next = (l.next + 1) % d.cfg.Window
	}
	if l.since++; len(l.ratios) < d.cfg.Window || l.since < d.cfg.Window/8 {
		return
	}
	l.since = 0
	d.sorted = append(d.sorted[:0], l.ratios...)
	slices.Sort(d.sorted)
	l.ratio = d.sorted[len(d.sorted)/2]
	band := d.cfg.Band
	if l.out {
		band /= 2 // back within half of the band
	}
	switch out := l.ratio > 1+band || l.ratio < 1/(1+band); {
	case out && !l.out:
		l.out, l.left = true, l.left+1
		if l.telling = l.left == 1 || end-l.told >= quiet; !l.telling {
			return
		}
		l.told = end
		blocks, command := d.blocks(processor), "dynofa lut profile "
		if len(d.cfg.Processors) > 1 {
			command += "--processor " + name + " "
		}
		d.cfg.Logger.Warn("latency has left what the table predicts", "processor", name, "levels", d.names(processor), "level", level, "observed/predicted", fmt.Sprintf("%.2f", l.ratio),
			"blocks", len(blocks), "measure", command+"--only '"+strings.Join(blocks, "; ")+"'")
	case !out && l.out:
		l.out = false
		if !l.telling {
			return
		}
		d.cfg.Logger.Info("latency is what the table predicts again", "processor", name, "level", level, "observed/predicted", fmt.Sprintf("%.2f", l.ratio))
	}
}

// LevelDrift is how a level is doing on a processor.
type LevelDrift struct {
	Level     int
	Ratio     float64 // median of observed over predicted; 0 before a window is full
	Out       bool    // of the band
	Left      uint64  // how often it left the band
	Processor string
}

// Levels returns every level, of the first processor, then of the others.
func (d *Drift) Levels() []LevelDrift {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]LevelDrift, len(d.levels))
	for i, l := range d.levels {
		n := len(d.cfg.Family.Levels)
		all[i] = LevelDrift{i % n, l.ratio, l.out, l.left, d.cfg.Processors[i/n]}
	}
	return all
}

// of returns the levels of a processor.
func (d *Drift) of(processor int) []drifting {
	n := len(d.cfg.Family.Levels)
	return d.levels[processor*n : (processor+1)*n]
}

// names lists the levels of a processor that are out.
func (d *Drift) names(processor int) string {
	var names []string
	for i, l := range d.of(processor) {
		if l.out {
			names = append(names, fmt.Sprint(i))
		}
	}
	return strings.Join(names, ",")
}

// Blocks returns the entries of the first processor's table to measure again, in the form of lut profile's --only: those that levels out of the band
// have and no level that is known to be within it; all of the former if every one of them is shared.
func (d *Drift) Blocks() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.blocks(0)
}

func (d *Drift) blocks(processor int) []string {
	space, err := d.cfg.Family.Supernet()
	if err != nil {
		return nil // the family was validated
	}
	var suspects []lut.Key
	cleared := map[lut.Key]bool{}
	for i, l := range d.of(processor) {
		a := d.cfg.Family.Levels[i].Arch
		blocks, err := space.Blocks(a)
		if err != nil || !l.out && l.ratio == 0 {
			continue
		}
		for _, b := range blocks {
			if k := (lut.Key{Resolution: a.R, Block: b}); l.out {
				suspects = append(suspects, k)
			} else {
				cleared[k] = true
			}
		}
	}
	slices.SortFunc(suspects, lut.Key.Compare)
	suspects = slices.Compact(suspects)
	left := slices.DeleteFunc(slices.Clone(suspects), func(k lut.Key) bool { return cleared[k] })
	if len(left) == 0 {
		left = suspects
	}
	var names []string
	for _, k := range left {
		names = append(names, k.String())
	}
	return names
}
