package command

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestLiveView renders looks at a run of known records: before the first answer, in the middle, after misses, on a narrow
// terminal, and as lines.
func TestLiveView(t *testing.T) {
	const ms = time.Millisecond
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	l := newLive(f, "gpu")
	var all bytes.Buffer
	show := func(title string, v view, width int) {
		fmt.Fprintf(&all, "== %s\n%s\n%s\n", title, strings.Join(v.lines(width), "\n"), v.line())
	}
	show("before the first request", l.look(), 100)
	var v view
	at := time.Duration(0)
	for i := range 60 {
		level, took, outcome := i/10, time.Duration(2+i%9)*ms, trace.OnTime
		if took > 9*ms {
			outcome = trace.Late
		}
		r := trace.Record{Request: int64(i), Arrival: at, Deadline: at + 9*ms, Start: at, End: at + took, Outcome: outcome,
			Decision: policy.Decision{Action: policy.Serve, Level: level, Reason: "fits"}}
		r.Observation.Limit = 8 * ms
		if i == 30 {
			r.Outcome, r.Decision = trace.Dropped, policy.Decision{Action: policy.Drop, Reason: "hopeless"}
		}
		l.add(&r)
		at += 20 * ms
		v = l.look()
		v.Elapsed = at
		if i == 20 {
			show("in the middle", v, 100)
		}
	}
	v.Watts, v.WattsKnown, v.Hottest, v.HottestZone, v.Busy, v.BusyKnown = 7.25, true, unit.Celsius(61.5), "GPU-therm", 0.43, true
	show("at the end, on a board", v, 100)
	v.Deadline = 0
	show("without a deadline, on a narrow terminal", v, 30)
	golden := filepath.Join("testdata", "live.txt")
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, all.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if all.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", all.String(), want)
	}
}

// TestLiveViewOfTwo shows the level of each of two processors, whose switches are their own.
func TestLiveViewOfTwo(t *testing.T) {
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	l := newLive(f, "cpu", "gpu")
	if v := l.look(); !strings.Contains(v.lines(100)[0], "level cpu - ······ gpu - ······") {
		t.Errorf("%q", v.lines(100))
	}
	for i := range 10 { // the GPU at level 4, the CPU at 0, and at the end at 1
		d := policy.Decision{Action: policy.Serve, Level: 4 * (i % 2), Processor: i % 2, Reason: "turn"}
		if i == 8 {
			d.Level = 1
		}
		l.add(&trace.Record{Request: int64(i), End: time.Millisecond, Outcome: trace.OnTime, Decision: d})
	}
	v := l.look()
	if line := v.lines(100)[0]; !strings.Contains(line, "level cpu 1 ■■···· gpu 4 ■■■■■·") || !strings.Contains(line, "1 switches") {
		t.Errorf("%q", line)
	}
	if line := v.line(); !strings.Contains(line, "level cpu 1, gpu 4, 10 requests") {
		t.Errorf("%q", line)
	}
}

// TestScreen draws twice: the second over the first, each line cleared.
func TestScreen(t *testing.T) {
	var b bytes.Buffer
	s := &screen{w: &b, width: 80}
	s.draw(view{Level: []int{-1}, Levels: 3})
	first := b.String()
	s.draw(view{Level: []int{2}, Levels: 3})
	second := strings.TrimPrefix(b.String(), first)
	if strings.Count(first, "\n") != 4 || strings.Contains(first, "\x1b[4A") || !strings.HasPrefix(second, "\x1b[4A") || strings.Count(second, "\r\x1b[K") != 4 || !strings.Contains(second, "■■■") {
		t.Errorf("%q, then %q", first, second)
	}
	b.Reset()
	fmt.Fprintln(s, "a log line")
	s.draw(view{Levels: 3})
	if got := b.String(); !strings.HasPrefix(got, "\x1b[4A\r\x1b[Ja log line\n\r\x1b[K") {
		t.Errorf("a log line above the view: %q", got)
	}
}
