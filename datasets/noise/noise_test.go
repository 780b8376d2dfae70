package noise_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/noise"
)

var orin = noise.Model{Mu: -0.01, Sigma: 0.03, Threshold: 1.1, Enter: 0.002, Stay: 0.7, Scale: 0.1, Shape: 0.2, Persist: 0.5}

func draw(m *noise.Model, n int, seed uint64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	s := m.Source(rng)
	f := make([]float64, n)
	for i := range f {
		f[i] = s.Next(rng)
	}
	return f
}

// again returns the share of samples above t, and that of those after one above t.
func again(f []float64, t float64) (above, after float64) {
	n, both := 0.0, 0.0
	for i, v := range f {
		if v > t {
			n++
			if i+1 < len(f) && f[i+1] > t {
				both++
			}
		}
	}
	return n / float64(len(f)), both / n
}

// TestDraws compares a million draws with the formulas: mean, exceedances and, what bursts are for, exceedances in a row.
func TestDraws(t *testing.T) {
	for seed, m := range []noise.Model{
		orin,
		{Sigma: 0.3, Threshold: 1.5, Enter: 0.05, Stay: 0.05, Scale: 0.2}, // independent, exponential tail
		{Sigma: 0.1, Threshold: 1.2, Enter: 0.01, Stay: 0.9, Scale: 0.3, Shape: -0.5, Persist: 0},
		{Sigma: 0, Threshold: 1.2, Enter: 0.02, Stay: 0.5, Scale: 0.3, Shape: 0.3, Persist: 1},
	} {
		if err := m.Validate(); err != nil {
			t.Fatal(err)
		}
		f := draw(&m, 1_000_000, uint64(seed))
		sum := 0.0
		for _, v := range f {
			sum += v
		}
		if mean := sum / float64(len(f)); math.Abs(mean/m.Mean()-1) > 0.005 {
			t.Errorf("%+v: mean %g, want %g", m, mean, m.Mean())
		}
		for _, x := range []float64{m.Threshold, m.Threshold + m.Scale/3, m.Threshold + m.Scale} {
			above, after := again(f, x)
			if math.Abs(above/m.Above(x)-1) > 0.12 || math.Abs(after-m.AboveAgain(x)) > 0.03 {
				t.Errorf("%+v: above %g: %g and then %g, want %g and %g", m, x, above, after, m.Above(x), m.AboveAgain(x))
			}
		}
	}
}

// TestFitRecovers fits models to their own draws: P(above | above) of samples and model agree at several limits, and so do the shares
// above them, out to where one sample in two thousand is. Independent noise with the same tail does not have that.
func TestFitRecovers(t *testing.T) {
	for seed, m := range []noise.Model{
		orin,
		{Sigma: 0.2, Threshold: 1.6, Enter: 0.03, Stay: 0.3, Scale: 0.2, Shape: 0.1},
		{Sigma: 0.05, Threshold: 1.3, Enter: 0.01, Stay: 0.74, Scale: 0.3, Shape: 0.3, Persist: 0.8},
	} {
		f := draw(&m, 200_000, uint64(10+seed))
		quantile := 1 - m.Bursts()*0.98
		got, err := noise.Fit(f, quantile)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v\nfrom draws of %+v", *got, m)
		sorted := slices.Sorted(slices.Values(f))
		for _, q := range []float64{quantile, 1 - m.Bursts()/3, 0.9995} {
			limit := max(got.Threshold, sorted[int(q*float64(len(f)))])
			above, after := again(f, limit)
			if math.Abs(got.Above(limit)/above-1) > 0.15 {
				t.Errorf("above %g: %g, the samples have %g", limit, got.Above(limit), above)
			}
			if math.Abs(got.AboveAgain(limit)-after) > 0.1 {
				t.Errorf("above %g again: %g, the samples have %g", limit, got.AboveAgain(limit), after)
			}
		}
		if math.Abs(got.Mean()/m.Mean()-1) > 0.005 || math.Abs(got.Sigma-m.Sigma) > 0.01 || math.Abs(got.Shape-m.Shape) > 0.12 || math.Abs(got.Persist-m.Persist) > 0.1 {
			t.Errorf("fitted %+v, want %+v", *got, m)
		}
	}
}

func TestFitRefuses(t *testing.T) {
	good := draw(&orin, 20_000, 3)
	with := func(v float64) []float64 { return append(slices.Clone(good), v) }
	constant := slices.Repeat([]float64{1}, 5000)
	for name, c := range map[string]struct {
		factors  []float64
		quantile float64
		want     string
	}{
		"none": {nil, 0.9, "no samples"}, "few": {good[:100], 0.99, "samples are above"}, "constant": {constant, 0.9, "are above"},
		"zero": {with(0), 0.9, "sample 20001"}, "NaN": {with(math.NaN()), 0.9, "sample 20001"}, "infinite": {with(math.Inf(1)), 0.9, "sample 20001"},
		"quantile": {good, 0.3, "quantile"}, "no quantile": {good, math.NaN(), "quantile"},
	} {
		if m, err := noise.Fit(c.factors, c.quantile); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, change := range []func(*noise.Model){
		func(m *noise.Model) { m.Sigma = -1 }, func(m *noise.Model) { m.Threshold = 0.9 }, func(m *noise.Model) { m.Stay = 1 },
		func(m *noise.Model) { m.Shape = 1 }, func(m *noise.Model) { m.Scale = math.NaN() }, func(m *noise.Model) { m.Persist = 2 },
		func(m *noise.Model) { m.Enter = -0.1 }, func(m *noise.Model) { m.Mu = 9 },
	} {
		m := orin
		change(&m)
		if m.Validate() == nil {
			t.Errorf("%+v is taken", m)
		}
	}
}

// How likely is it that a limit is missed, and missed again?
func ExampleFit() {
	rng := rand.New(rand.NewPCG(1, 1))
	measured := noise.Model{Sigma: 0.02, Threshold: 1.1, Enter: 0.005, Stay: 0.6, Scale: 0.1, Shape: 0.1}
	source := measured.Source(rng)
	var factors []float64
	for range 50_000 {
		factors = append(factors, source.Next(rng))
	}
	m, err := noise.Fit(factors, 0.99)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%.3f %.2f\n", m.Above(m.Threshold), m.AboveAgain(m.Threshold))
	// Output:
	// 0.010 0.51
}
