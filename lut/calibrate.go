package lut

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut/internal/stats"
)

// MaxCalibration is the largest number of whole networks that a calibration is fitted on.
const MaxCalibration = 5

// CalibrateOptions says how Calibrate fits. The zero value works.
type CalibrateOptions struct {
	// Networks is how many of the table's whole networks are fitted on, 1 to MaxCalibration, at least
	// one fewer than the table has; 0 stands for MaxCalibration, or half of fewer than 10.
	Networks int
	// Seed draws them, before anything is compared.
	Seed uint64
	// Form is what the result consists of: a scale alone, or an offset and a scale, which takes two
	// networks or more. Both are judged in any case.
	Form CalibrationForm
}

// CalibrationForm is what a calibration consists of.
type CalibrationForm string

// The forms.
const (
	ScaleOnly      CalibrationForm = ""
	OffsetAndScale CalibrationForm = "offset+scale"
)

// calibrationStream numbers the random stream of the draw.
const calibrationStream = 0x6c7574

// Share is how many of a number of networks or pictures have a property, with the 95% interval of the
// share.
type Share struct {
	Count int     `json:"count"`
	Of    int     `json:"of"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Fit is how well one way of predicting does on networks that it was not fitted on.
type Fit struct {
	Name     string  `json:"name"`
	Bias     float64 `json:"bias"`               // mean of predicted/measured - 1
	MAPE     float64 `json:"mape"`               // mean of its magnitude
	Largest  float64 `json:"largest"`            // largest magnitude
	Within5  Share   `json:"within_5_percent"`   // Wilson's interval
	Within10 Share   `json:"within_10_percent"`  //
	Tau      float64 `json:"kendall_tau"`        // rank correlation tau-b; 0 where fewer than two values differ
	Offset   float64 `json:"offset_ns"`          // of the fit
	Scale    float64 `json:"scale"`              // per ns of the sum, or ns per multiply-accumulate
	PerBlock float64 `json:"per_block,omitzero"` // ns per block
}

// CalibrationReport is a calibration and how it does on other networks, beside ways of predicting
// that need no table.
type CalibrationReport struct {
	Calibration Calibration `json:"calibration"` // of the asked form; the table itself is not changed
	Fitted      []string    `json:"fitted"`      // architectures fitted on, as drawn
	Judged      int         `json:"judged"`      // networks judged on, none of them fitted on
	// Fits are "raw sum", "scale", "offset+scale", "MACs" and "MACs+depth", in this order; the last
	// two predict from multiply-accumulates alone and from multiply-accumulates and the number of
	// blocks, fitted on the same networks. A form that has more unknowns than networks is left out.
	Fits     []Fit    `json:"fits"`
	Warnings []string `json:"warnings,omitempty"`
}

// Calibrate fits what turns sums over the table's blocks into latencies of whole networks, on a few
// of the whole networks that were measured with the table, drawn by seed, and judges it on all
// others. Fits minimise squared relative errors. The table's present calibration plays no part.
//
// It returns an error if the table has fewer than two networks that it can predict, for too many or
// too few networks to fit on, or if the fit asked for is no calibration (a scale that is not
// positive).
func Calibrate(t *Table, s *supernet.Space, o CalibrateOptions) (*CalibrationReport, error) {
	raw := *t
	raw.Calibration = Calibration{}
	p, err := NewPredictor(&raw, s)
	if err != nil {
		return nil, err
	}
	known, skipped, err := observe(p, t.Networks)
	if err != nil {
		return nil, fmt.Errorf("lut: calibrate: %w", err)
	}
	n := o.Networks
	if n == 0 {
		n = min(MaxCalibration, len(known)/2)
	}
	if n < 1 || n > MaxCalibration || n >= len(known) {
		return nil, fmt.Errorf("lut: calibrate: %d of %d predictable networks to fit on; want 1 to %d and at least one left to judge on", n, len(known), MaxCalibration)
	}
	rand.New(rand.NewPCG(o.Seed, calibrationStream)).Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	fitted, judged := known[:n], known[n:]
	r := &CalibrationReport{Judged: len(judged)}
	for _, k := range fitted {
		r.Fitted = append(r.Fitted, k.arch)
	}
	if skipped > 0 {
		r.Warnings = append(r.Warnings, fmt.Sprintf("%d of the table's %d whole networks cannot be predicted from it", skipped, len(t.Networks)))
	}
	found := false
	for _, form := range forms {
		c, ok := form.fit(fitted)
		if !ok {
			continue
		}
		fit := judge(form, c, judged)
		r.Fits = append(r.Fits, fit)
		if (o.Form == ScaleOnly && form.name == "scale" || string(o.Form) == form.name) && fit.Scale > 0 {
			found = true
			r.Calibration = Calibration{Offset: unit.Nanoseconds(fit.Offset), Scale: fit.Scale}
		}
	}
	if !found {
		return nil, fmt.Errorf("lut: calibrate: no usable fit of the form %q on %d networks", o.Form, n)
	}
	return r, nil
}

// observation is a whole network with what it is predicted from.
type observation struct {
	arch                         string
	measured, sum, macs, nBlocks float64
}

// observe returns the networks that p can predict, and how many it cannot.
func observe(p *Predictor, networks []NetworkLatency) (known []observation, skipped int, err error) {
	for i, n := range networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			return nil, 0, fmt.Errorf("network %d: %w", i, err)
		}
		blocks, err := p.space.Blocks(a)
		if err != nil {
			return nil, 0, fmt.Errorf("network %d: %w", i, err)
		}
		measured := float64(n.Latency.Central())
		if !(measured > 0) || math.IsInf(measured, 0) {
			return nil, 0, fmt.Errorf("network %d: latency %g ns is not positive", i, measured)
		}
		sum, err := p.Latency(a)
		if err != nil || !(sum > 0) {
			skipped++
			continue
		}
		o := observation{arch: n.Arch, measured: measured, sum: float64(sum), nBlocks: float64(len(blocks))}
		for _, b := range blocks {
			o.macs += float64(b.MACs())
		}
		known = append(known, o)
	}
	return known, skipped, nil
}

// form is a way of predicting: a linear combination of terms, of which unknowns are fitted.
type form struct {
	name  string
	terms func(observation) []float64
	fixed bool // the only coefficient is 1
	put   func(*Fit, []float64)
}

var forms = []form{
	{"raw sum", func(o observation) []float64 { return []float64{o.sum} }, true, func(f *Fit, c []float64) { f.Scale = c[0] }},
	{"scale", func(o observation) []float64 { return []float64{o.sum} }, false, func(f *Fit, c []float64) { f.Scale = c[0] }},
	{"offset+scale", func(o observation) []float64 { return []float64{o.sum, 1} }, false, func(f *Fit, c []float64) { f.Scale, f.Offset = c[0], c[1] }},
	{"MACs", func(o observation) []float64 { return []float64{o.macs} }, false, func(f *Fit, c []float64) { f.Scale = c[0] }},
	{"MACs+depth", func(o observation) []float64 { return []float64{o.macs, o.nBlocks} }, false, func(f *Fit, c []float64) { f.Scale, f.PerBlock = c[0], c[1] }},
}

// fit returns the coefficients of the least sum of squared relative errors; ok is false if the
// networks do not determine them.
func (f form) fit(networks []observation) (c []float64, ok bool) {
	if f.fixed {
		return []float64{1}, true
	}
	var a [2][2]float64
	var b [2]float64
	unknowns := 0
	for _, n := range networks {
		terms := f.terms(n)
		unknowns = len(terms)
		for i, x := range terms {
			b[i] += x / n.measured
			for j, y := range terms {
				a[i][j] += float64(x / n.measured * (y / n.measured))
			}
		}
	}
	if unknowns == 1 {
		return []float64{b[0] / a[0][0]}, true
	}
	determinant := float64(a[0][0]*a[1][1]) - float64(a[0][1]*a[0][1])
	if len(networks) < 2 || determinant <= 1e-9*a[0][0]*a[1][1] {
		return nil, false
	}
	return []float64{(float64(b[0]*a[1][1]) - float64(b[1]*a[0][1])) / determinant, (float64(b[1]*a[0][0]) - float64(b[0]*a[0][1])) / determinant}, true
}

// judge applies coefficients to networks.
func judge(f form, c []float64, networks []observation) Fit {
	fit := Fit{Name: f.name}
	f.put(&fit, c)
	predicted, measured := make([]float64, len(networks)), make([]float64, len(networks))
	within5, within10 := 0, 0
	for i, n := range networks {
		for j, x := range f.terms(n) {
			predicted[i] += float64(c[j] * x)
		}
		measured[i] = n.measured
		e := predicted[i]/n.measured - 1
		fit.Bias += e / float64(len(networks))
		fit.MAPE += math.Abs(e) / float64(len(networks))
		fit.Largest = max(fit.Largest, math.Abs(e))
		if math.Abs(e) <= 0.05 {
			within5++
		}
		if math.Abs(e) <= 0.10 {
			within10++
		}
	}
	fit.Within5, fit.Within10 = NewShare(within5, len(networks)), NewShare(within10, len(networks))
	if tau := stats.KendallTau(predicted, measured); finite(tau) {
		fit.Tau = tau
	}
	return fit
}

// NewShare returns the share of count in of with Wilson's 95% interval: [0, 1] of nothing.
func NewShare(count, of int) Share {
	low, high := stats.Wilson(count, of)
	return Share{count, of, low, high}
}

// Fit returns the fit of a name.
func (r *CalibrationReport) Fit(name string) (Fit, bool) {
	i := slices.IndexFunc(r.Fits, func(f Fit) bool { return f.Name == name })
	if i < 0 {
		return Fit{}, false
	}
	return r.Fits[i], true
}
