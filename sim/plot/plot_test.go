package plot_test

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/plot"
)

var update = flag.Bool("update", false, "rewrite the golden pictures")

const ms = time.Millisecond

func paper(t testing.TB) *family.Family {
	t.Helper()
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// compare simulates static policies, whose course depends on the scenario alone.
func compare(t testing.TB, scenario string, specs ...string) []plot.Run {
	t.Helper()
	s, err := traffic.Builtin(scenario)
	if err != nil {
		t.Fatal(err)
	}
	results, err := sim.Compare(t.Context(), sim.Config{Scenario: s, Family: paper(t)}, specs, 0)
	if err != nil {
		t.Fatal(err)
	}
	return plot.Runs(results)
}

// byHand is a measured run in which everything occurs that a timeline can show: levels, a switch with its
// gap, waiting, a miss, a drop, an inference far off the axis, a change of the limit, and the end of the
// manager.
func byHand(t testing.TB) plot.Run {
	t.Helper()
	tr := &trace.Trace{Header: trace.Header{
		Version: trace.FormatVersion, Kind: trace.Measured, Policy: "by-hand", Family: *paper(t), Notes: []string{"a doubtful clock"},
	}}
	at := time.Duration(0)
	add := func(level int, arrival, gap, latency time.Duration, outcome trace.Outcome) {
		limit := 60 * ms
		if at > 3*time.Second {
			limit = 80 * ms
		}
		d := policy.Decision{Action: policy.Serve, Level: level, Reason: "test"}
		switch outcome {
		case trace.Dropped:
			d = policy.Decision{Action: policy.Drop, Reason: "test"}
		case trace.Refused:
			d = policy.Decision{Action: policy.Exit, Reason: "test"}
		}
		tr.Records = append(tr.Records, trace.Record{
			Request: int64(len(tr.Records)), Arrival: arrival, Deadline: arrival + 100*ms, Decision: d, Outcome: outcome,
			Observation: policy.Observation{Now: at, Limit: limit}, Start: at + gap, End: at + gap + latency,
		})
		at += gap + latency
	}
	for range 15 {
		add(5, at, 0, 62*ms, trace.OnTime)
	}
	add(5, at, 0, 400*ms, trace.Late)
	add(3, at-400*ms, 150*ms, 55*ms, trace.Late)
	add(0, at, 0, 0, trace.Dropped)
	add(3, at-30*ms, 0, 52*ms, trace.OnTime)
	for range 44 {
		add(3, at, 0, 52*ms, trace.OnTime)
	}
	for range 10 {
		add(0, at, 0, 75*ms, trace.OnTime)
	}
	for range 3 {
		add(0, at, 0, 0, trace.Refused)
		at += 100 * ms
	}
	return plot.Run{Trace: tr, Profile: traffic.Profile{{At: 900 * ms, Slowdown: 1.3, What: "a load starts"}, {At: 3500 * ms, Slowdown: 1}}}
}

func write(t testing.TB, f interface {
	Figure() (*base.Figure, error)
}, format base.Format) []byte {
	t.Helper()
	figure, err := f.Figure()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := figure.Write(&b, format); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// texts returns the words of an SVG, and fails if it is no XML.
func texts(t *testing.T, svg []byte) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return b.String()
		}
		if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
		if c, ok := token.(xml.CharData); ok {
			if text := strings.TrimSpace(string(c)); text != "" {
				b.WriteString(text + "\n")
			}
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the picture differs from %s; look at it and run the test with -update", path)
	}
}

func TestTimelineGolden(t *testing.T) {
	svg := write(t, plot.Timeline{Title: "By hand", Runs: []plot.Run{byHand(t)}, Notes: []string{"a note"}}, base.SVG)
	golden(t, "timeline.svg", svg)
	words := texts(t, svg)
	for _, want := range []string{
		"By hand", "by-hand", "latency (ms)", "top-1 (%)", "time since the start (s)", "mean top-1 accuracy 77.41% (published)",
		"\u00d71.3 a load starts", "\u00d71\n", "complies after", "missed its deadline", "not answered", "slower than the axis",
		"preparing pictures", "slowed down", "waiting included", "limit\n", "level 0: 74.20%", "Latencies: measured in the run.", "a doubtful clock", "a note",
		"2 switches",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the picture lacks %q:\n%s", want, words)
		}
	}
}

