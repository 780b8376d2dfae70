package eval_test

import (
	"math"
	"testing"

	"github.com/dynofa/dynofa/deploy/eval"
)

func TestMcNemar(t *testing.T) {
	rank := func(right, only, other, wrong int) (a, b []eval.Rank) {
		for i, n := range []int{right, only, other, wrong} {
			for range n {
				a = append(a, [...]eval.Rank{0, 0, 3, 4}[i])
				b = append(b, [...]eval.Rank{0, 1, 0, 9}[i])
			}
		}
		return a, b
	}
	for _, c := range []struct {
		both, a, b, neither int
		p                   float64
	}{
		{10, 0, 0, 5, 1},
		{10, 1, 0, 5, 1},           // 2 * 1/2
		{10, 0, 5, 5, 2. / 32},     // 2 * 1/2^5
		{10, 8, 2, 5, 112. / 1024}, // 2 * (1 + 10 + 45) / 2^10
		{10, 5, 5, 5, 1},
		{0, 40, 20, 0, 0.0135}, // R: binom.test(20, 60)$p.value = 0.01349
	} {
		a, b := rank(c.both, c.a, c.b, c.neither)
		a, b = append(a, eval.Skipped), append(b, 0)
		got, err := eval.McNemar(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if got.Both != c.both || got.OnlyA != c.a || got.OnlyB != c.b || got.Neither != c.neither || math.Abs(got.P-c.p) > 1e-4 {
			t.Errorf("%+v, want %+v", got, c)
		}
	}
	if _, err := eval.McNemar(make([]eval.Rank, 3), nil); err == nil {
		t.Error("lists of different length are accepted")
	}
}
