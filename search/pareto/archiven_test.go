package pareto_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/search/pareto"
)

func ExampleArchiveN() {
	var a pareto.ArchiveN
	fmt.Println(a.Insert([]float64{1, 2, 3}, 0), a.Insert([]float64{2, 2, 3}, 1), a.Insert([]float64{0, 3, 3}, 2), a.Insert([]float64{0, 2, 3}, 3))
	fmt.Println(a.Points(), a.IDs())
	// Output:
	// true false true true
	// [[0 2 3]] [3]
}

// What an archive holds is the first front of everything offered, each point once with its first number, in
// any order of the offers; with two objectives it is the Archive.
func TestArchiveN(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		m := 1 + rng.IntN(4)
		points := make([][]float64, 1+rng.IntN(60))
		var a pareto.ArchiveN
		var planar pareto.Archive
		for i := range points {
			points[i] = make([]float64, m)
			for k := range m {
				points[i][k] = float64(rng.IntN(6))
			}
			taken := a.Insert(points[i], i)
			if m == 2 && taken != planar.Insert(points[i][0], points[i][1], i) {
				t.Fatalf("seed %d: the archives disagree about point %d", seed, i)
			}
		}
		want := slices.Clone(pareto.Sort(points)[0])
		slices.SortStableFunc(want, func(i, j int) int { return slices.Compare(points[i], points[j]) })
		want = slices.CompactFunc(want, func(i, j int) bool { return slices.Equal(points[i], points[j]) })
		if diff := cmp.Diff(want, a.IDs()); diff != "" || a.Len() != len(want) {
			t.Fatalf("seed %d: numbers (-want +got):\n%s", seed, diff)
		}
		reference := slices.Repeat([]float64{5}, m)
		if got, want := a.Hypervolume(reference), pareto.Hypervolume(points, reference); got != want {
			t.Errorf("seed %d: hypervolume %v, want %v", seed, got, want)
		}
		got := a.Points()
		for i, id := range a.IDs() {
			if !slices.Equal(got[i], points[id]) {
				t.Errorf("seed %d: point %d is %v, want %v", seed, i, got[i], points[id])
			}
		}
	}
}

func TestArchiveNPanics(t *testing.T) {
	for name, points := range map[string][][]float64{"lengths": {{1, 2}, {1}}, "NaN": {{1, 0 * inf()}}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			var a pareto.ArchiveN
			for i, p := range points {
				a.Insert(p, i)
			}
		}()
	}
}

func inf() float64 { x := 1e308; return x * 10 }
