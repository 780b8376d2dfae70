package plot

import (
	"fmt"
	"math"
	"time"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/sim"
)

// drawPanel draws latencies into an area.
func (s *sheet) drawPanel(c draw.Canvas, p *panel, area vg.Rectangle) {
	s.drawBackground(c, p, area)
	top := area.Max.Y - s.headroom
	bottom := area.Min.Y + rug
	y := func(ns float64) vg.Length { return bottom + vg.Length((ns-s.low)/(s.high-s.low))*(top-bottom) }

	perUnit := 1 / s.unit.Of(1)
	for _, tick := range (base.Ticks{Want: 7}).Ticks(s.low/perUnit, s.high/perUnit) {
		at := y(tick.Value * perUnit)
		c.StrokeLine2(gridLine, area.Min.X, at, area.Max.X, at)
		c.StrokeLine2(axisLine, area.Min.X-4, at, area.Min.X, at)
		c.FillText(base.Text(9, base.Black, draw.XRight, draw.YCenter), vg.Point{X: area.Min.X - 6, Y: at}, tick.Label)
	}
	label := base.Text(9, base.Black, draw.XCenter, draw.YTop)
	label.Rotation = math.Pi / 2
	c.FillText(label, vg.Point{X: area.Min.X - 42, Y: (area.Min.Y + area.Max.Y) / 2}, fmt.Sprintf("latency (%s)", s.unit.Name))

	s.drawLimit(c, p, y)
	s.drawPoints(c, p, y, area)
	s.drawCompliance(c, p, area.Max.Y)
	frame(c, area)
}

// drawBackground draws what lies behind the data: slow-downs, their beginnings, and gaps of switching.
func (s *sheet) drawBackground(c draw.Canvas, p *panel, area vg.Rectangle) {
	most := 1.0
	for _, step := range p.run.Profile {
		most = max(most, step.Slowdown)
	}
	for i, step := range p.run.Profile {
		if step.At >= s.end {
			break
		}
		end := s.end
		if i+1 < len(p.run.Profile) {
			end = p.run.Profile[i+1].At
		}
		if step.Slowdown > 1 {
			fill(c, s.x(step.At), s.x(end), area, shadeOf((step.Slowdown-1)/(most-1)))
		}
	}
	for i := range p.run.Trace.Records {
		r := &p.run.Trace.Records[i]
		if s.visible(r.Start - r.Observation.Now) {
			fill(c, s.x(r.Observation.Now), s.x(r.Start), area, switchColor)
		}
	}
	for _, step := range p.run.Profile {
		if step.At > 0 && step.At < s.end {
			c.StrokeLine2(stepLine, s.x(step.At), area.Min.Y, s.x(step.At), area.Max.Y)
		}
	}
}

// drawLimit draws the limit while it is in force: until a request is decided under another one.
func (s *sheet) drawLimit(c draw.Canvas, p *panel, y func(float64) vg.Length) {
	records := p.run.Trace.Records
	for i := 0; i < len(records); {
		limit, j := records[i].Observation.Limit, i+1
		for j < len(records) && records[j].Observation.Limit == limit {
			j++
		}
		from, to := time.Duration(0), s.end
		if i > 0 {
			from = records[i].Observation.Now
		}
		if j < len(records) {
			to = records[j].Observation.Now
		}
		if limit > 0 {
			c.StrokeLine2(limitLine, s.x(from), y(float64(limit)), s.x(to), y(float64(limit)))
		}
		i = j
	}
}

// drawPoints draws a glyph for each inference, a dot above it where waiting made the response longer, a
// cross for each request without one, and a tick for each miss. Glyphs that would hide each other are drawn once, so that a picture of many requests stays
// small.
func (s *sheet) drawPoints(c draw.Canvas, p *panel, y func(float64) vg.Length, area vg.Rectangle) {
	records := p.run.Trace.Records
	radius, grain := vg.Length(2.1), vg.Length(0.2) // grain: glyphs nearer than that count as one
	switch n := len(records); {
	case n > 3000:
		radius, grain = 1.1, 0.6
	case n > 600:
		radius, grain = 1.6, 0.4
	}
	type cell struct{ kind, x, y int }
	drawn := map[cell]bool{}
	once := func(kind int, at vg.Point, grain vg.Length) bool {
		k := cell{kind, int(at.X / grain), int(at.Y / grain)}
		if drawn[k] {
			return false
		}
		drawn[k] = true
		return true
	}
	const missed, unanswered, waited, beyond = -1, -2, -3, 1000
	above := area.Max.Y - s.headroom + 4
	for i := range records { // first, so that they hide no latencies
		r := &records[i]
		if response := float64(r.End - r.Arrival); r.Outcome.Answered() && s.waited(r) {
			if at := (vg.Point{X: s.x(r.Start), Y: y(response)}); once(waited, at, 2*grain) {
				c.DrawGlyph(waitedGlyph(0.9), at)
			}
		}
	}
	for i := range records {
		r := &records[i]
		at := vg.Point{X: s.x(r.Start), Y: area.Min.Y}
		if r.Outcome != trace.OnTime && once(missed, at, 0.5) {
			c.StrokeLine2(draw.LineStyle{Color: base.Vermillion, Width: 0.9}, at.X, area.Min.Y, at.X, area.Min.Y+rug-2)
		}
		latency := float64(r.End - r.Start)
		switch {
		case !r.Outcome.Answered():
			at.Y = above
			if once(unanswered, at, 1.5) {
				c.DrawGlyph(draw.GlyphStyle{Color: base.Vermillion, Radius: 2.2, Shape: draw.CrossGlyph{}}, at)
			}
		case latency > s.high:
			at.Y = above
			if once(beyond+r.Decision.Level, at, 1) {
				style := levelGlyph(r.Decision.Level, 2.2)
				style.Shape = caretGlyph{}
				c.DrawGlyph(style, at)
			}
		default:
			at.Y = y(latency)
			if once(r.Decision.Level, at, grain) {
				c.DrawGlyph(levelGlyph(r.Decision.Level, radius), at)
			}
		}
	}
}

