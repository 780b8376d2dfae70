package fidelity_test

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
)

// shown are the metrics that the picture has a panel for.
var shown = []int{0, 1, 2, 3, 4}

// drawResults draws what was predicted against what was recorded.
func drawResults(all []result) *base.Figure {
	const width, height = 560, 720
	return base.NewFigure(width, height, func(c draw.Canvas) {
		c = base.Footnote(c, "One mark per held-out cell. Horizontal bars: from the least to the largest of three real runs, the mark at their mean. Vertical bars: 5% to 95% of 20 simulations, the mark at their mean. "+
			"Grey: a simulation from the table alone. On the line, prediction and recording are equal. Blue: fashion-mbv3, vermillion: ofa-mbv3-w1.2.")
		for k, i := range shown {
			col, row := k%2, k/2
			area := c
			area.Min.X, area.Max.X = c.Min.X+vg.Length(col)*width/2+6, c.Min.X+vg.Length(col+1)*width/2-6
			h := (c.Max.Y - c.Min.Y) / 3
			area.Min.Y, area.Max.Y = c.Max.Y-vg.Length(row+1)*h+6, c.Max.Y-vg.Length(row)*h-4
			p := base.New("", "recorded "+metrics[i].name, "predicted")
			m := marks{metric: i, all: all}
			p.Add(m)
			low, high := m.bounds()
			p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = low, high, low, high
			if m.log() {
				p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
				p.X.Tick.Marker, p.Y.Tick.Marker = plot.LogTicks{Prec: -1}, plot.LogTicks{Prec: -1}
			}
			p.Draw(area)
		}
	})
}

// marks draws a metric of every cell.
type marks struct {
	metric int
	all    []result
}

// bounds returns the range that both axes share.
func (m marks) bounds() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, r := range m.all {
		f := r.figures[m.metric]
		for _, v := range append([]float64{f.predicted, f.low, f.high, f.table}, f.recorded...) {
			low, high = min(low, v), max(high, v)
		}
	}
	if m.log() { // full decades, whose ends are labelled
		return math.Pow(10, math.Floor(math.Log10(max(low, 1e-3)))), math.Pow(10, math.Ceil(math.Log10(high)))
	}
	room := max(0.05*(high-low), 0.1)
	return max(0, low-room), high + room
}

// log reports whether the axes are logarithmic: those of latencies, which differ by orders of magnitude.
func (m marks) log() bool { return strings.Contains(metrics[m.metric].name, "latency") }

// Plot implements plot.Plotter.
func (m marks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	c.StrokeLine2(draw.LineStyle{Color: base.CloudGrey, Width: 0.8}, x(p.X.Min), y(p.Y.Min), x(p.X.Max), y(p.Y.Max))
	for _, r := range m.all {
		f := r.figures[m.metric]
		colour, shape := base.Blue, draw.GlyphDrawer(draw.CircleGlyph{})
		if r.cell.supernet == large {
			colour, shape = base.Vermillion, draw.SquareGlyph{}
		}
		at := f.mean()
		c.DrawGlyph(draw.GlyphStyle{Color: base.Grey, Radius: 2.2, Shape: draw.CrossGlyph{}}, vg.Point{X: x(at), Y: y(f.table)})
		least, most := at, at
		for _, v := range f.recorded {
			least, most = min(least, v), max(most, v)
		}
		line := draw.LineStyle{Color: colour, Width: 1}
		c.StrokeLine2(line, x(least), y(f.predicted), x(most), y(f.predicted))
		c.StrokeLine2(line, x(at), y(f.low), x(at), y(f.high))
		c.DrawGlyph(draw.GlyphStyle{Color: colour, Radius: 2.6, Shape: shape}, vg.Point{X: x(at), Y: y(f.predicted)})
	}
}

// writePicture draws the results.
func writePicture(t *testing.T, all []result) {
	t.Helper()
	if err := drawResults(all).Save("predicted.svg"); err != nil {
		t.Fatal(err)
	}
}
