package command

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// printReport prints what a run did: for each level how long it took and how many of the labelled pictures
// it got right, beside the accuracy that its family says it has.
func printReport(c *cli.Context, r *runner.Report, f *family.Family, format string) error {
	several := len(r.Processors) > 1
	g := &Grid{Head: []string{"level", "answered", "failed", "predicted", "median", "p90", "first after switch", "expected top-1", "live top-1", "live top-1 95%", "pictures"}}
	if several {
		g.Head = append([]string{"processor"}, g.Head...)
	}
	row := func(processor string, name any, answered, failed int64, predicted any, l, first lut.Latency, expected unit.Accuracy, labelled, correct int64) {
		live, interval := "-", "-"
		if labelled > 0 {
			share := lut.NewShare(int(correct), int(labelled))
			live = fmt.Sprintf("%.2f%%", 100*float64(correct)/float64(labelled))
			interval = fmt.Sprintf("%.2f..%.2f", 100*share.Low, 100*share.High)
		}
		cells := []any{name, answered, failed, predicted, l.P50, l.P90, first.P50, expected, live, interval, labelled}
		if several {
			cells = append([]any{processor}, cells...)
		}
		g.Add(cells...)
	}
	levels := func(processor string, list []runner.LevelReport) {
		for i, l := range list {
			row(processor, i, l.Answered, l.Failed, unit.Nanos(l.Predicted), l.Inference, l.FirstAfterSwitch, f.Levels[i].Accuracy, l.Labelled, l.Correct)
		}
	}
	var sum float64
	for i, l := range r.Levels {
		sum += float64(float64(l.Labelled) * float64(f.Levels[i].Accuracy))
	}
	if !several {
		levels("", r.Levels)
	}
	for _, p := range r.Processors {
		levels(p.Name, p.Levels)
		g.Note("%s", describeProcessor(&p, r.Elapsed))
	}
	expected := r.MeanAccuracy
	if r.Labelled > 0 { // of the pictures whose class is known
		expected = unit.Accuracy(sum / float64(r.Labelled))
	}
	row("all", "all", r.OnTime+r.Late, r.Failed, "-", r.Inference, r.FirstAfterSwitch, expected, r.Labelled, r.Correct)
	if r.Labelled > 0 {
		g.Note("expected: each level's accuracy in the bundle (%s), for all weighted by the pictures that it answered; live: counted in this run", strings.Join(origins(f), ", "))
	}
	if format == FormatText {
		var origins []string
		for _, o := range r.AccuracyOrigins {
			origins = append(origins, string(o))
		}
		fmt.Fprintf(c.App.Writer, "policy %s, %d requests in %v: %d on time (%.2f%%), %d late, %d dropped, %d refused, %d failed; mean accuracy %v (%s); %d switches; ended: %s\n",
			r.Policy, r.Requests, r.Elapsed.Round(time.Millisecond), r.OnTime, 100*r.SLOAttainment, r.Late, r.Dropped, r.Refused, r.Failed,
			r.MeanAccuracy, strings.Join(origins, ", "), r.Switches, r.Ended)
	}
	g.Note("measured here: the time of the inference alone; preparing a picture took %v at the median", r.Preparation.P50)
	noteClocks(g, r.Clocks)
	for _, n := range r.Notes {
		g.Note("%s", n)
	}
	return g.Print(c.App.Writer, format)
}

// describeProcessor says in one line what a processor did in a run.
func describeProcessor(p *runner.ProcessorReport, elapsed time.Duration) string {
	s := fmt.Sprintf("%s: %d answered, %d failed, %d switches", p.Name, p.Answered, p.Failed, p.Switches)
	if elapsed > 0 {
		s += fmt.Sprintf(", at work for %.1f%% of the time", 100*float64(p.Busy)/float64(elapsed))
	}
	if p.Lost > 0 {
		s += fmt.Sprintf("; out of service %d times because an inference hung", p.Lost)
	}
	return s
}

// origins lists the kinds of accuracies that a family's levels have.
func origins(f *family.Family) []string {
	var list []string
	for _, l := range f.Levels {
		if o := string(l.AccuracyOrigin); !slices.Contains(list, o) {
			list = append(list, o)
		}
	}
	return list
}
