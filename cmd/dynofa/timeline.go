package main

import (
	"path/filepath"
	"strings"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
	simplot "github.com/dynofa/dynofa/sim/plot"
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