func TestComparisonGolden(t *testing.T) {
	runs := compare(t, "fig7", "static:0", "static:2", "static:4", "static:4")
	silent := byHand(t)
	silent.Name, silent.Trace.Records = "silent", silent.Trace.Records[len(silent.Trace.Records)-3:]
	svg := write(t, plot.Comparison{Title: "Static levels", Runs: append(runs, silent)}, base.SVG)
	golden(t, "comparison.svg", svg)
	words := texts(t, svg)
	for _, want := range []string{
		"Static levels", "SLO attainment: requests on time (%)", "mean top-1 accuracy of answered requests (%), published",
		"static:0", "static:2", "silent answered none of 3 requests.", "scenario fig7, seed 1", "Wilson",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the picture lacks %q:\n%s", want, words)
		}
	}
	if strings.Count(words, "static:4") != 2 {
		t.Error("of two equal runs one is missing")
	}
}

// What kind of number an accuracy is stands in every picture.
func TestOriginIsWritten(t *testing.T) {
	for _, tt := range []struct {
		name                 string
		origins              []family.AccuracyOrigin // the last holds for all further levels
		timeline, comparison string
	}{
		{"measured", []family.AccuracyOrigin{family.AccuracyMeasured}, "(measured)", "(%), measured"},
		{"predicted", []family.AccuracyOrigin{family.AccuracyPredicted}, "(predicted)", "(%), predicted"},
		{"stand-in", []family.AccuracyOrigin{family.AccuracyStandIn}, "(not an accuracy)", "mean stand-in of answered requests (%), not an accuracy"},
		{"mixed", []family.AccuracyOrigin{family.AccuracyPublished, family.AccuracyPredicted}, "(of mixed origin)", "(%), of mixed origin"},
	} {
		run := byHand(t)
		for i := range run.Trace.Header.Family.Levels {
			run.Trace.Header.Family.Levels[i].AccuracyOrigin = tt.origins[min(i, len(tt.origins)-1)]
		}
		timeline := texts(t, write(t, plot.Timeline{Runs: []plot.Run{run}}, base.SVG))
		comparison := texts(t, write(t, plot.Comparison{Runs: []plot.Run{run}}, base.SVG))
		if !strings.Contains(timeline, tt.timeline) || !strings.Contains(comparison, tt.comparison) {
			t.Errorf("%s: the timeline lacks %q or the comparison lacks %q:\n%s\n%s", tt.name, tt.timeline, tt.comparison, timeline, comparison)
		}
		if tt.name == "stand-in" && (strings.Contains(timeline, "top-1") || strings.Contains(comparison, "top-1")) {
			t.Errorf("a stand-in is called an accuracy:\n%s\n%s", timeline, comparison)
		}
		if tt.name == "mixed" && !strings.Contains(timeline, "level 0 published, level 1 predicted") {
			t.Errorf("mixed: which level is what?\n%s", timeline)
		}
	}
}

// The same figure gives the same bytes, drawn again and drawn by several goroutines.
func TestSameBytes(t *testing.T) {
	runs := []plot.Run{byHand(t)}
	for _, f := range []interface {
		Figure() (*base.Figure, error)
	}{plot.Timeline{Runs: runs}, plot.Comparison{Runs: runs}} {
		for _, format := range []base.Format{base.SVG, base.PNG, base.PDF} {
			want := write(t, f, format)
			var wg sync.WaitGroup
			for range 2 {
				wg.Go(func() {
					if !bytes.Equal(write(t, f, format), want) {
						t.Errorf("%T as %s differs from time to time", f, format)
					}
				})
			}
			wg.Wait()
		}
	}
}

func TestPNG(t *testing.T) {
	picture, err := png.Decode(bytes.NewReader(write(t, plot.Timeline{Runs: []plot.Run{byHand(t)}}, base.PNG)))
	if err != nil {
		t.Fatal(err)
	}
	// 640 points at 192 dots per inch.
	if b := picture.Bounds(); b.Dx() < 1706 || b.Dx() > 1707 || b.Dy() < 400 || b.Dy() > 1200 {
		t.Errorf("the picture is %v", b)
	}
	vermillion := 0
	for y := range picture.Bounds().Dy() {
		for x := range picture.Bounds().Dx() {
			if r, g, b, _ := picture.At(x, y).RGBA(); r>>8 == 0xd5 && g>>8 == 0x5e && b == 0 {
				vermillion++
			}
		}
	}
	if vermillion < 20 {
		t.Errorf("%d pixels mark misses", vermillion)
	}
}

