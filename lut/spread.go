package lut

import (
	"errors"
	"fmt"
	"math"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// ErrNoSpread is wrapped when a table does not say how far its latencies scatter.
var ErrNoSpread = errors.New("the table does not say how latencies scatter")

// spread is what an entry says about the scatter of its latency. Both are NaN if it says nothing.
type spread struct {
	center float64 // standard error of the median or mean that is summed up, ns
	single float64 // standard deviation of single inferences, ns
}

// normal95 is the half-width of a 95% interval in standard errors of a normal distribution.
const normal95 = 1.959963984540054

// spreadOf reads an entry: the interval of its median, or else its standard deviation over the root of its
// number of samples.
func spreadOf(l Latency) spread {
	s := spread{center: float64(l.CIHigh-l.CILow) / (2 * normal95), single: float64(l.Std)}
	if math.IsNaN(s.center) && l.N > 0 {
		s.center = s.single / math.Sqrt(float64(l.N))
	}
	return s
}

// entry returns the key of the table's entry for a block: the resolution's own, or that for all.
func (p *Predictor) entry(r int, b supernet.Block) Key {
	if k := (Key{r, b}); p.has(k) {
		return k
	}
	return Key{Block: b}
}

func (p *Predictor) has(k Key) bool { _, ok := p.spreads[k]; return ok }

// scale is the factor of the calibration.
func (p *Predictor) scale() float64 {
	if p.calibration.Scale == 0 {
		return 1
	}
	return p.calibration.Scale
}

// StandardError returns the standard error of the prediction for a as far as the table's entries account
// for it: the root of the sum of the squares of those of its blocks, with the calibration's scale. What
// sums get wrong as a whole, as Prediction has it, is not in it. It returns the errors of Latency, and
// one that wraps ErrNoSpread if an entry does not say how sure it is.
func (p *Predictor) StandardError(a supernet.Arch) (unit.Nanoseconds, error) {
	return p.quadrature(a, nil, func(s spread) float64 { return s.center })
}

// Difference returns how much slower b is predicted to be than a, and the standard error of that
// difference. Blocks that both have at the same resolution cancel, with their errors, so it tells networks
// apart that are alike, whose own errors are much larger. Errors are those of StandardError.
func (p *Predictor) Difference(a, b supernet.Arch) (difference, standardError unit.Nanoseconds, err error) {
	la, err := p.Latency(a)
	if err != nil {
		return 0, 0, err
	}
	lb, err := p.Latency(b)
	if err != nil {
		return 0, 0, err
	}
	se, err := p.quadrature(a, &b, func(s spread) float64 { return s.center })
	return lb - la, se, err
}

// quadrature returns the root of the sum of squares over the blocks of a, or over those that a and b do
// not have in common.
func (p *Predictor) quadrature(a supernet.Arch, b *supernet.Arch, of func(spread) float64) (unit.Nanoseconds, error) {
	if _, err := p.Latency(a); err != nil {
		return 0, err
	}
	layers, err := p.space.Layers(a)
	if err != nil {
		return 0, fmt.Errorf("lut: %w", err)
	}
	weights := map[Key]float64{} // how often the first has a block more than the second
	var order []Key
	count := func(r int, layers []supernet.Layer, by float64) {
		for _, l := range layers {
			k := p.entry(r, l.Block)
			if _, ok := weights[k]; !ok {
				order = append(order, k)
			}
			weights[k] += by
		}
	}
	count(a.R, layers, 1)
	if b != nil {
		other, err := p.space.Layers(*b)
		if err != nil {
			return 0, fmt.Errorf("lut: %w", err)
		}
		count(b.R, other, -1)
	}
	sum := 0.0
	for _, k := range order { // repeated blocks share an entry, and with it its error
		if w := weights[k]; w != 0 {
			v := w * of(p.spreads[k])
			if math.IsNaN(v) {
				return 0, fmt.Errorf("lut: %w: entry %v has neither an interval nor a standard deviation", ErrNoSpread, k)
			}
			sum += float64(v * v)
		}
	}
	return unit.Nanoseconds(p.scale() * math.Sqrt(sum)), nil
}

// tail99 is the 99th percentile of the normal distribution, in standard deviations.
const tail99 = 2.3263478740408408

// P99 returns the latency that 99 of 100 single inferences of a stay below, from the 99th percentiles of
// the table's whole networks; see Prediction. It returns the errors of Latency, and one that wraps
// ErrNoSpread without three networks of enough samples: quantiles of blocks do not add up to one.
func (p *Predictor) P99(a supernet.Arch) (unit.Nanoseconds, error) {
	median, err := p.Latency(a)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(p.doubts.tails.std) {
		return 0, fmt.Errorf("lut: %w: a 99th percentile takes %d whole networks that have one, it has %d", ErrNoSpread, minResiduals, p.doubts.tails.n)
	}
	return unit.Nanoseconds(float64(median) * math.Exp(p.doubts.tails.mean)), nil
}

// Meets returns the probability that one inference of a takes no longer than limit.
//
// With three or more whole networks in the table, medians and single inferences around them are taken for
// log-normal: the residuals of the networks' medians give the error of the sum (with Student's quantiles,
// as they are few), their 99th percentiles the scatter around it. Without, every block is taken for normal
// and independent with the standard deviation and the standard error of its entry, and what sums get wrong
// as a whole is not in it: MeetsBasis says which. Neither tells probabilities within about a hundredth of
// 0 or 1 apart: tails of latencies are heavier than both.
//
// It returns the errors of Latency, and one that wraps ErrNoSpread if the table has neither.
func (p *Predictor) Meets(a supernet.Arch, limit unit.Nanoseconds) (float64, error) {
	median, err := p.Latency(a)
	if err != nil {
		return 0, err
	}
	if !(limit > 0) {
		return 0, fmt.Errorf("lut: limit %g ns is not positive", float64(limit))
	}
	if p.meetsByNetworks() {
		m := &p.doubts.medians
		run := max(0, p.doubts.tails.mean-m.mean) / tail99
		sd := math.Sqrt(float64(m.std*m.std)*(1+1/float64(m.n)) + float64(run*run))
		return below(math.Log(float64(limit/median))-m.mean, sd, m.freedom), nil
	}
	single, err := p.scatter(a)
	if err != nil {
		return 0, err
	}
	return below(float64(limit-median), single, math.Inf(1)), nil
}

// scatter returns the standard deviation of single inferences of a about its prediction.
func (p *Predictor) scatter(a supernet.Arch) (float64, error) {
	center, err := p.StandardError(a)
	if err != nil {
		return 0, err
	}
	layers, err := p.space.Layers(a)
	if err != nil {
		return 0, fmt.Errorf("lut: %w", err)
	}
	sum := 0.0
	for _, l := range layers { // single runs of repeated blocks are independent
		k := p.entry(a.R, l.Block)
		s := p.spreads[k].single * p.scale()
		if math.IsNaN(s) {
			return 0, fmt.Errorf("lut: %w: entry %v has no standard deviation", ErrNoSpread, k)
		}
		sum += float64(s * s)
	}
	return math.Sqrt(sum + float64(center*center)), nil
}

func (p *Predictor) meetsByNetworks() bool {
	return !math.IsNaN(p.doubts.medians.std) && !math.IsNaN(p.doubts.tails.std)
}

// MeetsBasis says in one line what Meets rests on.
func (p *Predictor) MeetsBasis() string {
	if p.meetsByNetworks() {
		return fmt.Sprintf("log-normal about the sums, from %d whole networks of the table", p.doubts.medians.n)
	}
	return "normal, from the standard deviations of blocks taken for independent; the error of the sum itself is unknown, as the table has too few whole networks"
}

// below returns the probability that a variable with Student's distribution (normal for infinite freedom),
// scaled by sd, is below x.
func below(x, sd, freedom float64) float64 {
	if sd == 0 {
		if x >= 0 {
			return 1
		}
		return 0
	}
	t := x / sd
	if math.IsInf(freedom, 1) {
		return math.Erfc(-t/math.Sqrt2) / 2
	}
	half := stats.StudentTwoSided(math.Abs(t), freedom) / 2
	if t < 0 {
		return half
	}
	return 1 - half
}

// ErrNoPower is wrapped when a table does not say what its device draws.
var ErrNoPower = errors.New("the table does not say what power the device draws")

// Energy returns the energy of one inference of a: the table's power times the predicted latency. It
// returns the errors of Latency, and one that wraps ErrNoPower if the table has no power.
func (p *Predictor) Energy(a supernet.Arch) (unit.Joules, error) {
	median, err := p.Latency(a)
	if err != nil {
		return 0, err
	}
	if p.power == 0 {
		return 0, fmt.Errorf("lut: %w", ErrNoPower)
	}
	return unit.Joules(float64(p.power) * float64(median) / 1e9), nil
}
