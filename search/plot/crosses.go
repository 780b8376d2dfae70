package plot

import (
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search"
)

// maxCrosses is the number of intervals drawn of a front, so that they can be told apart.
const maxCrosses = 24

// crosses draws intervals in both directions.
type crosses struct {
	points, halves plotter.XYs
	style          draw.LineStyle
}

// crosses returns the intervals to draw: of some of the points, evenly spaced along the front, and of those
// that are levels.
func (f Front) crosses(levels []search.Objectives, time base.Time) (front, family *crosses) {
	front = &crosses{style: draw.LineStyle{Color: base.SkyBlue, Width: 0.75}}
	family = &crosses{style: draw.LineStyle{Color: base.Vermillion, Width: 1}}
	if len(f.Spreads) == 0 {
		return front, family
	}
	shown := min(len(f.Points), maxCrosses)
	for i := range shown {
		at := 0
		if shown > 1 {
			at = i * (len(f.Points) - 1) / (shown - 1)
		}
		front.add(f.Points[at], f.Spreads[at], time)
	}
	if len(f.Intervals) > 0 { // the levels have their own
		levels = nil
	}
	for _, l := range levels {
		for i, p := range f.Points {
			if p == l {
				family.add(p, f.Spreads[i], time)
				break
			}
		}
	}
	return front, family
}

func (b *crosses) add(o search.Objectives, half Spread, time base.Time) {
	if half == (Spread{}) {
		return
	}
	b.points = append(b.points, series([]search.Objectives{o}, time)...)
	b.halves = append(b.halves, plotter.XY{X: time.Of(half.Latency), Y: half.Accuracy.Percent()})
}

// DataRange returns the range that the intervals take.
func (b *crosses) DataRange() (xmin, xmax, ymin, ymax float64) {
	var ends plotter.XYs
	for i, p := range b.points {
		h := b.halves[i]
		ends = append(ends, plotter.XY{X: p.X - h.X, Y: p.Y - h.Y}, plotter.XY{X: p.X + h.X, Y: p.Y + h.Y})
	}
	return plotter.XYRange(ends)
}

// Plot draws the crosses.
func (b *crosses) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for i, at := range b.points {
		h := b.halves[i]
		c.StrokeLines(b.style,
			[]vg.Point{{X: x(at.X - h.X), Y: y(at.Y)}, {X: x(at.X + h.X), Y: y(at.Y)}},
			[]vg.Point{{X: x(at.X), Y: y(at.Y - h.Y)}, {X: x(at.X), Y: y(at.Y + h.Y)}})
	}
}
