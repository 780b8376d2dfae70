package platform

import (
	"math"
	"testing"
)

// TestExpm1 compares with the standard library's, which errs by less than one unit in the last place.
func TestExpm1(t *testing.T) {
	for x := 1e-12; x < 60; x *= 1.013 {
		if got, want := expm1(-x), math.Expm1(-x); math.Abs(got/want-1) > 2e-15 {
			t.Errorf("expm1(%g) = %.17g, want %.17g", -x, got, want)
		}
	}
	if expm1(0) != 0 || expm1(math.Inf(-1)) != -1 {
		t.Error("wrong at the ends")
	}
}

func TestPower(t *testing.T) {
	for _, x := range []float64{1e-3, 0.3, 1, 7, 1e9} {
		for _, y := range []float64{-2, 0, 0.74, 1, 2.4} {
			if got, want := power(x, y), math.Pow(x, y); math.Abs(got/want-1) > 1e-13 {
				t.Errorf("%g^%g = %g, want %g", x, y, got, want)
			}
		}
	}
}
