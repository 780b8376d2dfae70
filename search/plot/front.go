package plot

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/dynofa/dynofa/datasets/unit"
	base "github.com/dynofa/dynofa/lut/plot"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/family"
)

// Front describes a picture of a Pareto front: latency against accuracy.
type Front struct {
	Title    string
	Latency  string               // what the latency axis shows: "latency on xavier-nx, cpu"
	Accuracy accuracy.Description // where the accuracies come from; the axis says it
	Points   []search.Objectives  // the front, at least one point, in any order
	// Spreads are the half-widths of the 95% intervals of Points, in the same order; nil if they are not
	// known. Some are drawn, evenly spaced, and those of levels whose accuracies are not measured.
	Spreads []Spread
	Cloud   []search.Objectives // other networks that were evaluated; may be empty
	// Family's levels are marked and numbered; it may be nil. Beside a front of predicted accuracies its own
	// may be measured ones; the key says so.
	Family *family.Family
	// Intervals are those of the levels' accuracies, in the order of the levels; empty, or one each.
	Intervals []Interval
	// Processor says which of the family's latencies to show; "" stands for the first.
	Processor string
	Notes     []string // for the footnote
}

// Interval holds an accuracy's 95% interval.
type Interval struct{ Low, High unit.Accuracy }

// Spread is the half-width of a 95% interval in both directions; 0 is not drawn.
type Spread struct {
	Latency  unit.Nanoseconds
	Accuracy unit.Accuracy
}

// Objectives returns what a front's networks are judged by, as Front takes it.
func Objectives(front []search.Candidate) []search.Objectives {
	out := make([]search.Objectives, len(front))
	for i, c := range front {
		out[i] = c.Objectives
	}
	return out
}

// AccuracyLabel names an accuracy axis in per cent: "top-1 accuracy (%), predicted (OFA's MLP)", or
// "stand-in (%), not an accuracy".
func AccuracyLabel(d accuracy.Description) string {
	switch d.Origin {
	case accuracy.Standin:
		return "stand-in (%), not an accuracy"
	case accuracy.Measured, accuracy.Predicted:
		return fmt.Sprintf("top-1 accuracy (%%), %s (%s)", d.Origin, predictorName(d.Name))
	}
	return "accuracy (%), origin unknown"
}

// predictorName returns how people call a predictor.
func predictorName(name string) string {
	switch name {
	case "ofa-mlp":
		return "OFA's MLP"
	}
	return name
}

// ErrAxis is wrapped when the accuracies of a family are of another kind than those of its front.
var ErrAxis = errors.New("they do not belong on one axis")

