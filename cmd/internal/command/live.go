package command

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/runner/monitor"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

// live collects what a run does between two looks at it. Its methods may be called from any goroutine.
type live struct {
	levels int
	best   []unit.Accuracy
	names  []string // of the processors that serve

	mu         sync.Mutex
	requests   int64
	onTime     int64
	missed     int64 // late, dropped, refused, failed
	switches   int64
	last       []int // level of each processor's last answer, -1 before the first
	accuracy   float64
	answered   int64
	limit      time.Duration
	deadline   time.Duration   // of the last request, from its arrival
	slot       time.Duration   // worst latency since the last look, 0: no answer
	slots      []time.Duration // worst latency of each time between two looks, the latest last; 0: no answer
	lastMiss   trace.Outcome
	lastReason string
}

// newLive returns a live for a run on one or several processors.
func newLive(f *family.Family, processors ...string) *live {
	l := &live{levels: len(f.Levels), names: processors}
	for range processors {
		l.last = append(l.last, -1)
	}
	for _, level := range f.Levels {
		l.best = append(l.best, level.Accuracy)
	}
	return l
}

// add takes in a record.
func (l *live) add(r *trace.Record) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests++
	l.limit = r.Observation.Limit
	if l.deadline = 0; r.Deadline > 0 {
		l.deadline = r.Deadline - r.Arrival
	}
	if r.Outcome == trace.OnTime {
		l.onTime++
	} else {
		l.missed++
		l.lastMiss, l.lastReason = r.Outcome, string(r.Decision.Reason)
	}
	if !r.Outcome.Answered() {
		return
	}
	level, last := r.Decision.Level, &l.last[r.Decision.Processor]
	if *last >= 0 && *last != level {
		l.switches++
	}
	*last = level
	l.answered++
	l.accuracy += float64(l.best[level])
	l.slot = max(l.slot, r.End-r.Arrival)
}

// sparkWidth is the number of looks that a sparkline shows.
const sparkWidth = 40

// look ends the time since the last look and returns what there is to see.
func (l *live) look() view {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.slots = append(l.slots, l.slot)
	l.slot = 0
	if len(l.slots) > sparkWidth {
		l.slots = l.slots[len(l.slots)-sparkWidth:]
	}
	v := view{Serving: l.names, Level: slices.Clone(l.last), Levels: l.levels, Requests: l.requests, OnTime: l.onTime, Missed: l.missed, Switches: l.switches, Limit: l.limit, Deadline: l.deadline,
		Latencies: append([]time.Duration(nil), l.slots...), LastMiss: string(l.lastMiss), LastReason: l.lastReason}
	if l.answered > 0 {
		v.Accuracy = unit.Accuracy(l.accuracy / float64(l.answered))
	}
	return v
}

// view is one look at a run.
type view struct {
	Elapsed          time.Duration
	Serving          []string // processors
	Level            []int    // of each of them, -1: no answer yet
	Levels           int
	Requests, OnTime int64
	Missed, Switches int64
	Accuracy         unit.Accuracy // mean of the answers
	Limit, Deadline  time.Duration // 0: none
	Latencies        []time.Duration
	LastMiss         string
	LastReason       string
	Watts            unit.Watts
	WattsKnown       bool
	Hottest          unit.Celsius
	HottestZone      string // empty: no temperature is known
	Busy             float64
	BusyKnown        bool
}

// bars are the heights of a sparkline.
var bars = []rune("▁▂▃▄▅▆▇█")

// sparkline draws latencies against the deadline, or the largest of them without one: the seventh of eight heights is the deadline, the eighth
// beyond it. A time without an answer is a space.
func sparkline(latencies []time.Duration, deadline time.Duration) string {
	top := deadline
	for _, d := range latencies {
		if deadline == 0 {
			top = max(top, d)
		}
	}
	var b strings.Builder
	for _, d := range latencies {
		switch {
		case d == 0 || top == 0:
			b.WriteByte(' ')
		case deadline > 0 && d > deadline:
			b.WriteRune(bars[7])
		case deadline > 0:
			b.WriteRune(bars[min(6, int(7*d/top))])
		default:
			b.WriteRune(bars[min(7, int(8*d/top))])
		}
	}
	return b.String()
}

// levelBar shows the level among all: "[##-...]".
func levelBar(level, levels int) string {
	if level < 0 {
		return strings.Repeat("·", levels)
	}
	return strings.Repeat("■", level+1) + strings.Repeat("·", levels-level-1)
}

// number is a level for people.
func number(level int) string {
	if level < 0 {
		return "-"
	}
	return strconv.Itoa(level)
}

// bars shows the level of every processor: "level 3 [bar]", or "level cpu 0 [bar] gpu 4 [bar]" of several.
func (v view) bars() string {
	s := "level"
	for i, level := range v.Level {
		if len(v.Level) > 1 {
			s += " " + v.Serving[i]
		}
		s += " " + number(level) + " " + levelBar(level, v.Levels)
	}
	return s
}

// levels is the level of every processor in words.
func (v view) levels() string {
	var list []string
	for i, level := range v.Level {
		if len(v.Level) > 1 {
			list = append(list, v.Serving[i]+" "+number(level))
		} else {
			list = append(list, number(level))
		}
	}
	return "level " + strings.Join(list, ", ")
}

