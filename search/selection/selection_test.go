package selection_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/selection"
)

func point(ms, accuracy float64) search.Objectives {
	return search.Objectives{Accuracy: unit.Accuracy(accuracy), Latency: unit.Milliseconds(ms)}
}

// Limits uniform over 10 to 20 ms. The levels 10 and 16 ms serve 6/10 of the limits with 0.5 and 4/10
// with 0.8: 0.62. The alternatives are 10 and 12 ms (0.2*0.5 + 0.8*0.6 = 0.58) and 10 and 20 ms (0.5). The whole
// front has 0.2*0.5 + 0.4*0.6 + 0.4*0.8 = 0.66, so the share is 0.12/0.16.
func TestChoose(t *testing.T) {
	points := []search.Objectives{point(20, 0.9), point(10, 0.5), point(13, 0.55), point(16, 0.8), point(12, 0.6)}
	for name, c := range map[string]struct {
		rule    selection.Rule
		indices []int
		want    float64
		share   float64
	}{
		"one":              {selection.Rule{Levels: 1}, []int{1}, 0.5, 0},
		"two":              {selection.Rule{Levels: 2}, []int{1, 3}, 0.62, 0.75},
		"three":            {selection.Rule{Levels: 3}, []int{1, 4, 3}, 0.66, 1},
		"all":              {selection.Rule{Levels: 4}, []int{1, 4, 3, 0}, 0.66, 1},
		"share reached":    {selection.Rule{Share: 0.75}, []int{1, 3}, 0.62, 0.75},
		"share not by two": {selection.Rule{Share: 0.76}, []int{1, 4, 3}, 0.66, 1},
		"both ends":        {selection.Rule{Levels: 2, Keep: selection.KeepBothEnds}, []int{1, 0}, 0.5, 0},
		"both ends, three": {selection.Rule{Levels: 3, Keep: selection.KeepBothEnds}, []int{1, 3, 0}, 0.62, 0.75},
		// Limits of 8 to 28 ms: 0.1 keep nothing, 10 and 20 ms serve 0.5*0.5 + 0.4*0.9 = 0.61, 10 and 16 ms 0.3*0.5 +
		// 0.6*0.8 = 0.63, and all 0.1*0.5 + 0.2*0.6 + 0.2*0.8 + 0.4*0.9 = 0.69. The fastest alone has 0.45.
		"wider limits": {selection.Rule{Levels: 2, Limits: selection.Uniform{Low: unit.Milliseconds(8), High: unit.Milliseconds(28)}}, []int{1, 3}, 0.63, 0.75},
	} {
		got, err := selection.Choose(points, c.rule)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !slices.Equal(got.Indices, c.indices) || got.Front != 4 {
			t.Errorf("%s: networks %v of %d, want %v of 4", name, got.Indices, got.Front, c.indices)
		}
		if math.Abs(float64(got.Expected)-c.want) > 1e-12 || math.Abs(got.Share-c.share) > 1e-12 {
			t.Errorf("%s: expected accuracy %v and share %v, want %v and %v", name, float64(got.Expected), got.Share, c.want, c.share)
		}
	}
}

// TestBruteForce compares with every subset that holds the fastest network, judged by the definition:
// the mean over many limits of the best accuracy within the limit.
func TestBruteForce(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		points := randomPoints(rng, 2+rng.IntN(9))
		whole, err := selection.Choose(points, selection.Rule{Share: 1})
		if err != nil {
			t.Fatal(err)
		}
		limits := whole.Limits
		for _, keep := range []selection.Keep{selection.KeepFastest, selection.KeepBothEnds} {
			for levels := 1 + int(keep); levels <= whole.Front; levels++ {
				got, err := selection.Choose(points, selection.Rule{Levels: levels, Keep: keep})
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				if len(got.Indices) != levels || !slices.IsSortedFunc(got.Indices, func(a, b int) int { return cmpLatency(points[a], points[b]) }) {
					t.Fatalf("seed %d: networks %v for %d levels", seed, got.Indices, levels)
				}
				want := bestSubset(points, levels, keep, limits)
				if math.Abs(float64(got.Expected)-want) > 1e-12 {
					t.Errorf("seed %d, %d levels, keep %d: expected accuracy %.12f, every subset tried gives %.12f", seed, levels, keep, float64(got.Expected), want)
				}
				chosen := make([]search.Objectives, levels)
				for i, id := range got.Indices {
					chosen[i] = points[id]
				}
				if e := staircase(chosen, limits); math.Abs(e-float64(got.Expected)) > 1e-12 {
					t.Errorf("seed %d: the chosen levels have expected accuracy %.12f, reported is %.12f", seed, e, float64(got.Expected))
				}
			}
		}
	}
}

// TestSmallestShare checks that one level fewer would not do.
func TestSmallestShare(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 2))
		points := randomPoints(rng, 20)
		share := rng.Float64()
		got, err := selection.Choose(points, selection.Rule{Share: share})
		if err != nil {
			t.Fatal(err)
		}
		if got.Share < share {
			t.Errorf("seed %d: share %v, asked for %v", seed, got.Share, share)
		}
		if n := len(got.Indices) - 1; n > 0 {
			fewer, err := selection.Choose(points, selection.Rule{Levels: n})
			if err != nil {
				t.Fatal(err)
			}
			if fewer.Share >= share {
				t.Errorf("seed %d: %d levels reach %v too", seed, n, fewer.Share)
			}
		}
	}
}

