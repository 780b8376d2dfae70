package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/unit"
)

// The colours of lines and markers.
//
// Source: M. Okabe and K. Ito, "Color Universal Design", 2008: eight colours that people with any of the
// usual colour vision deficiencies can tell apart. Yellow is left out: it is faint on white.
var (
	Black      = color.RGBA{0x00, 0x00, 0x00, 0xff}
	Orange     = color.RGBA{0xe6, 0x9f, 0x00, 0xff}
	SkyBlue    = color.RGBA{0x56, 0xb4, 0xe9, 0xff}
	Green      = color.RGBA{0x00, 0x9e, 0x73, 0xff}
	Blue       = color.RGBA{0x00, 0x72, 0xb2, 0xff}
	Vermillion = color.RGBA{0xd5, 0x5e, 0x00, 0xff}
	Purple     = color.RGBA{0xcc, 0x79, 0xa7, 0xff}

	White     = color.RGBA{0xff, 0xff, 0xff, 0xff}
	Grey      = color.RGBA{0x60, 0x60, 0x60, 0xff} // secondary text
	LightGrey = color.RGBA{0xe0, 0xe0, 0xe0, 0xff} // grid
	CloudGrey = color.RGBA{0xb8, 0xb8, 0xb8, 0xff} // clouds of points
)

// Palette is the order in which series of equal rank take their colours.
func Palette() []color.RGBA {
	return []color.RGBA{Blue, Vermillion, Green, Purple, Orange, SkyBlue, Black}
}

// cividis runs from dark blue to yellow, with lightness rising evenly, for readers of any colour vision.
//
// Source: J. R. Nunez, C. R. Anderton, R. S. Renslow, "Optimizing colormaps with consideration for color
// vision deficiency", PLoS ONE 13(7), 2018; ten samples, linear in between.
var cividis = []color.RGBA{
	{0x00, 0x20, 0x4d, 0xff}, {0x00, 0x33, 0x6f, 0xff}, {0x39, 0x48, 0x6b, 0xff}, {0x57, 0x5c, 0x6d, 0xff}, {0x70, 0x71, 0x73, 0xff},
	{0x8a, 0x87, 0x79, 0xff}, {0xa6, 0x9d, 0x75, 0xff}, {0xc4, 0xb5, 0x6c, 0xff}, {0xe4, 0xcf, 0x5b, 0xff}, {0xff, 0xea, 0x46, 0xff},
}

// Shade returns the colour of a share, 0 (dark) to 1 (light), of a range. NaN gives the darkest.
func Shade(share float64) color.RGBA {
	if !(share > 0) {
		return cividis[0]
	}
	at := min(share, 1) * float64(len(cividis)-1)
	i := min(int(at), len(cividis)-2)
	a, b, t := cividis[i], cividis[i+1], at-float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a) + t*(float64(b)-float64(a)))) }
	return color.RGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 0xff}
}

// Font returns the font of all text, in a size.
func Font(size vg.Length) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
}

// Text returns a style for text of a size that is placed by hand.
func Text(size vg.Length, c color.Color, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{Color: c, Font: Font(size), XAlign: x, YAlign: y, Handler: plot.DefaultTextHandler}
}

// titleSize is that of the font of titles.
const titleSize = 12

// New returns an empty plot in dynofa's look, with a light grid. Axis labels carry the unit.
func New(title, x, y string) *plot.Plot {
	p := plot.New()
	p.Title.Text = title
	p.Title.TextStyle.Font = Font(titleSize)
	p.Title.Padding = 6
	p.Legend.TextStyle.Font = Font(9)
	p.Legend.Padding = 2
	for _, a := range []struct {
		axis *plot.Axis
		name string
	}{{&p.X, x}, {&p.Y, y}} {
		a.axis.Label.Text = a.name
		a.axis.Label.TextStyle.Font = Font(10)
		a.axis.Label.Padding = 4
		a.axis.Tick.Label.Font = Font(9)
		a.axis.Padding = 0
		a.axis.Width = 0.75
		a.axis.Tick.LineStyle.Width = 0.75
		a.axis.Tick.Length = 4
		a.axis.Tick.Marker = Ticks{Want: 6}
	}
	p.Add(grid{})
	return p
}

// grid draws a light line at each labelled tick.
type grid struct{}

func (grid) Plot(c draw.Canvas, p *plot.Plot) {
	style := draw.LineStyle{Color: LightGrey, Width: 0.5}
	x, y := p.Transforms(&c)
	for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
		if !t.IsMinor() && t.Value >= p.X.Min && t.Value <= p.X.Max {
			c.StrokeLine2(style, x(t.Value), c.Min.Y, x(t.Value), c.Max.Y)
		}
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if !t.IsMinor() && t.Value >= p.Y.Min && t.Value <= p.Y.Max {
			c.StrokeLine2(style, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
		}
	}
}

// Footnote writes lines at the foot of the canvas, wrapped to its width, and returns the canvas above
// them.
func Footnote(c draw.Canvas, lines ...string) draw.Canvas {
	wrapped := footLines(c.Max.X-c.Min.X, lines)
	for i, line := range wrapped {
		c.FillText(footStyle, vg.Point{X: c.Min.X + footMargin, Y: c.Min.Y + 4 + footLeading*vg.Length(len(wrapped)-1-i)}, line)
	}
	return draw.Crop(c, 0, 0, 8+footLeading*vg.Length(len(wrapped)), 0)
}

// FootnoteRoom is how much higher a figure of some width must be for Footnote to leave what it would leave
// if the lines took no more than so many after wrapping.
func FootnoteRoom(width vg.Length, most int, lines ...string) vg.Length {
	return footLeading * vg.Length(max(0, len(footLines(width, lines))-most))
}

const footLeading, footMargin = 10, 8

var footStyle = Text(7.5, Grey, draw.XLeft, draw.YBottom)

func footLines(width vg.Length, lines []string) []string {
	var wrapped []string
	for _, line := range lines {
		wrapped = append(wrapped, wrap(footStyle, line, width-2*footMargin)...)
	}
	return wrapped
}

// Time is the unit of a latency axis.
type Time struct {
	Name string // "ms"
	ns   float64
}

// Units of latency axes.
var (
	Seconds      = Time{"s", 1e9}
	Milliseconds = Time{"ms", 1e6}
	Microseconds = Time{"\u00b5s", 1e3}
)

// TimeFor returns the unit in which a range of latencies up to most is read with ease.
func TimeFor(most unit.Nanoseconds) Time {
	switch {
	case most >= 10e9:
		return Seconds
	case most >= 1e6:
		return Milliseconds
	}
	return Microseconds
}

// Of returns a latency in the unit.
func (t Time) Of(n unit.Nanoseconds) float64 { return float64(n) / t.ns }
