// Package plot draws runs, simulated or measured alike: what each policy did over time ([Timeline]),
// and how policies compare ([Comparison]).
//
// It computes nothing that package sim does not compute, and no picture shows an accuracy or a latency
// without saying what kind of number it is.
package plot

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"

	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// Run is one run in a picture.
type Run struct {
	Name  string // "" stands for the policy's spec
	Trace *trace.Trace
	// Profile says when co-running programs slowed the processor down; empty if nothing is known.
	Profile traffic.Profile
}

// Runs returns simulated runs as pictures take them.
func Runs(results []*sim.Result) []Run {
	runs := make([]Run, len(results))
	for i, r := range results {
		runs[i] = Run{Trace: r.Trace, Profile: r.Profile}
	}
	return runs
}

// maxRuns bounds the panels of a picture.
const maxRuns = 20

// check returns an error for runs that make no picture.
func check(runs []Run) error {
	if len(runs) == 0 {
		return errors.New("there is no run")
	}
	if len(runs) > maxRuns {
		return fmt.Errorf("%d runs, at most %d make a picture", len(runs), maxRuns)
	}
	for i, r := range runs {
		if r.Trace == nil || len(r.Trace.Records) == 0 {
			return fmt.Errorf("run %d (%s) has no requests", i+1, clean(r.name()))
		}
		if err := r.Trace.Header.Family.Validate(); err != nil {
			return fmt.Errorf("run %d (%s): %w", i+1, clean(r.name()), err)
		}
		for j := range r.Trace.Records {
			rec := &r.Trace.Records[j]
			if d := rec.Decision.Level; rec.Outcome.Answered() && (d < 0 || d >= len(r.Trace.Header.Family.Levels)) {
				return fmt.Errorf("run %d (%s): request %d was served at level %d, which its family does not have", i+1, clean(r.name()), rec.Request, d)
			}
			if rec.Observation.Now < 0 || rec.Start < rec.Observation.Now || rec.End < rec.Start {
				return fmt.Errorf("run %d (%s): request %d has times out of order", i+1, clean(r.name()), rec.Request)
			}
		}
	}
	return nil
}

func (r Run) name() string {
	if r.Name != "" || r.Trace == nil {
		return r.Name
	}
	return r.Trace.Header.Policy
}

// clean makes text from elsewhere fit for one line of a picture: what cannot be printed becomes a space,
// and what is very long is cut.
func clean(s string) string {
	const limit = 300
	s = strings.ToValidUTF8(s, "?")
	s = strings.Join(strings.Fields(strings.Map(func(c rune) rune {
		if !unicode.IsGraphic(c) {
			return ' '
		}
		return c
	}, s)), " ")
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "..."
	}
	return s
}

// fit cuts a text to a width.
func fit(style text.Style, s string, width vg.Length) string {
	if style.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 0 && style.Width(string(runes)+"...") > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "..."
}

// origin names what kind of number the accuracies of families are: "published", or "mixed" if they are
// not all of one kind.
func origin(runs []Run) family.AccuracyOrigin {
	var one family.AccuracyOrigin
	for _, r := range runs {
		for _, l := range r.Trace.Header.Family.Levels {
			if one != "" && l.AccuracyOrigin != one {
				return "mixed"
			}
			one = l.AccuracyOrigin
		}
	}
	return one
}

// accuracyName returns what to call an accuracy of an origin, and what to add to its number.
func accuracyName(o family.AccuracyOrigin) (name, remark string) {
	switch o {
	case family.AccuracyStandIn:
		return "stand-in", "not an accuracy"
	case "mixed":
		return "top-1 accuracy", "of mixed origin"
	}
	return "top-1 accuracy", string(o)
}

// provenance says in sentences where the numbers of runs come from, each once.
func provenance(runs []Run) []string {
	var lines []string
	add := func(format string, args ...any) {
		if line := clean(fmt.Sprintf(format, args...)); !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	for _, r := range runs {
		h := r.Trace.Header
		levels := h.Family.Levels
		switch o := origin([]Run{r}); o {
		case family.AccuracyStandIn:
			add("The accuracies of family %s are stand-ins: no accuracies at all, only numbers in their place.", h.Family.Name)
		case "mixed":
			var kinds []string
			for i, l := range levels {
				kinds = append(kinds, fmt.Sprintf("level %d %s", i, l.AccuracyOrigin))
			}
			add("Accuracies of family %s, top-1: %s.", h.Family.Name, strings.Join(kinds, ", "))
		default:
			add("Accuracies of family %s: %s, top-1.", h.Family.Name, o)
		}
	}
	for _, r := range runs {
		h := r.Trace.Header
		seed := ""
		if h.Scenario != "" {
			seed = fmt.Sprintf("; scenario %s, seed %d", h.Scenario, h.Seed)
		}
		if h.Kind == trace.Simulated {
			latency := h.Family.Levels[0].Latencies[0]
			add("Latencies: simulated from %s ones (%s)%s.", latencyKind(latency.Origin), latency.Source, seed)
		} else {
			add("Latencies: measured in the run%s.", seed)
		}
	}
	for _, r := range runs {
		for _, n := range r.Trace.Header.Family.Notes {
			add("%s", n)
		}
		for _, n := range r.Trace.Header.Notes {
			if !strings.HasPrefix(n, "simulated: ") { // said above
				add("%s", n)
			}
		}
	}
	const most = 8
	if n := len(lines); n > most {
		lines = append(lines[:most], fmt.Sprintf("(and %d more notes in the traces)", n-most))
	}
	return lines
}

// latencyKind says an origin in a word for readers.
func latencyKind(o lut.Origin) string {
	if o == "" {
		return "unknown"
	}
	return string(o)
}

// short prints a time with three significant digits and no zeros after the point: "96.4 ms", "4.64 s",
// "60 ms".
func short(d time.Duration) string {
	switch f := float64(d); {
	case d >= 100*time.Second:
		return fmt.Sprintf("%.0f s", f/1e9)
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", f/1e9)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", math.Min(f/1e6, 999))
	default:
		return fmt.Sprintf("%.3g \u00b5s", math.Min(f/1e3, 999))
	}
}
