package plot

import (
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Curves returns a picture of latency against input resolution: a panel for the second block of each
// stage (the one that repeats), with a line for each kernel size at the smallest and the largest expand
// ratio, and a panel for the layers that every sub-network has. Bars are the 95% intervals of medians,
// where they are known; entries without samples of their own (interpolated or modelled ones) have hollow
// marks. The footnote says how the table came about and repeats its warnings.
//
// It returns an error if the table is for another space or has entries at fewer than two resolutions.
func Curves(t *lut.Table, s *supernet.Space) (*Figure, error) {
	if t.Space != s.Name {
		return nil, fmt.Errorf("plot: the table of %s/%s is for space %q, not %q", t.Point.Device, t.Point.Processor, t.Space, s.Name)
	}
	resolutions := slices.DeleteFunc(t.Resolutions(), func(r int) bool { return r == 0 })
	if len(resolutions) < 2 {
		return nil, fmt.Errorf("plot: the table of %s/%s has entries at resolutions %v: a curve needs two", t.Point.Device, t.Point.Processor, t.Resolutions())
	}
	panels, err := curvePanels(t, s, resolutions)
	if err != nil {
		return nil, err
	}
	notes := append([]string{"Bars: 95% intervals of medians, where known. Hollow marks: not measured at that resolution."}, tableNotes(t)...)
	const columns = 3
	rows := (len(panels) + columns - 1) / columns
	entries := curveKey(panels)
	keyRows := (len(entries) + columns - 1) / columns
	height := vg.Length(44 + 190*rows + 16*keyRows + 12*len(notes))
	title := fmt.Sprintf("%s, %s: latency against input resolution", t.Point.Device, t.Point.Processor)
	return NewFigure(640, height, func(c draw.Canvas) {
		c = Key(Footnote(c, notes...), columns, entries...)
		c.FillText(Text(12, Black, draw.XCenter, draw.YTop), vg.Point{X: (c.Min.X + c.Max.X) / 2, Y: c.Max.Y - 6}, title)
		c = draw.Crop(c, 6, -10, 2, -26)
		grid := make([][]*plot.Plot, rows)
		for i := range grid {
			grid[i] = make([]*plot.Plot, columns)
			for j := range grid[i] {
				if at := i*columns + j; at < len(panels) {
					grid[i][j] = panels[at].plot(resolutions)
				}
			}
		}
		for i, tiles := range plot.Align(grid, draw.Tiles{Rows: rows, Cols: columns, PadX: 14, PadY: 12}, c) {
			for j, tile := range tiles {
				if grid[i][j] != nil {
					grid[i][j].Draw(tile)
				}
			}
		}
	}), nil
}

// tableNotes is the footnote that every picture of a table has.
func tableNotes(t *lut.Table) []string {
	notes := []string{fmt.Sprintf("Table %s: %s. Space %s.", t.Origin, t.Source, t.Space)}
	for i, w := range t.Warnings {
		if i == maxWarnings {
			return append(notes, fmt.Sprintf("and %d more warnings.", len(t.Warnings)-i))
		}
		notes = append(notes, "Warning: "+w)
	}
	return notes
}

// curvePanel is one panel; all its latencies are in one unit.
type curvePanel struct {
	title  string
	curves []curve
	time   Time
}

// curve is a plot.Plotter.
type curve struct {
	name   string
	line   draw.LineStyle
	shape  draw.GlyphDrawer
	points []curvePoint
}

// curvePoint is a latency in the panel's unit.
type curvePoint struct {
	resolution, value, low, high float64 // low and high NaN if unknown
	measured                     bool
}

func curvePanels(t *lut.Table, s *supernet.Space, resolutions []int) ([]curvePanel, error) {
	find := make(map[lut.Key]lut.Latency, len(t.Entries))
	for _, e := range t.Entries {
		find[e.Key] = e.Latency
	}
	lookup := func(r int, b supernet.Block) (lut.Latency, bool) {
		l, ok := find[lut.Key{Resolution: r, Block: b}]
		if !ok {
			l, ok = find[lut.Key{Block: b}]
		}
		return l, ok
	}
	panels := make([]curvePanel, len(s.Stages)+1)
	for stage := range s.Stages {
		at := min(s.FirstPosition(stage)+1, s.FirstPosition(stage+1)-1)
		panels[stage].title = fmt.Sprintf("stage %d, block %d", stage+1, at-s.FirstPosition(stage)+1)
		for i, e := range slices.Compact([]float64{s.Expands[0], s.Expands[len(s.Expands)-1]}) {
			for j, k := range s.Kernels {
				c := curve{name: fmt.Sprintf("kernel %d, expand ratio %g", k, e), line: curveStyle(j, i), shape: curveShape(i)}
				for _, r := range resolutions {
					layers, err := s.Layers(s.Uniform(k, e, s.MaxDepth(), r))
					if err != nil {
						return nil, fmt.Errorf("plot: %w", err)
					}
					for _, l := range layers {
						if l.Position != at {
							continue
						}
						if v, ok := lookup(r, l.Block); ok {
							c.add(r, v)
						}
					}
				}
				panels[stage].curves = append(panels[stage].curves, c)
			}
		}
	}
	fixed := curve{name: "layers of every sub-network", line: draw.LineStyle{Color: Black, Width: 1.2}, shape: draw.CircleGlyph{}}
	for _, r := range resolutions {
		layers, err := s.Layers(s.Uniform(s.Kernels[0], s.Expands[0], s.MaxDepth(), r))
		if err != nil {
			return nil, fmt.Errorf("plot: %w", err)
		}
		sum, complete := lut.MeanOnly(1, 0, 0), true
		for _, l := range layers {
			if l.Position < 0 {
				v, ok := lookup(r, l.Block)
				complete = complete && ok
				sum.Mean += v.Central()
				sum.N = min(sum.N, v.N)
			}
		}
		if complete {
			fixed.add(r, sum)
		}
	}
	panels[len(s.Stages)] = curvePanel{title: "stem, first block, head", curves: []curve{fixed}}
	for i := range panels {
		panels[i].scale()
	}
	return slices.DeleteFunc(panels, func(p curvePanel) bool { return len(p.curves) == 0 }), nil
}

func curveStyle(kernel, expand int) draw.LineStyle {
	style := draw.LineStyle{Color: Palette()[kernel%len(Palette())], Width: 1.2}
	if expand == 0 {
		style.Dashes = []vg.Length{4, 2}
	}
	return style
}

func curveShape(expand int) draw.GlyphDrawer {
	if expand == 0 {
		return draw.BoxGlyph{}
	}
	return draw.CircleGlyph{}
}

// add appends a point in nanoseconds.
func (c *curve) add(r int, l lut.Latency) {
	c.points = append(c.points, curvePoint{float64(r), float64(l.Central()), float64(l.CILow), float64(l.CIHigh), l.N > 0})
}

// scale chooses the panel's unit and drops curves without points.
func (p *curvePanel) scale() {
	p.curves = slices.DeleteFunc(p.curves, func(c curve) bool { return len(c.points) == 0 })
	most := 0.0
	for _, c := range p.curves {
		for _, x := range c.points {
			most = max(most, x.value)
		}
	}
	p.time = TimeFor(unit.Nanoseconds(most))
	for _, c := range p.curves {
		for i := range c.points {
			x := &c.points[i]
			for _, v := range []*float64{&x.value, &x.low, &x.high} {
				*v = p.time.Of(unit.Nanoseconds(*v))
			}
		}
	}
}

// plot draws the panel's axes from zero, so that heights compare.
func (p curvePanel) plot(resolutions []int) *plot.Plot {
	out := New(p.title, "input resolution (pixels)", "latency ("+p.time.Name+")")
	out.Title.TextStyle.Font = Font(10)
	for _, c := range p.curves {
		out.Add(c)
	}
	out.Y.Min = 0
	out.Y.Max *= 1.05
	first, last := resolutions[0], resolutions[len(resolutions)-1]
	margin := 0.06 * float64(last-first)
	out.X.Min, out.X.Max = float64(first)-margin, float64(last)+margin
	if len(resolutions) <= 5 { // the measured ones rather than round ones
		var ticks plot.ConstantTicks
		for _, r := range resolutions {
			ticks = append(ticks, plot.Tick{Value: float64(r), Label: strconv.Itoa(r)})
		}
		out.X.Tick.Marker = ticks
	} else {
		out.X.Tick.Marker = Ticks{Want: 4}
	}
	return out
}

// DataRange implements plot.DataRanger.
func (c curve) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymax = math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, p := range c.points {
		xmin, xmax, ymax = min(xmin, p.resolution), max(xmax, p.resolution), max(ymax, p.value)
		if !math.IsNaN(p.high) {
			ymax = max(ymax, p.high)
		}
	}
	return xmin, xmax, 0, ymax
}

