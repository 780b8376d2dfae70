package fit_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat"

	"github.com/dynofa/dynofa/search/accuracy/internal/fit"
)

// tau is the definition of tau-b, over all pairs.
func tau(x, y []float64) float64 {
	var s, nx, ny float64
	for i := range x {
		for j := range i {
			a, b := sign(x[i]-x[j]), sign(y[i]-y[j])
			s += a * b
			nx += a * a
			ny += b * b
		}
	}
	if nx == 0 || ny == 0 {
		return 0
	}
	return s / math.Sqrt(nx*ny)
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

func TestTau(t *testing.T) {
	for _, tt := range []struct {
		name string
		x, y []float64
		want float64
	}{
		{"empty", nil, nil, 0},
		{"one", []float64{1}, []float64{2}, 0},
		{"same order", []float64{1, 2, 3}, []float64{10, 20, 21}, 1},
		{"opposite", []float64{1, 2, 3}, []float64{3, 2, 1}, -1},
		{"constant", []float64{1, 2, 3}, []float64{5, 5, 5}, 0},
		{"one swap of three pairs", []float64{1, 2, 3}, []float64{1, 3, 2}, 1. / 3},
		// Pairs: 5 alike, 0 opposed, 1 tied in x: 5 / sqrt(5*6).
		{"tie", []float64{1, 1, 2, 3}, []float64{1, 2, 3, 4}, 5 / math.Sqrt(30)},
	} {
		if got := fit.Tau(tt.x, tt.y); math.Abs(got-tt.want) > 1e-15 {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Against the definition with many ties, and against gonum, whose O(n^2) tau-a is the same without.
func TestTauAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for n := 2; n < 150; n++ {
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i], y[i] = float64(rng.IntN(n/4+2)), float64(rng.IntN(n/3+2))
		}
		if got, want := fit.Tau(x, y), tau(x, y); math.Abs(got-want) > 1e-14 {
			t.Fatalf("%d values: %v, want %v", n, got, want)
		}
		for i := range x {
			x[i] = rng.Float64()
			y[i] = x[i] + rng.Float64()
		}
		if got, want := fit.Tau(x, y), stat.Kendall(x, y, nil); math.Abs(got-want) > 1e-14 {
			t.Fatalf("%d values: %v, gonum %v", n, got, want)
		}
	}
}

func FuzzTau(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6})
	f.Add([]byte{1, 1, 1, 2})
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := min(len(raw)/2, 200)
		x, y := make([]float64, n), make([]float64, n)
		for i := range n {
			x[i], y[i] = float64(int8(raw[2*i])), float64(raw[2*i+1])
		}
		got := fit.Tau(x, y)
		if want := tau(x, y); math.Abs(got-want) > 1e-12 || got < -1-1e-12 || got > 1+1e-12 {
			t.Fatalf("%v, want %v", got, want)
		}
	})
}

func BenchmarkTau(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	x, y := make([]float64, 3750), make([]float64, 3750)
	for i := range x {
		x[i], y[i] = rng.Float64(), rng.Float64()
	}
	for b.Loop() {
		fit.Tau(x, y)
	}
}
