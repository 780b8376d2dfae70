package plot

import (
	"errors"
	"fmt"
	"image/color"
	"strconv"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/supernet"
	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search"
)

// Networks describes a picture of what the networks of a front look like: a column for each, from the
// fastest to the slowest, and a cell for each of their choices.
type Networks struct {
	Title string
	Space *supernet.Space
	Front []search.Candidate // at least one, in the order of the columns
	// Levels are indices into Front that are marked, with their numbers above; may be empty.
	Levels []int
	Notes  []string // for the footnote
}

// maxColumns is the number of columns above which a front is thinned out.
const maxColumns = 140

// Figure draws the networks. It returns an error if there is none, or one is no sub-network of the space.
func (n Networks) Figure() (*base.Figure, error) {
	if len(n.Front) == 0 || n.Space == nil {
		return nil, errors.New("plot: networks: there are no networks or there is no space")
	}
	shown := n.thinned()
	panels := []*choices{n.resolutions(), n.kernels(), n.expands()}
	var drawn []*choices
	for _, p := range panels {
		if len(p.legend) < 2 { // no choice
			continue
		}
		for _, i := range shown {
			a, err := n.Space.Canonical(n.Front[i].Arch)
			if err != nil {
				return nil, fmt.Errorf("plot: networks: %w", err)
			}
			p.columns = append(p.columns, p.column(a))
		}
		drawn = append(drawn, p)
	}
	if len(drawn) == 0 {
		return nil, fmt.Errorf("plot: networks: %s leaves nothing to choose but depths", n.Space.Name)
	}
	notes := n.Notes
	if len(shown) < len(n.Front) {
		notes = append([]string{fmt.Sprintf("%d of the %d networks are shown, evenly spaced.", len(shown), len(n.Front))}, notes...)
	}
	notes = append([]string{"A column is a network, a row a block of the supernet (stage.block); white: the block is inactive."}, notes...)
	height := vg.Length(110)
	for _, p := range drawn {
		height += p.height()
	}
	return base.NewFigure(640, height, func(c draw.Canvas) {
		c = base.Footnote(c, notes...)
		c.FillText(base.Text(11, base.Black, draw.XLeft, draw.YTop), vg.Point{X: c.Min.X + 6, Y: c.Max.Y - 4}, n.Title)
		c = draw.Crop(c, 6, -12, 0, -22)
		top := c.Max.Y
		for i, p := range drawn {
			area := c
			area.Max.Y = top
			area.Min.Y = top - p.height()
			if i == len(drawn)-1 {
				area.Min.Y = c.Min.Y
			}
			p.draw(area, n, shown, i == 0, i == len(drawn)-1)
			top = area.Min.Y
		}
	}), nil
}

// thinned returns the columns: all, or evenly spaced ones and the marked.
func (n Networks) thinned() []int {
	keep := map[int]bool{}
	for i := range min(len(n.Front), maxColumns) {
		if len(n.Front) <= maxColumns {
			keep[i] = true
		} else {
			keep[i*(len(n.Front)-1)/(maxColumns-1)] = true
		}
	}
	for _, i := range n.Levels {
		keep[i] = true
	}
	var list []int
	for i := range n.Front {
		if keep[i] {
			list = append(list, i)
		}
	}
	return list
}

// choices is a panel: cells by column and row, each the index of a choice or -1 for an inactive block.
type choices struct {
	title   string
	rows    []string // from the top
	legend  []string // of the choices, ascending
	column  func(a supernet.Arch) []int
	columns [][]int
	begins  map[int]bool // rows where a stage begins
}

const rowHeight = 7

func (p *choices) height() vg.Length { return vg.Length(rowHeight*len(p.rows)) + 30 }

// blocks returns a panel with a row for each position.
func (n Networks) blocks(title string, legend []string, of func(a supernet.Arch, position int) int) *choices {
	p := &choices{title: title, legend: legend, begins: map[int]bool{}}
	for stage := range n.Space.Stages {
		first := n.Space.FirstPosition(stage)
		p.begins[first] = true
		for i := first; i < n.Space.FirstPosition(stage+1); i++ {
			p.rows = append(p.rows, fmt.Sprintf("%d.%d", stage+1, i-first+1))
		}
	}
	p.column = func(a supernet.Arch) []int {
		cells := make([]int, len(p.rows))
		for stage := range n.Space.Stages {
			first := n.Space.FirstPosition(stage)
			for i := first; i < n.Space.FirstPosition(stage+1); i++ {
				cells[i] = -1
				if i < first+n.Space.ActiveBlocks(stage, a.D) {
					cells[i] = of(a, i)
				}
			}
		}
		return cells
	}
	return p
}

func (n Networks) kernels() *choices {
	var legend []string
	index := map[int]int{}
	for i, k := range n.Space.Kernels {
		legend, index[k] = append(legend, strconv.Itoa(k)), i
	}
	return n.blocks("kernel size", legend, func(a supernet.Arch, p int) int { return index[a.KS[p]] })
}

func (n Networks) expands() *choices {
	var legend []string
	index := map[float64]int{}
	for i, e := range n.Space.Expands {
		legend, index[e] = append(legend, strconv.FormatFloat(e, 'g', -1, 64)), i
	}
	return n.blocks("expand ratio", legend, func(a supernet.Arch, p int) int { return index[a.E[p]] })
}

