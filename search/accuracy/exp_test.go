package accuracy

import (
	"math"
	"math/rand/v2"
	"testing"
)

// ulps returns how many representable numbers apart two of the same sign are.
func ulps(a, b float64) int64 {
	d := int64(math.Float64bits(a)) - int64(math.Float64bits(b))
	return max(d, -d)
}

func TestExp(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	worst := int64(0)
	for i := range 200_000 {
		x := rng.NormFloat64()
		if i%2 == 0 {
			x = (rng.Float64() - 0.5) * 1400
		}
		worst = max(worst, ulps(exp(x), math.Exp(x)))
	}
	t.Logf("at most %d units in the last place from math.Exp", worst)
	if worst > 2 {
		t.Errorf("off by %d units in the last place", worst)
	}
	for _, tt := range []struct{ x, want float64 }{
		{0, 1}, {math.Inf(1), math.Inf(1)}, {math.Inf(-1), 0}, {710.1, math.Inf(1)}, {-750, 0}, {-1e300, 0}, {1e300, math.Inf(1)},
	} {
		if got := exp(tt.x); got != tt.want {
			t.Errorf("exp(%g) is %g, want %g", tt.x, got, tt.want)
		}
	}
	if !math.IsNaN(exp(math.NaN())) {
		t.Error("exp(NaN) is a number")
	}
}
