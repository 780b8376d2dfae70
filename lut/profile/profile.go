package profile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/lut/load"
)

// ErrBudget is wrapped if the budget was used up before anything was measured.
var ErrBudget = errors.New("the budget was used up before anything was measured")

// Result is what a run came to.
type Result struct {
	Table *lut.Table // valid
	// Complete is false if the run stopped for the budget: the same command measures on.
	Complete bool
}

// Run measures every distinct block of the space at each resolution and the whole networks, and
// returns the table, which is valid. On any error, a cancelled context included, it returns no table:
// what was measured until then is in the journal, if there is one. An error of the meter names the
// block or network; one that wraps ErrBudget says that there was no time.
func Run(ctx context.Context, cfg Config, m Meter) (Result, error) {
	if err := cfg.Validate(); err != nil {
		return Result{}, err
	}
	r := &run{Config: cfg.withDefaults(), meter: m, neighbours: cfg.hasNeighbours()}
	err := r.measure(ctx)
	if err = errors.Join(err, r.close()); err == nil {
		var t *lut.Table
		if t, err = r.table(); err == nil {
			return Result{t, !r.outOfTime}, nil
		}
	}
	return Result{}, fmt.Errorf("profile: %w", err)
}

// run is one run of the profiler.
type run struct {
	Config
	meter      Meter
	began      time.Duration
	neighbours bool // that nobody sees
	plan       *plan
	probes     []Probe // by unit
	opened     []Probe // each once, to be closed
	load       *load.Process
	conditions conditions
	next       time.Duration // when the next run may start, with a period

	samples   *samples
	partial   []series // of the round in which the budget ended, by unit
	resumed   int      // rounds of earlier runs
	warmup    int      // rounds dropped
	stop      string   // why the rounds ended
	outOfTime bool
}

// errOutOfTime ends a round within.
var errOutOfTime = errors.New("out of time")

func (r *run) measure(ctx context.Context) error {
	r.began = r.now()
	var err error
	if r.plan, err = newPlan(r.Config); err != nil {
		return err
	}
	if err := r.resume(ctx); err != nil {
		return err
	}
	if r.done() {
		return nil
	}
	r.conditions = readBefore(r.Host)
	if r.Load != nil {
		if r.load, err = load.Start(ctx, *r.Load); err != nil {
			return err
		}
	}
	err = r.prepare(ctx)
	if err == nil {
		err = r.warm(ctx)
	}
	if err == nil {
		err = r.rounds(ctx)
	}
	if errors.Is(err, errOutOfTime) {
		r.outOfTime, err = true, nil
		r.stop = "the budget of " + r.Budget.String() + " was used up"
	}
	r.conditions.readAfter(r.Host)
	return err
}

// resume takes the rounds of earlier runs from the journal.
func (r *run) resume(ctx context.Context) error {
	r.samples = newSamples(r.plan)
	if r.Journal == nil {
		return nil
	}
	rounds, err := r.Journal.Rounds(ctx)
	if err != nil {
		return err
	}
	for i, b := range rounds {
		one, err := decodeRound(b, r.plan.units(), len(r.plan.targets))
		if err != nil {
			return fmt.Errorf("journal: round %d: %w", i, err)
		}
		r.samples.add(one)
	}
	r.resumed = len(rounds)
	return nil
}

// prepare opens a probe for each distinct block, pair and network, and for the null model.
func (r *run) prepare(ctx context.Context) error {
	total := r.plan.units()
	since := r.elapsed()
	byBlock := map[supernet.Block]Probe{}
	for u := range total {
		if err := r.check(ctx); err != nil {
			return err
		}
		p, err := r.open(ctx, u, byBlock)
		if err != nil {
			return fmt.Errorf("%s: prepare: %w", r.plan.name(u), err)
		}
		r.probes = append(r.probes, p)
		r.Progress(Progress{Phase: Preparing, Done: u + 1, Total: total, Elapsed: r.elapsed(), Since: since})
	}
	return nil
}

// open makes a unit's probe; targets with the same block at another resolution share one.
func (r *run) open(ctx context.Context, u int, byBlock map[supernet.Block]Probe) (p Probe, err error) {
	targets := r.plan.targets
	switch {
	case u < len(targets):
		b := targets[u].block
		if p, ok := byBlock[b]; ok {
			return p, nil
		}
		defer func() { byBlock[b] = p }()
		p, err = r.meter.Prepare(ctx, b)
	case u < r.plan.network(0):
		q := r.plan.pairs[u-len(targets)]
		p, err = r.meter.Prepare(ctx, targets[q.a].block, targets[q.b].block)
	case u < r.plan.null():
		p, err = r.meter.PrepareNetwork(ctx, r.plan.networks[u-r.plan.network(0)])
	default:
		p, err = r.meter.Prepare(ctx, nothing)
	}
	if err == nil {
		r.opened = append(r.opened, p)
	}
	return p, err
}

