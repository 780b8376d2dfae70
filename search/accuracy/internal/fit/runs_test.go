package fit

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// noisy draws values about means that change at the ends of stretches.
func noisy(rng *rand.Rand, sd float64, ends []int, means []float64) []float64 {
	var x []float64
	for i, end := range ends {
		for len(x) < end {
			x = append(x, means[i]+sd*rng.NormFloat64())
		}
	}
	return x
}

func TestChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, tt := range []struct {
		name  string
		ends  []int
		means []float64
	}{
		{"none", []int{300}, []float64{1}},
		{"one", []int{100, 300}, []float64{0, 2}},
		{"four, as in reference/measured", []int{178, 350, 522, 701}, []float64{-0.09, -0.33, 0.48, -0.05}},
		{"back to the same", []int{60, 120, 180}, []float64{0, 3, 0}},
	} {
		// 0.02: the smallest step is 12 deviations, so that the place of a change is beyond doubt.
		got := changes(noisy(rng, 0.02, tt.ends, tt.means))
		if !slices.Equal(got, tt.ends) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.ends)
		}
	}
}

// Noise alone is no reason for a change, nor are constants.
func TestNoChanges(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	found := 0
	for range 60 {
		if len(changes(noisy(rng, 1, []int{250}, []float64{0}))) > 1 {
			found++
		}
	}
	if found > 3 { // the price makes false alarms rare: 5% at most
		t.Errorf("changes in %d of 60 sequences of noise", found)
	}
	for _, n := range []int{1, 5, 19, 39, 40, 41, 100} {
		if got := changes(make([]float64, n)); !slices.Equal(got, []int{n}) {
			t.Errorf("%d zeros: %v", n, got)
		}
	}
}

// The dynamic programme finds the least squares over all places of one change and of two.
func TestChangesAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	ss := func(x []float64) float64 {
		m, sum := mean(x), 0.0
		for _, v := range x {
			sum += (v - m) * (v - m)
		}
		return sum
	}
	for range 20 {
		n := 70 + rng.IntN(20)
		x := noisy(rng, 1, []int{25, 48, n}, []float64{rng.NormFloat64() * 2, rng.NormFloat64() * 2, rng.NormFloat64() * 2})
		best, least := []int{n}, criterion(ss(x), n, 1)
		for i := minRun; i <= n-minRun; i++ {
			if c := criterion(ss(x[:i])+ss(x[i:]), n, 2); c < least {
				best, least = []int{i, n}, c
			}
			for j := i + minRun; j <= n-minRun; j++ {
				if c := criterion(ss(x[:i])+ss(x[i:j])+ss(x[j:]), n, 3); c < least {
					best, least = []int{i, j, n}, c
				}
			}
		}
		if got := changes(x); !slices.Equal(got, best) {
			t.Errorf("%v, want %v", got, best)
		}
	}
}
