package traffic

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// CoRunner is a program that comes and goes at random on a processor: it is away for an exponentially
// distributed time, then runs for one, during which inferences take longer by a factor drawn anew each time.
// It begins away.
type CoRunner struct {
	Processor string
	On, Off   time.Duration // means, at least MinPeriod
	// Slowdowns are the factors, all equally likely, each in [MinSlowdown, MaxSlowdown]; 1 to 100 of them.
	Slowdowns []float64
}

func (c *CoRunner) problems(r *report) {
	r.name("processor", c.Processor)
	r.between("on", c.On, MinPeriod, MaxDuration)
	r.between("off", c.Off, MinPeriod, MaxDuration)
	if len(c.Slowdowns) == 0 {
		r.add("slowdown", "is missing")
	}
	r.size("slowdown", len(c.Slowdowns), maxEntries)
	for i, f := range c.Slowdowns {
		if !(f >= MinSlowdown && f <= MaxSlowdown) {
			r.add(fmt.Sprintf("slowdown[%d]", i), "%g is outside [%g, %g]", f, MinSlowdown, MaxSlowdown)
		}
	}
}

// profile draws the comings and goings until a time.
func (c *CoRunner) profile(until time.Duration, rng *rand.Rand) Profile {
	var p Profile
	at := time.Duration(0)
	for on := false; len(p) < MaxSteps; on = !on {
		mean := c.Off
		if on {
			mean = c.On
		}
		stay := max(1, math.Round(exponential(rng)*float64(mean)))
		if stay >= float64(until-at) {
			break
		}
		at += time.Duration(stay)
		if on {
			p = append(p, Step{At: at, Slowdown: 1, What: "it ends"})
		} else {
			p = append(p, Step{At: at, Slowdown: c.Slowdowns[rng.IntN(len(c.Slowdowns))], What: "a co-running program starts"})
		}
	}
	return p
}

// ProfileIn returns the slow-down of a processor in one replication: its disturbances and co-runners, whose
// factors multiply. Co-runners come and go until the scenario's Duration (a day if it has none), or for MaxSteps
// steps, each by a random stream of its own. The result may share memory with the scenario.
func (s *Scenario) ProfileIn(processor string, seed uint64, replication int) Profile {
	p := s.Profile(processor)
	until := s.Duration
	if until == 0 {
		until = 24 * time.Hour
	}
	for i := range s.CoRunners {
		if c := &s.CoRunners[i]; c.Processor == processor {
			p = p.times(c.profile(until, Stream(seed, replication, fmt.Sprintf("co-runner %d", i))))
		}
	}
	return p
}

// times returns the product of two profiles. Steps that change nothing are left out, unless they say what
// happens.
func (p Profile) times(q Profile) Profile {
	if len(p) == 0 || len(q) == 0 {
		return append(slices.Clip(p), q...)
	}
	all := make([]Step, 0, len(p)+len(q))
	all = append(append(all, p...), q...)
	slices.SortStableFunc(all, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	out := make(Profile, 0, len(all))
	for _, s := range all {
		s.Slowdown = min(max(p.At(s.At)*q.At(s.At), MinSlowdown), MaxSlowdown)
		if n := len(out); n > 0 && out[n-1].At == s.At {
			out[n-1].Slowdown = s.Slowdown
			continue
		}
		out = append(out, s)
	}
	return out
}

func (s *Scenario) checkCoRunners(r *report) {
	r.size("co_runners", len(s.CoRunners), maxEntries)
	for i := range s.CoRunners {
		r.within(fmt.Sprintf("co_runners[%d]", i), s.CoRunners[i].problems)
	}
}
