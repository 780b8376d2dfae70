package fidelity_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/lut/load"
)

const (
	tableRounds = 12 // samples of each block
	repeats     = 3  // real runs of each held-out cell
	replays     = 20 // simulations of each
)

// cell is a real run: what serves, beside what, by when.
type cell struct {
	name     string
	supernet string
	loads    string // pattern
	policy   string
	deadline float64 // in latencies of the most accurate level, as the table has it
	gap      float64 // mean time between arrivals, in the same
	duration time.Duration
	seed     uint64
	// calibratedBy names the cell whose one run the simulation of this one is calibrated from; empty: this one calibrates.
	calibratedBy string
}

func (c cell) String() string {
	return fmt.Sprintf("%s: %s, %s, %s, deadline %gx", c.name, c.supernet, c.loads, c.policy, c.deadline)
}

func (c cell) repeats() int {
	if c.calibratedBy == "" {
		return 1
	}
	return repeats
}

const (
	small, large = "fashion-mbv3", "ofa-mbv3-w1.2"
	short, long  = 8 * time.Second, 12 * time.Second
)

// cells: each held-out one differs from its calibration in policy, deadline, arrivals and in the pattern of the same kinds of load. A
// calibrating run should visit many levels, as slackfit and qdp do: one that stays at small levels says little about large ones.
var cells = []cell{
	{"c1", small, "none", "slackfit", 2.5, 3.5, short, 1, ""},
	{"c2", small, "cpu stepped", "slackfit", 5, 3.5, short, 2, ""},
	{"c3", small, "mem on-off", "slackfit", 1.5, 3.5, short, 3, ""},
	{"c4", small, "random", "slackfit", 2.5, 3.5, short, 4, ""},
	{"c5", small, "cpu on-off", "slackfit", 2.5, 3.5, short, 5, ""},
	{"c6", small, "mem stepped", "qdp", 5, 3.5, short, 6, ""},
	{"c7", large, "random", "slackfit", 5, 2.5, long, 7, ""},
	{"h1", small, "none", "qdp", 1.5, 3.5, short, 11, "c1"},
	{"h2", small, "cpu on-off", "slack", 2.5, 3.5, short, 12, "c2"},
	{"h3", small, "mem stepped", "ladder", 5, 3.5, short, 13, "c3"},
	{"h4", small, "random", "ladder", 5, 3.5, short, 14, "c4"},
	{"h5", small, "cpu stepped", "qdp", 1.5, 3.5, short, 15, "c5"},
	{"h6", small, "mem on-off", "slackfit", 2.5, 3.5, short, 16, "c6"},
	{"h7", large, "cpu stepped", "qdp", 2.5, 2.5, long, 17, "c7"},
	{"h8", large, "mem on-off", "slack", 5, 2.5, long, 18, "c7"},
}

// calibrator returns the index of the cell that calibrates c.
func calibrator(c cell) int {
	for i := range cells {
		if cells[i].name == c.calibratedBy {
			return i
		}
	}
	panic("no cell " + c.calibratedBy)
}

// The co-runners: two threads of arithmetic, and one that streams through memory.
var (
	burners   = load.Spec{Kind: load.CPU, Threads: 2}
	streaming = load.Spec{Kind: load.Memory, Threads: 1}
)

// schedule returns when which load runs.
func (c cell) schedule() load.Schedule {
	var s load.Schedule
	add := func(spec load.Spec, from, to time.Duration) {
		s = append(s, load.Span{Spec: spec, From: from.Round(time.Millisecond), To: to.Round(time.Millisecond)})
	}
	onOff := func(spec load.Spec) {
		for at := time.Second; at < c.duration; at += 2 * time.Second {
			add(spec, at, at+time.Second)
		}
	}
	switch c.loads {
	case "none":
	case "cpu stepped":
		add(burners, c.duration/3, 2*c.duration/3)
	case "mem stepped":
		add(streaming, c.duration/3, 2*c.duration/3)
	case "cpu on-off":
		onOff(burners)
	case "mem on-off":
		onOff(streaming)
	case "random": // away for an exponential time, then one or the other for another
		rng := rand.New(rand.NewPCG(c.seed, 99))
		for at := time.Duration(rng.ExpFloat64() * float64(700*time.Millisecond)); at < c.duration; {
			end := at + 100*time.Millisecond + time.Duration(rng.ExpFloat64()*float64(700*time.Millisecond))
			add([]load.Spec{burners, streaming}[rng.IntN(2)], at, end)
			at = end + 100*time.Millisecond + time.Duration(rng.ExpFloat64()*float64(500*time.Millisecond))
		}
	default:
		panic("no pattern " + c.loads)
	}
	return s
}

// TestCells holds the design to what the study promises.
func TestCells(t *testing.T) {
	loads, policies, deadlines, held, calibrating := map[string]bool{}, map[string]bool{}, map[float64]bool{}, 0, 0
	for _, c := range cells {
		if err := c.schedule().Validate(); err != nil {
			t.Errorf("%s: %v", c, err)
		}
		loads[c.loads], policies[c.policy], deadlines[c.deadline] = true, true, true
		if c.calibratedBy == "" {
			calibrating++
			continue
		}
		held++
		by := cells[calibrator(c)]
		kinds := map[load.Kind]bool{}
		for _, s := range by.schedule() {
			kinds[s.Spec.Kind] = true
		}
		for _, s := range c.schedule() {
			if !kinds[s.Spec.Kind] {
				t.Errorf("%s: its calibration has no %s load", c, s.Spec.Kind)
			}
		}
		if by.calibratedBy != "" || by.supernet != c.supernet || by.policy == c.policy || by.seed == c.seed {
			t.Errorf("%s: calibrated by %s", c, by)
		}
	}
	if len(loads) != 6 || len(policies) != 4 || len(deadlines) != 3 || held < 6 || calibrating < 6 {
		t.Errorf("%d patterns of load, %d policies, %d deadlines, %d held out, %d for calibration", len(loads), len(policies), len(deadlines), held, calibrating)
	}
}