// Figure draws the front. It returns an error if there is no point, a number is not finite, or the
// family's accuracies are of another kind than the front's (ErrAxis) or its latencies for another processor.
func (f Front) Figure() (*base.Figure, error) {
	levels, err := f.levels()
	if err != nil {
		return nil, fmt.Errorf("plot: front: %w", err)
	}
	if len(f.Points) == 0 {
		return nil, errors.New("plot: front: there is no point")
	}
	if n := len(f.Spreads); n != 0 && n != len(f.Points) {
		return nil, fmt.Errorf("plot: front: %d spreads for %d points", n, len(f.Points))
	}
	var most unit.Nanoseconds
	for _, set := range [][]search.Objectives{f.Points, f.Cloud, levels} {
		for _, o := range set {
			if l := float64(o.Latency); !(l > 0) || math.IsInf(l, 0) || o.Accuracy.Validate() != nil {
				return nil, fmt.Errorf("plot: front: a network has latency %v and accuracy %v", o.Latency, float64(o.Accuracy))
			}
			most = max(most, o.Latency)
		}
	}
	time := base.TimeFor(most)
	points, line := series(f.Points, time), plotter.Line{LineStyle: draw.LineStyle{Color: base.Blue, Width: 1}, StepStyle: plotter.PostStep}
	line.XYs = sortedByX(points)
	front := plotter.Scatter{XYs: points, GlyphStyle: draw.GlyphStyle{Color: base.Blue, Radius: 1.6, Shape: draw.CircleGlyph{}}}
	cloud := plotter.Scatter{XYs: thin(series(f.Cloud, time)), GlyphStyle: draw.GlyphStyle{Color: base.CloudGrey, Radius: 0.9, Shape: draw.CircleGlyph{}}}
	marks := &marks{points: series(levels, time), style: draw.GlyphStyle{Color: base.Vermillion, Radius: 4, Shape: draw.CircleGlyph{}}}

	entries := []base.Entry{{Name: fmt.Sprintf("Pareto front (%s)", networks(len(f.Points))), Line: line.LineStyle, Glyph: front.GlyphStyle}}
	if len(f.Cloud) > 0 {
		style := cloud.GlyphStyle
		style.Radius = 2
		entries = append(entries, base.Entry{Name: fmt.Sprintf("evaluated (%s)", base.Count(len(f.Cloud))), Glyph: style})
	}
	crosses, levelCrosses := f.crosses(levels, time)
	if len(crosses.points) > 0 {
		entries = append(entries, base.Entry{Name: "95% interval", Line: crosses.style})
	}
	if f.Family != nil {
		name := fmt.Sprintf("levels of family %s", f.Family.Name)
		if len(levels) > 0 && string(f.Family.Levels[0].AccuracyOrigin) != f.Accuracy.Origin {
			name = fmt.Sprintf("levels, %s", f.Family.Levels[0].AccuracyOrigin)
		}
		if len(f.Intervals) > 0 {
			name += " (bars: 95%)"
		}
		entries = append(entries, base.Entry{Name: name, Glyph: marks.style})
	}
	bars, err := f.bars(marks.points)
	if err != nil {
		return nil, fmt.Errorf("plot: front: %w", err)
	}
	x := f.Latency
	if x == "" {
		x = "latency"
	}
	notes := f.Notes
	if f.Accuracy.Note != "" {
		notes = append([]string{f.Accuracy.Note}, notes...)
	}
	const width = 480
	return base.NewFigure(width, 360+base.FootnoteRoom(width, 4, notes...), func(c draw.Canvas) {
		p := base.New(f.Title, fmt.Sprintf("%s (%s)", x, time.Name), AccuracyLabel(f.Accuracy))
		if len(f.Cloud) > 0 {
			p.Add(&cloud)
		}
		p.Add(crosses, &line, &front, levelCrosses)
		if bars != nil {
			p.Add(bars)
		}
		if f.Family != nil {
			p.Add(marks)
		}
		margins(p)
		p.Draw(draw.Crop(base.Key(base.Footnote(c, notes...), len(entries), entries...), 6, -12, 0, -6))
	}), nil
}

// networks counts them.
func networks(n int) string {
	if n == 1 {
		return "1 network"
	}
	return base.Count(n) + " networks"
}

// levels returns the family's levels on the processor.
func (f Front) levels() ([]search.Objectives, error) {
	if f.Family == nil {
		return nil, nil
	}
	processor := f.Processor
	if names := f.Family.Processors(); processor == "" && len(names) > 0 {
		processor = names[0]
	}
	var levels []search.Objectives
	for i, l := range f.Family.Levels {
		measured := l.AccuracyOrigin == family.AccuracyMeasured && f.Accuracy.Origin == accuracy.Predicted
		if string(l.AccuracyOrigin) != f.Accuracy.Origin && !measured {
			return nil, fmt.Errorf("accuracy of level %d of family %q is %s, the front's is %s: %w", i, f.Family.Name, l.AccuracyOrigin, f.Accuracy.Origin, ErrAxis)
		}
		latency, ok := f.Family.Latency(i, processor)
		if !ok {
			return nil, fmt.Errorf("family %q has no latency on processor %q, it has %v", f.Family.Name, processor, f.Family.Processors())
		}
		levels = append(levels, search.Objectives{Accuracy: l.Accuracy, Latency: latency.Latency})
	}
	return levels, nil
}

// bars returns the error bars of the levels, nil without intervals.
func (f Front) bars(levels plotter.XYs) (*plotter.YErrorBars, error) {
	if len(f.Intervals) == 0 {
		return nil, nil
	}
	if len(f.Intervals) != len(levels) {
		return nil, fmt.Errorf("%d intervals for %d levels", len(f.Intervals), len(levels))
	}
	errs := make(plotter.YErrors, len(levels))
	for i, in := range f.Intervals {
		errs[i].Low, errs[i].High = levels[i].Y-in.Low.Percent(), in.High.Percent()-levels[i].Y
		if !(errs[i].Low >= 0 && errs[i].High >= 0) {
			return nil, fmt.Errorf("the interval %v to %v does not hold the accuracy of level %d", in.Low, in.High, i)
		}
	}
	bars, err := plotter.NewYErrorBars(struct {
		plotter.XYs
		plotter.YErrors
	}{levels, errs})
	if err != nil {
		return nil, err
	}
	bars.LineStyle = draw.LineStyle{Color: base.Vermillion, Width: 1}
	bars.CapWidth = 5
	return bars, nil
}

