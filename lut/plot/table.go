package plot

import (
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// Table returns a heat map of a table's entries for the elastic blocks of a space at one resolution: a
// column for each position, a row for each expand ratio and kernel size, the latency in each cell. Cells
// without an entry are crossed out. The footnote gives the fixed layers' latencies, how the table came
// about and its warnings.
//
// It returns an error if the table is for another space or has no entry at the resolution.
func Table(t *lut.Table, s *supernet.Space, resolution int) (*Figure, error) {
	if t.Space != s.Name {
		return nil, fmt.Errorf("plot: the table of %s/%s is for space %q, not %q", t.Point.Device, t.Point.Processor, t.Space, s.Name)
	}
	m, err := newHeatMap(t, s, resolution)
	if err != nil {
		return nil, err
	}
	if math.IsInf(m.high, -1) {
		return nil, fmt.Errorf("plot: the table of %s/%s has no entry at resolution %d, it has %v", t.Point.Device, t.Point.Processor, resolution, t.Resolutions())
	}
	title := fmt.Sprintf("%s, %s: latency of each block at resolution %d (%s)", t.Point.Device, t.Point.Processor, resolution, m.time.Name)
	notes := []string{m.fixed}
	if s.WidthEntries() > 0 {
		notes = append(notes, "Blocks at the largest widths.")
	}
	if m.missing > 0 {
		notes = append(notes, fmt.Sprintf("%d blocks have no entry.", m.missing))
	}
	notes = append(notes, tableNotes(t)...)
	// A small space has few cells: the title and the name of the rows want room, too.
	width := max(vg.Length(110+30*m.columns), 24+Text(titleSize, Black, draw.XCenter, draw.YTop).Width(title))
	height := vg.Length(110+max(20*len(m.rows), 120)+12*len(notes)) + FootnoteRoom(width, len(notes), notes...)
	return NewFigure(width, height, func(c draw.Canvas) {
		p := New(title, "", "expand ratio, kernel size")
		p.Add(m)
		m.axes(p)
		p.Draw(draw.Crop(Footnote(c, notes...), 6, -10, 0, -6))
	}), nil
}

// maxWarnings bounds the footnote.
const maxWarnings = 4

// heatMap is a plot.Plotter. Cells are unit squares around (column, row), row 0 at the bottom.
type heatMap struct {
	space     *supernet.Space
	columns   int
	rows      []string    // names
	values    [][]float64 // [row][column] in time's unit; NaN: no entry
	low, high float64
	time      Time
	fixed     string // what the fixed layers take
	missing   int
}

func newHeatMap(t *lut.Table, s *supernet.Space, resolution int) (*heatMap, error) {
	entries := make(map[lut.Key]unit.Nanoseconds, len(t.Entries))
	for _, e := range t.Entries {
		entries[e.Key] = e.Latency.Central()
	}
	lookup := func(b supernet.Block) unit.Nanoseconds {
		if v, ok := entries[lut.Key{Resolution: resolution, Block: b}]; ok {
			return v
		}
		if v, ok := entries[lut.Key{Block: b}]; ok {
			return v
		}
		return unit.Nanoseconds(math.NaN())
	}
	m := &heatMap{space: s, columns: s.Positions(), low: math.Inf(1), high: math.Inf(-1)}
	var fixed unit.Nanoseconds
	for _, e := range s.Expands {
		for _, k := range s.Kernels {
			layers, err := s.Layers(s.Uniform(k, e, s.MaxDepth(), resolution))
			if err != nil {
				return nil, fmt.Errorf("plot: %w", err)
			}
			m.rows = append(m.rows, fmt.Sprintf("e%g k%d", e, k))
			row := make([]float64, m.columns)
			fixed = 0
			for _, l := range layers {
				v := lookup(l.Block)
				if l.Position < 0 {
					fixed += v
					continue
				}
				row[l.Position] = float64(v)
				if math.IsNaN(float64(v)) {
					m.missing++
					continue
				}
				m.low, m.high = min(m.low, float64(v)), max(m.high, float64(v))
			}
			m.values = append(m.values, row)
		}
	}
	m.scale(TimeFor(unit.Nanoseconds(m.high)))
	m.fixed = fmt.Sprintf("Fixed layers (stem, first block, head) together: %v.", fixed)
	return m, nil
}

// scale changes nanoseconds to a unit.
func (m *heatMap) scale(t Time) {
	m.time = t
	for _, row := range m.values {
		for i := range row {
			row[i] = t.Of(unit.Nanoseconds(row[i]))
		}
	}
	m.low, m.high = t.Of(unit.Nanoseconds(m.low)), t.Of(unit.Nanoseconds(m.high))
}

// axes names rows and columns: a column by its stage and its place in it.
func (m *heatMap) axes(p *plot.Plot) {
	var x, y plot.ConstantTicks
	for stage := range m.space.Stages {
		first, next := m.space.FirstPosition(stage), m.space.FirstPosition(stage+1)
		x = append(x, plot.Tick{Value: float64(first+next-1) / 2, Label: fmt.Sprintf(" \nstage %d", stage+1)}) // under its middle
		for i := first; i < next; i++ {
			x = append(x, plot.Tick{Value: float64(i), Label: strconv.Itoa(i-first+1) + "\n "})
		}
	}
	for i, name := range m.rows {
		y = append(y, plot.Tick{Value: float64(i), Label: name})
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = x, y
	p.X.Tick.Length, p.Y.Tick.Length = 0, 0
	p.X.LineStyle.Width, p.Y.LineStyle.Width = 0, 0
}

// DataRange returns the outer edges of the cells.
func (m *heatMap) DataRange() (xmin, xmax, ymin, ymax float64) {
	return -0.5, float64(m.columns) - 0.5, -0.5, float64(len(m.rows)) - 0.5
}

// Plot draws the cells and, between stages, a white gap.
func (m *heatMap) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	begins := map[int]bool{} // columns where a stage begins
	for stage := range m.space.Stages {
		begins[m.space.FirstPosition(stage)] = true
	}
	for r, row := range m.values {
		for col, v := range row {
			gap := vg.Length(0.4)
			left, right := x(float64(col)-0.5)+gap, x(float64(col)+0.5)-gap
			if begins[col] {
				left += 2
			}
			bottom, top := y(float64(r)-0.5)+gap, y(float64(r)+0.5)-gap
			corners := []vg.Point{{X: left, Y: bottom}, {X: right, Y: bottom}, {X: right, Y: top}, {X: left, Y: top}}
			middle := vg.Point{X: (left + right) / 2, Y: (bottom + top) / 2}
			if math.IsNaN(v) {
				style := draw.LineStyle{Color: CloudGrey, Width: 0.75}
				c.StrokeLines(style, []vg.Point{corners[0], corners[2]}, []vg.Point{corners[1], corners[3]})
				continue
			}
			share := 0.5
			if m.high > m.low {
				share = (v - m.low) / (m.high - m.low)
			}
			c.FillPolygon(Shade(share), corners)
			ink := Black
			if share < 0.55 {
				ink = White
			}
			c.FillText(Text(8, ink, draw.XCenter, draw.YCenter), middle, digits(v))
		}
	}
}

// digits prints a number with three significant digits, so that it fits its cell.
func digits(v float64) string {
	switch {
	case v >= 100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}
