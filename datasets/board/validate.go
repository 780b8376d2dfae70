package board

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Error is one thing wrong with a board.
type Error struct {
	File string // as given to Parse or Load; empty if the board comes from no file
	Line int    // 1-based; 0 if unknown
	Key  string // such as "processors.cpu.clocks[3]"; empty for the file as a whole
	// Problem says what is wrong.
	Problem string
}

// Error returns "board: FILE:LINE: KEY: PROBLEM" without the parts that are unknown.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("board: ")
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

// Validate returns nil or the problems of the board, the first twenty, as joined errors of type [*Error].
func (b *Board) Validate() error { return b.check().err() }

// report collects problems.
type report struct {
	problems []*Error
	sources  []Source
	used     map[string]bool // sources that some number names
}

const maxProblems = 20

func (r *report) add(key, format string, args ...any) {
	r.problems = append(r.problems, &Error{Key: key, Problem: fmt.Sprintf(format, args...)})
}

func (r *report) err() error {
	var errs []error
	for _, p := range r.problems[:min(len(r.problems), maxProblems)] {
		errs = append(errs, p)
	}
	if n := len(r.problems) - maxProblems; n > 0 {
		errs = append(errs, fmt.Errorf("board: and %d more", n))
	}
	return errors.Join(errs...)
}

func (r *report) text(key, s string) {
	switch {
	case len(s) > maxText:
		r.add(key, "has %d bytes, more than %d", len(s), maxText)
	case !utf8.ValidString(s):
		r.add(key, "is not valid UTF-8")
	case strings.ContainsFunc(s, unicode.IsControl):
		r.add(key, "holds a control character or a line break")
	case strings.TrimSpace(s) != s:
		r.add(key, "has blanks around it")
	}
}

func (r *report) length(key string, n int) {
	if n > maxItems {
		r.add(key, "has %d entries, more than %d", n, maxItems)
	}
}

// origin checks that a number's source is one of the board's.
func (r *report) origin(key string, o Origin) {
	r.text(key, o.Source)
	if o.Assumption {
		return
	}
	if !slices.ContainsFunc(r.sources, func(s Source) bool { return s.ID == o.Source }) {
		r.add(key, "source %q is none of the board's", clip(o.Source))
	}
	r.used[o.Source] = true
}

// check collects the problems.
func (b *Board) check() *report {
	r := &report{sources: b.Sources, used: map[string]bool{}}
	b.schema().check(r, "")
	if len(r.problems) > 0 {
		return r
	}
	for _, s := range b.Sources {
		if !r.used[s.ID] {
			r.add(join("sources", s.ID), "no number names it")
		}
	}
	b.checkModes(r)
	b.checkPower(r)
	b.checkTrips(r)
	for _, s := range b.Scaling {
		key := join("scaling", s.Processor)
		b.knows(r, key, s.Processor)
		if _, err := s.Fit(); err != nil {
			r.add(key, "%v", err)
		}
	}
	return r
}

// knows notes a processor that the board does not have.
func (b *Board) knows(r *report, key, processor string) {
	if b.Processor(processor) == nil {
		r.add(key, "%q is no processor of the board", clip(processor))
	}
}

func (b *Board) checkModes(r *report) {
	if b.DefaultMode != "" && !slices.ContainsFunc(b.Modes, func(m PowerMode) bool { return m.Name == b.DefaultMode }) {
		r.add("default_mode", "%q is none of the modes", clip(b.DefaultMode))
	}
	if b.DefaultMode == "" && len(b.Modes) > 0 {
		r.add("", "default_mode is missing")
	}
	cores := 0
	for _, p := range b.Processors {
		if p.Kind == CPU {
			cores += p.Cores.Value
		}
	}
	ids := map[int]string{}
	for i := range b.Modes {
		m := &b.Modes[i]
		key := join("modes", m.Name)
		if other, taken := ids[m.ID]; taken {
			r.add(join(key, "id"), "%d is the number of %s too", m.ID, other)
		}
		ids[m.ID] = m.Name
		if m.Cores.Value > cores {
			r.add(join(key, "cores"), "%d is more than the %d that there are", m.Cores.Value, cores)
		}
		b.checkLimits(r, m, join(key, "max"), m.Max)
		b.checkLimits(r, m, join(key, "min"), m.Min)
		if m.Memory.Known() && !slices.Contains(b.Memory.Clocks.Values, m.Memory.Value) {
			r.add(join(key, "memory"), "%s is no clock step of the memory", m.Memory)
		}
		if m.Warn.Known() && m.Critical.Known() && m.Warn.Value > m.Critical.Value {
			r.add(join(key, "warn"), "%s is above the critical %s", m.Warn, m.Critical)
		}
	}
}

func (b *Board) checkLimits(r *report, m *PowerMode, key string, limits []ClockLimit) {
	for _, l := range limits {
		at := join(key, l.Processor)
		p := b.Processor(l.Processor)
		switch {
		case p == nil:
			b.knows(r, at, l.Processor)
		case !slices.Contains(p.Clocks.Values, l.Clock.Value):
			r.add(at, "%s is no clock step of %s", l.Clock, l.Processor)
		case len(b.Steps(l.Processor, m)) == 0:
			r.add(at, "leaves %s no clock step", l.Processor)
		}
	}
}

func (b *Board) checkPower(r *report) {
	parts := []string{"memory"}
	for _, p := range b.Power.Parts {
		b.knows(r, join("power.parts", p.Processor), p.Processor)
		parts = append(parts, p.Processor)
	}
	for _, f := range b.Power.Fixed {
		if f.Name == "memory" || b.Processor(f.Name) != nil {
			r.add(join("power.fixed", f.Name), "is the name of something else")
		}
		parts = append(parts, f.Name)
	}
	for _, p := range b.Processors {
		if p.Name == "memory" {
			r.add(join("processors", p.Name), "is not a name for a processor")
		}
		if !slices.Contains(parts, p.Name) {
			r.add("power.parts", "%s is missing", p.Name)
		}
	}
	fed := map[string]string{}
	for _, rail := range b.Power.Rails {
		for _, part := range rail.Feeds {
			key := join("power.rails", rail.Name)
			if !slices.Contains(parts, part) {
				r.add(key, "%q is none of %s", clip(part), strings.Join(parts, ", "))
			}
			if other, taken := fed[part]; taken {
				r.add(key, "%s is fed by %s too", part, other)
			}
			fed[part] = rail.Name
		}
	}
}

func (b *Board) checkTrips(r *report) {
	for _, t := range b.Thermal.Trips {
		key := join("thermal.trips", t.Name)
		for _, p := range t.Parts {
			if b.Processor(p) == nil && p != "memory" {
				b.knows(r, join(key, "parts"), p)
			}
		}
		if t.Speed.Known() != (t.Kind == Fan) {
			r.add(key, "speed belongs to trips of kind fan, and to each of them")
		}
	}
}
