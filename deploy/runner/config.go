// Package runner serves requests on a device: it keeps a session of every level resident, asks the
// runtime manager (package policy, the code that was simulated) which level answers next, runs it
// and records what happened.
//
// The loop is one goroutine. Requests arrive by a schedule and wait in a queue, earliest deadline
// first. For each, the policy sees an Observation and decides; the picture is prepared for the
// level's resolution; the session runs; the policy is told how long that took. An inference's time is
// the session's run alone: preparing the picture comes before it, finding the best class after it.
// Both, and everything else that the loop does, count towards the deadline like waiting does.
//
// An inference that fails is an answer that is missing, not the end: the level rests, and the least
// accurate level that still works takes its requests meanwhile. A cancelled context ends the run
// after the inference under way, with the trace complete.
//
// On a board with several processors each has sessions of its own and a worker that runs them, one inference at a time on
// each. Queue and policy stay in the loop, which takes one decision after the other: which level, and where. See Config.Processors.
//
// The package loads no model into a runtime (the caller gives it sessions), opens no network
// connection and reads no sensor.
package runner

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// Session is a level's network, ready to run. Only one goroutine of the runner calls it at a time.
type Session interface {
	// Input returns the memory of the input, NCHW float32 with N = 1; always the same slice.
	Input() []float32
	// Output returns the memory of the output, one logit per class; always the same slice.
	Output() []float32
	// Run computes the output from the input.
	Run() error
}

// Pictures are what requests ask about; request i is about picture i modulo Len. Package images'
// Folder and Set are such.
type Pictures interface {
	Len() int // at least 1
	// Name tells picture i apart in messages.
	Name(i int) string
	// Label is the class of picture i, negative if it is not known.
	Label(i int) int
	// Image decodes picture i.
	Image(i int) (image.Image, error)
}

// Recorder takes the records of a run. A *trace.Writer made with Config.Header is one.
type Recorder interface {
	// Write is called once per request, in order of decision. What r refers to is only valid during
	// the call.
	Write(r trace.Record) error
	// Flush is called when there is time, and at the end.
	Flush() error
}

// Clock tells the time and waits. Now is the time since any fixed start and never falls. With several processors both are called
// from several goroutines.
type Clock interface {
	Now() time.Duration
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Arrivals says how requests arrive.
type Arrivals string

// The ways in which requests arrive.
const (
	ClosedLoop Arrivals = "closed"   // the next when the last is done with, Period later; one such client for each processor
	Periodic   Arrivals = "periodic" // one every Period
	Poisson    Arrivals = "poisson"  // independent, one every Period on average
)

// Config is one run. Family, Sessions or Pool, Pictures or Inbox, and Policy are required.
type Config struct {
	Family *family.Family
	// Processor is where the sessions run, one of the family's; default its first. The policy sees
	// this one alone.
	Processor string
	Sessions  []Session // one per level of the family; or:
	// Pool has the sessions, of which at least one must be resident. A level that is not serves no
	// request and is asked for in the background; the least accurate resident one serves meanwhile.
	// Levels of a pool are not warmed up: Pool.Load has done that.
	Pool *Pool
	// Processors are several processors that serve at the same time, in the order in which the policy knows them, each with its own
	// sessions; then Processor, Sessions and Pool are left out. Preparing pictures, and whatever else costs time before
	// an inference, is done where the inference runs, so that the loop waits for nobody.
	Processors []Processor
	// HangAfter is how long one of several Processors may take for a request; then the request fails, the processor is
	// taken out of service until that inference ends after all, and an alarm is raised. 0: fifty times the predicted latency, at least 2 s.
	HangAfter time.Duration
	// Pictures are what the requests of Arrivals ask about.
	Pictures Pictures
	// Transform turns pictures into inputs; the zero value is ImageNet's.
	Transform images.Transform
	// Inbox has the requests instead, from outside. Then Pictures, Arrivals, Period, Requests and
	// Duration say nothing; the run ends when the inbox is closed and its requests are done with.
	Inbox *Inbox

	Policy bundle.Policy
	// NewPolicy builds the policy; default policy.New.
	NewPolicy func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error)

	Arrivals    Arrivals      // default ClosedLoop
	Period      time.Duration // see Arrivals; required but for ClosedLoop, where 0 means at once
	Seed        uint64        // of Poisson arrivals
	Requests    int64         // end after so many; 0: no such end
	Duration    time.Duration // no arrivals from then on; 0: no such end
	Deadline    time.Duration // of a request, after its arrival; 0: none
	Limit       time.Duration // latency that each inference is required to keep, for the policy; 0: none
	MinAccuracy unit.Accuracy // accuracy that is required of the level that serves, for the policy; 0: none

	// Control changes Deadline, Limit and MinAccuracy while the run goes on, and takes their place; nil:
	// they stay.
	Control *Control

	// Health has alarms about the device; nil: none but the runner's own.
	Health *Health

	// Clocks tells the clocks of processors, to a policy that chooses them; nil: nobody knows, and they are taken to be at
	// their highest step. Governor sets them, and needs Clocks; nil: they stay as they are, and the policy knows no others.
	// What Governor has changed is its owner's to put back.
	Clocks   Clocks
	Governor Governor

	// Warmup is how often every level runs before time begins; default 2, negative never.
	Warmup int
	// RetryAfter is how long a level rests after a failed inference; default 1 s.
	RetryAfter time.Duration
	// CacheBytes bounds the prepared pictures that are kept; default 64 MiB, negative none.
	CacheBytes int64

	// Alive is called from the loop's goroutine every AliveEvery (default 1 s) or a little later, as long as the loop goes
	// round: serving or waiting, but not while an inference or a picture hangs. nil: nobody wants to know.
	Alive      func(Progress)
	AliveEvery time.Duration

	Trace   Recorder     // nil: no trace
	Answer  func(Answer) // called for every answered request, after it is recorded
	Logger  *slog.Logger // nil: discard
	Clock   Clock        // nil: the machine's
	Program string       // name and version, for the trace
	// Loads are the co-running programs that the caller starts beside the run, in the run's time, for the trace; the
	// runner starts none.
	Loads []trace.Load
	Notes []string // doubts that travel with trace and report
}

