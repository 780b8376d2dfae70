package policy

import (
	"errors"
	"time"
)

// Ladder is the runtime manager of Dynamic-OFA's published code, its flaws included. It moves one
// level at a time:
//
//   - down, once 20 images were served at the level, when the last 20 latencies below 90 ms sum to
//     more than 20 times the limit (a shorter window is divided by 20 all the same);
//   - up, once 50 images were served at the level and more than 20 latencies below 90 ms were seen,
//     when the level's accuracy, cut to whole per cent, is below the required one;
//   - up, when the data set that it classifies ends;
//   - out of service, when either leads out of the family.
//
// Latencies of 90 ms and more are not seen at all, so a disturbance that lifts every level over
// 90 ms makes it climb.
//
// Parameters: initial_level (the last but one, as the authors' 4 of 0..5), window (20), cutoff
// (90ms), warmup (20 images), up_after (50 images), min_images (0: fires no earlier than this many
// images after a switch; the paper's Fig. 7 shows about 40), dataset (50000 images, ImageNet's
// validation set).
//
// Source: Lou et al., Dynamic-OFA, CVPRW 2021; github.com/UoS-EEC/DynamicOFA, run.sh, test2.py and
// the validate function that they call.
//
// Fidelity: the code runs one process per level and reads a file of latencies; a switch here
// empties the window and the counters, as the new process does. What a switch costs is the
// scenario's business. The code's list of visited levels, meant to stop oscillation, only prints,
// because the line that would act is commented out; it is left out. Where the code is silent: down
// is examined before up; images count from the first one served at a level; the processor is the
// one where the initial level is fastest.
type Ladder struct {
	m                       *Model
	window, warmup, upAfter int
	minImages, dataset      int
	cutoff                  time.Duration
	level, processor        int
	limit                   time.Duration // of the last observation
	required                float64       // accuracy of the last observation, whole per cent
	images                  int           // served at this level
	seen                    int           // latencies below the cutoff at this level
	recent                  []time.Duration
	sum                     time.Duration // over recent
	out                     bool
}

var _ Policy = (*Ladder)(nil)

// Ladder's reasons.
const (
	ReasonStay       Reason = "stay"
	ReasonTooSlow    Reason = "too-slow"       // the window's mean is over the limit: one level down
	ReasonInaccurate Reason = "inaccurate"     // the level is less accurate than required: one level up
	ReasonDataEnds   Reason = "data-ends"      // the data set ended: one level up
	ReasonOffLadder  Reason = "off-the-ladder" // the next level does not exist: out of service
)

func newLadder(argument string, p *parameters, m *Model) (Policy, error) {
	n := len(m.Levels)
	l := &Ladder{
		m:         m,
		level:     p.integer("initial_level", max(0, n-2), 0, n-1),
		window:    p.integer("window", 20, 1, 10000),
		cutoff:    p.duration("cutoff", 90*time.Millisecond),
		warmup:    p.integer("warmup", 20, 0, 1<<30),
		upAfter:   p.integer("up_after", 50, 0, 1<<30),
		minImages: p.integer("min_images", 0, 0, 1<<30),
		dataset:   p.integer("dataset", 50000, 1, 1<<30),
	}
	if argument != "" {
		return nil, errors.New("it takes no argument")
	}
	l.processor = m.Levels[l.level].fastest()
	l.recent = make([]time.Duration, 0, l.window)
	return l, nil
}

// Spec implements Policy.
func (l *Ladder) Spec() string { return "ladder" }

// Decide implements Policy.
func (l *Ladder) Decide(o *Observation) Decision {
	l.limit, l.required = o.Limit, wholePercent(float64(o.MinAccuracy))
	if l.out {
		return Decision{Action: Exit, Reason: ReasonOffLadder}
	}
	step, reason := l.step()
	if step != 0 {
		l.level += step
		l.images, l.seen, l.sum, l.recent = 0, 0, 0, l.recent[:0]
		if l.level < 0 || l.level >= len(l.m.Levels) {
			l.out = true
			return Decision{Action: Exit, Reason: ReasonOffLadder}
		}
	}
	return Decision{Action: Serve, Level: l.level, Processor: l.processor, Reason: reason}
}

// step returns how far to move: -1, 0 or 1.
func (l *Ladder) step() (int, Reason) {
	if l.images < l.minImages {
		return 0, ReasonStay
	}
	if l.limit > 0 && l.images >= l.warmup && l.images > 0 && l.sum > time.Duration(l.window)*l.limit {
		return -1, ReasonTooSlow
	}
	if l.images >= l.upAfter && l.seen > l.window && wholePercent(float64(l.m.Levels[l.level].Accuracy)) < l.required {
		return 1, ReasonInaccurate
	}
	if l.images >= l.dataset {
		return 1, ReasonDataEnds
	}
	return 0, ReasonStay
}

// Observe implements Policy.
func (l *Ladder) Observe(c Completion) {
	if l.out || c.Level != l.level {
		return
	}
	l.images++
	latency := c.Latency()
	if latency >= l.cutoff {
		return
	}
	l.seen++
	if len(l.recent) == l.window {
		l.sum -= l.recent[0]
		copy(l.recent, l.recent[1:])
		l.recent = l.recent[:l.window-1]
	}
	l.recent = append(l.recent, latency)
	l.sum += latency
}

// wholePercent cuts a fraction to whole per cent, as int() does in the authors' code. A fraction
// that is a whole per cent but for rounding counts as that one.
func wholePercent(fraction float64) float64 {
	return float64(int(float64(fraction*100) + 1e-9))
}
