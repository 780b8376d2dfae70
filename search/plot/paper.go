package plot

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search"
)

// Paper returns the picture of the paper's measured points: a panel for the GPU and one for the CPU, with
// the headline gains drawn in.
func Paper() *base.Figure {
	var entries []base.Entry
	for _, s := range Published() {
		if s.Processor == "gpu" {
			line, glyph := paperStyle(s.Name)
			entries = append(entries, base.Entry{Name: s.Name, Line: line, Glyph: glyph})
		}
	}
	notes := []string{
		"Measured on a Jetson Xavier NX by " + paperReference + ", Fig. 3, 4a and 4b, read off the figures: GPU to 0.1 ms, CPU to 0.002 s, top-1 to 0.05 points. " +
			"The search run is the GPU family as measured when it was found.",
		"Ratios compare with AutoSlim-MnasNet: at equal accuracy on the straight line between two networks of the family, and in brackets for the fastest real network of at least that accuracy.",
	}
	return base.NewFigure(760, 430, func(c draw.Canvas) {
		c = draw.Crop(base.Key(base.Footnote(c, notes...), 3, entries...), 6, -12, 0, -6)
		panels := [][]*plot.Plot{{}}
		for _, g := range Headline() {
			panels[0] = append(panels[0], panel(g))
		}
		for i, tile := range plot.Align(panels, draw.Tiles{Rows: 1, Cols: 2, PadX: 18}, c)[0] {
			panels[0][i].Draw(tile)
		}
	})
}

// panel returns the plot of a processor's points.
func panel(g Gain) *plot.Plot {
	title, time := "GPU", base.Milliseconds
	if g.Processor == "cpu" {
		title, time = "CPU", base.Seconds
	}
	p := base.New(title, fmt.Sprintf("latency (%s), measured", time.Name), "top-1 accuracy (%), measured on ImageNet")
	all := Published()
	for i := range all { // the families last, on top
		s := all[len(all)-1-i]
		if s.Processor != g.Processor {
			continue
		}
		line, glyph := paperStyle(s.Name)
		xys := series(s.Points, time)
		p.Add(&plotter.Line{XYs: xys, LineStyle: line}, &plotter.Scatter{XYs: xys, GlyphStyle: glyph})
	}
	p.Add(&gainArrows{g, time})
	margins(p)
	return p
}

// paperStyle returns how a series is drawn: colours by method, dashes and hollow markers for its second
// backbone.
func paperStyle(name string) (draw.LineStyle, draw.GlyphStyle) {
	line := draw.LineStyle{Width: 1}
	glyph := draw.GlyphStyle{Radius: 2.5}
	dashes := []vg.Length{4, 2}
	switch name {
	case DynamicOFA:
		line.Color, line.Width, glyph.Shape, glyph.Radius = base.Vermillion, 2, draw.CircleGlyph{}, 3.5
	case DynamicOFARun:
		line.Color, line.Dashes, glyph.Shape, glyph.Radius = base.Vermillion, dashes, draw.RingGlyph{}, 3
	case StaticOFA:
		line.Color, glyph.Shape = base.Black, draw.SquareGlyph{}
	case AutoSlim:
		line.Color, line.Width, glyph.Shape, glyph.Radius = base.Blue, 1.5, draw.PyramidGlyph{}, 3.5
	case MutualNetV1:
		line.Color, glyph.Shape = base.Green, draw.CircleGlyph{}
	case MutualNetV2:
		line.Color, line.Dashes, glyph.Shape = base.Green, dashes, draw.RingGlyph{}
	case SlimmableV1:
		line.Color, glyph.Shape = base.Orange, draw.SquareGlyph{}
	case USSlimmableV1:
		line.Color, glyph.Shape = base.SkyBlue, draw.CircleGlyph{}
	case USSlimmableV2:
		line.Color, line.Dashes, glyph.Shape = base.SkyBlue, dashes, draw.RingGlyph{}
	}
	glyph.Color = line.Color
	return line, glyph
}

// gainArrows draws the headline gains of a processor between the points that they compare.
type gainArrows struct {
	gain Gain
	time base.Time
}

// Plot draws a horizontal line for the ratio and a vertical one for the accuracy.
func (a *gainArrows) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	at := func(o search.Objectives) vg.Point {
		return vg.Point{X: x(a.time.Of(o.Latency)), Y: y(o.Accuracy.Percent())}
	}
	style := draw.LineStyle{Color: base.Grey, Width: 0.75, Dashes: []vg.Length{2, 2}}
	from, to := at(a.gain.Baseline), at(a.gain.OnTheLine)
	c.StrokeLines(style, []vg.Point{from, to})
	text := base.Text(8, base.Black, draw.XRight, draw.YBottom)
	c.FillText(text, vg.Point{X: from.X, Y: from.Y + 5}, fmt.Sprintf("%.2f\u00d7 faster (%.2f\u00d7)", a.gain.Interpolated, a.gain.Members))
	from, to = at(a.gain.AccuracyBase), at(a.gain.AccuracyMember)
	c.StrokeLines(style, []vg.Point{from, to})
	text.XAlign, text.YAlign = draw.XLeft, draw.YCenter
	// Three quarters up, clear of the horizontal line.
	c.FillText(text, vg.Point{X: (from.X+3*to.X)/4 + 5, Y: (from.Y + 3*to.Y) / 4}, fmt.Sprintf("+%.2f points", a.gain.Accuracy.Percent()))
}
