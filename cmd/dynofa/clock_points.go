package main

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// studyPoints returns what a family's levels take at each clock of which the study at path has a table, so that a board need not scale:
// the newest tables that differ from the one behind the family in the processor's clock alone. None if there is no such study, or if the
// clock of the table behind the family is not known.
func studyPoints(ctx context.Context, path string, f *family.Family) ([]sim.Point, error) {
	if _, err := os.Stat(path); err != nil || f.Name == family.PaperGPU6Name {
		return nil, nil // a built-in family has no tables, and needs no study
	}
	study, err := openStudy(ctx, path)
	if err != nil {
		return nil, err
	}
	defer study.Close()
	var points []sim.Point
	for _, processor := range f.Processors() {
		infos, err := study.Tables(ctx, lut.Query{Space: f.Space, Processor: processor})
		if err != nil {
			return nil, err
		}
		base, err := behind(ctx, study, f, processor, infos)
		if err != nil {
			return nil, err
		}
		if base == nil {
			continue
		}
		var own []sim.Point
		for _, info := range slices.Backward(infos) {
			clock := clockOf(info.Point)
			known := slices.ContainsFunc(own, func(p sim.Point) bool { return p.Clock == clock })
			if clock == 0 || known || !sameButClock(info.Point, base.Point) {
				continue
			}
			latency, err := predictAll(ctx, study, f, info.ID)
			if err != nil {
				return nil, err
			}
			if latency != nil {
				own = append(own, sim.Point{Processor: processor, Clock: clock, Latency: latency, Origin: info.Origin})
			}
		}
		slices.SortFunc(own, func(a, b sim.Point) int { return int(a.Clock - b.Clock) })
		points = append(points, own...)
	}
	return points, nil
}

// behind returns the newest table whose predictions are the family's latencies, nil if there is none with a known clock.
func behind(ctx context.Context, study *study, f *family.Family, processor string, infos []lut.Info) (*lut.Info, error) {
	for _, info := range slices.Backward(infos) {
		if clockOf(info.Point) == 0 {
			continue
		}
		latency, err := predictAll(ctx, study, f, info.ID)
		if err != nil {
			return nil, err
		}
		same := latency != nil
		for i := range latency {
			l, _ := f.Latency(i, processor)
			same = same && latency[i] == l.Latency.Duration()
		}
		if same {
			return &info, nil
		}
	}
	return nil, nil
}

// predictAll returns what a table predicts for each level, nil if it lacks one.
func predictAll(ctx context.Context, study *study, f *family.Family, id int64) ([]time.Duration, error) {
	table, err := study.Table(ctx, lut.Query{ID: id})
	if err != nil {
		return nil, err
	}
	space, err := f.Supernet()
	if err != nil {
		return nil, err
	}
	predictor, err := lut.NewPredictor(table, space)
	if err != nil {
		return nil, err
	}
	var all []time.Duration
	for _, l := range f.Levels {
		latency, err := predictor.Latency(l.Arch)
		if err != nil || latency < 1 {
			return nil, nil
		}
		all = append(all, latency.Duration())
	}
	return all, nil
}

// clockOf returns the clock of an operating point's processor, 0 if it is not known.
func clockOf(p lut.OperatingPoint) unit.Hertz {
	switch p.Processor {
	case "cpu":
		return p.CPUClock
	case "gpu":
		return p.GPUClock
	}
	return 0
}

// sameButClock reports whether two operating points differ in their processor's clock at most.
func sameButClock(p, q lut.OperatingPoint) bool {
	switch p.Processor {
	case "cpu":
		p.CPUClock = q.CPUClock
	case "gpu":
		p.GPUClock = q.GPUClock
	}
	return p == q
}
