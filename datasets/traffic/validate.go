package traffic

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Bounds of what a scenario may say. They keep times and counts far from overflow and a run finite.
const (
	MaxDuration = 10_000 * time.Hour // of anything
	MaxRequests = 100_000_000        // given, or expected from rate and duration
	MinPeriod   = time.Microsecond
	MinRate     = 1e-6 // arrivals per second
	MaxRate     = 1e6
	MinSlowdown = 0.01
	MaxSlowdown = 1000.0
	MaxSigma    = 2.0
	MinCV2      = 0.01 // of gaps
	MaxCV2      = 1000.0
	MaxStates   = 32   // of an MMPP
	MaxClock    = 1e11 // Hz
	MinAmbient  = -60  // degrees Celsius
	MaxAmbient  = 150
	maxApps     = 16
	MaxLevel    = 999
	MaxSteps    = 10_000 // per processor
	maxEntries  = 100    // sources, processors, policies, parameters
	maxText     = 20_000 // bytes of a description
	maxLine     = 500    // bytes of any other text
)

// Error is one thing wrong with a scenario.
type Error struct {
	File string // as given to Parse or Load; empty if the scenario comes from no file
	Line int    // 1-based; 0 if unknown
	Key  string // such as "disturbances.gpu[1].slowdown"; empty for the file as a whole
	// Problem says what is wrong.
	Problem string
}

// Error returns "traffic: FILE:LINE: KEY: PROBLEM" without the parts that are unknown.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("traffic: ")
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Problem)
	return b.String()
}

// Validate returns nil or all problems of the scenario as joined errors of type [*Error].
func (s *Scenario) Validate() error { return s.check().err() }

// check collects the problems.
func (s *Scenario) check() *report {
	r := &report{}
	r.text("title", s.Title, maxLine)
	r.text("description", s.Description, maxText)
	r.size("sources", len(s.Sources), maxEntries)
	for i, source := range s.Sources {
		r.text(fmt.Sprintf("sources[%d]", i), source, maxLine)
	}
	if len(s.Apps) > 0 {
		s.checkApps(r)
	} else {
		s.checkApp(r)
	}
	r.optionalName("board", s.Board)
	r.optionalName("mode", s.Mode)
	r.optionalName("governor", s.Governor)
	if s.Board == "" && (s.Mode != "" || s.Governor != "") {
		r.add("", "mode and governor need a board")
	}
	s.checkLength(r)
	s.checkDisturbances(r)
	s.checkCoRunners(r)
	s.checkEvents(r)
	r.within("noise", s.Noise.problems)
	s.checkPolicies(r)
	return r
}

// checkLength checks the arrivals and what ends them.
func (s *Scenario) checkLength(r *report) {
	r.between("duration", s.Duration, 0, MaxDuration)
	if s.Requests < 0 || s.Requests > MaxRequests {
		r.add("requests", "%d is outside [0, %d]", s.Requests, MaxRequests)
	}
	if s.Duration == 0 && s.Requests == 0 {
		r.add("", "neither duration nor requests is given, so the scenario would never end")
	}
	if len(r.problems) > 0 || s.Requests > 0 {
		return
	}
	n := 0.0
	for _, a := range s.Applications() {
		n += a.Arrivals.Expected(s.Duration)
	}
	if n > MaxRequests {
		r.add("duration", "about %.3g requests would arrive, more than %d", n, MaxRequests)
	}
}

// checkApp checks the only application.
func (s *Scenario) checkApp(r *report) {
	r.name("family", s.Family)
	r.name("processor", s.Processor)
	r.processors(s.Processor, s.Processors)
	r.between("limit", s.Limit, 0, MaxDuration)
	if err := s.Accuracy.Validate(); err != nil {
		r.add("accuracy", "%v", err)
	}
	if s.InitialLevel < 0 || s.InitialLevel > MaxLevel {
		r.add("initial_level", "%d is outside [0, %d]", s.InitialLevel, MaxLevel)
	}
	if s.Arrivals == nil {
		r.add("", "arrivals is missing")
		return
	}
	r.within("arrivals", s.Arrivals.problems)
}

func (s *Scenario) checkDisturbances(r *report) {
	r.size("disturbances", len(s.Disturbances), maxEntries)
	for i, d := range s.Disturbances {
		key := "disturbances." + d.Processor
		r.name(key, d.Processor)
		if i > 0 && s.Disturbances[i-1].Processor >= d.Processor {
			r.add(key, "processors are not in ascending order")
		}
		r.size(key, len(d.Profile), MaxSteps)
		if len(d.Profile) == 0 {
			r.add(key, "is empty")
		}
		for j, step := range d.Profile {
			r.within(fmt.Sprintf("%s[%d]", key, j), step.problems)
			if j > 0 && d.Profile[j-1].At >= step.At {
				r.add(fmt.Sprintf("%s[%d].at", key, j), "%v is not after the step before, at %v", step.At, d.Profile[j-1].At)
			}
		}
	}
}