// Answer is a request's result.
type Answer struct {
	Request int64
	Picture int
	Level   int
	Class   int // of the largest logit; the first of equals
	Label   int // negative if it is not known
	Latency time.Duration
	Outcome trace.Outcome
	// Processor is the index of the one that answered among those that serve.
	Processor int
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	c = c.oneOnly()
	if c.Processor == "" && len(c.Processors) == 0 && c.Family != nil && len(c.Family.Processors()) > 0 {
		c.Processor = c.Family.Processors()[0]
	}
	if c.NewPolicy == nil {
		c.NewPolicy = policy.New
	}
	if c.Arrivals == "" {
		c.Arrivals = ClosedLoop
	}
	if c.Warmup == 0 {
		c.Warmup = 2
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = time.Second
	}
	if c.CacheBytes == 0 {
		c.CacheBytes = 64 << 20
	}
	if c.AliveEvery <= 0 {
		c.AliveEvery = time.Second
	}
	if c.Answer == nil {
		c.Answer = func(Answer) {}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil && c.Inbox != nil {
		c.Clock = c.Inbox.clock
	}
	if c.Clock == nil {
		c.Clock = newWallClock()
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
	if c.Family == nil {
		errs = append(errs, errors.New("no family given"))
	} else if err := c.Family.Validate(); err != nil {
		errs = append(errs, err)
	} else {
		errs = append(errs, c.checkProcessors())
	}
	errs = append(errs, c.Transform.Validate())
	check(c.Inbox == nil && (c.Pictures == nil || c.Pictures.Len() < 1), "no pictures given")
	check(c.Arrivals != ClosedLoop && c.Arrivals != Periodic && c.Arrivals != Poisson,
		"arrivals %q are none of %s, %s, %s", c.Arrivals, ClosedLoop, Periodic, Poisson)
	check(c.Period < 0 || c.Arrivals != ClosedLoop && c.Period == 0, "%s arrivals with a period of %v", c.Arrivals, c.Period)
	check(c.Requests < 0, "%d requests", c.Requests)
	check(c.Duration < 0 || c.Deadline < 0 || c.Limit < 0 || c.RetryAfter < 0 || c.HangAfter < 0,
		"duration %v, deadline %v, limit %v, retry after %v or hang after %v is negative", c.Duration, c.Deadline, c.Limit, c.RetryAfter, c.HangAfter)
	check(c.Governor != nil && c.Clocks == nil, "a governor without anything that tells the clocks")
	errs = append(errs, c.MinAccuracy.Validate())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("runner: %w", err)
	}
	return nil
}

// checkSessions returns an error unless there is a session of the right shape for each level of a processor.
func (c Config) checkSessions(p Processor) error {
	s, err := c.Family.Supernet()
	if err != nil {
		return err
	}
	if s.InChannels != 3 {
		return fmt.Errorf("space %q takes pictures of %d channels, want 3", s.Name, s.InChannels)
	}
	if p.Pool != nil {
		if p.Sessions != nil {
			return errors.New("both sessions and a pool are given")
		}
		if p.Pool.Len() != len(c.Family.Levels) {
			return fmt.Errorf("a pool of %d levels for %d", p.Pool.Len(), len(c.Family.Levels))
		}
		resident := 0
		for i := range c.Family.Levels {
			if session := p.Pool.Session(i); session != nil {
				resident++
				if err := c.checkSession(s, i, session); err != nil {
					return err
				}
			}
		}
		if resident == 0 {
			return errors.New("no level of the pool is resident")
		}
		return nil
	}
	if len(p.Sessions) != len(c.Family.Levels) {
		return fmt.Errorf("%d sessions for %d levels", len(p.Sessions), len(c.Family.Levels))
	}
	for i := range c.Family.Levels {
		if p.Sessions[i] == nil {
			return fmt.Errorf("level %d has no session", i)
		}
		if err := c.checkSession(s, i, p.Sessions[i]); err != nil {
			return err
		}
	}
	return nil
}

// checkSession returns an error unless a session has the shape of its level.
func (c Config) checkSession(space *supernet.Space, level int, s Session) error {
	r := c.Family.Levels[level].Arch.R
	if in, out := len(s.Input()), len(s.Output()); in != space.InChannels*r*r || out != space.Classes {
		return fmt.Errorf("level %d: the session takes %d values and gives %d, want %d and %d", level, in, out, space.InChannels*r*r, space.Classes)
	}
	return nil
}

// family returns the family as the policy sees it: with the processors that serve alone, whose sessions take one
// request at a time, for policies that choose no clocks: of the operating points the fastest is left, whose energy counts.
func (c Config) family() family.Family {
	f := *c.Family
	f.Levels = slices.Clone(f.Levels)
	f.Clocks = nil
	for i := range f.Levels {
		f.Levels[i].Latencies = c.latencies(i)
	}
	return f
}

// build returns the policy and what it knows.
func (c Config) build() (policy.Policy, *policy.Model, error) {
	p, m, _, err := c.managed()
	return p, m, err
}

// Header returns the header of the run's trace, for whoever makes the Recorder. Replaying the
// records through the policy that it names gives the recorded decisions, save those with
// ReasonSafeLevel.
func (c Config) Header() (trace.Header, error) {
	if err := c.Validate(); err != nil {
		return trace.Header{}, err
	}
	c = c.withDefaults()
	p, _, f, err := c.managed()
	if err != nil {
		return trace.Header{}, fmt.Errorf("runner: %w", err)
	}
	return trace.Header{
		Version: trace.FormatVersion, Program: c.Program, Kind: trace.Measured,
		Policy: p.Spec(), Params: c.Policy.Params, Seed: c.Seed, Concurrent: c.together(), Steps: len(f.Clocks) > 0, Loads: c.Loads, Family: f,
		Notes: c.notes(),
	}, nil
}

// notes returns the doubts about the run's numbers: the caller's, the family's, and what kind of
// number its accuracies are.
func (c Config) notes() []string {
	notes := slices.Concat(c.Notes, c.Family.Notes)
	for _, l := range c.Family.Levels {
		if l.AccuracyOrigin == family.AccuracyStandIn {
			notes = append(notes, "accuracies are stand-ins: nothing was classified to obtain them")
			break
		}
	}
	slices.Sort(notes)
	return slices.Compact(notes)
}

// argmax returns the index of the largest value, the first of equals, or an error if a value is not
// finite: a network that answers NaN is broken.
func argmax(values []float32) (int, error) {
	best := 0
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return 0, fmt.Errorf("output %d is %g", i, v)
		}
		if v > values[best] {
			best = i
		}
	}
	return best, nil
}
