package plot

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/sim"
)

// Comparison describes a picture of how policies trade accuracy for punctuality: SLO attainment, with
// its 95% interval, against the mean accuracy of the answered requests. Up and to the right is better.
type Comparison struct {
	Title string
	Runs  []Run    // 1 to 20, each with a request
	Notes []string // for the footnote, after what the runs' own headers give
}

// Figure draws the comparison. A run that answered no request has no accuracy and stands in the
// footnote only. It returns an error in the cases in which Timeline's does.
func (c Comparison) Figure() (*base.Figure, error) {
	if err := check(c.Runs); err != nil {
		return nil, fmt.Errorf("plot: comparison: %w", err)
	}
	var points policies
	notes := provenance(c.Runs)
	for i, r := range c.Runs {
		m := sim.Measure(r.Trace, nil)
		if m.OnTime+m.Late == 0 {
			notes = append(notes, fmt.Sprintf("%s answered none of %s.", clean(r.name()), plural(m.Requests, "request", "requests")))
			continue
		}
		points = append(points, point{
			name: fit(base.Text(9.5, base.Black, draw.XLeft, draw.YCenter), clean(r.name()), 150), x: m.MeanAccuracy.Percent(), y: 100 * m.SLO.Share,
			low: 100 * m.SLO.Low, high: 100 * m.SLO.High, glyph: levelGlyph(i, 4),
		})
	}
	notes = append(notes, "Bars: Wilson's 95% interval, as if requests were missed independently; misses come in bursts, so it is too narrow.")
	for _, n := range c.Notes {
		notes = append(notes, clean(n))
	}
	name, remark := accuracyName(origin(c.Runs))
	return base.NewFigure(480, 360+base.FootnoteRoom(480, 4, notes...), func(canvas draw.Canvas) {
		p := base.New(fit(base.Text(12, base.Black, draw.XLeft, draw.YCenter), clean(c.Title), 460), fmt.Sprintf("mean %s of answered requests (%%), %s", name, remark), "SLO attainment: requests on time (%)")
		p.Add(points)
		p.X.Min, p.X.Max = widen(p.X.Min, p.X.Max, math.Inf(-1), math.Inf(1))
		p.Y.Min, p.Y.Max = widen(p.Y.Min, p.Y.Max, -4, 104)
		p.Draw(draw.Crop(base.Footnote(canvas, notes...), 6, -12, 0, -6))
	}), nil
}

// widen leaves room for markers and names at both ends of an axis, up to bounds.
func widen(low, high, lowest, highest float64) (float64, float64) {
	room := 0.12 * (high - low)
	if high-low < 1e-9 {
		room = 1
	}
	return max(low-room, lowest), min(high+room, highest)
}

// point is a policy in a comparison.
type point struct {
	name            string
	x, y, low, high float64 // interval in y
	left, right     float64 // interval in x; both 0: none
	glyph           draw.GlyphStyle
}

// policies draws points with intervals, each name where no other mark or name is.
type policies []point

var _ plot.Plotter = policies{}
var _ plot.DataRanger = policies{}

// DataRange returns the range of the points with their intervals.
func (ps policies) DataRange() (xmin, xmax, ymin, ymax float64) {
	var all plotter.XYs
	for _, p := range ps {
		all = append(all, plotter.XY{X: p.x, Y: p.low}, plotter.XY{X: p.x, Y: p.high})
		if p.right > p.left {
			all = append(all, plotter.XY{X: p.left, Y: p.y}, plotter.XY{X: p.right, Y: p.y})
		}
	}
	if len(all) == 0 {
		return 0, 100, 0, 100
	}
	return plotter.XYRange(all)
}

// Plot draws the intervals, the markers and the names.
func (ps policies) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	var taken []vg.Rectangle
	for _, q := range ps {
		at := vg.Point{X: x(q.x), Y: y(q.y)}
		low, high := y(q.low), y(q.high)
		line := draw.LineStyle{Color: q.glyph.Color, Width: 1}
		c.StrokeLine2(line, at.X, low, at.X, high)
		c.StrokeLine2(line, at.X-3, low, at.X+3, low)
		c.StrokeLine2(line, at.X-3, high, at.X+3, high)
		if q.right > q.left {
			left, right := x(q.left), x(q.right)
			c.StrokeLine2(line, left, at.Y, right, at.Y)
			c.StrokeLine2(line, left, at.Y-3, left, at.Y+3)
			c.StrokeLine2(line, right, at.Y-3, right, at.Y+3)
		}
		c.DrawGlyph(q.glyph, at)
		taken = append(taken, vg.Rectangle{Min: vg.Point{X: at.X - 5, Y: min(low, at.Y-5)}, Max: vg.Point{X: at.X + 5, Y: max(high, at.Y+5)}})
		if q.right > q.left {
			taken = append(taken, vg.Rectangle{Min: vg.Point{X: x(q.left), Y: at.Y - 3}, Max: vg.Point{X: x(q.right), Y: at.Y + 3}})
		}
	}
	style := base.Text(9.5, base.Black, draw.XLeft, draw.YCenter)
	for _, q := range ps {
		size := style.Rectangle(q.name).Size()
		at := vg.Point{X: x(q.x), Y: y(q.y)}
		spot := freeSpot(at, size, taken, c.Rectangle)
		taken = append(taken, spot)
		c.FillText(style, vg.Point{X: spot.Min.X, Y: (spot.Min.Y+spot.Max.Y)/2 + 1}, q.name)
	}
}

// freeSpot returns a place for a text near a point: right of it if that is free, else left, above or
// below, then ever farther away; right of it if there is none.
func freeSpot(at vg.Point, size vg.Point, taken []vg.Rectangle, area vg.Rectangle) vg.Rectangle {
	spot := func(dx, dy vg.Length) vg.Rectangle {
		lower := vg.Point{X: at.X + dx, Y: at.Y + dy - size.Y/2}
		return vg.Rectangle{Min: lower, Max: lower.Add(size)}
	}
	for _, away := range []vg.Length{0, 12, 24, 36, 48} {
		for _, sign := range []vg.Length{1, -1} {
			for _, dx := range []vg.Length{8, -8 - size.X} {
				s := spot(dx, sign*away)
				if free(s, taken) && s.Min.X >= area.Min.X && s.Max.X <= area.Max.X && s.Min.Y >= area.Min.Y && s.Max.Y <= area.Max.Y {
					return s
				}
			}
		}
	}
	return spot(8, 0)
}

func free(r vg.Rectangle, taken []vg.Rectangle) bool {
	for _, o := range taken {
		if r.Min.X < o.Max.X && o.Min.X < r.Max.X && r.Min.Y < o.Max.Y && o.Min.Y < r.Max.Y {
			return false
		}
	}
	return true
}