// resolutions is a panel of one row, with the resolutions that occur.
func (n Networks) resolutions() *choices {
	p := &choices{title: "input resolution", rows: []string{"r"}, begins: map[int]bool{}}
	index := map[int]int{}
	for _, r := range n.Space.Resolutions {
		for _, c := range n.Front {
			if _, seen := index[r]; c.Arch.R == r && !seen {
				index[r] = len(p.legend)
				p.legend = append(p.legend, strconv.Itoa(r))
			}
		}
	}
	p.column = func(a supernet.Arch) []int {
		if i, ok := index[a.R]; ok {
			return []int{i}
		}
		return []int{-1}
	}
	return p
}

// shade returns the colour of a choice: the lighter, the larger.
func (p *choices) shade(choice int) color.Color {
	return base.Shade((float64(choice) + 0.25) / (float64(len(p.legend)) - 0.5))
}

// left is the room for the names of rows.
const left = 30

func (p *choices) draw(c draw.Canvas, n Networks, shown []int, first, last bool) {
	text := base.Text(8, base.Black, draw.XLeft, draw.YTop)
	c.FillText(text, vg.Point{X: c.Min.X + left, Y: c.Max.Y - 10}, p.title+":")
	at := c.Min.X + left + text.Width(p.title+":") + 8
	for i, name := range p.legend {
		if len(p.legend) > 8 && i > 0 && i < len(p.legend)-1 && i%4 != 0 {
			continue
		}
		fill(c, p.shade(i), at, c.Max.Y-17.5, at+9, c.Max.Y-9.5)
		c.FillText(text, vg.Point{X: at + 11, Y: c.Max.Y - 10}, name)
		at += 11 + text.Width(name) + 9
	}
	top := c.Max.Y - 22
	width := (c.Max.X - c.Min.X - left) / vg.Length(len(shown))
	x := func(column int) vg.Length { return c.Min.X + left + width*vg.Length(column) }
	y := func(row int) vg.Length { return top - vg.Length(rowHeight*row) }
	for col, cells := range p.columns {
		for row, choice := range cells {
			if choice >= 0 {
				high := y(row)
				if p.begins[row] && row > 0 {
					high -= 1.5
				}
				fill(c, p.shade(choice), x(col), y(row+1)+0.4, x(col)+width-min(0.3, width/8), high)
			}
		}
	}
	names := base.Text(6.5, base.Grey, draw.XRight, draw.YCenter)
	for row, name := range p.rows {
		c.FillText(names, vg.Point{X: c.Min.X + left - 3, Y: y(row) - rowHeight/2}, name)
	}
	if first {
		p.marks(c, n, shown, x, width, top)
	}
	if last {
		p.axis(c, n, shown, x, width, y(len(p.rows)))
	}
}

// marks numbers the levels above the first panel.
func (p *choices) marks(c draw.Canvas, n Networks, shown []int, x func(int) vg.Length, width, top vg.Length) {
	for level, i := range n.Levels {
		for col, s := range shown {
			if s == i {
				c.FillText(base.Text(8, base.Vermillion, draw.XCenter, draw.YBottom), vg.Point{X: x(col) + width/2, Y: top + 0.5}, strconv.Itoa(level))
			}
		}
	}
}

// axis writes latency and accuracy under some columns.
func (p *choices) axis(c draw.Canvas, n Networks, shown []int, x func(int) vg.Length, width, bottom vg.Length) {
	names := base.Text(6.5, base.Grey, draw.XRight, draw.YTop)
	c.FillText(names, vg.Point{X: c.Min.X + left - 3, Y: bottom - 6}, "latency")
	c.FillText(names, vg.Point{X: c.Min.X + left - 3, Y: bottom - 16}, "accuracy")
	style := base.Text(8, base.Black, draw.XCenter, draw.YTop)
	const labels = 7
	for i := range min(labels, len(shown)) {
		col := 0
		if len(shown) > 1 {
			col = i * (len(shown) - 1) / max(1, min(labels, len(shown))-1)
		}
		f := n.Front[shown[col]]
		middle := x(col) + width/2
		c.StrokeLine2(draw.LineStyle{Color: base.Grey, Width: 0.5}, middle, bottom, middle, bottom-3)
		switch {
		case i == 0:
			style.XAlign = draw.XLeft
			middle = x(0)
		case col == len(shown)-1:
			style.XAlign = draw.XRight
			middle = x(col) + width
		default:
			style.XAlign = draw.XCenter
		}
		c.FillText(style, vg.Point{X: middle, Y: bottom - 5}, f.Latency.String())
		c.FillText(style, vg.Point{X: middle, Y: bottom - 15}, f.Accuracy.String())
	}
}

// fill paints a rectangle.
func fill(c draw.Canvas, paint color.Color, x1, y1, x2, y2 vg.Length) {
	c.FillPolygon(paint, []vg.Point{{X: x1, Y: y1}, {X: x2, Y: y1}, {X: x2, Y: y2}, {X: x1, Y: y2}})
}
