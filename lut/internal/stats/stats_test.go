package stats_test

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/dynofa/dynofa/lut/internal/stats"
)

// The oracle is gonum's distribution; at 1e6 degrees the differences of log gamma cost either digits.
func TestStudent(t *testing.T) {
	for _, v := range []float64{0.5, 1, 2, 3, 7.5, 30, 1000, 1e6} {
		want := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: v}
		for _, x := range []float64{0, 1e-6, 0.1, 0.5, 1, 2, 5, 12, 40} {
			p := 2 * (1 - want.CDF(x))
			if got := stats.StudentTwoSided(x, v); math.Abs(got-p) > 1e-9 || stats.StudentTwoSided(-x, v) != got {
				t.Errorf("P(|t| >= %g), %g degrees: %g, want %g", x, v, got, p)
			}
		}
		for _, p := range []float64{0.9, 0.5, 0.05, 0.01, 1e-4} {
			if got, q := stats.StudentQuantile(p, v), want.Quantile(1-p/2); math.Abs(got/q-1) > 1e-6 {
				t.Errorf("quantile %g, %g degrees: %g, want %g", p, v, got, q)
			}
		}
	}
	// Far tails, where 1-CDF has no digits left: t with 1 degree is Cauchy, P = 2 atan(1/t)/pi; with
	// 2 degrees P = 1 - t/sqrt(2+t^2) = 2/(sqrt(2+t^2) (sqrt(2+t^2)+t)).
	for _, x := range []float64{1e3, 1e6, 1e9} {
		if got, want := stats.StudentTwoSided(x, 1), 2*math.Atan(1/x)/math.Pi; math.Abs(got/want-1) > 1e-12 {
			t.Errorf("Cauchy tail at %g: %g, want %g", x, got, want)
		}
		root := math.Sqrt(2 + x*x)
		if got, want := stats.StudentTwoSided(x, 2), 2/(root*(root+x)); math.Abs(got/want-1) > 1e-12 {
			t.Errorf("tail with 2 degrees at %g: %g, want %g", x, got, want)
		}
	}
	for _, got := range []float64{stats.StudentTwoSided(math.NaN(), 3), stats.StudentTwoSided(1, 0), stats.StudentQuantile(0, 3), stats.StudentQuantile(0.1, math.NaN())} {
		if !math.IsNaN(got) {
			t.Errorf("got %g, want NaN", got)
		}
	}
	if got := stats.StudentTwoSided(math.Inf(-1), 3); got != 0 {
		t.Errorf("infinite t: %g", got)
	}
}

// Expected numbers by hand: sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1, running maximum.
func TestHolm(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct{ p, want []float64 }{
		{nil, nil},
		{[]float64{0.03, 0.01, 0.5, 0.02}, []float64{0.06, 0.04, 0.5, 0.06}},
		{[]float64{0.9, 0.8}, []float64{1, 1}},
		{[]float64{nan, 0.04, nan}, []float64{nan, 0.04, nan}},
	} {
		if diff := gocmp.Diff(c.want, stats.Holm(c.p), cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.p, diff)
		}
	}
}

// Wilson's interval solves |p - k/n| = z sqrt(p(1-p)/n) at both ends.
func TestWilson(t *testing.T) {
	for _, c := range [][2]int{{1, 10}, {5, 10}, {91, 100}, {999, 1000}} {
		low, high := stats.Wilson(c[0], c[1])
		k, n := float64(c[0]), float64(c[1])
		for _, p := range []float64{low, high} {
			if e := math.Abs(p-k/n) - 1.959963984540054*math.Sqrt(p*(1-p)/n); math.Abs(e) > 1e-12 {
				t.Errorf("%v: bound %g is off by %g", c, p, e)
			}
		}
		if !(low < k/n && k/n < high) {
			t.Errorf("%v: [%g, %g]", c, low, high)
		}
	}
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{0, 0, 0, 1}, {0, 10, 0, 0.2775}, {10, 10, 0.7225, 1}} {
		if low, high := stats.Wilson(c.k, c.n); math.Abs(low-c.low) > 1e-4 || math.Abs(high-c.high) > 1e-4 {
			t.Errorf("%d of %d: [%g, %g], want [%g, %g]", c.k, c.n, low, high, c.low, c.high)
		}
	}
}

