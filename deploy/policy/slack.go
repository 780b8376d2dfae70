package policy

import (
	"errors"
	"time"
)

// Slack serves each request at the most accurate level that is predicted to finish in time and
// leaves time for the requests that wait behind it.
//
// A level's latency is predicted as table x slow-down x correction x margin. The slow-down is one
// number per processor: the median of the last three ratios of observed to predicted latency, taken
// over at once when it rises and by an eighth of the difference when it falls, so that two slow
// inferences in a row are believed and a single outlier is not. The correction is one number per
// level and processor that moves by an eighth towards what the slow-down leaves unexplained: a
// table that is wrong about one level does not make the policy swing between two.
//
// A level fits if its inference ends within the limit and the head's deadline, and if every visible
// request behind the head that could be answered in time by the fastest level after the fastest
// level's head still can be. When nothing fits it serves the fastest level. It never drops a
// request and never ends. MinAccuracy needs no rule of its own: the most accurate level that fits
// keeps it if any does.
//
// Parameters: margin (1.05), at least 1.
//
// It is our own; the idea of a common slow-down factor is that of Wan et al., "ALERT: Accurate
// Learning for Energy and Timeliness", USENIX ATC 2020, whose Kalman filter and Gaussian tail it
// does not use.
type Slack struct {
	m      *Model
	margin float64
	fast   []int // per processor, the fastest level
	state  []slowdown
	fix    [][]float64 // correction per processor and level
}

// slowdown is the filter of one processor.
type slowdown struct {
	value float64
	last  [3]float64 // ratios, newest first
}

var _ Policy = (*Slack)(nil)

// Slack's reasons.
const (
	ReasonFits     Reason = "fits"     // the most accurate level overall fits
	ReasonDeadline Reason = "deadline" // a more accurate level would end too late for the head
	ReasonQueue    Reason = "queue"    // a more accurate level would make a request behind the head late
	ReasonHopeless Reason = "hopeless" // no level is in time
)

// filterShare is the share of a difference that the filters take over per inference.
const filterShare = 0.125

func newSlack(argument string, p *parameters, m *Model) (Policy, error) {
	s := &Slack{m: m, margin: p.number("margin", 1.05, 1, 10)}
	if argument != "" {
		return nil, errors.New("it takes no argument")
	}
	for processor := range m.Processors {
		fast, ones := 0, make([]float64, len(m.Levels))
		for i, l := range m.Levels {
			ones[i] = 1
			if l.Latency[processor] < m.Levels[fast].Latency[processor] {
				fast = i
			}
		}
		s.fast = append(s.fast, fast)
		s.fix = append(s.fix, ones)
		s.state = append(s.state, slowdown{1, [3]float64{1, 1, 1}})
	}
	return s, nil
}

// Spec implements Policy.
func (s *Slack) Spec() string { return "slack" }

// Decide implements Policy.
func (s *Slack) Decide(o *Observation) Decision {
	best := Decision{Action: Serve, Level: -1, Reason: ReasonHopeless}
	var bestLatency time.Duration
	queueRefused, deadlineRefused := false, false
	for processor := range s.m.Processors {
		for level := len(s.m.Levels) - 1; level >= 0; level-- {
			if level < best.Level {
				break
			}
			latency := s.predict(level, processor)
			if !s.inTime(o, latency) {
				deadlineRefused = true
				continue
			}
			if !s.leavesTime(o, latency, processor) {
				queueRefused = true
				continue
			}
			if level > best.Level || latency < bestLatency {
				best.Level, best.Processor, bestLatency = level, processor, latency
			}
			break
		}
	}
	switch {
	case best.Level < 0:
		best.Level, best.Processor = s.fastestOfAll()
	case best.Level == len(s.m.Levels)-1:
		best.Reason = ReasonFits
	case queueRefused && !deadlineRefused:
		best.Reason = ReasonQueue
	default:
		best.Reason = ReasonDeadline
	}
	return best
}

// predict returns the latency to plan with.
func (s *Slack) predict(level, processor int) time.Duration {
	factor := s.state[processor].value * s.fix[processor][level] * s.margin
	return time.Duration(float64(s.m.Levels[level].Latency[processor]) * factor)
}

// inTime reports whether an inference that starts now and takes so long keeps limit and deadline.
func (s *Slack) inTime(o *Observation, latency time.Duration) bool {
	if o.Limit > 0 && latency > o.Limit {
		return false
	}
	head := o.Queue[0]
	return head.Deadline == 0 || o.Now+latency <= head.Deadline
}

// leavesTime reports whether serving the head for so long spares every waiting request that the
// fastest level could save.
func (s *Slack) leavesTime(o *Observation, latency time.Duration, processor int) bool {
	fast := s.predict(s.fast[processor], processor)
	end, bestEnd := o.Now+latency, o.Now+fast
	for _, r := range o.Queue[1:] {
		end, bestEnd = end+fast, bestEnd+fast
		if r.Deadline != 0 && end > r.Deadline && bestEnd <= r.Deadline {
			return false
		}
	}
	return true
}

func (s *Slack) fastestOfAll() (level, processor int) {
	for p := range s.m.Processors {
		if s.predict(s.fast[p], p) < s.predict(s.fast[processor], processor) {
			processor = p
		}
	}
	return s.fast[processor], processor
}

// Observe implements Policy.
func (s *Slack) Observe(c Completion) {
	if c.Level < 0 || c.Level >= len(s.m.Levels) || c.Processor < 0 || c.Processor >= len(s.m.Processors) {
		return
	}
	predicted := float64(s.m.Levels[c.Level].Latency[c.Processor])
	if predicted <= 0 || c.Latency() <= 0 {
		return
	}
	ratio := float64(c.Latency()) / predicted
	f, fix := &s.state[c.Processor], &s.fix[c.Processor][c.Level]
	f.last = [3]float64{ratio / *fix, f.last[0], f.last[1]}
	switch m := median(f.last); {
	case m > f.value:
		f.value = m
	default:
		f.value += float64((m - f.value) * filterShare)
	}
	*fix += float64((ratio/f.value - *fix) * filterShare)
	*fix = min(max(*fix, 0.5), 2)
}

func median(v [3]float64) float64 {
	return max(min(v[0], v[1]), min(max(v[0], v[1]), v[2]))
}
