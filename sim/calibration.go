package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
)

// Calibration is what a recorded run says about a device: beside each set of co-running loads how long its
// inferences took, compared with what the table says, and how long the loop around them did. A simulation draws
// from it instead of a model's noise, see Config.Calibration.
//
// The draws are a block bootstrap: from a random place in the recording some blockMean inferences in a row, then from
// another place. So what is slow for a while stays slow for a while, whatever its distribution.
//
// What was recorded at one level speaks for the others, since a policy chooses its level by what it has just seen, and a
// level's own inferences are no fair sample. An inference is so much work: its level's latency in the table times the
// median ratio of what that level took. An inference of a level that was recorded at some place has exactly the recorded latency.
// One that is more work goes on into the recorded inferences that follow; one that is less takes its share. What an
// inference took above its median is spread over its work, unless it is more than a share of
// interruption: then it is taken for one interruption somewhere in it, which a part of the inference meets with the
// probability of its share. At another clock than it was recorded at an inference takes as many times longer as its operating points
// say.
//
// Source: H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
// Statistics 17, 1989; block lengths are geometric as in D. N. Politis, J. P. Romano, "The stationary bootstrap",
// JASA 89, 1994. The work axis is ours.
type Calibration struct {
	states []recordedState // ascending by loads
	levels int
}

// recordedState is what was recorded beside one set of loads.
type recordedState struct {
	loads  string              // as trace.LoadsAt names them
	all    []recordedInference // in order of decision
	ratios []float64           // by level: median of what it took over what the table says
	after  []time.Duration     // from the end of an inference to the next decision, if a request waited
	wake   []time.Duration     // from an arrival to the decision, if none waited
}

// recordedInference is what a served request took.
type recordedInference struct {
	before time.Duration // from the decision to the inference's start
	level  int
	ratio  float64 // latency over what the table says at its clock
	work   float64 // nanoseconds: the median ratio of the level times what the table says
	excess float64 // nanoseconds above work
}

const (
	// blockMean is the mean number of inferences that are drawn in a row.
	blockMean = 20
	// fewInferences is the number from which on a level has a median ratio of its own. Others have that of the
	// nearest level that has.
	fewInferences = 20
	// interruption is the share of an inference's work from which on what it took in excess is one interruption.
	interruption = 0.25
)

// Calibrate reads a calibration off a recorded run with one processor. Records of batches and failures count
// for nothing, and neither do times that run backwards, as they may where a clock was set. It returns an error for a concurrent
// trace, or one in which no request was answered.
func Calibrate(t *trace.Trace) (*Calibration, error) {
	if t.Header.Concurrent || len(t.Header.Family.Processors()) != 1 {
		return nil, errors.New("sim: calibration: the trace is of several processors or of batches")
	}
	m, err := policy.NewModel(&t.Header.Family)
	if err != nil {
		return nil, fmt.Errorf("sim: calibration: %w", err)
	}
	c := &Calibration{levels: len(m.Levels)}
	answered := 0
	var last *trace.Record // that was answered
	for i := range t.Records {
		r := &t.Records[i]
		if !r.Asked() {
			continue
		}
		now := r.Observation.Now
		s := c.state(t.Header.LoadsAt(now))
		switch {
		case last == nil:
		case r.Arrival > last.End && now >= r.Arrival:
			s.wake = append(s.wake, now-r.Arrival)
		case r.Arrival <= last.End && now >= last.End && i > 0 && last == &t.Records[i-1]:
			s.after = append(s.after, now-last.End)
		}
		if last = nil; r.Outcome.Answered() && r.End > r.Start && r.Start >= now {
			l := r.Decision.Level
			s.all = append(s.all, recordedInference{before: r.Start - now, level: l, ratio: float64(r.End-r.Start) / float64(m.Levels[l].At(0, r.Decision.Clock, 1))})
			last, answered = r, answered+1
		}
	}
	if answered == 0 {
		return nil, errors.New("sim: calibration: no request of the trace was answered")
	}
	for i := range c.states {
		c.states[i].finish(m)
	}
	return c, nil
}

// finish computes the levels' median ratios, and what follows from them.
func (s *recordedState) finish(m *policy.Model) {
	byLevel := make([][]float64, len(m.Levels))
	var all []float64
	for _, r := range s.all {
		byLevel[r.level] = append(byLevel[r.level], r.ratio)
		all = append(all, r.ratio)
	}
	s.ratios = make([]float64, len(m.Levels))
	for l := range s.ratios {
		from := all // if no level has enough
		if n, ok := nearest(l, func(k int) bool { return k >= 0 && k < len(byLevel) && len(byLevel[k]) >= fewInferences }, len(byLevel)); ok {
			from = byLevel[n]
		}
		s.ratios[l] = medianOf(from)
	}
	for i := range s.all {
		r := &s.all[i]
		table := float64(m.Levels[r.level].Latency[0])
		r.work = s.ratios[r.level] * table
		r.excess = float64(r.ratio*table) - r.work
	}
}

