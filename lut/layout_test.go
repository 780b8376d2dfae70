package lut_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// A network has a prediction if and only if it is a sub-network of the space, whatever is wrong with
// it; the oracle is supernet.Space.Canonical.
func TestPredictorAcceptsSubNetworksOnly(t *testing.T) {
	for _, name := range []string{"ofa-mbv3-w1.2", "ofa-proxyless-w1.3", "ofa-resnet50"} {
		s, err := supernet.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		p := predictor(t, table(t, s, 160), s)
		rng := rand.New(rand.NewPCG(9, 9))
		numbers := []int{-35, -3, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 31, 32, 33, 35, 37, 39, 64, 127, 128, math.MaxInt, math.MinInt}
		ratios := []float64{0, 0.2, 0.25, 0.35, 3, 4, 6, 3.0000000000000004, -3, math.NaN(), math.Inf(1), 1e-300}
		good, bad := 0, 0
		for range 5000 {
			a := s.Random(rng, 160)
			for p := range a.KS { // what is inactive means nothing
				if a.KS[p] == 0 {
					a.KS[p], a.E[p] = numbers[rng.IntN(len(numbers))], ratios[rng.IntN(len(ratios))]
				}
			}
			switch rng.IntN(7) {
			case 0:
				a.KS[rng.IntN(len(a.KS))] = numbers[rng.IntN(len(numbers))]
			case 1:
				a.E[rng.IntN(len(a.E))] = ratios[rng.IntN(len(ratios))]
			case 2:
				a.D[rng.IntN(len(a.D))] = numbers[rng.IntN(len(numbers))]
			case 3:
				if len(a.W) > 0 {
					a.W[rng.IntN(len(a.W))] = numbers[rng.IntN(len(numbers))]
				}
			case 4:
				a.E = slices.Clone(a.E)[:rng.IntN(len(a.E))]
			case 5:
				a.D = append(a.D, 2)
			}
			_, wrong := s.Canonical(a)
			_, err := p.Latency(a)
			if (wrong == nil) != (err == nil) {
				t.Fatalf("%s: %v: prediction %v, sub-network %v", name, a, err, wrong)
			}
			if err == nil {
				good++
			} else {
				bad++
			}
		}
		if good < 500 || bad < 500 {
			t.Errorf("%s: %d accepted, %d refused", name, good, bad)
		}
	}
}
