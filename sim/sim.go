// Package sim plays a scenario against a family of sub-networks and a policy, and measures how the
// policy did. It calls the same deploy/policy code as the on-device runner and writes the same
// traces, so a decision that was simulated is the decision that a board takes.
//
// The model is one or several processors that serve one request, or one batch of requests, at a time
// each. Requests wait in order of deadline, then arrival, then number; a request without a deadline
// comes last. When a processor is free and a request waits, the policy decides about the first of
// them, after everything else that happens at that instant; if it waits, it is asked again at the time
// that it says, or when a request arrives or an inference ends before. A served request or batch takes
//
//	end = start + latency of the level x slow-down x noise
//
// where the latency is the family's prediction (for the batch's size), the noise is drawn once per request
// (a batch has that of its first one), and the slow-down is integrated: an inference during which a co-running program starts does part of its
// work at the old pace and the rest at the new one. A decision for another level than the loaded
// one first stops service for the scenario's switch time of that policy; this time is no part of the
// inference's latency.
//
// Arrivals and noise come from the random streams "arrivals" and "noise", and request n has the nth
// noise whatever a policy does with the requests before it, so all policies meet the same arrivals
// (of open arrival processes) and the same luck.
//
// On a board (Config.Board) an inference is an activity of package platform instead, whose work is the family's
// latency, times the noise, at the reference clock. Applications and processors then share cores, GPU and
// memory, clocks change, and power and temperature are accounted for. Without a board processors do not slow each other down.
//
// The package measures nothing; its latencies are as good as the family's, and every trace says so.
package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

// Config says what to simulate. It is only read, so several runs may share what it points to.
type Config struct {
	Scenario *traffic.Scenario // required
	Family   *family.Family    // required; it has the processors and the scenario's initial level
	// Processors serve, by the family's names; nil stands for the scenario's.
	Processors []string
	Policy     string // required: a spec such as "slack" or "static:3"
	// Params are parameters of the policy. They go over those of the scenario for this policy, one by
	// one.
	Params map[string]string
	// Seed is the root of the random streams; 0 stands for the scenario's seed.
	Seed uint64
	// Replication is the number of the repetition, not negative: others have unrelated random numbers.
	Replication int
	// Program stands in the trace as what wrote it, "dynofa" by default.
	Program string
	// Board is what the run takes place on; it is only read. Nil stands for none: latencies are the family's, and nothing
	// is known of clocks, power and temperature.
	Board *platform.Config
	// Demand is what inferences take of the board.
	Demand Demand
	// App names the application among several on a board.
	App string
	// Calibration has recorded latencies, which take the place of the family's latencies, the scenario's noise,
	// slow-downs and switching times, for a single processor without a board and without batches; nil: none. The policy goes on seeing the
	// family's.
	Calibration *Calibration
	// Loads are the co-running programs beside the run, which choose among the calibration's latencies.
	Loads []trace.Load
	// NewPolicy builds the policy; nil stands for policy.New.
	NewPolicy func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error)
}

// Result is what came out of a run.
type Result struct {
	Scenario *traffic.Scenario // that was played
	// Profile is the slow-down of the processor in this replication.
	Profile traffic.Profile
	Trace   *trace.Trace
	Metrics Metrics
	// Platform is what became of the board; nil without one.
	Platform *platform.Report
	// Fingerprint condenses every event and decision of the run, see des.Kernel.Fingerprint: equal runs
	// have equal fingerprints, whatever the program that wrote their traces.
	Fingerprint uint64
	// Events is the number of events that were handled.
	Events uint64
}

// initialLevel is the parameter by which a policy is told which level is loaded at the start.
const initialLevel = "initial_level"

// Validate returns what makes a run of c impossible, all problems joined. It builds the policy once,
// so a spec or parameter that the policy refuses counts.
func (c Config) Validate() error {
	_, err := c.prepare()
	return err
}

// Run plays a scenario to its end: until no request arrives any more and none waits. A policy that
// takes the parameter initial_level is told the scenario's initial level, unless the parameters give
// another.
//
// It returns Validate's error; an error that names policy and request if the policy answers
// nonsense, or if a request would end beyond the representable times or the run outgrow
// trace.MaxRecords; or the context's error. The same Config gives the same Result. It takes time
// and memory in proportion to the requests, some 250 bytes each.
func Run(ctx context.Context, c Config) (*Result, error) {
	s, err := c.prepare()
	if err != nil {
		return nil, err
	}
	s.noteFamily()
	s.source = newScenarioSource(s.scenario, c.seed(), c.Replication, c.App)
	return c.play(ctx, s)
}