// Plot implements plot.Plotter.
func (c curve) Plot(canvas draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&canvas)
	var line []vg.Point
	for _, point := range c.points {
		line = append(line, vg.Point{X: x(point.resolution), Y: y(point.value)})
	}
	canvas.StrokeLines(c.line, line)
	bar := draw.LineStyle{Color: c.line.Color, Width: 0.75}
	for i, point := range c.points {
		if !math.IsNaN(point.low) && !math.IsNaN(point.high) {
			low, high := y(point.low), y(point.high)
			canvas.StrokeLine2(bar, line[i].X, low, line[i].X, high)
			canvas.StrokeLine2(bar, line[i].X-2, low, line[i].X+2, low)
			canvas.StrokeLine2(bar, line[i].X-2, high, line[i].X+2, high)
		}
		const radius = 2
		canvas.DrawGlyph(draw.GlyphStyle{Color: c.line.Color, Radius: radius, Shape: c.shape}, line[i])
		if !point.measured {
			canvas.DrawGlyph(draw.GlyphStyle{Color: color.White, Radius: radius - 0.8, Shape: c.shape}, line[i])
		}
	}
}

// curveKey lists each style once, in order of appearance.
func curveKey(panels []curvePanel) (entries []Entry) {
	for _, p := range panels {
		for _, c := range p.curves {
			if !slices.ContainsFunc(entries, func(e Entry) bool { return strings.EqualFold(e.Name, c.name) }) {
				entries = append(entries, Entry{c.name, c.line, draw.GlyphStyle{Color: c.line.Color, Radius: 2, Shape: c.shape}})
			}
		}
	}
	return entries
}
