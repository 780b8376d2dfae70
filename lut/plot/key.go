package plot

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Entry is a line of a figure's key: a sample of line and marker, either of which may be empty, and what
// it stands for.
type Entry struct {
	Name  string
	Line  draw.LineStyle
	Glyph draw.GlyphStyle
}

// Key draws a figure's key at the foot of the canvas, in rows of the given number of columns, and
// returns the canvas above it. It stands beside the data, so that it hides none.
func Key(c draw.Canvas, columns int, entries ...Entry) draw.Canvas {
	const leading, sample, gap, margin = 14, 22, 5, 8
	style := Text(9, Black, draw.XLeft, draw.YCenter)
	rows := (len(entries) + columns - 1) / columns
	width := (c.Max.X - c.Min.X - 2*margin) / vg.Length(columns)
	for i, e := range entries {
		left := c.Min.X + margin + width*vg.Length(i%columns)
		middle := c.Min.Y + leading*(vg.Length(rows-1-i/columns)+0.5)
		if e.Line.Width > 0 {
			c.StrokeLine2(e.Line, left, middle, left+sample, middle)
		}
		if e.Glyph.Shape != nil {
			c.DrawGlyph(e.Glyph, vg.Point{X: left + sample/2, Y: middle})
		}
		c.FillText(style, vg.Point{X: left + sample + gap, Y: middle}, e.Name)
	}
	return draw.Crop(c, 0, 0, leading*vg.Length(rows)+4, 0)
}
