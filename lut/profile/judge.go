package profile

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

// judged is a whole network with everything that tries to predict it.
type judged struct {
	measured   float64 // nanoseconds
	sum        float64 // of the table's entries
	apart      float64 // of blocks alone, seams not taken off
	hot        float64 // of blocks run twice in a row; NaN if not measured
	macs       float64
	depth      float64 // layers
	resolution int
}

// judge compares sums of blocks with the table's whole networks, calibrates the table, and returns
// what came out as facts. apart and hot are the table with entries of other protocols; hot may be nil.
func judge(t, apart, hot *lut.Table, s *supernet.Space, calibrate int) ([]lut.Fact, error) {
	if len(t.Networks) == 0 {
		return nil, nil
	}
	all := make([]judged, len(t.Networks))
	sums, err := predictAll(t, s, t.Networks)
	if err != nil {
		return nil, err
	}
	apartSums, err := predictAll(apart, s, t.Networks)
	if err != nil {
		return nil, err
	}
	hotSums := make([]float64, len(all))
	if hot != nil {
		if hotSums, err = predictAll(hot, s, t.Networks); err != nil {
			return nil, err
		}
	}
	for i, n := range t.Networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			return nil, err
		}
		blocks, err := s.Blocks(a)
		if err != nil {
			return nil, err
		}
		macs, err := s.MACs(a)
		if err != nil {
			return nil, err
		}
		all[i] = judged{float64(n.Latency.Central()), sums[i], apartSums[i], hotSums[i], float64(macs), float64(len(blocks)), a.R}
	}
	return judgeAll(t, all, hot != nil, calibrate), nil
}

// predictAll sums entries for each network, interpolating where its resolution was not measured.
func predictAll(t *lut.Table, s *supernet.Space, networks []lut.NetworkLatency) ([]float64, error) {
	var resolutions []int
	archs := make([]supernet.Arch, len(networks))
	for i, n := range networks {
		a, err := supernet.ParseArch([]byte(n.Arch))
		if err != nil {
			return nil, err
		}
		archs[i] = a
		resolutions = append(resolutions, a.R)
	}
	raw := *t
	raw.Calibration = lut.Calibration{}
	full, err := lut.Interpolate(&raw, s, resolutions)
	if err != nil {
		return nil, err
	}
	p, err := lut.NewPredictor(full, s)
	if err != nil {
		return nil, err
	}
	sums := make([]float64, len(archs))
	for i, a := range archs {
		v, err := p.Latency(a)
		if err != nil {
			return nil, err
		}
		sums[i] = float64(v)
	}
	return sums, nil
}

// judgeAll fits on the first networks and judges on the others, or judges raw sums on all where there
// are too few to fit.
func judgeAll(t *lut.Table, all []judged, hot bool, calibrate int) []lut.Fact {
	var facts []lut.Fact
	add := func(name, format string, args ...any) {
		facts = append(facts, lut.Fact{Name: factPrefix + name, Value: fmt.Sprintf(format, args...)})
	}
	k := min(calibrate, len(all)/2)
	fitted, held := all[:k], all[k:]
	score := func(name string, predict func(judged) float64) { add(name, "%v", newScore(held, predict)) }
	sum := func(j judged) float64 { return j.sum }
	score("raw sum", sum)
	score("raw sum, seams not taken off", func(j judged) float64 { return j.apart })
	if hot {
		score("raw sum, blocks hot", func(j judged) float64 { return j.hot })
	}
	if k > 0 {
		scaled := func(x func(judged) float64) func(judged) float64 {
			f := fitScale(fitted, x)
			return func(j judged) float64 { return f * x(j) }
		}
		score("sum times a factor", scaled(sum))
		score("sum times a factor, seams not taken off", scaled(func(j judged) float64 { return j.apart }))
		if hot {
			score("sum times a factor, blocks hot", scaled(func(j judged) float64 { return j.hot }))
		}
		a, b := fitTwo(fitted, func(judged) float64 { return 1 }, sum)
		score("sum times a factor, plus an offset", func(j judged) float64 { return a + b*j.sum })
		macs := func(j judged) float64 { return j.macs }
		score("baseline, MACs times a factor", scaled(macs))
		d, m := fitTwo(fitted, func(j judged) float64 { return j.depth }, macs)
		score("baseline, MACs and depth", func(j judged) float64 { return d*j.depth + m*j.macs })
	}
	if k >= minCalibration {
		t.Calibration = lut.Calibration{Scale: fitScale(fitted, sum)}
		after := newScore(held, func(j judged) float64 { return t.Calibration.Scale * j.sum })
		add("calibration", "factor %.4f, fitted to the first %d networks drawn, judged on the other %d: mean absolute error %.2f%%", t.Calibration.Scale, k, len(held), 100*after.mape)
	}
	for i, n := range t.Networks {
		add(fmt.Sprintf("network %d", i+1), "sum of blocks %v, measured %v: %+.2f%%", unit.Nanoseconds(all[i].sum), n.Latency.Central(), 100*(all[i].sum/all[i].measured-1))
	}
	return facts
}