// series returns points in the units of the axes.
func series(points []search.Objectives, time base.Time) plotter.XYs {
	xys := make(plotter.XYs, len(points))
	for i, o := range points {
		xys[i] = plotter.XY{X: time.Of(o.Latency), Y: o.Accuracy.Percent()}
	}
	return xys
}

// thin drops points that would be drawn on top of others: it keeps the first in each cell of a grid over
// their range, finer than a marker is wide.
func thin(points plotter.XYs) plotter.XYs {
	if len(points) == 0 {
		return nil
	}
	const cells = 240
	xmin, xmax, ymin, ymax := plotter.XYRange(points)
	cell := func(v, low, high float64) int {
		if high <= low {
			return 0
		}
		return int((v - low) / (high - low) * cells)
	}
	taken := make(map[[2]int]bool)
	kept := make(plotter.XYs, 0, len(points))
	for _, p := range points {
		if at := [2]int{cell(p.X, xmin, xmax), cell(p.Y, ymin, ymax)}; !taken[at] {
			taken[at] = true
			kept = append(kept, p)
		}
	}
	return kept
}

// margins widens the axes by a little on each side, so that no marker lies on an edge.
func margins(p *plot.Plot) {
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		room := 0.03 * (a.Max - a.Min)
		if room == 0 {
			room = 0.5
		}
		a.Min, a.Max = a.Min-room, a.Max+room
	}
}

// marks draws numbered markers, each number where no other mark or number is.
type marks struct {
	points plotter.XYs
	style  draw.GlyphStyle
}

// DataRange returns the range of the points.
func (m *marks) DataRange() (xmin, xmax, ymin, ymax float64) { return plotter.XYRange(m.points) }

// Plot draws the markers, then the numbers. A front rises to the right, so above and to the left of it is
// room; numbers go there first.
func (m *marks) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := base.Text(9, base.Black, draw.XCenter, draw.YCenter)
	var taken []vg.Rectangle
	box := func(at vg.Point, w, h vg.Length) vg.Rectangle {
		return vg.Rectangle{Min: vg.Point{X: at.X - w/2, Y: at.Y - h/2}, Max: vg.Point{X: at.X + w/2, Y: at.Y + h/2}}
	}
	places := make([]vg.Point, len(m.points))
	for i, q := range m.points {
		places[i] = vg.Point{X: x(q.X), Y: y(q.Y)}
		taken = append(taken, box(places[i], 2*m.style.Radius, 2*m.style.Radius))
		c.DrawGlyph(draw.GlyphStyle{Color: base.White, Radius: m.style.Radius + 1, Shape: m.style.Shape}, places[i])
		c.DrawGlyph(m.style, places[i])
	}
	for i, at := range places {
		label := strconv.Itoa(i)
		size := style.Rectangle(label).Size()
		spot := at.Add(vg.Point{X: -8, Y: 8})
		for _, offset := range []vg.Point{{X: -8, Y: 8}, {X: 0, Y: 12}, {X: -12, Y: 0}, {X: 9, Y: -9}, {X: 12, Y: 0}, {X: 0, Y: -12}, {X: -16, Y: 16}, {X: 16, Y: -16}} {
			candidate := box(at.Add(offset), size.X+2, size.Y)
			if !overlaps(candidate, taken) && inside(candidate, c.Rectangle) {
				spot = at.Add(offset)
				break
			}
		}
		taken = append(taken, box(spot, size.X+2, size.Y))
		c.FillText(style, spot, label)
	}
}

func overlaps(r vg.Rectangle, others []vg.Rectangle) bool {
	for _, o := range others {
		if r.Min.X < o.Max.X && o.Min.X < r.Max.X && r.Min.Y < o.Max.Y && o.Min.Y < r.Max.Y {
			return true
		}
	}
	return false
}

func inside(r, outer vg.Rectangle) bool {
	return r.Min.X >= outer.Min.X && r.Min.Y >= outer.Min.Y && r.Max.X <= outer.Max.X && r.Max.Y <= outer.Max.Y
}