func (s Step) problems(r *report) {
	r.between("at", s.At, 0, MaxDuration)
	if !(s.Slowdown >= MinSlowdown && s.Slowdown <= MaxSlowdown) {
		r.add("slowdown", "%g is outside [%g, %g]", s.Slowdown, MinSlowdown, MaxSlowdown)
	}
	r.text("what", s.What, maxLine)
}

func (s *Scenario) checkPolicies(r *report) {
	r.size("switch_time", len(s.SwitchTimes), maxEntries)
	for _, policy := range sortedKeys(s.SwitchTimes) {
		key := "switch_time." + policy
		r.name(key, policy)
		r.between(key, s.SwitchTimes[policy], 0, MaxDuration)
	}
	r.size("policies", len(s.Policies), maxEntries)
	for _, policy := range sortedKeys(s.Policies) {
		key := "policies." + policy
		params := s.Policies[policy]
		r.name(key, policy)
		r.size(key, len(params), maxEntries)
		if len(params) == 0 {
			r.add(key, "is empty")
		}
		for _, param := range sortedKeys(params) {
			r.name(key+"."+param, param)
			r.text(key+"."+param, params[param], maxLine)
		}
	}
}

// sortedKeys gives a map's keys an order, so that what is reported or written has one.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// report collects problems under keys.
type report struct {
	prefix   string // of all keys, with its dot
	problems []*Error
}

// add notes a problem of the given key; the empty key is the object itself.
func (r *report) add(key, format string, args ...any) {
	r.problems = append(r.problems, &Error{Key: strings.TrimSuffix(r.prefix+key, "."), Problem: fmt.Sprintf(format, args...)})
}

// within collects the problems of an object under its key.
func (r *report) within(key string, problems func(*report)) {
	outer := r.prefix
	r.prefix = outer + key + "."
	problems(r)
	r.prefix = outer
}

// between notes a duration outside [low, high].
func (r *report) between(key string, d, low, high time.Duration) {
	switch {
	case d < 0:
		r.add(key, "%v is negative", d)
	case d < low || d > high:
		r.add(key, "%v is outside [%v, %v]", d, low, high)
	}
}

// rate notes a rate outside [MinRate, MaxRate].
func (r *report) rate(key string, perSecond float64) {
	if !(perSecond >= MinRate && perSecond <= MaxRate) {
		r.add(key, "%g per second is outside [%g/s, %g/s]", perSecond, MinRate, MaxRate)
	}
}

// cv2 notes a squared coefficient of variation outside [MinCV2, MaxCV2].
func (r *report) cv2(key string, cv2 float64) {
	if !(cv2 >= MinCV2 && cv2 <= MaxCV2) {
		r.add(key, "%g is outside [%g, %g]", cv2, MinCV2, MaxCV2)
	}
}

// processors notes a list that is not of several processors, the first one first.
func (r *report) processors(first string, all []string) {
	if all == nil {
		return
	}
	r.size("processors", len(all), maxEntries)
	if len(all) < 2 || all[0] != first {
		r.add("processors", "want several, the first of them %q", first)
	}
	for i, p := range all {
		r.name(fmt.Sprintf("processors[%d]", i), p)
		if slices.Contains(all[:i], p) {
			r.add(fmt.Sprintf("processors[%d]", i), "%q is given twice", clip(p))
		}
	}
}

// optionalName notes a name that is no name unless it is empty.
func (r *report) optionalName(key, s string) {
	if s != "" {
		r.name(key, s)
	}
}

// size notes a list or mapping with too many entries.
func (r *report) size(key string, n, limit int) {
	if n > limit {
		r.add(key, "has %d entries, more than %d", n, limit)
	}
}

// text notes a text that is too long or could not be printed; only descriptions have several lines.
func (r *report) text(key, s string, limit int) {
	if len(s) > limit {
		r.add(key, "is longer than %d bytes", limit)
		return
	}
	if !utf8.ValidString(s) {
		r.add(key, "is not valid UTF-8")
		return
	}
	for _, c := range s {
		if !unicode.IsGraphic(c) && (c != '\n' || limit != maxText) {
			r.add(key, "holds the control character %U", c)
			return
		}
	}
}

// name notes a name that is missing, or that would be mistaken for something else in a key or a command line.
func (r *report) name(key, s string) {
	switch {
	case s == "":
		r.add(key, "is missing")
	case len(s) > maxLine/5:
		r.add(key, "is longer than %d bytes", maxLine/5)
	case strings.ContainsFunc(s, func(c rune) bool {
		return c > unicode.MaxASCII || !(unicode.IsLetter(c) || unicode.IsDigit(c) || strings.ContainsRune("_-.:/", c))
	}):
		r.add(key, "%q is no name: letters, digits and _-.:/ make one", s)
	}
}

// maxReported bounds the length of an error message.
const maxReported = 20

// err joins the problems, nil if there are none.
func (r *report) err() error {
	var errs []error
	for i, p := range r.problems {
		if i == maxReported {
			errs = append(errs, &Error{File: p.File, Problem: fmt.Sprintf("and %d more problems", len(r.problems)-i)})
			break
		}
		errs = append(errs, p)
	}
	return errors.Join(errs...)
}
