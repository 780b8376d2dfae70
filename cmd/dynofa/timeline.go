package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
	simplot "github.com/dynofa/dynofa/sim/plot"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

// plotTimelines draws simulated runs, a panel each.
func plotTimelines(path string, results []*sim.Result) error {
	picture := simplot.Timeline{Runs: simplot.Runs(results)}
	if len(results) > 0 {
		picture.Title = results[0].Scenario.Title
	}
	figure, err := picture.Figure()
	if err != nil {
		return err
	}
	return figure.Save(path)
}

// plotTraces draws recorded runs, a panel each, named for their files. When co-running programs ran
// is not part of a trace: it is taken from a scenario, which may be nil.
func plotTraces(path string, traces []*trace.Trace, s *traffic.Scenario) error {
	picture := simplot.Timeline{}
	for _, t := range traces {
		var profile traffic.Profile
		if s != nil {
			picture.Title, profile = s.Title, s.ProfileIn(s.Applications()[0].Processor, t.Header.Seed, 0)
		}
		name := strings.TrimSuffix(filepath.Base(t.Name), filepath.Ext(t.Name))
		picture.Runs = append(picture.Runs, simplot.Run{Name: name, Trace: t, Profile: profile})
	}
	figure, err := picture.Figure()
	if err != nil {
		return err
	}
	return figure.Save(path)
}

// plotSweep draws a measure of each policy over the cells of a sweep.
func plotSweep(path string, m simstudy.Measure, results []simstudy.CellResult) error {
	picture := simplot.Sweep{Title: m.Name + " over " + results[0].Cell.Apps[0].Scenario.Name, Measure: m.Title()}
	series := map[string]int{}
	for i := range results {
		for j := range results[i].Apps {
			a := &results[i].Apps[j]
			name := results[i].Cell.Name
			if a.Name != "" {
				name += " " + a.Name
			}
			picture.Cells = append(picture.Cells, name)
			for k := range a.Policies {
				spec := a.Policies[k].Spec.String()
				at, known := series[spec]
				if !known {
					at = len(picture.Series)
					series[spec] = at
					picture.Series = append(picture.Series, simplot.Series{Name: spec})
				}
				v := m.Of(&a.Policies[k])
				picture.Series[at].Values = append(picture.Series[at].Values, simplot.Estimate{
					Mean: m.Factor * v.Mean, Low: m.Factor * v.Low, High: m.Factor * v.High, Missing: v.N == 0,
				})
			}
			f := results[i].Cell.Apps[j].Family
			note := fmt.Sprintf("Simulated with family %s: accuracy %s, latency %s (%s).", f.Name, f.Levels[0].AccuracyOrigin, f.Levels[0].Latencies[0].Origin, f.Levels[0].Latencies[0].Source)
			if !slices.Contains(picture.Notes, note) {
				picture.Notes = append(picture.Notes, note)
			}
		}
	}
	figure, err := picture.Figure()
	if err != nil {
		return err
	}
	return figure.Save(path)
}

// plotTradeoff draws SLO attainment against the accuracy of answered requests, for each policy and application.
func plotTradeoff(path string, r *simstudy.CellResult) error {
	x, _ := simstudy.MeasureNamed("accuracy served")
	y, _ := simstudy.MeasureNamed("SLO")
	estimate := func(m simstudy.Measure, p *simstudy.PolicyResult) simplot.Estimate {
		v := m.Of(p)
		return simplot.Estimate{Mean: m.Factor * v.Mean, Low: m.Factor * v.Low, High: m.Factor * v.High, Missing: v.N == 0 || v.Mean == 0 && m.Name == x.Name}
	}
	f := r.Cell.Apps[0].Family
	picture := simplot.Tradeoff{
		Title: r.Cell.Apps[0].Scenario.Title, Y: "SLO attainment: requests on time (%)",
		X:     fmt.Sprintf("mean accuracy of answered requests (%%), %s", f.Levels[0].AccuracyOrigin),
		Notes: []string{fmt.Sprintf("Simulated: latency %s, %s.", f.Levels[0].Latencies[0].Origin, f.Levels[0].Latencies[0].Source)},
	}
	for i := range r.Apps {
		for k := range r.Apps[i].Policies {
			p := &r.Apps[i].Policies[k]
			name := p.Spec.String()
			if len(r.Apps) > 1 {
				name = r.Apps[i].Name + ": " + name
			}
			picture.Marks = append(picture.Marks, simplot.TradeoffPoint{Name: name, X: estimate(x, p), Y: estimate(y, p)})
		}
	}
	figure, err := picture.Figure()
	if err != nil {
		return err
	}
	return figure.Save(path)
}
