package policy

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestNumeric(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 10000 {
		x := (rng.Float64() - 0.5) * 200
		if got, want := exp(x), math.Exp(x); math.Abs(got/want-1) > 1e-13 {
			t.Fatalf("exp(%g) = %g, want %g", x, got, want)
		}
		y := math.Exp((rng.Float64() - 0.5) * 100)
		if got, want := log(y), math.Log(y); math.Abs(got-want) > 1e-13*max(1, math.Abs(want)) {
			t.Fatalf("log(%g) = %g, want %g", y, got, want)
		}
		z := (rng.Float64() - 0.5) * 12
		if got, want := normal(z), math.Erfc(-z/math.Sqrt2)/2; math.Abs(got-want) > 1.5e-7 {
			t.Fatalf("normal(%g) = %g, want %g", z, got, want)
		}
	}
	if exp(-1e9) != 0 || exp(0) != 1 || log(1) != 0 {
		t.Error("special values")
	}
}

// The filter's first two steps by hand. Ratio 1.5: y = .5, Q = max(.1, .3*.1 + .7*.25^2) = .1, variance =
// .5*.1 + .1 = .15, K = .15/.151 = .993377, mu = 1 + .993377*.5 = 1.496689. Ratio 1.5 again: y = .003311,
// Q = .1, variance = .006623*.15 + .1 = .100993, K = .100993/.101993 = .990195, mu = 1.499968.
func TestAlertFilter(t *testing.T) {
	m := &Model{Processors: []string{"gpu"}, Levels: []LevelModel{{Accuracy: 0.7, Latency: []time.Duration{10 * time.Millisecond}}}}
	p, err := New("alert", nil, m)
	if err != nil {
		t.Fatal(err)
	}
	a := p.(*Alert)
	for _, want := range []struct{ mu, variance, gain float64 }{{1.496689, 0.15, 0.993377}, {1.499968, 0.100993, 0.990195}} {
		a.Observe(Completion{End: 15 * time.Millisecond})
		if math.Abs(a.mu-want.mu) > 1e-6 || math.Abs(a.variance-want.variance) > 1e-6 || math.Abs(a.gain-want.gain) > 1e-6 {
			t.Errorf("mu %f, variance %f, gain %f; want %+v", a.mu, a.variance, a.gain, want)
		}
	}
}

// P(W <= t) of M/D/1. At load .5: (1-.5) e^0 = .5 at t = 0 and .5 e^.5 = .824361 at t = 1 by the formula;
// elsewhere Lindley's recursion over a million customers.
func TestOnTimeMD1(t *testing.T) {
	for _, c := range []struct{ load, due, want, within float64 }{
		{0.5, 1, 0.5, 1e-9}, {0.5, 2, 0.824361, 1e-6}, {0.5, 0.99, 0, 0}, {1, 5, 0, 0}, {2, 5, 0, 0}, {0, 1, 1, 1e-9}, {0.9, 1000, 1, 0.02},
	} {
		if got := onTimeMD1(c.load, c.due); math.Abs(got-c.want) > c.within {
			t.Errorf("load %g, due %g: %g, want %g", c.load, c.due, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for _, load := range []float64{0.3, 0.7, 0.9} {
		var hits [3]float64
		dues := [3]float64{1.5, 3.3, 8}
		w := 0.0
		const n = 1000000
		for range n {
			for i, due := range dues {
				if w+1 <= due {
					hits[i]++
				}
			}
			w = max(0, w+1-rng.ExpFloat64()/load)
		}
		for i, due := range dues {
			if got := onTimeMD1(load, due); math.Abs(got-hits[i]/n) > 0.01 {
				t.Errorf("load %g, due %g: %.4f, simulated %.4f", load, due, got, hits[i]/n)
			}
		}
	}
}