func TestChooseErrors(t *testing.T) {
	two := []search.Objectives{point(10, 0.5), point(20, 0.6)}
	nan := unit.Nanoseconds(math.NaN())
	for name, c := range map[string]struct {
		points []search.Objectives
		rule   selection.Rule
		is     error
	}{
		"no rule":         {two, selection.Rule{}, nil},
		"two rules":       {two, selection.Rule{Levels: 1, Share: 0.5}, nil},
		"negative levels": {two, selection.Rule{Levels: -1}, nil},
		"too many levels": {two, selection.Rule{Levels: family.MaxLevels + 1}, nil},
		"one for two":     {two, selection.Rule{Levels: 1, Keep: selection.KeepBothEnds}, nil},
		"keep":            {two, selection.Rule{Levels: 1, Keep: 7}, nil},
		"share":           {two, selection.Rule{Share: 1.5}, nil},
		"NaN share":       {two, selection.Rule{Share: math.NaN()}, nil},
		"limits":          {two, selection.Rule{Levels: 1, Limits: selection.Uniform{Low: 2, High: 1}}, nil},
		"NaN limits":      {two, selection.Rule{Levels: 1, Limits: selection.Uniform{Low: nan, High: nan}}, nil},
		"few":             {two, selection.Rule{Levels: 3}, selection.ErrTooFew},
		"dominated":       {append(two, point(15, 0.5)), selection.Rule{Levels: 3}, selection.ErrTooFew},
		"none":            {nil, selection.Rule{Share: 0.5}, selection.ErrTooFew},
		"accuracy":        {[]search.Objectives{point(10, 76)}, selection.Rule{Levels: 1}, nil},
		"latency":         {[]search.Objectives{{Accuracy: 0.5, Latency: nan}}, selection.Rule{Levels: 1}, nil},
	} {
		if got, err := selection.Choose(c.points, c.rule); err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: choice %v, error %v, want %v", name, got, err, c.is)
		}
	}
}

// More levels than any family may have cannot be what a share needs.
func TestShareOutOfReach(t *testing.T) {
	var points []search.Objectives
	for i := range 200 {
		points = append(points, point(float64(10+i), 0.5+float64(i)/1000))
	}
	if got, err := selection.Choose(points, selection.Rule{Share: 1}); err == nil || errors.Is(err, selection.ErrTooFew) {
		t.Errorf("choice %v, error %v", got, err)
	}
}

func TestEqualPoints(t *testing.T) {
	got, err := selection.Choose([]search.Objectives{point(10, 0.5), point(10, 0.5)}, selection.Rule{Share: 1})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{0}, got.Indices); diff != "" || got.Expected != 0.5 || got.Share != 1 {
		t.Errorf("choice %+v", got)
	}
}

func ExampleChoose() {
	front := []search.Objectives{point(10, 0.50), point(12, 0.60), point(16, 0.80), point(20, 0.90)}
	c, err := selection.Choose(front, selection.Rule{Levels: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("networks %v: %v expected for a limit %v\n", c.Indices, c.Expected, c.Limits)
	// Output:
	// networks [0 2]: 62.00% expected for a limit uniform over 10.00 ms to 20.00 ms
}

func randomPoints(rng *rand.Rand, n int) []search.Objectives {
	points := make([]search.Objectives, n)
	for i := range points {
		points[i] = point(float64(10+rng.IntN(30)), float64(50+rng.IntN(40))/100)
	}
	return points
}

func cmpLatency(a, b search.Objectives) int {
	if a.Latency < b.Latency {
		return -1
	}
	return 1
}

// bestSubset tries every subset of the given size that holds the fastest network, and with KeepBothEnds
// the most accurate one.
func bestSubset(points []search.Objectives, size int, keep selection.Keep, limits selection.Limits) float64 {
	var fastest, top search.Objectives
	for _, p := range points {
		if fastest.Latency == 0 || p.Latency < fastest.Latency || p.Latency == fastest.Latency && p.Accuracy > fastest.Accuracy {
			fastest = p
		}
		if p.Accuracy > top.Accuracy || p.Accuracy == top.Accuracy && p.Latency < top.Latency {
			top = p
		}
	}
	best := -1.0
	for set := range 1 << len(points) {
		var subset []search.Objectives
		for i, p := range points {
			if set>>i&1 == 1 {
				subset = append(subset, p)
			}
		}
		if len(subset) != size || !slices.Contains(subset, fastest) || keep == selection.KeepBothEnds && !slices.Contains(subset, top) {
			continue
		}
		best = max(best, staircase(subset, limits))
	}
	return best
}

// staircase integrates the best accuracy within the limit over whole milliseconds, which is exact here:
// latencies are whole milliseconds and limits uniform between two of them.
func staircase(points []search.Objectives, limits selection.Limits) float64 {
	u := limits.(selection.Uniform)
	if u.High == u.Low {
		u.High = u.Low + unit.Milliseconds(1)
	}
	sum, n := 0.0, 0
	for limit := u.Low; limit < u.High; limit += unit.Milliseconds(1) {
		best := 0.0
		for _, p := range points {
			if p.Latency <= limit {
				best = max(best, float64(p.Accuracy))
			}
		}
		sum += best
		n++
	}
	return sum / float64(n)
}