// drawCompliance draws, in the headroom under y, a bar from each rise of the slow-down to compliance.
func (s *sheet) drawCompliance(c draw.Canvas, p *panel, y vg.Length) {
	for _, r := range p.rises {
		from, to := s.x(r.At), s.x(r.At+r.After)
		end := vg.Length(width - right)
		if next, ok := p.run.Profile.Next(r.At); ok {
			end = s.x(next.At)
		}
		at := y - 5
		if r.Over > 0 {
			c.StrokeLine2(barLine, from, at, to, at)
			c.StrokeLine2(barLine, from, at-2.5, from, at+2.5)
			if r.Complied {
				c.StrokeLine2(barLine, to, at-2.5, to, at+2.5)
			}
		}
		style := base.Text(8, base.Black, draw.XLeft, draw.YTop)
		for _, text := range complianceTexts(r) {
			if from+3+style.Width(text) <= end {
				c.FillText(style, vg.Point{X: from + 3, Y: at - 3}, text)
				break
			}
		}
	}
}

// complianceTexts returns what to write under the bar, the longest first.
func complianceTexts(r sim.Compliance) []string {
	over := fmt.Sprintf("; %d of %d over the limit", r.Over, r.Frames)
	after := "complies after " + short(r.After)
	switch {
	case r.Over == 0:
		return []string{"keeps the limit"}
	case !r.Complied:
		return []string{"does not comply" + over, "does not comply", "never"}
	case !r.Lasting:
		return []string{after + ", but breaks the limit again" + over, after + ", but not for good", after, short(r.After)}
	}
	return []string{after + over, after, short(r.After)}
}

// drawStrip draws the accuracy of the level that serves into an area.
func (s *sheet) drawStrip(c draw.Canvas, p *panel, area vg.Rectangle) {
	s.drawBackground(c, p, area)
	low, high := s.accuracy[0], s.accuracy[1]
	y := func(a float64) vg.Length {
		if high <= low {
			return (area.Min.Y + area.Max.Y) / 2
		}
		return area.Min.Y + 6 + vg.Length((a-low)/(high-low))*(strip-12)
	}
	ticks := []float64{low, high}
	if high <= low {
		ticks = ticks[:1]
	}
	for _, a := range ticks {
		c.StrokeLine2(gridLine, area.Min.X, y(a), area.Max.X, y(a))
		c.StrokeLine2(axisLine, area.Min.X-4, y(a), area.Min.X, y(a))
		c.FillText(base.Text(8, base.Black, draw.XRight, draw.YCenter), vg.Point{X: area.Min.X - 6, Y: y(a)}, fmt.Sprintf("%.1f", 100*a))
	}
	label := base.Text(7.5, base.Black, draw.XCenter, draw.YTop)
	label.Rotation = math.Pi / 2
	name := "top-1 (%)"
	if s.name == "stand-in" {
		name = "stand-in"
	}
	c.FillText(label, vg.Point{X: area.Min.X - 42, Y: (area.Min.Y + area.Max.Y) / 2}, name)

	s.drawLevels(c, p, y)
	frame(c, area)
}

// drawLevels draws a bar from the first inference at a level to the last before another level serves.
func (s *sheet) drawLevels(c draw.Canvas, p *panel, y func(float64) vg.Length) {
	levels := p.run.Trace.Header.Family.Levels
	records := p.run.Trace.Records
	last := vg.Length(-1) // where the last bar that was drawn ends
	for i := 0; i < len(records); {
		r := &records[i]
		if r.Decision.Action != policy.Serve || !r.Outcome.Answered() {
			i++
			continue
		}
		end, j := r.End, i+1
		for ; j < len(records); j++ {
			next := &records[j]
			if next.Outcome.Answered() && next.Decision.Level != r.Decision.Level || next.Decision.Action == policy.Exit {
				break
			}
			if next.Outcome.Answered() {
				end = next.End
			}
		}
		from, to := s.x(r.Start), max(s.x(end), s.x(r.Start)+0.6)
		if to > last+0.15 { // else it would hide behind what is drawn
			at := y(float64(levels[r.Decision.Level].Accuracy))
			c.StrokeLine2(draw.LineStyle{Color: levelColor(r.Decision.Level), Width: 2.5}, from, at, to, at)
			last = to
		}
		i = j
	}
}

// fill paints an area from one x to another.
func fill(c draw.Canvas, from, to vg.Length, area vg.Rectangle, color color) {
	c.FillPolygon(color, []vg.Point{{X: from, Y: area.Min.Y}, {X: to, Y: area.Min.Y}, {X: to, Y: area.Max.Y}, {X: from, Y: area.Max.Y}})
}

// frame draws the edges of an area that have axes.
func frame(c draw.Canvas, area vg.Rectangle) {
	c.StrokeLines(axisLine, []vg.Point{{X: area.Min.X, Y: area.Max.Y}, area.Min, {X: area.Max.X, Y: area.Min.Y}})
}