// rounds measures until it is enough.
func (r *run) rounds(ctx context.Context) error {
	since := r.elapsed()
	for !r.done() {
		start := r.elapsed()
		one, err := r.round(ctx, r.samples.rounds, false)
		if err != nil {
			return err
		}
		if r.Clock == Auto { // no warm-up
			r.Clock = r.detectClock(one.units)
		}
		if r.Journal != nil {
			if err := r.Journal.Append(ctx, r.samples.rounds, one.encode()); err != nil {
				return err
			}
		}
		r.samples.add(one)
		now := r.elapsed()
		r.Progress(Progress{Phase: Measuring, Done: r.samples.rounds, Total: r.most(), Elapsed: now, Began: r.resumed, Since: since})
		// A round is expected to take as long as the one before.
		if r.Budget > 0 && r.samples.rounds >= MinMedian && now+(now-start) > r.Budget && !r.done() {
			return errOutOfTime
		}
	}
	return nil
}

func (r *run) most() int {
	if r.Rounds > 0 {
		return r.Rounds
	}
	return r.MaxRounds
}

// done reports whether enough rounds were measured, and notes why.
func (r *run) done() bool {
	n := r.samples.rounds
	switch {
	case n >= r.most():
		r.stop = fmt.Sprintf("%d rounds were done", n)
		if r.Rounds == 0 {
			r.stop += ", the most allowed"
		}
		return true
	case r.Rounds > 0 || !isLook(n):
		return false
	}
	clock := r.clock()
	for u := range r.plan.null() {
		if u >= len(r.plan.targets) && u < r.plan.network(0) { // a pair
			continue
		}
		times, _, _ := r.samples.units[u].use(clock)
		if !precise(summarize(times, lookAlpha), r.Target) {
			return false
		}
	}
	r.stop = fmt.Sprintf("every median is known to +-%.2g%% or 1us", 100*r.Target)
	return true
}

// clock returns the clock in use, by what the samples tell if nobody has said.
func (r *run) clock() Clock {
	if r.Clock != Auto {
		return r.Clock
	}
	for _, s := range r.samples.units {
		if len(s) > 0 && r.detectClock(s) == Wall {
			return Wall
		}
	}
	return Thread
}

// round runs every unit once. When the budget ends in between it leaves what it has in partial.
func (r *run) round(ctx context.Context, i int, warmup bool) (round, error) {
	one := round{units: make([]Sample, r.plan.units())}
	for _, u := range r.plan.round(i, warmup) {
		if err := r.check(ctx); err != nil {
			if errors.Is(err, errOutOfTime) && !warmup {
				r.keep(one)
			}
			return one, err
		}
		s, err := r.visit(ctx, u)
		if err != nil {
			return one, err
		}
		one.units[u] = s
	}
	if warmup || i%2 == 0 || i/2 >= r.Hot {
		return one, nil
	}
	one.hot = make([]Sample, len(r.plan.targets))
	for _, u := range r.plan.hotOrder(i) {
		if err := r.check(ctx); err != nil {
			return one, err
		}
		if _, err := r.visit(ctx, u); err != nil {
			return one, err
		}
		s, err := r.visit(ctx, u)
		if err != nil {
			return one, err
		}
		one.hot[u] = s
	}
	return one, nil
}

// keep saves the samples of a round that was cut short.
func (r *run) keep(one round) {
	r.partial = make([]series, len(one.units))
	for u, s := range one.units {
		if s.Wall > 0 {
			r.partial[u] = series{s}
		}
	}
}

// visit runs a unit once, when it is time to.
func (r *run) visit(ctx context.Context, u int) (Sample, error) {
	if period := r.Point.Period; period > 0 {
		if wait := r.next - r.now(); wait > 0 {
			if err := r.Sleep(ctx, wait); err != nil {
				return Sample{}, err
			}
		}
		if late := r.now() - r.next; late >= period { // or the first
			r.next += late
		}
		r.next += period
	}
	s, err := r.probes[u].Run()
	for again := 0; err == nil && r.Clock == Thread && s.CPU == 0 && again < 3; again++ { // see mostUntold
		s, err = r.probes[u].Run()
	}
	switch {
	case err != nil:
	case s.Wall <= 0 || s.Wall > longestSample || s.CPU < 0 || s.CPU > longestSample:
		err = fmt.Errorf("the meter returned %v of wall and %v of processor time", s.Wall, s.CPU)
	case r.Clock == Thread && s.CPU == 0:
		err = errors.New("the meter does not tell processor time")
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w", r.plan.name(u), err)
	}
	return s, nil
}

// check returns why to stop, if so.
func (r *run) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if r.Budget > 0 && r.elapsed() >= r.Budget {
		return errOutOfTime
	}
	return nil
}

func (r *run) now() time.Duration {
	if r.Now == nil {
		return 0
	}
	return r.Now()
}

func (r *run) elapsed() time.Duration { return r.now() - r.began }

// close frees the probes and stops the load; one that ended by itself spoils the measurement.
func (r *run) close() error {
	var errs []error
	if r.load != nil {
		errs = append(errs, r.load.Stop())
	}
	for _, p := range r.opened {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
