package plot

import (
	colors "image/color"
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
)

type color = colors.Color

// Lines.
var (
	axisLine  = draw.LineStyle{Color: base.Black, Width: 0.75}
	gridLine  = draw.LineStyle{Color: colors.RGBA{0xdc, 0xdc, 0xdc, 0xff}, Width: 0.4}
	stepLine  = draw.LineStyle{Color: base.Grey, Width: 0.6}
	limitLine = draw.LineStyle{Color: base.Black, Width: 0.9, Dashes: []vg.Length{4, 2.5}}
	barLine   = draw.LineStyle{Color: base.Black, Width: 1}
)

var switchColor = colors.RGBA{0xd6, 0xd6, 0xd6, 0xff}

// shadeOf returns the colour of a slow-down: 1 for the strongest in the picture.
func shadeOf(strength float64) color {
	mix := func(a, b float64) uint8 { return uint8(math.Round(a + (b-a)*strength)) }
	return colors.RGBA{0xff, mix(0xfa, 0xef), mix(0xf0, 0xd2), 0xff}
}

// levelColors leaves out vermillion, which marks misses.
var levelColors = []colors.RGBA{base.Blue, base.Orange, base.Green, base.Purple, base.SkyBlue, base.Black}

var levelShapes = []draw.GlyphDrawer{draw.CircleGlyph{}, boxGlyph{}, pyramidGlyph{}, diamondGlyph{}, nablaGlyph{}, draw.PlusGlyph{}, draw.RingGlyph{}}

func levelColor(level int) color { return levelColors[level%len(levelColors)] }

// levelGlyph returns colour and shape of a level; the first 42 differ in one or both.
func levelGlyph(level int, radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: levelColor(level), Radius: radius, Shape: levelShapes[level%len(levelShapes)]}
}

// waitedGlyph marks responses.
func waitedGlyph(radius vg.Length) draw.GlyphStyle {
	return draw.GlyphStyle{Color: colors.RGBA{0x8c, 0x8c, 0x8c, 0xff}, Radius: radius, Shape: draw.CircleGlyph{}}
}

// polygon fills a polygon around a point, given in radii.
func polygon(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point, corners ...[2]float64) {
	var p vg.Path
	for i, k := range corners {
		pt := vg.Point{X: at.X + sty.Radius*vg.Length(k[0]), Y: at.Y + sty.Radius*vg.Length(k[1])}
		if i == 0 {
			p.Move(pt)
		} else {
			p.Line(pt)
		}
	}
	p.Close()
	c.Fill(p)
}

// Filled shapes of about the area of the circle.
type (
	boxGlyph     struct{}
	pyramidGlyph struct{}
	nablaGlyph   struct{}
	diamondGlyph struct{}
)

func (boxGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	polygon(c, sty, at, [2]float64{-0.89, -0.89}, [2]float64{0.89, -0.89}, [2]float64{0.89, 0.89}, [2]float64{-0.89, 0.89})
}

func (pyramidGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	polygon(c, sty, at, [2]float64{-1.2, -0.75}, [2]float64{1.2, -0.75}, [2]float64{0, 1.35})
}

func (nablaGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	polygon(c, sty, at, [2]float64{-1.2, 0.75}, [2]float64{1.2, 0.75}, [2]float64{0, -1.35})
}

func (diamondGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	polygon(c, sty, at, [2]float64{-1.25, 0}, [2]float64{0, -1.25}, [2]float64{1.25, 0}, [2]float64{0, 1.25})
}

// tickGlyph is a vertical line.
type tickGlyph struct{}

func (tickGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	c.StrokeLine2(draw.LineStyle{Color: sty.Color, Width: 1}, at.X, at.Y-sty.Radius, at.X, at.Y+sty.Radius)
}

// caretGlyph points upwards.
type caretGlyph struct{}

func (caretGlyph) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	c.StrokeLines(draw.LineStyle{Color: sty.Color, Width: 1}, []vg.Point{
		{X: at.X - sty.Radius, Y: at.Y - sty.Radius/2}, {X: at.X, Y: at.Y + sty.Radius/2}, {X: at.X + sty.Radius, Y: at.Y - sty.Radius/2},
	})
}