// nearest returns the level nearest to l that is good, the less accurate of two, false if none of n is.
func nearest(l int, good func(int) bool, n int) (int, bool) {
	for away := range n {
		for _, k := range [2]int{l - away, l + away} {
			if good(k) {
				return k, true
			}
		}
	}
	return 0, false
}

// medianOf returns the lower median; 1 of nothing.
func medianOf(values []float64) float64 {
	if len(values) == 0 {
		return 1
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[(len(sorted)-1)/2]
}

// state returns the state of a set of loads, a new one if there is none.
func (c *Calibration) state(loads string) *recordedState {
	i, found := c.find(loads)
	if !found {
		c.states = slices.Insert(c.states, i, recordedState{loads: loads})
	}
	return &c.states[i]
}

func (c *Calibration) find(loads string) (int, bool) {
	return slices.BinarySearchFunc(c.states, loads, func(s recordedState, loads string) int { return strings.Compare(s.loads, loads) })
}

// calibrate makes the server draw from the config's calibration, if there is one.
func (s *server) calibrate(c *Config) error {
	if c.Calibration == nil {
		return nil
	}
	if c.Board != nil || len(c.processors()) > 1 || s.model.MaxBatch() > 1 {
		return errors.New("a calibration goes with one processor, without a board and without batches")
	}
	if n := len(s.model.Levels); n != c.Calibration.levels {
		return fmt.Errorf("a calibration of %d levels for a family of %d", c.Calibration.levels, n)
	}
	s.recorded = &resampler{Calibration: c.Calibration, loads: c.Loads, model: s.model,
		rng: traffic.Stream(c.seed(), c.Replication, streamName("calibration", c.App))}
	s.header.Loads = c.Loads
	s.header.Notes = []string{"simulated: latencies are drawn from those of a recorded run, beside the same co-running loads; nothing was measured in this run"}
	return nil
}

// luck is where in a recording a request's latency is.
type luck struct {
	at    float64 // share of the recording at which the block began
	steps int     // since then
	part  float64 // where in a recorded inference an interruption was
}

// place returns the index of a luck in n recordings.
func (l luck) place(n int) int { return (int(l.at*float64(n)) + l.steps) % n }

// resampler draws from a calibration.
type resampler struct {
	*Calibration
	loads []trace.Load
	model *policy.Model
	rng   *rand.Rand
	last  luck
	begun bool
}

// next returns the luck of the next request.
func (r *resampler) next() luck {
	jump, at, part := r.rng.Float64(), r.rng.Float64(), r.rng.Float64() // three each, so that the stream does not depend on what they say
	r.last.steps++
	if !r.begun || jump < 1./blockMean {
		r.last, r.begun = luck{at: at}, true
	}
	r.last.part = part
	return r.last
}

// at returns the recordings beside what co-runs at a time, nil if there is no inference among them.
func (r *resampler) at(t time.Duration) *recordedState {
	if i, ok := r.find(trace.LoadsAt(r.loads, t)); ok && len(r.states[i].all) > 0 {
		return &r.states[i]
	}
	return nil
}

// inference returns what serving at a level, at a clock step as in a decision, takes from a decision on: until the inference starts, the inference, and
// until the loop is free again. It returns an error if nothing was recorded beside what co-runs then.
func (r *resampler) inference(now time.Duration, level, clock int, l luck) (before, latency, after time.Duration, err error) {
	s := r.at(now)
	if s == nil {
		name := trace.LoadsAt(r.loads, now)
		if name == "" {
			name = "no load"
		}
		return 0, 0, 0, fmt.Errorf("the calibration has no inference beside %s, as there is at %v", name, now)
	}
	i := l.place(len(s.all))
	before = s.all[i].before
	total := 0.0
	for left := float64(s.ratios[level] * float64(r.model.Levels[level].Latency[0])); left > 0; i = (i + 1) % len(s.all) {
		one := &s.all[i]
		part := min(left, one.work)
		total += part
		switch share := part / one.work; {
		case share == 1:
			total += one.excess
		case one.excess <= interruption*one.work:
			total += float64(share * one.excess)
		case l.part < share:
			total += one.excess
		}
		left -= part
	}
	one := &r.model.Levels[level]
	total *= float64(one.At(0, clock, 1)) / float64(one.Latency[0])
	if !(total < float64(maxTime)) {
		return 0, 0, 0, fmt.Errorf("by the calibration it would take longer than %v", maxTime)
	}
	if n := len(s.after); n > 0 {
		after = s.after[l.place(n)]
	}
	return before, max(1, roundDuration(total)), after, nil
}

// waking returns how long the loop sleeps on after a request has arrived.
func (r *resampler) waking(now time.Duration, l luck) time.Duration {
	s := r.at(now)
	if s == nil || len(s.wake) == 0 {
		return 0
	}
	return s.wake[l.place(len(s.wake))]
}
