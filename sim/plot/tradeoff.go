package plot

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/vg/draw"

	base "github.com/dynofa/dynofa/lut/plot"
)

// Tradeoff describes a picture of how policies trade one measure for another, over replications: a mark per policy
// with 95% intervals in both directions.
type Tradeoff struct {
	Title string
	X, Y  string          // what the axes are, with units
	Marks []TradeoffPoint // 1 to 20
	Notes []string        // for the footnote
}

// TradeoffPoint is a policy.
type TradeoffPoint struct {
	Name string
	X, Y Estimate
}

// Figure draws the trade-off. Policies without an estimate of either stand in the footnote only. It returns an error
// for one that makes no picture.
func (f Tradeoff) Figure() (*base.Figure, error) {
	if n := len(f.Marks); n == 0 || n > maxRuns {
		return nil, fmt.Errorf("plot: trade-off: %d policies, 1 to %d make a picture", n, maxRuns)
	}
	var points policies
	notes := []string{"Bars: 95% intervals of the mean over replications, by Student's distribution; without a bar there was one replication."}
	for i, m := range f.Marks {
		for _, e := range []Estimate{m.X, m.Y} {
			if !e.Missing && (math.IsInf(e.Mean, 0) || !(e.Low <= e.Mean && e.Mean <= e.High)) {
				return nil, fmt.Errorf("plot: trade-off: %s: an estimate is not finite, or outside its interval", clean(m.Name))
			}
		}
		if m.X.Missing || m.Y.Missing {
			notes = append(notes, fmt.Sprintf("%s has no such number.", clean(m.Name)))
			continue
		}
		points = append(points, point{
			name: fit(base.Text(9.5, base.Black, draw.XLeft, draw.YCenter), clean(m.Name), 150), x: m.X.Mean, y: m.Y.Mean,
			low: m.Y.Low, high: m.Y.High, left: m.X.Low, right: m.X.High, glyph: levelGlyph(i, 4),
		})
	}
	for _, n := range f.Notes {
		notes = append(notes, clean(n))
	}
	return base.NewFigure(480, 360+base.FootnoteRoom(480, 4, notes...), func(canvas draw.Canvas) {
		p := base.New(fit(base.Text(12, base.Black, draw.XLeft, draw.YCenter), clean(f.Title), 460), clean(f.X), clean(f.Y))
		p.Add(points)
		p.X.Min, p.X.Max = widen(p.X.Min, p.X.Max, math.Inf(-1), math.Inf(1))
		p.Y.Min, p.Y.Max = widen(p.Y.Min, p.Y.Max, math.Inf(-1), math.Inf(1))
		p.Draw(draw.Crop(base.Footnote(canvas, notes...), 6, -12, 0, -6))
	}), nil
}
