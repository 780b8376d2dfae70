package plot

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
)

// Estimate is a number with its confidence interval.
type Estimate struct {
	Mean, Low, High float64
	Missing         bool // there is no number
}

// Series is a policy's estimates, by cell.
type Series struct {
	Name   string
	Values []Estimate
}

// Sweep describes a picture of how policies do over the cells of a sweep, with 95% intervals.
type Sweep struct {
	Title   string
	Measure string   // what is estimated, with its unit
	Cells   []string // 1 to 200
	Series  []Series // 1 to 20, each with an estimate per cell
	Notes   []string // for the footnote
}

const maxSweepCells = 200

// Figure draws the sweep. It returns an error for one that makes no picture.
func (s Sweep) Figure() (*base.Figure, error) {
	if n := len(s.Cells); n == 0 || n > maxSweepCells {
		return nil, fmt.Errorf("plot: sweep: %d cells, 1 to %d make a picture", n, maxSweepCells)
	}
	if n := len(s.Series); n == 0 || n > maxRuns {
		return nil, fmt.Errorf("plot: sweep: %d series, 1 to %d make a picture", n, maxRuns)
	}
	for _, r := range s.Series {
		if len(r.Values) != len(s.Cells) {
			return nil, fmt.Errorf("plot: sweep: %s has %d estimates for %d cells", clean(r.Name), len(r.Values), len(s.Cells))
		}
		for _, v := range r.Values {
			if !v.Missing && (math.IsNaN(v.Mean) || math.IsInf(v.Mean, 0) || !(v.Low <= v.Mean && v.Mean <= v.High)) {
				return nil, errors.New("plot: sweep: an estimate is not finite, or outside its interval")
			}
		}
	}
	width := max(480, min(1000, vg.Length(120+len(s.Cells)*max(14, 9*len(s.Series)))))
	longest := 0
	labels := make([]string, len(s.Cells))
	for i, c := range s.Cells {
		labels[i] = clean(c)
		longest = max(longest, len(labels[i]))
	}
	style := base.Text(8.5, base.Black, draw.XRight, draw.YCenter)
	room := vg.Length(0)
	for i := range labels {
		labels[i] = fit(style, labels[i], 190)
		room = max(room, style.Width(labels[i]))
	}
	notes := append([]string{"Bars: 95% intervals of the mean over replications, by Student's distribution; without a bar there was one replication."}, s.Notes...)
	for i := range notes {
		notes[i] = clean(notes[i])
	}
	return base.NewFigure(width, 320+room, func(canvas draw.Canvas) {
		p := base.New(fit(base.Text(12, base.Black, draw.XLeft, draw.YCenter), clean(s.Title), width-20), "", clean(s.Measure))
		var entries []base.Entry
		for i, r := range s.Series {
			entries = append(entries, base.Entry{Name: fit(style, clean(r.Name), 200), Glyph: levelGlyph(i, 3.2)})
		}
		p.Add(sweepMarks{s})
		p.X.Min, p.X.Max = -0.5, float64(len(s.Cells))-0.5
		p.Y.Min, p.Y.Max = widen(p.Y.Min, p.Y.Max, math.Inf(-1), math.Inf(1))
		p.X.Tick.Marker = plot.ConstantTicks(nameTicks(labels))
		p.X.Tick.Label = style
		p.X.Tick.Label.Rotation = math.Pi / 2
		p.Draw(draw.Crop(base.Key(base.Footnote(canvas, notes...), 3, entries...), 6, -12, 0, -6))
	}), nil
}

func nameTicks(labels []string) []plot.Tick {
	ticks := make([]plot.Tick, len(labels))
	for i, l := range labels {
		ticks[i] = plot.Tick{Value: float64(i), Label: l}
	}
	return ticks
}

// sweepMarks draws the estimates of each cell side by side.
type sweepMarks struct{ s Sweep }

var _ plot.Plotter = sweepMarks{}
var _ plot.DataRanger = sweepMarks{}

// DataRange returns the range of the intervals.
func (m sweepMarks) DataRange() (xmin, xmax, ymin, ymax float64) {
	ymin, ymax = math.Inf(1), math.Inf(-1)
	for _, r := range m.s.Series {
		for _, v := range r.Values {
			if !v.Missing {
				ymin, ymax = min(ymin, v.Low), max(ymax, v.High)
			}
		}
	}
	if ymin > ymax {
		ymin, ymax = 0, 1
	}
	return 0, float64(len(m.s.Cells) - 1), ymin, ymax
}

// Plot draws intervals and markers.
func (m sweepMarks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	n := float64(len(m.s.Series))
	for i, r := range m.s.Series {
		glyph := levelGlyph(i, 3.2)
		offset := (float64(i) - (n-1)/2) / (n + 1) * 0.9
		line := draw.LineStyle{Color: glyph.Color, Width: 1}
		for k, v := range r.Values {
			if v.Missing {
				continue
			}
			at := x(float64(k) + offset)
			if v.High > v.Low {
				c.StrokeLine2(line, at, y(v.Low), at, y(v.High))
				c.StrokeLine2(line, at-2.5, y(v.Low), at+2.5, y(v.Low))
				c.StrokeLine2(line, at-2.5, y(v.High), at+2.5, y(v.High))
			}
			c.DrawGlyph(glyph, vg.Point{X: at, Y: y(v.Mean)})
		}
	}
}
