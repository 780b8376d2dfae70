package sim

import (
	"math"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim/platform"
)

// BoardLog collects what a board's sensors tell during a run, for traces. Its Sample goes into platform.Config.
type BoardLog struct {
	counters []trace.Counter
}

// NewBoardLog returns an empty log for a board: the clocks of its processors and memory in MHz, its power in W and its
// die's temperature in C.
func NewBoardLog(b *board.Board) *BoardLog {
	l := &BoardLog{}
	for _, p := range b.Processors {
		l.counters = append(l.counters, trace.Counter{Name: p.Name + " clock (MHz)"})
	}
	for _, name := range []string{"memory clock (MHz)", "power (W)", "temperature (C)"} {
		l.counters = append(l.counters, trace.Counter{Name: name})
	}
	return l
}

// resolution is the least change that is logged, as a fraction of a MHz, W or degree: clocks and power are steps, heat
// is not.
const resolution = 0.01

// Sample logs readings. Those of a lost sensor are left out.
func (l *BoardLog) Sample(at time.Duration, r platform.Readings) {
	values := make([]float64, 0, len(l.counters))
	for _, c := range r.Clocks {
		values = append(values, float64(c)/1e6)
	}
	values = append(values, float64(r.Memory)/1e6, float64(r.Power), float64(r.Temperature))
	for i, v := range values {
		points := &l.counters[i].Points
		n := len(*points)
		switch {
		case math.IsNaN(v) || n > 0 && math.Abs((*points)[n-1].Value-v) < resolution:
		case n > 0 && (*points)[n-1].At == at:
			(*points)[n-1].Value = v
		default:
			*points = append(*points, trace.CounterPoint{At: at, Value: v})
		}
	}
}

// Counters returns what was logged, for trace.PerfettoOptions.
func (l *BoardLog) Counters() []trace.Counter { return l.counters }
