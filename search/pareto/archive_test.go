package pareto_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/search/pareto"
)

func ExampleArchive() {
	var a pareto.Archive
	fmt.Println(a.Insert(50, 0.23, 1), a.Insert(40, 0.26, 2), a.Insert(45, 0.27, 3), a.Insert(45, 0.20, 4))
	fmt.Println(a.Entries())
	// Output:
	// true true false true
	// [{40 0.26 2} {45 0.2 4}]
}

// TestArchiveAgainstFront offers random points one by one: after each, the archive must hold the front of all
// offered so far, the first of equal points, and its hypervolume.
func TestArchiveAgainstFront(t *testing.T) {
	for _, levels := range []int{2, 5, 40, 0} {
		rng := rand.New(rand.NewPCG(uint64(levels), 1))
		points := realPoints(rng, 150, 2)
		if levels > 0 {
			points = wholePoints(rng, 150, 2, levels)
		}
		var a pareto.Archive
		for i, p := range points {
			before := a.Covers(p[0], p[1])
			if a.Insert(p[0], p[1], i) == before {
				t.Fatalf("Covers(%v) = %v and so does Insert", p, before)
			}
			checkArchive(t, &a, points[:i+1])
		}
	}
}

func checkArchive(t *testing.T, a *pareto.Archive, offered [][]float64) {
	t.Helper()
	seen := map[[2]float64]bool{}
	want := map[pareto.Entry]bool{}
	for _, i := range pareto.Front(offered) {
		key := [2]float64{offered[i][0], offered[i][1]}
		if !seen[key] {
			seen[key] = true
			want[pareto.Entry{X: key[0], Y: key[1], ID: i}] = true
		}
	}
	got := map[pareto.Entry]bool{}
	entries := a.Entries()
	for k, e := range entries {
		got[e] = true
		if k > 0 && (entries[k-1].X >= e.X || entries[k-1].Y <= e.Y) {
			t.Fatalf("entries %v and %v out of order", entries[k-1], e)
		}
	}
	if d := cmp.Diff(want, got); d != "" || a.Len() != len(want) {
		t.Fatalf("%d entries after %d offers: %s", a.Len(), len(offered), d)
	}
	for _, ref := range []float64{0.5, 1.5, 50} {
		want, got := pareto.Hypervolume(offered, []float64{ref, ref}), a.Hypervolume(ref, ref)
		if want != got {
			t.Fatalf("archive's hypervolume %v, want %v", got, want)
		}
	}
}

func TestArchiveDoesNotDependOnOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	points := realPoints(rng, 1000, 2)
	fill := func(points [][]float64, ids []int) []pareto.Entry {
		var a pareto.Archive
		for k, p := range points {
			a.Insert(p[0], p[1], ids[k])
		}
		return a.Entries()
	}
	identity := make([]int, len(points))
	for i := range identity {
		identity[i] = i
	}
	mixed, perm := shuffled(rng, points)
	if d := cmp.Diff(fill(points, identity), fill(mixed, perm)); d != "" {
		t.Error(d)
	}
}

func TestMistakesPanic(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	good := [][]float64{{1, 2}, {2, 1}}
	tests := map[string]func(){
		"Dominates NaN":              func() { pareto.Dominates([]float64{1, nan}, []float64{1, 1}) },
		"Dominates lengths":          func() { pareto.Dominates([]float64{1}, []float64{1, 1}) },
		"StrictlyDominates infinity": func() { pareto.StrictlyDominates([]float64{1, 1}, []float64{1, inf}) },
		"Sort NaN":                   func() { pareto.Sort([][]float64{{1, 2}, {nan, 1}}) },
		"Sort ragged":                func() { pareto.Sort([][]float64{{1, 2}, {1}}) },
		"Sort no objectives":         func() { pareto.Sort([][]float64{{}}) },
		"Front NaN":                  func() { pareto.Front([][]float64{{nan, 1}}) },
		"StrictFront NaN":            func() { pareto.StrictFront([][]float64{{nan, 1, 1}}) },
		"Crowding NaN":               func() { pareto.Crowding([][]float64{{nan, 1}}, []int{0}) },
		"Hypervolume NaN":            func() { pareto.Hypervolume([][]float64{{nan, 1}}, []float64{1, 1}) },
		"Hypervolume reference":      func() { pareto.Hypervolume(good, []float64{inf, 1}) },
		"Hypervolume lengths":        func() { pareto.Hypervolume(good, []float64{1, 1, 1}) },
		"IGD+ NaN":                   func() { pareto.IGDPlus([][]float64{{nan, 1}}, good) },
		"IGD+ no reference":          func() { pareto.IGDPlus(good, nil) },
		"IGD+ lengths":               func() { pareto.IGDPlus([][]float64{{1}}, good) },
		"Archive NaN":                func() { new(pareto.Archive).Insert(1, nan, 0) },
		"Archive reference":          func() { new(pareto.Archive).Hypervolume(nan, 1) },
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		points [][]float64
		want   string
	}{
		{nil, ""},
		{[][]float64{{1, -1}, {0, 0}}, ""},
		{[][]float64{{1, 2}, {1}}, "pareto: point 1 has 1 objectives, point 0 has 2"},
		{[][]float64{{}}, "pareto: point 0 has no objectives"},
		{[][]float64{{1, 2}, {1, math.NaN()}}, "pareto: point 1: objective 1 is NaN"},
		{[][]float64{{math.Inf(-1)}}, "pareto: point 0: objective 0 is -Inf"},
	}
	for _, tt := range tests {
		got := ""
		if err := pareto.Check(tt.points); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("Check(%v) = %q, want %q", tt.points, got, tt.want)
		}
	}
}

func BenchmarkArchiveInsert(b *testing.B) {
	for _, n := range []int{300, 3000, 30000} {
		b.Run(fmt.Sprintf("entries=%d", n), func(b *testing.B) {
			// Points on a front of n, each offer moving one entry a little towards the origin: all are taken.
			var a pareto.Archive
			for i := range n {
				a.Insert(float64(i), float64(n-i), i)
			}
			rng := rand.New(rand.NewPCG(1, 1))
			for b.Loop() {
				i := rng.IntN(n)
				a.Insert(float64(i)-1e-3*rng.Float64(), float64(n-i)-1e-3*rng.Float64(), i)
			}
			b.ReportMetric(float64(a.Len()), "entries")
		})
	}
}
