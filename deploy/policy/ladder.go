package policy

import (
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Ladder is the runtime manager of Dynamic-OFA's published code, its flaws included. The code runs
// one process per level, which counts its images i from 0 and, after every image:
//
//   - goes one level down when the last 20 latencies taken sum to more than 20 times the limit;
//     latencies are taken from i = 21 on, those of 90 ms and more never, and a window that is not
//     full is divided by 20 all the same;
//   - goes one level up when the level's accuracy is below the required one, cut to whole per cent,
//     and more than 20 latencies of whatever size were logged; logging starts at i = 51;
//   - goes one level up when the data set that it classifies ends.
//
// It examines down before up, and it is out of service once either leads out of the family. The
// limit is cut to whole milliseconds, and a limit of exactly one second switches up off.
//
// So it fires down after 41 images when it exceeds the limit by up to 5% (after fewer the slower
// it is), up after 72, and a disturbance that lifts every level over 90 ms makes it blind until the
// data set ends, whereupon it climbs.
//
// The parameters min_images and restart_at belong to the paper's Fig. 7. There the level in service
// when the training job starts, at 2.47 s, fires 41 images later, as a fresh process does; one that
// had run since 0 s would fire after 16, because its window is full. The figure has a gap as long as
// a restart before 2.47 s, so the authors apparently started the manager with the job: restart_at
// 2.47s.
//
// Source: Lou et al., Dynamic-OFA, CVPRW 2021; github.com/UoS-EEC/DynamicOFA,
// runtime_demo/runtime_adjustment: run.sh, test2.py (picknet) and imagenet_eval_helper.py
// (validate).
type Ladder struct {
	m                *Model
	processor        int
	cutoff           time.Duration
	warmup           int
	upAfter, upCount int
	limitStep        time.Duration
	dataset          int
	minImages        int
	restartAt        time.Duration // 0: never, or done
	level            int
	images           int             // served at this level
	logged           int             // latencies that count for up
	recent           []time.Duration // ring of the latencies taken, len is the window
	taken            int             // latencies ever put into recent
	sum              time.Duration   // over recent
	out              bool
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

// neverUp is the limit with which the authors' code does not go up.
const neverUp = time.Second

var ladderEntry = entry{
	info: Info{
		Name:    "ladder",
		Usage:   "ladder",
		Summary: "the manager of Dynamic-OFA's published code: one level down when the last 20 latencies exceed the limit on average",
		Fidelity: "Dynamic-OFA's published code (CVPRW 2021; run.sh, picknet, validate), flaws included: latencies of 90 ms and more are " +
			"ignored, the end of the data set leads up, it leaves service when the next level does not exist. " +
			"A switch empties the window and the counters, as the new process does; what a switch costs is the scenario's business. " +
			"The code's list of visited levels, meant to stop oscillation, only prints, because the line that would act is commented out; " +
			"it is left out. Limit and required accuracy are constants there; here they are read at every decision, and no limit means " +
			"that it never goes down.",
		Params: []Param{
			{"cutoff", "90ms", "latencies of this and more are ignored"},
			{"dataset", "50000", "images after which the data set ends; the size of the authors' is not known, this is ImageNet's validation set"},
			{"initial_level", "", "level to start with; by default the last but one, the authors' 4 of 0 to 5"},
			{"limit_step", "1ms", "the limit is cut to a multiple of this; set it lower where latencies are a few milliseconds"},
			{"min_images", "0", "it never moves before this many images at a level; 0 as in the code"},
			processorParam,
			{"restart_at", "0s", "time at which the level's process is started anew, with an empty window; 0s: never"},
			{"up_after", "50", "latencies that count for going up are logged after this image"},
			{"up_count", "20", "it goes up after more than this many logged latencies"},
			{"warmup", "20", "latencies are taken after this image"},
			{"window", "20", "latencies whose mean is compared with the limit, 1 to 10000"},
		},
	},
	build: newLadder,
}

// longest bounds durations given as parameters, so that sums over windows stay far from overflow.
const longest = 24 * time.Hour

func newLadder(_ string, s *settings, m *Model) (Policy, error) {
	l := &Ladder{
		m:         m,
		level:     max(0, len(m.Levels)-2),
		processor: s.processor(m),
		recent:    make([]time.Duration, s.count("window", 1, 10000)),
		cutoff:    s.duration("cutoff", 1, longest),
		warmup:    s.count("warmup", 0, 1<<30),
		upAfter:   s.count("up_after", 0, 1<<30),
		upCount:   s.count("up_count", 0, 1<<30),
		limitStep: s.duration("limit_step", 1, longest),
		dataset:   s.count("dataset", 1, 1<<30),
		minImages: s.count("min_images", 0, 1<<30),
		restartAt: s.duration("restart_at", 0, longest),
	}
	if s.text("initial_level") != "" {
		l.level = s.count("initial_level", 0, len(m.Levels)-1)
	}
	return l, nil
}

// Spec implements Policy.
func (l *Ladder) Spec() string { return "ladder" }

// Decide implements Policy.
func (l *Ladder) Decide(o *Observation) Decision {
	if l.out {
		return Decision{Action: Exit, Reason: ReasonOffLadder}
	}
	if d, busy := occupied(o, l.processor); busy {
		return d
	}
	if l.restartAt > 0 && o.Now >= l.restartAt {
		l.restartAt = 0
		l.start()
	}
	step, reason := l.step(o)
	if step != 0 {
		l.level += step
		l.start()
		if l.level < 0 || l.level >= len(l.m.Levels) {
			l.out = true
			return Decision{Action: Exit, Reason: ReasonOffLadder}
		}
	}
	return Decision{Action: Serve, Level: l.level, Processor: l.processor, Reason: reason}
}

// start begins at a level as the authors' new process does.
func (l *Ladder) start() { l.images, l.logged, l.taken, l.sum = 0, 0, 0, 0 }

// step returns how far to move: -1, 0 or 1.
func (l *Ladder) step(o *Observation) (int, Reason) {
	limit := o.Limit - o.Limit%l.limitStep
	required := partsPerMillion(o.MinAccuracy) / 10_000 * 10_000 // cut to whole per cent
	switch {
	case l.images < l.minImages:
		return 0, ReasonStay
	case o.Limit > 0 && l.tooSlow(limit):
		return -1, ReasonTooSlow
	case l.logged > l.upCount && limit != neverUp && partsPerMillion(l.m.Levels[l.level].Accuracy) < required:
		return 1, ReasonInaccurate
	case l.images >= l.dataset:
		return 1, ReasonDataEnds
	}
	return 0, ReasonStay
}

// tooSlow reports whether the window's sum exceeds a full window at the limit.
func (l *Ladder) tooSlow(limit time.Duration) bool {
	if limit >= l.cutoff {
		return false // every latency taken is below the cutoff
	}
	return l.sum > time.Duration(len(l.recent))*limit
}

// Observe implements Policy.
func (l *Ladder) Observe(c Completion) {
	if l.out || c.Level != l.level {
		return
	}
	i := l.images
	l.images++
	if i > l.upAfter {
		l.logged++
	}
	latency := c.Latency()
	if i <= l.warmup || latency >= l.cutoff || latency < 0 {
		return
	}
	slot := &l.recent[l.taken%len(l.recent)]
	if l.taken >= len(l.recent) {
		l.sum -= *slot
	}
	*slot = latency
	l.taken++
	l.sum += latency
}

// partsPerMillion returns an accuracy as an integer, so that no comparison hangs on a last bit and
// a fraction that is a whole per cent but for rounding counts as that one.
func partsPerMillion(a unit.Accuracy) int64 { return int64(float64(float64(a)*1e6) + 0.5) }
