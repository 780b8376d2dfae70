package plot

import (
	"fmt"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/traffic"
	base "github.com/dynofa/dynofa/lut/plot"
)

// label says over a panel what happens at a time.
type label struct {
	text string
	x    vg.Length // of the step
	row  int       // 0 is next to the panel
	left bool      // the text stands left of x
}

// maxLabelRows bounds the rows of labels; what finds no place in them goes unlabelled.
const maxLabelRows = 3

var labelStyle = base.Text(8, base.Black, draw.XLeft, draw.YBottom)

// place puts a label on each step of the profile, in as few rows as do without overlap, and returns
// them with the number of rows. A label stands right of its step, or left of it near the right edge.
func (s *sheet) place(profile traffic.Profile) ([]label, int) {
	var labels []label
	var taken [maxLabelRows]vg.Length // up to which x
	rows := 0
	for _, step := range profile {
		if step.At >= s.end || len(labels) >= 200 {
			break
		}
		text := fit(labelStyle, strings.TrimSpace(fmt.Sprintf("\u00d7%.4g %s", step.Slowdown, clean(step.What))), 300)
		x, w := s.x(step.At), labelStyle.Width(text)+6
		l := label{text: text, x: x}
		from, to := x, x+w
		if to > width {
			l.left, from, to = true, x-w, x
		}
		for row := range taken {
			if from >= taken[row] {
				l.row, taken[row] = row, to
				rows = max(rows, row+1)
				labels = append(labels, l)
				break
			}
		}
	}
	return labels, rows
}

// drawLabels draws the labels over a panel whose upper edge is y.
func (s *sheet) drawLabels(c draw.Canvas, p *panel, y vg.Length) {
	for _, l := range p.labels {
		at := y + labelRow*vg.Length(l.row)
		c.StrokeLine2(stepLine, l.x, y, l.x, at+labelRow-2)
		style, x := labelStyle, l.x+3
		if l.left {
			style.XAlign, x = draw.XRight, l.x-3
		}
		c.FillText(style, vg.Point{X: x, Y: at + 2}, l.text)
	}
}
