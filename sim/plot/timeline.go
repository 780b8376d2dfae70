package plot

import (
	"fmt"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/trace"
	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// Timeline describes a picture of runs over time, one panel under the other with a common time axis. A
// panel shows the latency of each inference where it starts, in the colour and shape of its level, and
// above it the response where waiting made it longer; under it the accuracy of the level that serves; the limit; times of slow-down, and from each of their
// beginnings a bar that lasts until the run complies again (sim.Compliance); gaps in which it switched
// levels or prepared a picture; and a tick under each request that was missed.
type Timeline struct {
	Title string
	Runs  []Run    // 1 to 20, each with a request
	Notes []string // for the footnote, after what the runs' own headers give
}

// Sizes in points.
const (
	width       = 640.0
	left        = 54.0 // margins of the data area
	right       = 14.0
	latencyArea = 104.0
	strip       = 34.0 // the accuracies under it
	stripGap    = 3.0
	heading     = 15.0 // over a panel
	panelGap    = 9.0
	labelRow    = 11.0 // of what happens, over a panel
	rug         = 8.0  // for the ticks of missed requests
)

// Figure draws the timeline. It returns an error if there are no runs or too many, or a run has no
// requests, an invalid family, or a record that contradicts it.
func (t Timeline) Figure() (*base.Figure, error) {
	if err := check(t.Runs); err != nil {
		return nil, fmt.Errorf("plot: timeline: %w", err)
	}
	s := newSheet(t)
	return base.NewFigure(width, s.height(), s.draw), nil
}

// sheet is what a timeline's panels share.
type sheet struct {
	title     string
	notes     []string
	panels    []*panel
	end       time.Duration // of the time axis
	low, high float64       // of the latency axis, ns
	unit      base.Time
	beyond    bool // something lies above the latency axis
	refused   bool // something was not answered
	accuracy  [2]float64
	name      string // of the accuracy
	key       []base.Entry
	// headroom is what the data area leaves to the bar of compliance and to what lies above the axis.
	headroom vg.Length
}

// panel is one run with its figures.
type panel struct {
	run     Run
	heading string
	summary string
	rises   []sim.Compliance
	labels  []label // of what happens; none if the panel above has the same
	rows    int     // of labels
}

func newSheet(t Timeline) *sheet {
	s := &sheet{title: clean(t.Title), notes: provenance(t.Runs)}
	for _, n := range t.Notes {
		s.notes = append(s.notes, clean(n))
	}
	name, remark := accuracyName(origin(t.Runs))
	s.name = name
	s.accuracy = [2]float64{math.Inf(1), math.Inf(-1)}
	for _, r := range t.Runs {
		for _, rec := range r.Trace.Records {
			s.end = max(s.end, rec.End)
		}
		for _, l := range r.Trace.Header.Family.Levels {
			s.accuracy[0], s.accuracy[1] = min(s.accuracy[0], float64(l.Accuracy)), max(s.accuracy[1], float64(l.Accuracy))
		}
	}
	s.end = max(s.end, time.Microsecond)
	s.scale(t.Runs)
	var above traffic.Profile
	for _, r := range t.Runs {
		m := sim.Measure(r.Trace, r.Profile)
		p := &panel{
			run: r, heading: clean(r.name()), rises: m.Compliance,
			summary: fmt.Sprintf("%.1f%% of %s on time (95%% interval %.1f to %.1f%%), mean %s %.2f%% (%s), %s", 100*m.SLO.Share, base.Count(m.Requests),
				100*m.SLO.Low, 100*m.SLO.High, name, m.MeanAccuracy.Percent(), remark, plural(m.Switches, "switch", "switches")),
		}
		if !slices.Equal(r.Profile, above) {
			p.labels, p.rows = s.place(r.Profile)
		}
		above = r.Profile
		s.panels = append(s.panels, p)
		s.refused = s.refused || m.OnTime+m.Late < m.Requests
	}
	s.key = s.entries(t.Runs)
	s.headroom = 5
	if s.refused || s.beyond {
		s.headroom = 9
	}
	if slices.ContainsFunc(s.panels, func(p *panel) bool { return len(p.rises) > 0 }) {
		s.headroom = 26
	}
	return s
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return base.Count(n) + " " + many
}

// scale sets the latency axis. It covers limits, 90% of the latencies of each run and half as much
// again, but no more than there is; and 90% of the responses, waiting included, as far as there is room
// in that.
func (s *sheet) scale(runs []Run) {
	s.low, s.high = math.Inf(1), 0
	most, response := 0.0, 0.0
	for _, r := range runs {
		m := sim.Measure(r.Trace, nil)
		if m.Latency.N > 0 {
			s.low = min(s.low, float64(m.Latency.Min))
			s.high = max(s.high, float64(m.Latency.P90))
			most = max(most, float64(m.Latency.Max))
			response = max(response, float64(m.Response.P90))
		}
		for i := range r.Trace.Records {
			if limit := float64(r.Trace.Records[i].Observation.Limit); limit > 0 {
				s.low, s.high = min(s.low, limit), max(s.high, limit)
			}
		}
	}
	if s.high == 0 {
		s.low, s.high = 0, 1e6
	}
	s.high = max(s.high, min(1.5*s.high, max(most, response)))
	pad := 0.06 * (s.high - s.low)
	if pad == 0 {
		pad = 0.1 * s.high
	}
	s.low, s.high = max(0, s.low-pad), s.high+pad
	s.beyond = most > s.high
	s.unit = base.TimeFor(unit.Nanoseconds(s.high))
}

// gapName says what lies between a decision and its inference: a simulated run switches levels, a
// measured one, whose levels are all resident, prepares the picture.
func gapName(runs []Run) string {
	measured := 0
	for _, r := range runs {
		if r.Trace.Header.Kind == trace.Measured {
			measured++
		}
	}
	switch measured {
	case 0:
		return "switching levels"
	case len(runs):
		return "preparing pictures"
	}
	return "switching, or preparing pictures (measured)"
}

// entries returns the key: the levels that served, then the marks that occur.
func (s *sheet) entries(runs []Run) []base.Entry {
	first := runs[0].Trace.Header.Family
	same := true
	var served []int
	limits := map[time.Duration]bool{}
	missed, switching, slowed, waited := false, false, false, false
	for _, r := range runs {
		f := r.Trace.Header.Family
		same = same && slices.EqualFunc(f.Levels, first.Levels, sameLevel)
		for i := range r.Trace.Records {
			rec := &r.Trace.Records[i]
			if rec.Outcome.Answered() && !slices.Contains(served, rec.Decision.Level) {
				served = append(served, rec.Decision.Level)
			}
			if rec.Observation.Limit > 0 {
				limits[rec.Observation.Limit] = true
			}
			missed = missed || rec.Outcome != trace.OnTime
			waited = waited || rec.Outcome.Answered() && s.waited(rec)
			switching = switching || s.visible(rec.Start-rec.Observation.Now)
		}
		for _, step := range r.Profile {
			slowed = slowed || step.Slowdown > 1 && step.At < s.end
		}
	}
	slices.Sort(served)
	var key []base.Entry
	for _, l := range served {
		name := fmt.Sprintf("level %d", l)
		if same {
			name += fmt.Sprintf(": %v", first.Levels[l].Accuracy)
			if len(first.Levels[l].Latencies) == 1 {
				name += ", " + first.Levels[l].Latencies[0].Latency.String()
			}
		}
		key = append(key, base.Entry{Name: name, Glyph: levelGlyph(l, 3)})
	}
	if waited {
		key = append(key, base.Entry{Name: "waiting included", Glyph: waitedGlyph(1.5)})
	}
	if len(limits) > 0 {
		name := "limit"
		if len(limits) == 1 {
			for l := range limits {
				name += " " + short(l)
			}
		}
		key = append(key, base.Entry{Name: name, Line: limitLine})
	}
	add := func(present bool, e base.Entry) {
		if present {
			key = append(key, e)
		}
	}
	add(slowed, base.Entry{Name: "slowed down", Line: draw.LineStyle{Color: shadeOf(1), Width: 8}})
	add(switching, base.Entry{Name: gapName(runs), Line: draw.LineStyle{Color: switchColor, Width: 8}})
	add(missed, base.Entry{Name: "missed its deadline", Glyph: draw.GlyphStyle{Color: base.Vermillion, Radius: 4, Shape: tickGlyph{}}})
	add(s.refused, base.Entry{Name: "not answered", Glyph: draw.GlyphStyle{Color: base.Vermillion, Radius: 2.5, Shape: draw.CrossGlyph{}}})
	add(s.beyond, base.Entry{Name: "slower than the axis", Glyph: draw.GlyphStyle{Color: base.Black, Radius: 2.5, Shape: caretGlyph{}}})
	return key
}

// height returns the height of the figure.
func (s *sheet) height() vg.Length {
	h := 70 + vg.Length(14*((len(s.key)+keyColumns-1)/keyColumns)) // title, time axis, key
	for _, n := range s.notes {
		h += 10 * vg.Length(math.Ceil(float64(base.Text(7.5, base.Grey, draw.XLeft, draw.YBottom).Width(n))/(width-30)))
	}
	for _, p := range s.panels {
		h += heading + labelRow*vg.Length(p.rows) + latencyArea + stripGap + strip + panelGap
	}
	return h
}

const keyColumns = 4

func (s *sheet) draw(c draw.Canvas) {
	title := base.Text(12, base.Black, draw.XLeft, draw.YTop)
	c.FillText(title, vg.Point{X: c.Min.X + 8, Y: c.Max.Y - 8}, fit(title, s.title, width-16))
	c = base.Footnote(c, s.notes...)
	c = base.Key(c, keyColumns, s.key...)
	y := c.Max.Y - 30
	for _, p := range s.panels {
		y -= heading
		head := vg.Point{X: left, Y: y + 5}
		name := base.Text(10, base.Black, draw.XLeft, draw.YBottom)
		heading := fit(name, p.heading, 150)
		c.FillText(name, head, heading)
		head.X += name.Width(heading) + 8
		summary := base.Text(8.5, base.Grey, draw.XLeft, draw.YBottom)
		c.FillText(summary, head, fit(summary, p.summary, width-head.X))
		y -= labelRow * vg.Length(p.rows)
		s.drawLabels(c, p, y)
		s.drawPanel(c, p, vg.Rectangle{Min: vg.Point{X: left, Y: y - latencyArea}, Max: vg.Point{X: width - right, Y: y}})
		y -= latencyArea + stripGap
		s.drawStrip(c, p, vg.Rectangle{Min: vg.Point{X: left, Y: y - strip}, Max: vg.Point{X: width - right, Y: y}})
		y -= strip + panelGap
	}
	s.drawTimeAxis(c, y+panelGap)
}

// x returns where a time lies.
func (s *sheet) x(t time.Duration) vg.Length {
	return left + vg.Length(float64(min(max(t, 0), s.end))/float64(s.end))*(width-left-right)
}

// visible reports whether a time is long enough to be seen.
func (s *sheet) visible(d time.Duration) bool {
	return float64(d)/float64(s.end)*(width-left-right) >= 0.75
}

// waited reports whether a response lies on the axis, so far above its inference that both can be told
// apart.
func (s *sheet) waited(r *trace.Record) bool {
	return float64(r.Start-r.Arrival) > 0.02*(s.high-s.low) && float64(r.End-r.Arrival) <= s.high
}

func (s *sheet) drawTimeAxis(c draw.Canvas, y vg.Length) {
	style := base.Text(9, base.Black, draw.XCenter, draw.YTop)
	for _, tick := range (base.Ticks{Want: 12}).Ticks(0, s.end.Seconds()) {
		x := s.x(time.Duration(tick.Value * 1e9))
		c.StrokeLine2(axisLine, x, y, x, y-4)
		c.FillText(style, vg.Point{X: x, Y: y - 6}, tick.Label)
	}
	c.FillText(base.Text(10, base.Black, draw.XCenter, draw.YTop), vg.Point{X: (left + width - right) / 2, Y: y - 17}, "time since the start (s)")
}

// sameLevel reports whether two levels look the same in the key.
func sameLevel(a, b family.Level) bool {
	return a.Accuracy == b.Accuracy && slices.EqualFunc(a.Latencies, b.Latencies, family.Latency.Equal)
}
