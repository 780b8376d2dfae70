package lut_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
)

func TestSummarize(t *testing.T) {
	nan := unit.Nanoseconds(math.NaN())
	var hundreds []unit.Nanoseconds // 300 down to 1
	for i := 300; i > 0; i-- {
		hundreds = append(hundreds, unit.Nanoseconds(i))
	}
	for name, c := range map[string]struct {
		samples []unit.Nanoseconds
		want    lut.Latency
	}{
		"none": {nil, lut.Unknown()},
		"one":  {[]unit.Nanoseconds{7}, lut.Latency{N: 1, Min: 7, P50: 7, P90: 7, P99: nan, Mean: 7, Std: nan, CILow: nan, CIHigh: nan}},
		"six": {[]unit.Nanoseconds{6, 1, 2, 3, 5, 4}, lut.Latency{N: 6, Min: 1, P50: 3.5, P90: 6, P99: nan, Mean: 3.5,
			Std: unit.Nanoseconds(math.Sqrt(3.5)), CILow: 1, CIHigh: 6}}, // variance 2 (2.5^2+1.5^2+0.5^2)/5 = 3.5
		// Ranks 133 and 168: P(binomial(300, 1/2) <= 132) = 2.1%; the variance of 1..n is n(n+1)/12.
		"three hundred": {hundreds, lut.Latency{N: 300, Min: 1, P50: 150.5, P90: 270, P99: 297, Mean: 150.5, Std: unit.Nanoseconds(math.Sqrt(300 * 301 / 12.0)), CILow: 133, CIHigh: 168}},
	} {
		got := lut.Summarize(c.samples)
		close := cmp.Comparer(func(a, b unit.Nanoseconds) bool {
			return math.Abs(float64(a-b)) < 1e-9 || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
		})
		if diff := cmp.Diff(c.want, got, close); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if err := got.Validate(); len(c.samples) > 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if hundreds[0] != 300 {
		t.Error("the samples were sorted in place")
	}
}

// Whatever is measured makes a valid entry, and the interval holds the median 95 times in 100.
func TestSummarizeRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	held, of := 0, 2000
	for range of {
		samples := make([]unit.Nanoseconds, 6+rng.IntN(400))
		for i := range samples {
			samples[i] = unit.Nanoseconds(1e6 * math.Exp(0.3*rng.NormFloat64()))
		}
		l := lut.Summarize(samples)
		if err := l.Validate(); err != nil {
			t.Fatal(err)
		}
		if l.CILow <= 1e6 && 1e6 <= l.CIHigh {
			held++
		}
	}
	if held < of*95/100 {
		t.Errorf("the interval held the median %d times in %d", held, of)
	}
}

func ExampleSummarize() {
	l := lut.Summarize([]unit.Nanoseconds{41e6, 40e6, 42e6, 40.5e6, 90e6, 41.5e6, 40.2e6})
	fmt.Println(l.P50, l.CILow, l.CIHigh, l.P99)
	// Output: 41.00 ms 40.00 ms 90.00 ms -
}
