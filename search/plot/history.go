package plot

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search"
)

// History describes a picture of how searches went: hypervolume against evaluations. Only runs with the
// same reference point can be compared.
type History struct {
	Title string
	Runs  []Run
	Notes []string // for the footnote
}

// Run is one search.
type Run struct {
	Name    string
	Samples []search.Sample // at least one, ascending in evaluations
}

// Figure draws the history, from where it stood after the first hundredth. It returns an error if there is no run, a run has no sample, or a number is
// not finite.
func (h History) Figure() (*base.Figure, error) {
	if len(h.Runs) == 0 {
		return nil, errors.New("plot: history: there is no run")
	}
	var lines []*plotter.Line
	var entries []base.Entry
	start := math.Inf(1)
	for i, r := range h.Runs {
		if len(r.Samples) == 0 {
			return nil, fmt.Errorf("plot: history: run %q has no samples", r.Name)
		}
		style := draw.LineStyle{Color: color.Color(base.Palette()[i%len(base.Palette())]), Width: 1.5}
		if i >= len(base.Palette()) {
			style.Dashes = []vg.Length{4, 2}
		}
		line := &plotter.Line{LineStyle: style, StepStyle: plotter.PostStep}
		for _, s := range r.Samples {
			if math.IsNaN(s.Hypervolume) || math.IsInf(s.Hypervolume, 0) {
				return nil, fmt.Errorf("plot: history: run %q: hypervolume %g after %d evaluations", r.Name, s.Hypervolume, s.Evaluations)
			}
			line.XYs = append(line.XYs, plotter.XY{X: float64(s.Evaluations), Y: s.Hypervolume})
		}
		start = min(start, begin(r.Samples))
		lines = append(lines, line)
		entries = append(entries, base.Entry{Name: r.Name, Line: style})
	}
	const width = 480
	return base.NewFigure(width, 320+base.FootnoteRoom(width, 4, h.Notes...), func(c draw.Canvas) {
		p := base.New(h.Title, "evaluations (accuracy predictions of different networks)", "hypervolume (ms \u00d7 accuracy as a fraction)")
		for _, l := range lines {
			p.Add(l)
			if len(l.XYs) == 1 { // no line
				p.Add(&plotter.Scatter{XYs: l.XYs, GlyphStyle: draw.GlyphStyle{Color: l.Color, Radius: 2, Shape: draw.CircleGlyph{}}})
			}
		}
		p.Y.Min = max(p.Y.Min, start)
		margins(p)
		p.X.Min, p.Y.Min = min(0, p.X.Max), max(0, p.Y.Min) // neither is ever negative
		p.Draw(draw.Crop(base.Key(base.Footnote(c, h.Notes...), min(3, len(entries)), entries...), 6, -16, 0, -6))
	}), nil
}

// begin returns the hypervolume after the first hundredth of a run's evaluations. What comes before is a
// steep climb that would take most of the picture.
func begin(samples []search.Sample) float64 {
	total := samples[len(samples)-1].Evaluations
	i := slices.IndexFunc(samples, func(s search.Sample) bool { return s.Evaluations*100 >= total })
	return samples[max(i, 0)].Hypervolume
}

// sortedByX returns a copy of the points, ascending in X, then Y.
func sortedByX(points plotter.XYs) plotter.XYs {
	s := slices.Clone(points)
	slices.SortFunc(s, func(a, b plotter.XY) int { return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Y, b.Y)) })
	return s
}