// Many requests, steps and runs: labels do not overlap beyond what the rows hold, and the file stays
// small since nothing is drawn twice in one place.
func TestLargeTimeline(t *testing.T) {
	s := &traffic.Scenario{
		Name: "large", Family: "paper-gpu6", Processor: "gpu", Arrivals: traffic.Poisson{PerSecond: 12}, Limit: 150 * ms, Requests: 20_000,
		Noise: traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.1},
	}
	var profile traffic.Profile
	for i := range 2000 {
		profile = append(profile, traffic.Step{At: time.Duration(i) * time.Second, Slowdown: 1 + float64(i%3)/10, What: "something happens"})
	}
	s.Disturbances = []traffic.Disturbance{{Processor: "gpu", Profile: profile}}
	results, err := sim.Compare(t.Context(), sim.Config{Scenario: s, Family: paper(t)}, []string{"static:3"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	svg := write(t, plot.Timeline{Title: "large", Runs: plot.Runs(results)}, base.SVG)
	if len(svg) > 3<<20 {
		t.Errorf("20,000 requests take %d bytes", len(svg))
	}
	if n := strings.Count(texts(t, svg), "something happens"); n < 3 || n > 30 {
		t.Errorf("%d labels", n)
	}
}

// Texts from files are shown, never interpreted, and cannot break a picture.
func TestHostileText(t *testing.T) {
	for _, text := range []string{
		"<script>&amp;\"'</script>", "\x00\x1b[31m\u202e\n\n", "\xff\xfe", strings.Repeat("long ", 5000), strings.Repeat("x", 5000), "\u65e5\u672c\u8a9e \U0001f600", "",
	} {
		run := byHand(t)
		run.Name = text
		run.Profile[0].What = text
		run.Trace.Header.Notes = []string{text}
		run.Trace.Header.Scenario = text
		for _, format := range []base.Format{base.SVG, base.PDF} {
			timeline := write(t, plot.Timeline{Title: text, Runs: []plot.Run{run}, Notes: []string{text}}, format)
			comparison := write(t, plot.Comparison{Title: text, Runs: []plot.Run{run}, Notes: []string{text}}, format)
			if format == base.SVG {
				texts(t, timeline)
				texts(t, comparison)
			}
		}
	}
}

func TestRefusesRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		runs []plot.Run
		want string
	}{
		"none":       {nil, "no run"},
		"too many":   {make([]plot.Run, 21), "21 runs"},
		"no trace":   {make([]plot.Run, 1), "no requests"},
		"empty":      {[]plot.Run{{Name: "idle", Trace: &trace.Trace{}}}, "run 1 (idle) has no requests"},
		"family":     {[]plot.Run{changed(t, func(tr *trace.Trace) { tr.Header.Family.Levels = nil })}, "0 levels"},
		"level":      {[]plot.Run{byHand(t), changed(t, func(tr *trace.Trace) { tr.Records[4].Decision.Level = 6 })}, "run 2 (by-hand): request 4 was served at level 6"},
		"end":        {[]plot.Run{changed(t, func(tr *trace.Trace) { tr.Records[4].End = 0 })}, "out of order"},
		"start":      {[]plot.Run{changed(t, func(tr *trace.Trace) { tr.Records[4].Start = 0 })}, "out of order"},
		"decision":   {[]plot.Run{changed(t, func(tr *trace.Trace) { tr.Records[0].Observation.Now = -1 })}, "out of order"},
		"level < -1": {[]plot.Run{changed(t, func(tr *trace.Trace) { tr.Records[4].Decision.Level = -2 })}, "level -2"},
	} {
		_, err := plot.Timeline{Runs: tt.runs}.Figure()
		_, err2 := plot.Comparison{Runs: tt.runs}.Figure()
		if err == nil || err2 == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err2.Error(), tt.want) {
			t.Errorf("%s: %v; %v", name, err, err2)
		}
	}
}

func changed(t testing.TB, change func(tr *trace.Trace)) plot.Run {
	run := byHand(t)
	change(run.Trace)
	return run
}

func ExampleTimeline() {
	scenario, err := traffic.Builtin("fig7")
	if err != nil {
		fmt.Println(err)
		return
	}
	levels, err := family.PaperGPU6()
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := sim.Run(context.Background(), sim.Config{Scenario: scenario, Family: levels, Policy: "static:3"})
	if err != nil {
		fmt.Println(err)
		return
	}
	figure, err := plot.Timeline{Title: scenario.Title, Runs: plot.Runs([]*sim.Result{r})}.Figure()
	if err != nil {
		fmt.Println(err)
		return
	}
	var svg bytes.Buffer
	fmt.Println(figure.Write(&svg, base.SVG), strings.Contains(svg.String(), "does not comply; 152 of 153 over the limit"))
	// Output:
	// <nil> true
}

func BenchmarkTimeline(b *testing.B) {
	runs := compare(b, "poisson", "static:3")
	for _, format := range []base.Format{base.SVG, base.PNG} {
		b.Run(string(format), func(b *testing.B) {
			for b.Loop() {
				write(b, plot.Timeline{Runs: runs}, format)
			}
		})
	}
}