// play runs a server by itself, or alone on its board.
func (c Config) play(ctx context.Context, s *server) (*Result, error) {
	c, err := c.OnBoard()
	if err != nil {
		return nil, err
	}
	if c.Board == nil {
		return s.run(ctx)
	}
	results, err := (&boardRun{kernel: des.New(), servers: []*server{s}}).play(ctx, &c)
	if err != nil {
		return nil, err
	}
	return results[0], nil
}

func (c Config) seed() uint64 {
	if c.Seed != 0 {
		return c.Seed
	}
	return c.Scenario.Seed
}

// prepare checks c and returns a server that lacks only its source of requests.
func (c Config) prepare() (*server, error) {
	var errs []error
	if c.Scenario == nil {
		errs = append(errs, errors.New("no scenario"))
	} else if err := c.Scenario.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Family == nil {
		errs = append(errs, errors.New("no family"))
	} else if err := c.Family.Validate(); err != nil {
		errs = append(errs, err)
	}
	if c.Replication < 0 {
		errs = append(errs, fmt.Errorf("replication %d is negative", c.Replication))
	}
	if len(errs) > 0 {
		return nil, fmt.Errorf("sim: %w", errors.Join(errs...))
	}
	c, err := c.OnBoard()
	if err != nil {
		return nil, fmt.Errorf("sim: scenario %s: %w", c.Scenario.Name, err)
	}
	if err := refuse(c.Scenario, c.Board != nil); err != nil {
		return nil, fmt.Errorf("sim: scenario %s cannot be simulated: %w", c.Scenario.Name, err)
	}
	c.Scenario = single(c.Scenario)
	f, err := restrict(c.Family, c.processors())
	if err != nil {
		return nil, fmt.Errorf("sim: scenario %s: %w", c.Scenario.Name, err)
	}
	if n := len(f.Levels); c.Scenario.InitialLevel >= n {
		return nil, fmt.Errorf("sim: scenario %s: initial level %d is outside [0, %d], the levels of family %s", c.Scenario.Name, c.Scenario.InitialLevel, n-1, f.Name)
	}
	model, f, p, params, err := c.manager(f)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	c = c.withOwnPoints(f)
	s := &server{
		scenario:   c.Scenario,
		switchTime: c.Scenario.SwitchTime(policy.Name(c.Policy)), model: model, policy: p, spec: c.Policy,
		noise:     c.Scenario.Noise.Source(traffic.Stream(c.seed(), c.Replication, streamName("noise", c.App))),
		lastLevel: -1, lastProcessor: -1,
	}
	for _, name := range c.processors() {
		s.processors = append(s.processors, processor{profile: c.Scenario.ProfileIn(name, c.seed(), c.Replication), loaded: c.Scenario.InitialLevel})
	}
	s.header = c.header(f, params)
	s.header.Blind = blind(c.Scenario)
	s.header.Steps = c.Board != nil && len(s.model.Clocks) > 0 && choosesClocks(s.policy)
	if err := s.calibrate(&c); err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	if c.Board != nil {
		if err := s.place(&c, c.processors()); err != nil {
			return nil, fmt.Errorf("sim: scenario %s: %w", c.Scenario.Name, err)
		}
	}
	return s, nil
}

// manager builds the policy. On a board one that chooses clocks gets the family with the board's operating points, and
// so does the trace.
func (c Config) manager(f *family.Family) (*policy.Model, *family.Family, policy.Policy, map[string]string, error) {
	placed := f
	if c.Board != nil && c.Board.Validate() == nil {
		var err error
		if placed, err = OperatingPoints(f, c.Board, c.Demand, c.Modes()...); err != nil {
			return nil, nil, nil, nil, err
		}
	}
	m, err := policy.NewModel(placed)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	p, params, err := c.newPolicy(m)
	if err != nil {
		return nil, nil, nil, nil, err
	}
	if !choosesClocks(p) && placed != f {
		m, err = policy.NewModel(f)
		placed = f
	}
	return m, placed, p, params, err
}