// minCalibration is how many networks a factor is fitted to at least.
const minCalibration = 3

// score is how well a prediction does.
type score struct {
	n                int
	bias, mape, most float64 // relative; most is the largest, with its sign
	within5          int
	within10         int
	tau              float64
}

func newScore(all []judged, predict func(judged) float64) score {
	s := score{n: len(all)}
	x, y := make([]float64, len(all)), make([]float64, len(all))
	for i, j := range all {
		x[i], y[i] = predict(j), j.measured
		e := x[i]/y[i] - 1
		s.bias += e / float64(s.n)
		s.mape += math.Abs(e) / float64(s.n)
		if math.Abs(e) > math.Abs(s.most) {
			s.most = e
		}
		if math.Abs(e) <= 0.05 {
			s.within5++
		}
		if math.Abs(e) <= 0.10 {
			s.within10++
		}
	}
	s.tau = kendall(x, y)
	return s
}

func (s score) String() string {
	share := func(k int) string {
		low, high := wilson(k, s.n)
		return fmt.Sprintf("%.1f%% [%.1f, %.1f]", 100*float64(k)/float64(s.n), 100*low, 100*high)
	}
	return fmt.Sprintf("bias %+.2f%%, mean absolute error %.2f%%, largest %+.2f%%, within 5%%: %s, within 10%%: %s, Kendall tau %.3f (%d networks)",
		100*s.bias, 100*s.mape, 100*s.most, share(s.within5), share(s.within10), s.tau, s.n)
}

// fitScale returns the factor with the least squared relative error.
func fitScale(all []judged, x func(judged) float64) float64 {
	var r, rr float64
	for _, j := range all {
		v := x(j) / j.measured
		r += v
		rr += float64(v * v)
	}
	return r / rr
}

// fitTwo returns the factors of two terms with the least squared relative error, or those of the
// second alone if the two cannot be told apart.
func fitTwo(all []judged, x, y func(judged) float64) (a, b float64) {
	var xx, xy, yy, sx, sy float64
	for _, j := range all {
		u, v := x(j)/j.measured, y(j)/j.measured
		xx += float64(u * u)
		xy += float64(u * v)
		yy += float64(v * v)
		sx += u
		sy += v
	}
	det := float64(xx*yy) - float64(xy*xy)
	if len(all) < 2 || det <= 1e-12*float64(xx*yy) {
		return 0, fitScale(all, y)
	}
	return (float64(sx*yy) - float64(sy*xy)) / det, (float64(sy*xx) - float64(sx*xy)) / det
}

// wilson returns the 95% interval of a share of n trials.
//
// Source: Wilson, "Probable inference, the law of succession, and statistical inference", 1927.
func wilson(k, n int) (low, high float64) {
	if n == 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p, m := float64(k)/float64(n), float64(n)
	centre := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return max(0, centre-half), min(1, centre+half)
}

// kendall returns Kendall's tau-a: the share of pairs in the same order less that of the others. It
// takes O(n^2).
func kendall(x, y []float64) float64 {
	if len(x) < 2 {
		return math.NaN()
	}
	sum := 0
	for i := range x {
		for j := range i {
			switch d := (x[i] - x[j]) * (y[i] - y[j]); {
			case d > 0:
				sum++
			case d < 0:
				sum--
			}
		}
	}
	return float64(sum) / float64(len(x)*(len(x)-1)/2)
}

// sharesResolution reports whether networks can be judged: every resolution of theirs lies within
// the table's.
func sharesResolution(t *lut.Table, archs []supernet.Arch) bool {
	rs := t.Resolutions()
	return len(rs) > 0 && !slices.ContainsFunc(archs, func(a supernet.Arch) bool { return a.R < rs[0] || a.R > rs[len(rs)-1] })
}