func TestKendallTau(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{1, 2, 3}, []float64{10, 20, 30}, 1},
		{[]float64{1, 2, 3}, []float64{3, 2, 1}, -1},
		{[]float64{1, 2, 3, 4}, []float64{1, 3, 2, 4}, 4.0 / 6}, // 5 pairs agree, 1 does not
		{[]float64{1, 1, 2}, []float64{1, 2, 3}, 2 / math.Sqrt(6)},
		{[]float64{1, 1}, []float64{1, 2}, math.NaN()},
	} {
		if got := stats.KendallTau(c.a, c.b); !gocmp.Equal(got, c.want, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0)) {
			t.Errorf("%v %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

// The ranks are those of the tables of nonparametric intervals, for example Conover, Practical
// Nonparametric Statistics, 3rd ed., table A3: for n = 10 ranks 2 and 9 (97.9%), n = 20 ranks 6 and
// 15 (95.9%), n = 30 ranks 10 and 21 (95.7%); n = 6 takes the range (96.9%).
func TestMedianRanks(t *testing.T) {
	if _, _, ok := stats.MedianRanks(5); ok {
		t.Error("5 samples have no 95% interval")
	}
	for _, c := range []struct{ n, low, high int }{{6, 1, 6}, {7, 1, 7}, {8, 1, 8}, {9, 2, 8}, {10, 2, 9}, {20, 6, 15}, {30, 10, 21}, {100, 40, 61}, {1000, 469, 532}} {
		low, high, ok := stats.MedianRanks(c.n)
		if low != c.low || high != c.high || !ok {
			t.Errorf("n = %d: ranks %d and %d, want %d and %d", c.n, low, high, c.low, c.high)
		}
	}
	// Against the sum of binomial terms by Pascal's triangle, and the normal approximation beyond.
	row := []float64{1}
	for n := 1; n <= 600; n++ {
		next := make([]float64, n+1)
		for i, v := range row {
			next[i] += v / 2
			next[i+1] += v / 2
		}
		row = next
		if n < stats.MinMedian {
			continue
		}
		want, sum := 0, row[0]
		for sum <= 0.025 {
			want++
			sum += row[want]
		}
		if low, high, _ := stats.MedianRanks(n); low != want || high != n+1-want {
			t.Fatalf("n = %d: ranks %d and %d, want %d and %d", n, low, high, want, n+1-want)
		}
	}
	low, _, _ := stats.MedianRanks(1_000_000)
	if want := 500_000 - 1.959964*500; math.Abs(float64(low)-want) > 2 {
		t.Errorf("n = 1e6: low rank %d, normal approximation %.1f", low, want)
	}
}

func TestMedianNormal(t *testing.T) {
	if se, v := stats.MedianNormal(5); !math.IsNaN(se) || v != 0 {
		t.Errorf("5 samples: %g, %g", se, v)
	}
	if se, v := stats.MedianNormal(100); se != 2.1 || v != 10.5 { // 21 spacings
		t.Errorf("100 samples: %g, %g", se, v)
	}
}

// The oracle is the gradient: zero where x is positive, not negative where x is zero (the conditions
// of Karush, Kuhn and Tucker, which are sufficient for a convex problem).
func TestNonNegative(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	active := 0
	for range 50 {
		n, rows := 1+rng.IntN(12), 30
		a, b := make([]float64, n*n), make([]float64, n)
		for range rows {
			x := make([]float64, n)
			for i := range x {
				x[i] = rng.Float64()
			}
			y := rng.NormFloat64() + x[0]
			for i := range n {
				b[i] += x[i] * y
				for j := range n {
					a[i*n+j] += x[i] * x[j]
				}
			}
		}
		x := make([]float64, n)
		if _, ok := stats.NonNegative(a, b, x, 1e-12, 1e6); !ok {
			t.Fatal("it did not converge")
		}
		for i := range n {
			g := -b[i]
			for j := range n {
				g += a[i*n+j] * x[j]
			}
			if x[i] < 0 || g < -1e-6 || x[i] > 0 && g > 1e-6 {
				t.Fatalf("x[%d] = %g, gradient %g", i, x[i], g)
			}
			if x[i] == 0 {
				active++
			}
		}
	}
	if active == 0 {
		t.Error("no bound was ever active, so the test proves nothing")
	}
	x := []float64{0, 0}
	if sweeps, ok := stats.NonNegative([]float64{1, 0.999, 0.999, 1}, []float64{1, 0.5}, x, 1e-15, 1); ok || sweeps != 1 {
		t.Errorf("one sweep cannot be enough: %d, %v", sweeps, ok)
	}
}

// The oracle takes every division of the pooled samples into two lists.
func TestMannWhitney(t *testing.T) {
	uneven := func(a, b []float64) float64 {
		u := 0.0
		for _, x := range a {
			for _, y := range b {
				u += float64(cmp.Compare(x, y)+1) / 2
			}
		}
		return math.Abs(u - float64(len(a)*len(b))/2)
	}
	rng := rand.New(rand.NewPCG(3, 1))
	for range 200 {
		m, n := 1+rng.IntN(5), 1+rng.IntN(5)
		all := rng.Perm(50)[:m+n]
		split := func(mask int) (a, b []float64) {
			for i, v := range all {
				if mask>>i&1 == 1 {
					a = append(a, float64(v))
				} else {
					b = append(b, float64(v))
				}
			}
			return a, b
		}
		a, b := split(1<<m - 1)
		as, of := 0, 0
		for mask := range 1 << (m + n) {
			if x, y := split(mask); len(x) == m {
				of++
				if uneven(x, y) >= uneven(a, b) {
					as++
				}
			}
		}
		if got, want := stats.MannWhitney(a, b), float64(as)/float64(of); math.Abs(got-want) > 1e-12 {
			t.Fatalf("%v, %v: %g, want %g", a, b, got, want)
		}
	}
	// With ties, or above 20 samples, the approximation stays close to the share of random divisions.
	for _, n := range []int{12, 30} {
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i], b[i] = float64(rng.IntN(12)), float64(rng.IntN(12))+1.5
			b[i] = math.Floor(b[i])
		}
		pooled := append(append([]float64{}, a...), b...)
		as, of := 0, 20000
		for range of {
			rng.Shuffle(len(pooled), func(i, j int) { pooled[i], pooled[j] = pooled[j], pooled[i] })
			if uneven(pooled[:n], pooled[n:]) >= uneven(a, b) {
				as++
			}
		}
		share := float64(as) / float64(of)
		if got := stats.MannWhitney(a, b); math.Abs(got-share) > 0.1*share+4*math.Sqrt(share/float64(of)) {
			t.Errorf("n=%d with ties: %g, share of divisions %g", n, got, share)
		}
	}
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{nil, []float64{1}, math.NaN()},
		{[]float64{2, 2}, []float64{2, 2, 2}, 1},
		{[]float64{1, 2, 3}, []float64{4, 5, 6}, 2. / 20}, // 1 of binomial(6, 3) orders, twice
	} {
		if got := stats.MannWhitney(c.a, c.b); !same(got, c.want) || !same(stats.MannWhitney(c.b, c.a), c.want) {
			t.Errorf("%v %v: %g, want %g", c.a, c.b, got, c.want)
		}
	}
}

func same(a, b float64) bool {
	return gocmp.Equal(a, b, cmpopts.EquateNaNs(), cmpopts.EquateApprox(1e-12, 0))
}

func ExampleWilson() {
	low, high := stats.Wilson(91, 100)
	fmt.Printf("%.1f%% to %.1f%%\n", 100*low, 100*high)
	// Output: 83.8% to 95.2%
}