// streamName returns the name of an application's random stream.
func streamName(name, app string) string {
	if app == "" {
		return name
	}
	return name + " of " + app
}

// processors returns the names of what serves.
func (c Config) processors() []string {
	if len(c.Processors) > 0 {
		return c.Processors
	}
	return c.Scenario.Applications()[0].May()
}

// newPolicy builds the policy and returns it with its parameters, nil if it has none.
func (c Config) newPolicy(m *policy.Model) (policy.Policy, map[string]string, error) {
	build := c.NewPolicy
	if build == nil {
		build = policy.New
	}
	params := c.Scenario.Params(policy.Name(c.Policy))
	maps.Copy(params, c.Params)
	if _, given := params[initialLevel]; !given {
		// Only the policy knows its parameters, and it refuses those that it does not know.
		told := maps.Clone(params)
		told[initialLevel] = strconv.Itoa(c.Scenario.InitialLevel)
		if p, err := build(c.Policy, told, m); err == nil {
			return p, told, nil
		}
	}
	p, err := build(c.Policy, params, m)
	if len(params) == 0 {
		params = nil
	}
	return p, params, err
}

// header describes the run. The family is the restricted one, so that decisions index its
// processors and a replay builds the same policy.
func (c Config) header(f *family.Family, params map[string]string) trace.Header {
	h := trace.Header{
		Version: trace.FormatVersion, Program: c.Program, Kind: trace.Simulated, Policy: c.Policy,
		Params: params, Scenario: c.Scenario.Name, Seed: c.seed(), Family: *f,
		Notes: []string{fmt.Sprintf("simulated: latencies are those of family %s on %s, times the slow-down and noise of the scenario; nothing was measured in this run", f.Name, strings.Join(c.processors(), " and "))},
	}
	h.Concurrent = len(c.processors()) > 1
	for i := range f.Levels {
		for _, l := range f.Levels[i].Latencies {
			h.Concurrent = h.Concurrent || len(l.Batches) > 0
		}
	}
	if h.Program == "" {
		h.Program = "dynofa"
	}
	if c.Replication > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("replication %d of the seed's random numbers", c.Replication))
	}
	return h
}

// noteFamily says so if the scenario is played with another family than the one that it names.
func (s *server) noteFamily() {
	if s.scenario.Family != s.header.Family.Name {
		s.header.Notes = append(s.header.Notes, fmt.Sprintf("scenario %s was made for family %s", s.scenario.Name, s.scenario.Family))
	}
}

// restrict returns a family with the latencies of some processors only, in their order.
func restrict(f *family.Family, processors []string) (*family.Family, error) {
	some := *f
	some.Levels = slices.Clone(f.Levels)
	some.Clocks = nil
	for l := range some.Levels {
		some.Levels[l].Latencies = nil
	}
	for k, name := range processors {
		i := slices.Index(f.Processors(), name)
		if i < 0 || slices.Contains(processors[:k], name) {
			return nil, fmt.Errorf("processor %q is none of family %s, or repeated: %q", name, f.Name, f.Processors())
		}
		for l := range some.Levels {
			some.Levels[l].Latencies = append(some.Levels[l].Latencies, f.Levels[l].Latencies[i])
		}
		if clocks := f.ClocksOf(name); clocks != nil {
			some.Clocks = append(some.Clocks, *clocks)
		}
	}
	return &some, nil
}

// maxTime bounds simulated times, so that no sum of two overflows: some 146 years.
const maxTime = des.Forever / 2

// finish returns when an inference ends that starts at start and would take work nanoseconds
// undisturbed, false if that is beyond maxTime. While the profile's slow-down is s, a nanosecond does
// 1/s of a nanosecond's work. The end is rounded to the nanosecond once, and is at least one after the
// start. O(steps of the profile).
func finish(profile traffic.Profile, start time.Duration, work float64) (time.Duration, bool) {
	at, slow := start, profile.At(start)
	for {
		need := work * slow
		step, more := profile.Next(at)
		if !more || need <= float64(step.At-at) {
			if !(need < float64(maxTime-at)) {
				return 0, false
			}
			return max(at+roundDuration(need), start+1), true
		}
		work -= float64(step.At-at) / slow
		at, slow = step.At, step.Slowdown
	}
}
