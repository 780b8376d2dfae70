package lut

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// Prediction is what a table lets one say about a network that was not measured. Its spread is the
// spread of the whole networks that were measured with the table around their own predictions:
// quantiles of blocks do not add up to quantiles of a network.
type Prediction struct {
	// Median is the calibrated sum over blocks, what Predictor.Latency returns.
	Median unit.Nanoseconds
	// Low and High hold the network's true median with a probability of 95%, if its residual comes
	// from the same normal distribution (of logarithms) as those of the table's whole networks. Both
	// are NaN if the table has fewer than three. They need not hold Median: sums that are all too
	// small put the interval above it.
	Low, High unit.Nanoseconds
	// P99 is the latency that 99 of 100 single inferences stay below, from the whole networks' own
	// 99th percentiles; P99High bounds it from above with a probability of 95%. NaN without three
	// networks of enough samples.
	P99, P99High unit.Nanoseconds
	Networks     int      // whole networks behind Low and High
	Warnings     []string // every doubt about the table, its operating point and the blocks summed up
}

// minResiduals is the smallest number of whole networks that give an interval.
const minResiduals = 3

// doubts is what a predictor knows beyond its sums.
type doubts struct {
	table    []string         // warnings of the table, its origin, its operating point
	entries  map[Key][]string // warnings of entries
	medians  residuals
	tails    residuals
	networks int // whole networks of the table
}

// residuals summarises logarithms of measured over predicted.
type residuals struct {
	n         int
	mean, std float64
	freedom   float64
}

// judge compares the predictor with the table's whole networks.
func (p *Predictor) judge(t *Table) {
	d := &p.doubts
	d.table = slices.Clone(t.Warnings)
	if t.Origin == Modelled {
		d.table = append(d.table, "the table is modelled, not measured: "+t.Source)
	}
	d.entries = map[Key][]string{}
	for _, e := range t.Entries {
		if len(e.Latency.Warnings) > 0 {
			d.entries[e.Key] = e.Latency.Warnings
		}
	}
	d.networks = len(t.Networks)
	var medians, tails []float64
	for _, n := range t.Networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			continue
		}
		predicted, err := p.Latency(a)
		if err != nil {
			continue
		}
		if r := math.Log(float64(n.Latency.Central() / predicted)); finite(r) {
			medians = append(medians, r)
		}
		if r := math.Log(float64(n.Latency.P99 / predicted)); finite(r) {
			tails = append(tails, r)
		}
	}
	d.medians, d.tails = summarise(medians, t.Calibration), summarise(tails, t.Calibration)
}

// summarise takes one degree of freedom for the mean, which stands for a fitted scale as well, and
// one more for a fitted offset.
func summarise(values []float64, c Calibration) residuals {
	r := residuals{n: len(values), freedom: float64(len(values) - 1)}
	if c.Offset != 0 {
		r.freedom--
	}
	if r.n < minResiduals || r.freedom < 1 {
		return residuals{n: r.n, mean: math.NaN(), std: math.NaN(), freedom: 1}
	}
	for _, v := range values {
		r.mean += v / float64(r.n)
	}
	squares := 0.0
	for _, v := range values {
		squares += float64((v - r.mean) * (v - r.mean))
	}
	r.std = math.Sqrt(squares / r.freedom)
	return r
}

// beyond returns the factor that a new residual's upper (or, for -1, lower) bound is, when a new one
// lies outside both bounds with probability p.
func (r residuals) beyond(p, side float64) float64 {
	t := stats.StudentQuantile(p, r.freedom)
	return math.Exp(r.mean + float64(side*t*r.std*math.Sqrt(1+1/float64(r.n))))
}

// Predict returns the latency of a with its uncertainty and every doubt about it. Errors are those
// of Latency. Unlike Latency it allocates.
func (p *Predictor) Predict(a supernet.Arch) (Prediction, error) {
	median, err := p.Latency(a)
	if err != nil {
		return Prediction{}, err
	}
	layers, err := p.space.Layers(a)
	if err != nil {
		return Prediction{}, fmt.Errorf("lut: %w", err)
	}
	d := &p.doubts
	times := func(f float64) unit.Nanoseconds { return unit.Nanoseconds(float64(median) * f) }
	q := Prediction{
		Median: median, Networks: d.medians.n,
		Low: times(d.medians.beyond(0.05, -1)), High: times(d.medians.beyond(0.05, 1)),
		P99: times(math.Exp(d.tails.mean)), P99High: times(d.tails.beyond(0.1, 1)),
		Warnings: slices.Clone(d.table),
	}
	q.Warnings = append(q.Warnings, p.blockDoubts(a.R, layers)...)
	switch {
	case d.networks == 0:
		q.Warnings = append(q.Warnings, "the table has no whole networks: the error of the sum is unknown")
	case math.IsNaN(d.medians.std):
		q.Warnings = append(q.Warnings, fmt.Sprintf("%d whole networks are too few to tell the error of the sum, which needs %d", d.medians.n, minResiduals))
	case math.IsNaN(d.tails.std):
		q.Warnings = append(q.Warnings, fmt.Sprintf("%d whole networks with a 99th percentile are too few to predict one, which needs %d", d.tails.n, minResiduals))
	}
	if median < q.Low || median > q.High {
		q.Warnings = append(q.Warnings, fmt.Sprintf("sums are off by %+.1f%% against the table's %d whole networks: it needs a calibration", 100*(math.Exp(-d.medians.mean)-1), d.medians.n))
	}
	return q, nil
}

// blockDoubts collects the warnings of the entries that a sum is made of. Texts that differ in
// numbers alone are one warning, with the text of the first block as the instance.
func (p *Predictor) blockDoubts(r int, layers []supernet.Layer) []string {
	type doubt struct {
		text   string
		varied bool
		names  []string
	}
	var order []string
	doubts := map[string]*doubt{}
	for _, l := range layers {
		k := Key{r, l.Block}
		if _, ok := p.table[k]; !ok {
			k.Resolution = 0
		}
		for _, w := range p.doubts.entries[k] {
			form := strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' || r == '.' {
					return -1
				}
				return r
			}, w)
			d, ok := doubts[form]
			if !ok {
				d = &doubt{text: w}
				doubts[form] = d
				order = append(order, form)
			}
			d.varied = d.varied || w != d.text
			d.names = append(d.names, l.Name)
		}
	}
	for i, form := range order {
		d := doubts[form]
		names := strings.Join(d.names, ", ")
		if len(d.names) > 3 {
			names = fmt.Sprintf("%d of %d blocks", len(d.names), len(layers))
		}
		if d.varied {
			names += ", for instance " + d.names[0]
		}
		order[i] = names + ": " + d.text
	}
	return order
}

// Warnings returns what is doubtful about every prediction, beside the blocks of a single one.
func (p *Predictor) Warnings() []string { return slices.Clone(p.doubts.table) }
