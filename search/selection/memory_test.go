package selection_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/selection"
)

func space(t testing.TB) *supernet.Space {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(1.0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// randomFront returns random networks with random latencies and accuracies, not all on the front.
func randomFront(rng *rand.Rand, s *supernet.Space, n int) []search.Candidate {
	front := make([]search.Candidate, n)
	for i := range front {
		a, err := s.Canonical(s.Random(rng, 160))
		if err != nil {
			panic(err)
		}
		x := float64(i+1) + 0.5*rng.Float64()
		front[i] = search.Candidate{Arch: a, Objectives: search.Objectives{Latency: unit.Milliseconds(10 * x), Accuracy: unit.Accuracy(0.5 + 0.03*math.Sqrt(x) + 0.01*rng.Float64())}}
	}
	return front
}

// The choice is the best of all families that fit, by trying each subset.
func TestChooseWithinIsExhaustive(t *testing.T) {
	s := space(t)
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 1))
		front := randomFront(rng, s, 9)
		points := make([]search.Objectives, len(front))
		for i, c := range front {
			points[i] = c.Objectives
		}
		all, err := selection.Choose(points, selection.Rule{Share: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, sharing := range []selection.Sharing{selection.SharedWeights, selection.SeparateWeights} {
			bytes := func(indices []int) int64 {
				var archs []supernet.Arch
				for _, i := range indices {
					archs = append(archs, front[i].Arch)
				}
				n, err := selection.Memory{Sharing: sharing}.Bytes(s, archs)
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			least, most := bytes(all.Indices[:1]), bytes(all.Indices)
			for _, levels := range []int{1, 2, 3, 5} {
				budget := least + rng.Int64N(most-least+1)
				got, err := selection.ChooseWithin(front, s, selection.Rule{Levels: levels}, selection.Memory{Budget: budget, Sharing: sharing})
				if err != nil {
					t.Fatal(err)
				}
				var want unit.Accuracy
				for set := range 1 << len(all.Indices) {
					var indices []int
					var chosen []search.Objectives
					for k, i := range all.Indices {
						if set>>k&1 == 1 {
							indices, chosen = append(indices, i), append(chosen, points[i])
						}
					}
					if set&1 == 1 && len(indices) <= levels && bytes(indices) <= budget {
						want = max(want, selection.Expected(chosen, all.Limits))
					}
				}
				if math.Abs(float64(got.Expected-want)) > 1e-12 || len(got.Indices) > levels || bytes(got.Indices) > budget {
					t.Errorf("seed %d, sharing %d, %d levels in %d bytes: %v takes %d and gives %v, want %v", seed, sharing, levels, budget, got.Indices, bytes(got.Indices), got.Expected, want)
				}
			}
		}
	}
}

// Weights that are shared count once: a network inside another costs its statistics only.
func TestMemoryBytes(t *testing.T) {
	s := space(t)
	small, large := s.Uniform(3, 3, 2, 160), s.Uniform(7, 6, 4, 224)
	of := func(sharing selection.Sharing, archs ...supernet.Arch) int64 {
		n, err := selection.Memory{Sharing: sharing}.Bytes(s, archs)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	params := func(a supernet.Arch) int64 {
		n, err := s.Params(a)
		if err != nil {
			t.Fatal(err)
		}
		return 4 * n
	}
	if got, want := of(selection.SeparateWeights, small, large), params(small)+params(large); got != want {
		t.Errorf("separate: %d bytes, want %d", got, want)
	}
	statistics := of(selection.SharedWeights, small) - params(small)
	if got, want := of(selection.SharedWeights, small, large), of(selection.SharedWeights, large)+statistics; got != want || statistics <= 0 || statistics > params(small)/10 {
		t.Errorf("shared: %d bytes, want %d; statistics of the small one %d", got, want, statistics)
	}
	// Neither contains the other: together they need the larger of each part.
	a, b := s.Uniform(3, 6, 2, 160), s.Uniform(7, 3, 4, 160)
	both := of(selection.SharedWeights, a, b)
	if both <= of(selection.SharedWeights, a) || both <= of(selection.SharedWeights, b) || both >= of(selection.SeparateWeights, a, b) {
		t.Errorf("together %d bytes", both)
	}
}

func TestChooseWithinErrors(t *testing.T) {
	s := space(t)
	front := randomFront(rand.New(rand.NewPCG(1, 2)), s, 6)
	if _, err := selection.ChooseWithin(front, s, selection.Rule{Levels: 2}, selection.Memory{Budget: 1000}); !errors.Is(err, selection.ErrBudget) {
		t.Errorf("1000 bytes: error %v", err)
	}
	if _, err := selection.ChooseWithin(front, s, selection.Rule{Share: 0.99}, selection.Memory{Budget: 22 << 20, Sharing: selection.SeparateWeights}); !errors.Is(err, selection.ErrBudget) {
		t.Errorf("a share that does not fit: error %v", err)
	}
	if _, err := selection.ChooseWithin(front, s, selection.Rule{Levels: 2}, selection.Memory{Budget: -1}); err == nil {
		t.Error("a negative budget is no error")
	}
	if _, err := selection.ChooseWithin(nil, s, selection.Rule{Levels: 2}, selection.Memory{Budget: 1}); !errors.Is(err, selection.ErrTooFew) {
		t.Errorf("an empty front: error %v", err)
	}
	free, err := selection.ChooseWithin(front, s, selection.Rule{Levels: 2}, selection.Memory{})
	if err != nil || len(free.Indices) != 2 {
		t.Errorf("without a budget: %+v, error %v", free, err)
	}
}
