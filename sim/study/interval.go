package study

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a mean over independent replications with its confidence interval.
type Interval struct {
	N    int     `json:"n"`
	Mean float64 `json:"mean"`
	Std  float64 `json:"std"` // of the sample, divisor N-1; 0 for one value
	// Low and High bound the mean with the probability Confidence, by Student's distribution; NaN is avoided: for
	// one value, which says nothing about its spread, Known is false and both are Mean.
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Known bool    `json:"known"`
}

// NewInterval describes values of independent replications.
//
// Source: A. M. Law, "Simulation modeling and analysis", 5th edition, 2015, section 4.5.
func NewInterval(values []float64) Interval {
	v := Interval{N: len(values)}
	if v.N == 0 {
		return v
	}
	for _, x := range values {
		v.Mean += x
	}
	v.Mean /= float64(v.N)
	v.Low, v.High = v.Mean, v.Mean
	if v.N == 1 {
		return v
	}
	squares := 0.0
	for _, x := range values {
		off := x - v.Mean
		squares += float64(off * off)
	}
	v.Std = math.Sqrt(squares / float64(v.N-1))
	half := v.Half()
	v.Low, v.High, v.Known = v.Mean-half, v.Mean+half, true
	return v
}

// Half returns half the width of the interval, 0 if it is not known.
func (v Interval) Half() float64 {
	if v.N < 2 {
		return 0
	}
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(v.N - 1)}.Quantile(0.5 + Confidence/2)
	return t * v.Std / math.Sqrt(float64(v.N))
}

// Format prints the mean, multiplied by a factor, with the half-width if it is known: "76.32 +- 0.11".
func (v Interval) Format(factor float64, decimals int) string {
	if v.N == 0 {
		return "-"
	}
	text := fmt.Sprintf("%.*f", decimals, factor*v.Mean)
	if v.Known {
		text += fmt.Sprintf(" +- %.*f", decimals, factor*v.Half())
	}
	return text
}

// Measure is a number that comes out of each replication.
type Measure struct {
	Name     string // column
	Unit     string // empty for shares of one thing and counts
	Factor   float64
	Decimals int
	value    func(o *Outcome) (float64, bool)
}

// Measures lists what is compared, in the order of columns.
var Measures = []Measure{
	{"SLO", "%", 100, 2, always(func(o *Outcome) float64 { return o.Metrics.SLO.Share })},
	{"accuracy served", "%", 100, 2, always(func(o *Outcome) float64 { return float64(o.Metrics.MeanAccuracy) })},
	{"accuracy all", "%", 100, 2, always(func(o *Outcome) float64 { return float64(o.Metrics.AccuracyOverAll) })},
	{"effective", "%", 100, 2, always(func(o *Outcome) float64 { return float64(o.Metrics.EffectiveAccuracy) })},
	{"P(miss|miss)", "", 1, 3, func(o *Outcome) (float64, bool) {
		return o.Metrics.MissAfterMiss.Share, o.Metrics.MissAfterMiss.Trials > 0
	}},
	{"miss run", "", 1, 1, always(func(o *Outcome) float64 { return float64(o.Metrics.LongestMissRun) })},
	{"switches", "", 1, 1, always(func(o *Outcome) float64 { return float64(o.Metrics.Switches) })},
	{"median", "ms", 1e-6, 2, answered(func(o *Outcome) float64 { return float64(o.Metrics.Latency.P50) })},
	{"p99", "ms", 1e-6, 2, answered(func(o *Outcome) float64 { return float64(o.Metrics.Latency.P99) })},
	{"response p99", "ms", 1e-6, 2, answered(func(o *Outcome) float64 { return float64(o.Metrics.Response.P99) })},
	{"energy", "J", 1, 2, onBoard(func(b *BoardOutcome) float64 { return float64(b.Energy) })},
	{"per answer", "J", 1, 4, onBoard(func(b *BoardOutcome) float64 { return float64(b.PerAnswer) })},
	{"hottest", "C", 1, 1, onBoard(func(b *BoardOutcome) float64 { return float64(b.Hottest) })},
	{"throttled", "s", 1e-9, 2, onBoard(func(b *BoardOutcome) float64 { return float64(b.Throttled) })},
}

func always(f func(*Outcome) float64) func(*Outcome) (float64, bool) {
	return func(o *Outcome) (float64, bool) { return f(o), true }
}

func answered(f func(*Outcome) float64) func(*Outcome) (float64, bool) {
	return func(o *Outcome) (float64, bool) { return f(o), o.Metrics.OnTime+o.Metrics.Late > 0 }
}

func onBoard(f func(*BoardOutcome) float64) func(*Outcome) (float64, bool) {
	return func(o *Outcome) (float64, bool) {
		if o.Board == nil {
			return 0, false
		}
		return f(o.Board), true
	}
}

// MeasureNamed returns a measure by its name, false if there is none.
func MeasureNamed(name string) (Measure, bool) {
	for _, m := range Measures {
		if m.Name == name {
			return m, true
		}
	}
	return Measure{}, false
}

// Title returns the name with its unit in brackets.
func (m Measure) Title() string {
	if m.Unit == "" {
		return m.Name
	}
	return m.Name + " (" + m.Unit + ")"
}

// Of returns the measure over the replications that have it.
func (m Measure) Of(p *PolicyResult) Interval {
	var values []float64
	for i := range p.Outcomes {
		if v, ok := m.value(&p.Outcomes[i]); ok {
			values = append(values, v)
		}
	}
	return NewInterval(values)
}

// Difference returns the mean of the paired differences p - q over the replications that both have.
func (m Measure) Difference(p, q *PolicyResult) Interval {
	var values []float64
	for i := range p.Outcomes {
		a, okA := m.value(&p.Outcomes[i])
		b, okB := m.value(&q.Outcomes[i])
		if okA && okB {
			values = append(values, a-b)
		}
	}
	return NewInterval(values)
}

// Regret returns what a policy lacks to the optimum in effective accuracy, over replications; an empty interval
// where there is no optimum.
func (a *AppResult) Regret(p *PolicyResult) Interval {
	var values []float64
	for i := range a.Optimum {
		values = append(values, float64(a.Optimum[i].Effective-p.Outcomes[i].EffectiveUncut))
	}
	return NewInterval(values)
}

// Exact reports whether all optima are exact; otherwise regrets are upper bounds.
func (a *AppResult) Exact() bool {
	for _, o := range a.Optimum {
		if !o.Exact {
			return false
		}
	}
	return true
}

// Pooled returns the counts of all replications together.
func (p *PolicyResult) Pooled() (onTime, requests int) {
	for i := range p.Outcomes {
		onTime += p.Outcomes[i].Metrics.OnTime
		requests += p.Outcomes[i].Metrics.Requests
	}
	return onTime, requests
}
