package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/host"
	"github.com/dynofa/dynofa/datasets/regular"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
)

// watching is what goes on beside a run: the monitor with its ladder, the control file, the drift of latencies.
type watching struct {
	monitor *monitor.Monitor
	drift   *monitor.Drift
	cancel  context.CancelFunc
	group   sync.WaitGroup
}

// watch starts what goes on beside the run and connects it to the configuration.
func (o *runOptions) watch(c *cli.Context) (*watching, error) {
	var out io.Writer = c.App.ErrWriter
	var terminal *screen
	if width, ok := terminalWidth(out); ok && o.listen == "" {
		terminal = &screen{w: out, width: width}
		out = terminal
	}
	log := slog.New(slog.NewTextHandler(out, nil))
	cfg := monitor.Config{FS: o.fsys, Health: o.health, Ladder: o.ladder, Logger: log}
	w := &watching{}
	var err error
	if w.monitor, err = monitor.New(cfg); err != nil {
		return nil, err
	}
	next := o.cfg.Trace
	var view *live
	if o.listen == "" { // the status page shows it otherwise
		view = newLive(o.cfg.Family, o.names()...)
		next = &liveRecorder{view, next}
	}
	if w.drift, err = monitor.NewDrift(monitor.DriftConfig{Family: o.cfg.Family, Processors: o.names(), Next: next, Logger: log}); err != nil {
		return nil, err
	}
	o.cfg.Trace, o.cfg.Health, o.cfg.Control = w.drift, o.health, runner.NewControl(o.cfg.Limit, o.cfg.Deadline, o.cfg.MinAccuracy)
	if o.cfg.Logger == nil && o.listen == "" {
		o.cfg.Logger = slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	ctx, cancel := context.WithCancel(c.Context)
	w.cancel = cancel
	o.cfg.Control.OnPowerMode(func(mode string) error { return o.setPowerMode(ctx, mode) })
	w.group.Go(func() { w.monitor.Run(ctx) })
	if view != nil {
		w.group.Go(func() { w.show(ctx, view, terminal, out) })
	}
	if o.control != "" {
		seen, _ := os.Stat(o.control) // before it is read: what changes meanwhile is read again
		applyControl(o.control, o.cfg.Control, log)
		w.group.Go(func() { followControl(ctx, o.control, seen, o.cfg.Control, log) })
	}
	return w, nil
}

// stop ends what watch started.
func (w *watching) stop() {
	w.cancel()
	w.group.Wait()
}

// notes says what the rails add up to.
func (w *watching) notes() []string {
	var notes []string
	if r, ok := w.monitor.Last(); ok {
		for _, e := range r.Energy {
			notes = append(notes, fmt.Sprintf("energy of %s: %.3g J in %v, on average %.3g W; standard error of sampling %.2g J, of the sensor unknown", e.Rail, float64(e.Joules), e.Span.Round(time.Millisecond), float64(e.Mean()), float64(e.Error)))
		}
		if len(r.Lost) > 0 {
			notes = append(notes, "sensors were lost: "+strings.Join(r.Lost, ", "))
		}
	}
	for _, l := range w.drift.Levels() {
		if l.Out {
			notes = append(notes, fmt.Sprintf("level %d takes %.2f times what the table predicts on %s", l.Level, l.Ratio, l.Processor))
		}
	}
	return notes
}

// names returns the processors that serve.
func (o *runOptions) names() []string {
	var names []string
	for _, p := range o.cfg.Serving() {
		names = append(names, p.Name)
	}
	return names
}

// newLadder puts a ladder in charge of a pool's levels.
func (o *runOptions) newLadder(c *cli.Context, pool *runner.Pool) (err error) {
	o.ladder, err = monitor.NewLadder(monitor.LadderConfig{FS: o.fsys, Levels: pool, Need: o.needs(),
		Trim:   func() { ort.Trim(); ort.SmallPages() },
		Logger: slog.New(slog.NewTextHandler(c.App.ErrWriter, nil))})
	return err
}

// needs estimates what each level takes of memory that the kernel cannot take back: mapped sessions hold activations and little
// else, but making one takes a copy of its weights for a moment.
func (o *runOptions) needs() []int64 {
	needs := make([]int64, len(o.cfg.Family.Levels))
	for i, l := range o.cfg.Family.Levels {
		needs[i] = 4*l.Params + 4<<20
	}
	return needs
}

// setPowerMode sets the device's power mode. If the device refuses, the run's safe level serves until the policy has seen what
// inferences take.
func (o *runOptions) setPowerMode(ctx context.Context, mode string) error {
	err := o.governor.Around(func() error { // the mode's limits are found anew
		change := host.Set(ctx, o.fsys, o.changer, host.Settings{PowerMode: mode})
		if len(change.Warnings) == 0 {
			return nil
		}
		return errors.New(strings.Join(change.Warnings, "; "))
	})
	if err != nil {
		o.health.Raise(runner.Alarm{Reason: runner.ReasonClockDenied, Detail: err.Error()})
	}
	return err
}

// controlEvery is how often the control file is looked at.
const controlEvery = 250 * time.Millisecond

// followControl applies the control file whenever it is not what was seen before, and at SIGHUP, until ctx
// ends.
func followControl(ctx context.Context, path string, seen os.FileInfo, control *runner.Control, log *slog.Logger) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	ticker := time.NewTicker(controlEvery)
	defer ticker.Stop()
	for {
		if info, err := os.Stat(path); err == nil && (seen == nil || !info.ModTime().Equal(seen.ModTime()) || info.Size() != seen.Size()) {
			seen = info
			applyControl(path, control, log)
		}
		select {
		case <-ctx.Done():
			return
		case <-hup:
			seen = nil
		case <-ticker.C:
		}
	}
}

func applyControl(path string, control *runner.Control, log *slog.Logger) {
	f, err := regular.Open(path)
	if err != nil {
		log.Warn("the control file cannot be read; the limits stay", "error", err)
		return
	}
	defer f.Close()
	limits, err := runner.ReadLimits(f)
	if err == nil {
		err = control.Apply(limits)
	}
	if err != nil {
		log.Warn("the control file is not applied as a whole", "file", path, "error", err)
		return
	}
	log.Info("limits changed", "limit", control.Limit(), "deadline", control.Deadline(), "min_accuracy", control.MinAccuracy(), "power_mode", control.PowerMode())
}