// lines renders a view, at most width columns each.
func (v view) lines(width int) []string {
	due := "no deadline"
	switch {
	case v.Deadline > 0:
		due = "deadline " + v.Deadline.String()
	case v.Limit > 0:
		due = "limit " + v.Limit.String()
	}
	var worst time.Duration
	for _, d := range v.Latencies {
		worst = max(worst, d)
	}
	share := "-"
	if v.Requests > 0 {
		share = fmt.Sprintf("%.2f%%", 100*float64(v.OnTime)/float64(v.Requests))
	}
	state := []string{}
	if v.WattsKnown {
		state = append(state, fmt.Sprintf("%.2f W", float64(v.Watts)))
	}
	if v.HottestZone != "" {
		state = append(state, fmt.Sprintf("%s %.1f °C", v.HottestZone, float64(v.Hottest)))
	}
	if v.BusyKnown {
		state = append(state, fmt.Sprintf("processors %.0f%% busy", 100*v.Busy))
	}
	if len(state) == 0 {
		state = append(state, "power and temperature unknown")
	}
	misses := fmt.Sprintf("%d missed", v.Missed)
	if v.LastMiss != "" {
		misses += fmt.Sprintf(" (last: %s, %s)", v.LastMiss, v.LastReason)
	}
	all := []string{
		fmt.Sprintf("%8s  %s  accuracy %v  %d switches", v.Elapsed.Round(time.Second), v.bars(), v.Accuracy, v.Switches),
		fmt.Sprintf(" latency  %s  worst %v, %s", sparkline(v.Latencies, v.Deadline), worst.Round(10*time.Microsecond), due),
		fmt.Sprintf("requests  %d, %s on time, %s", v.Requests, share, misses),
		fmt.Sprintf("  device  %s", strings.Join(state, ", ")),
	}
	for i, s := range all {
		if r := []rune(s); len(r) > width {
			all[i] = string(r[:width])
		}
	}
	return all
}

// line is a view in one line, for what is no terminal.
func (v view) line() string {
	s := fmt.Sprintf("%v: %s, %d requests, %d on time, %d missed, %d switches", v.Elapsed.Round(time.Second), v.levels(), v.Requests, v.OnTime, v.Missed, v.Switches)
	if n := len(v.Latencies); n > 0 && v.Latencies[n-1] > 0 {
		s += fmt.Sprintf(", worst latency %v", v.Latencies[n-1].Round(10*time.Microsecond))
	}
	if v.WattsKnown {
		s += fmt.Sprintf(", %.2f W", float64(v.Watts))
	}
	return s
}

// screen draws views over one another on a terminal.
type screen struct {
	mu    sync.Mutex
	w     io.Writer
	width int
	drawn int // lines
}

func (s *screen) draw(v view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	if s.drawn > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", s.drawn)
	}
	lines := v.lines(s.width)
	for _, line := range lines {
		b.WriteString("\r\x1b[K" + line + "\n")
	}
	s.drawn = len(lines)
	_, _ = io.WriteString(s.w, b.String()) // nothing depends on it
}

// Write prints something else, such as a log line, above the view.
func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.drawn > 0 {
		if _, err := fmt.Fprintf(s.w, "\x1b[%dA\r\x1b[J", s.drawn); err != nil {
			return 0, err
		}
		s.drawn = 0
	}
	return s.w.Write(p)
}

// Looks are farther apart where they are lines of a log.
const (
	looksOnTerminal = 250 * time.Millisecond
	looksElsewhere  = 10 * time.Second
)

// liveRecorder shows a run's records to live before it hands them on.
type liveRecorder struct {
	live *live
	next runner.Recorder // nil: nobody
}

// Write implements runner.Recorder.
func (r *liveRecorder) Write(rec trace.Record) error {
	r.live.add(&rec)
	if r.next == nil {
		return nil
	}
	return r.next.Write(rec)
}

// Flush implements runner.Recorder.
func (r *liveRecorder) Flush() error {
	if r.next == nil {
		return nil
	}
	return r.next.Flush()
}

// show looks at a run until ctx ends: on a terminal as a view that is drawn over itself, elsewhere as lines.
func (w *watching) show(ctx context.Context, l *live, s *screen, lines io.Writer) {
	every := looksElsewhere
	if s != nil {
		every = looksOnTerminal
	}
	began := time.Now()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		v := l.look()
		v.Elapsed = time.Since(began)
		if r, ok := w.monitor.Last(); ok {
			v.device(&r)
		}
		if s != nil {
			s.draw(v)
		} else {
			fmt.Fprintln(lines, v.line())
		}
	}
}

// device fills in what the monitor knows.
func (v *view) device(r *monitor.Readings) {
	v.Watts, v.WattsKnown = monitor.Watts(r.State.Rails)
	v.Busy, v.BusyKnown = r.Busy, r.Known
	for _, t := range r.State.Temperatures {
		if v.HottestZone == "" || t.Celsius > v.Hottest {
			v.Hottest, v.HottestZone = t.Celsius, t.Zone
		}
	}
}
