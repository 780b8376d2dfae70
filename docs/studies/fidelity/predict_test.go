package fidelity_test

import (
	"math"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

// The figures that are predicted, with their bars: absolute for shares, relative for the others.
var metrics = []struct {
	name     string
	bar      float64
	relative bool
	of       func(m sim.Metrics) float64
}{
	{"SLO attainment (%)", 1, false, func(m sim.Metrics) float64 { return 100 * m.SLO.Share }},
	{"mean latency (ms)", 0.02, true, func(m sim.Metrics) float64 { return m.Response.Mean.Seconds() * 1e3 }},
	{"p99 latency (ms)", 0.10, true, func(m sim.Metrics) float64 { return m.Response.P99.Seconds() * 1e3 }},
	{"mean accuracy (%)", 0.1, false, func(m sim.Metrics) float64 { return m.MeanAccuracy.Percent() }},
	{"switches", 0.10, true, func(m sim.Metrics) float64 { return float64(m.Switches) }},
	{"mean inference (ms)", 0.02, true, func(m sim.Metrics) float64 { return m.Latency.Mean.Seconds() * 1e3 }},
}

// judged is how many of the metrics have a bar that counts; the others are shown beside.
const judged = 5

// figure is one metric of one held-out cell.
type figure struct {
	recorded  []float64 // by repetition
	predicted float64   // mean over the simulations
	low, high float64   // 5% and 95% quantiles of the simulations
	table     float64   // by a simulation from the table alone
}

func (f figure) mean() float64 {
	sum := 0.0
	for _, v := range f.recorded {
		sum += v / float64(len(f.recorded))
	}
	return sum
}

// spread is the largest less the smallest of the repetitions.
func (f figure) spread() float64 { return slices.Max(f.recorded) - slices.Min(f.recorded) }

// bar returns what the bar of a metric comes to for the figure.
func (f figure) bar(metric int) float64 {
	if metrics[metric].relative {
		return metrics[metric].bar * f.mean()
	}
	return metrics[metric].bar
}

func (f figure) off() float64 { return math.Abs(f.predicted - f.mean()) }

// within reports whether the prediction keeps the bar by itself, or within one and a half times the spread.
func (f figure) within(metric int) (bar, spread bool) {
	const rounding = 1e-9
	return f.off() <= f.bar(metric)+rounding, f.off() <= max(f.bar(metric), 1.5*f.spread())+rounding
}

// result is a held-out cell with what was recorded and predicted.
type result struct {
	cell      cell
	requests  int
	agreement float64 // of decisions in the replay of arrivals, mean over simulations
	fresh     float64 // the same by the table alone
	figures   []figure
}

// predict simulates what arrived in the recorded runs of a cell, calibrated from one run of another.
func predict(t *testing.T, c cell, recorded []*trace.Trace, from *trace.Trace) result {
	t.Helper()
	calibration, err := sim.Calibrate(from)
	if err != nil {
		t.Fatal(err)
	}
	r := result{cell: c, requests: len(recorded[0].Records), figures: make([]figure, len(metrics))}
	for _, tr := range recorded {
		for i, m := range metrics {
			r.figures[i].recorded = append(r.figures[i].recorded, m.of(sim.Measure(tr, nil)))
		}
	}
	alone, err := sim.ReplayArrivals(t.Context(), recorded[0], sim.Config{})
	if err != nil {
		t.Fatal(err)
	}
	r.fresh = sim.Agreement(recorded[0], alone.Trace).Share
	values := make([][]float64, len(metrics))
	for k := range replays {
		tr := recorded[k%len(recorded)]
		s, err := sim.ReplayArrivals(t.Context(), tr, sim.Config{Calibration: calibration, Seed: c.seed, Replication: k})
		if err != nil {
			t.Fatal(err)
		}
		r.agreement += sim.Agreement(tr, s.Trace).Share / replays
		for i, m := range metrics {
			values[i] = append(values[i], m.of(s.Metrics))
		}
	}
	for i, m := range metrics {
		f := &r.figures[i]
		slices.Sort(values[i])
		for _, v := range values[i] {
			f.predicted += v / replays
		}
		f.low, f.high = values[i][replays/20], values[i][replays-1-replays/20]
		f.table = m.of(alone.Metrics)
	}
	return r
}
