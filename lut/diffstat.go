package lut

import (
	"math"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// term is one entry of both tables and how often it enters a sum.
type term struct {
	a, b  Latency
	times float64
}

// estimate is a value with its variance and the degrees of freedom that the variance is known with.
type estimate struct{ value, variance, freedom float64 }

// timerVariance is that of rounding to whole nanoseconds, so that no entry counts as exact.
const timerVariance = 1.0 / 12

// byMedian returns the median with the variance that its interval implies.
func byMedian(l Latency) (estimate, bool) {
	errors, freedom := stats.MedianNormal(l.N)
	se := float64(l.CIHigh-l.CILow) / 2 / errors
	ok := freedom > 0 && !math.IsNaN(se) && !math.IsNaN(float64(l.P50))
	return estimate{float64(l.P50), float64(se*se) + timerVariance, freedom}, ok
}

// byMean returns the mean with its variance.
func byMean(l Latency) (estimate, bool) {
	n := float64(l.N)
	variance := float64(l.Std) * float64(l.Std) / n
	ok := l.N >= 2 && !math.IsNaN(variance) && !math.IsNaN(float64(l.Mean))
	return estimate{float64(l.Mean), variance + timerVariance, n - 1}, ok
}

// add appends a row for a sum of terms.
func (d *differ) add(kind DiffKind, name string, terms []term) {
	row := DiffRow{Kind: kind, Name: name, Verdict: Untested}
	for _, basis := range []struct {
		name string
		of   func(Latency) (estimate, bool)
	}{{"medians", byMedian}, {"means", byMean}} {
		a, okA := total(terms, func(t term) Latency { return t.a }, basis.of)
		b, okB := total(terms, func(t term) Latency { return t.b }, basis.of)
		if okA && okB && a.value > 0 && b.value > 0 {
			tested := row
			tested.Basis, tested.Verdict = basis.name, Same
			tested.test(a, b, d.o.RunToRun)
			if p, ok := rankTest(terms); ok && d.o.RunToRun == 0 {
				tested.Basis, tested.P = "samples", p
			}
			if finite(tested.Ratio, tested.Low, tested.High, tested.P) {
				d.report.Rows = append(d.report.Rows, tested)
				return
			}
		}
	}
	for _, t := range terms {
		row.A += unit.Nanoseconds(t.times * float64(t.a.Central()))
		row.B += unit.Nanoseconds(t.times * float64(t.b.Central()))
	}
	if ratio := float64(row.B / row.A); finite(ratio) {
		row.Ratio = ratio
	}
	d.report.Rows = append(d.report.Rows, row)
}

// rankTest compares sums of samples by their ranks; ok is false without samples on both sides.
func rankTest(terms []term) (p float64, ok bool) {
	a, b, times := make([]*Samples, len(terms)), make([]*Samples, len(terms)), make([]float64, len(terms))
	for i, t := range terms {
		a[i], b[i], times[i] = t.a.Samples, t.b.Samples, t.times
	}
	x, y := sampleSums(a, times), sampleSums(b, times)
	if len(x) == 0 || len(y) == 0 {
		return 0, false
	}
	return stats.MannWhitney(x, y), true
}

// finite reports whether no value is NaN or infinite: products of hostile numbers may be.
func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

// total sums the terms of one table; ok is false if one of them has no estimate.
//
// Source of the degrees of freedom: Satterthwaite, "An Approximate Distribution of Estimates of
// Variance Components", Biometrics Bulletin 2, 1946.
func total(terms []term, side func(term) Latency, of func(Latency) (estimate, bool)) (estimate, bool) {
	sum, squares := estimate{}, 0.0
	for _, t := range terms {
		e, ok := of(side(t))
		if !ok {
			return estimate{}, false
		}
		v := float64(t.times * t.times * e.variance)
		sum.value += float64(t.times * e.value)
		sum.variance += v
		squares += float64(v * v / e.freedom)
	}
	sum.freedom = float64(sum.variance*sum.variance) / squares
	return sum, true
}

// test fills a row with the comparison of two estimates on the logarithmic scale.
func (r *DiffRow) test(a, b estimate, runToRun float64) {
	r.A, r.B = unit.Nanoseconds(a.value), unit.Nanoseconds(b.value)
	r.Ratio = b.value / a.value
	va, vb := a.variance/(a.value*a.value), b.variance/(b.value*b.value)
	squares := float64(va*va/a.freedom) + float64(vb*vb/b.freedom)
	variance := va + vb + 2*float64(runToRun*runToRun) // known, so that it adds no doubt about the variance
	freedom := min(float64(variance*variance)/squares, 1e6)
	se := math.Sqrt(variance)
	log := math.Log(r.Ratio)
	r.P = stats.StudentTwoSided(log/se, freedom)
	half := stats.StudentQuantile(0.05, freedom) * se
	r.Low, r.High = math.Exp(log-half), math.Exp(log+half)
}
