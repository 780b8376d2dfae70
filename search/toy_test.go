package search_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
)

// toySpace returns a space with the given choices and nothing odd about it.
func toySpace(stages int, depths, kernels []int, expands []float64, resolutions ...int) *supernet.Space {
	s := &supernet.Space{
		Name: "toy", InChannels: 3, Classes: 10, Kernels: kernels, Expands: expands, Depths: depths, Resolutions: resolutions,
		StemWidth: 8, FirstWidth: 8, StemAct: supernet.ReLU, FirstAct: supernet.ReLU, ExpandWidth: 32, MixWidth: 32, HeadAct: supernet.ReLU, BNEps: 1e-5,
	}
	for range stages {
		s.Stages = append(s.Stages, supernet.Stage{Width: 16, Stride: 1, Act: supernet.ReLU})
	}
	return s
}

// toy judges networks by sums over their blocks: a latency and an accuracy for each kernel and expand
// ratio, which differ from position to position in a fixed pseudo-random way. With twist, neighbouring
// blocks interact, so that the best block depends on the one before it.
type toy struct {
	space *supernet.Space
	twist float64
}

func (p toy) problem() search.Problem {
	return search.Problem{Space: p.space, Latency: p, Accuracy: p}
}

// cell returns a number in [0, 1) that is as good as random.
func cell(a, b, c, d float64) float64 {
	_, f := math.Modf(math.Abs(math.Sin(float64(a*12.9898)+float64(b*78.233)+float64(c*37.719)+float64(d*4.581)) * 43758.5453))
	return f
}

func (p toy) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	sum := 1.0
	for pos, k := range a.KS {
		if k > 0 {
			sum += float64(k)*a.E[pos]/9 + cell(float64(pos), float64(k), a.E[pos], 1)
		}
	}
	return unit.Milliseconds(sum * float64(a.R) / 64), nil
}

func (p toy) Predict(archs []supernet.Arch, out []unit.Accuracy) error {
	for i, a := range archs {
		sum, before := 0.0, 0.0
		for pos, k := range a.KS {
			if k == 0 {
				continue
			}
			sum += math.Sqrt(float64(k)*a.E[pos]) + cell(float64(pos), float64(k), a.E[pos], 2) + float64(p.twist*cell(before, float64(pos), float64(k), a.E[pos]))
			before = float64(k)*10 + a.E[pos]
		}
		out[i] = unit.Accuracy(1 - 40/(40+sum*math.Sqrt(float64(a.R))))
	}
	return nil
}

func (p toy) Describe() accuracy.Description {
	return accuracy.Description{Name: "toy", Origin: accuracy.Standin, Source: "test"}
}

// enumerate returns every network of a space once, without the help of package search.
func enumerate(t testing.TB, s *supernet.Space) []supernet.Arch {
	t.Helper()
	var archs []supernet.Arch
	for _, r := range s.Resolutions {
		archs = append(archs, supernet.Arch{D: make([]int, len(s.Stages)), KS: make([]int, s.Positions()), E: make([]float64, s.Positions()), R: r})
	}
	vary := func(set func(a *supernet.Arch, choice int) bool, choices int) {
		var next []supernet.Arch
		for _, a := range archs {
			for c := range choices {
				b := supernet.Arch{D: slices.Clone(a.D), KS: slices.Clone(a.KS), E: slices.Clone(a.E), R: a.R}
				if set(&b, c) {
					next = append(next, b)
				}
			}
		}
		archs = next
	}
	for stage := range s.Stages {
		vary(func(a *supernet.Arch, c int) bool { a.D[stage] = s.Depths[c]; return true }, len(s.Depths))
		for j := range s.MaxDepth() {
			pos := stage*s.MaxDepth() + j
			vary(func(a *supernet.Arch, c int) bool {
				if j >= a.D[stage] {
					return c == 0 // inactive: one way to leave it
				}
				a.KS[pos], a.E[pos] = s.Kernels[c%len(s.Kernels)], s.Expands[c/len(s.Kernels)]
				return true
			}, len(s.Kernels)*len(s.Expands))
		}
	}
	return archs
}

// exhaustive returns the front of all networks by comparing each with each, ascending in latency.
func exhaustive(t testing.TB, p search.Problem) []search.Objectives {
	t.Helper()
	archs := enumerate(t, p.Space)
	all := make([]search.Objectives, len(archs))
	accuracies := make([]unit.Accuracy, len(archs))
	if err := p.Accuracy.Predict(archs, accuracies); err != nil {
		t.Fatal(err)
	}
	for i, a := range archs {
		l, err := p.Latency.Latency(a)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = search.Objectives{Accuracy: accuracies[i], Latency: l}
	}
	slices.SortFunc(all, func(a, b search.Objectives) int {
		if a.Latency != b.Latency {
			return int(math.Copysign(1, float64(a.Latency-b.Latency)))
		}
		return int(math.Copysign(1, float64(b.Accuracy-a.Accuracy)))
	})
	var front []search.Objectives
	for _, o := range all {
		beaten := slices.ContainsFunc(front, func(f search.Objectives) bool { return f.Latency <= o.Latency && f.Accuracy >= o.Accuracy })
		if !beaten {
			front = append(front, o)
		}
	}
	return front
}

func objectives(front []search.Candidate) []search.Objectives {
	var out []search.Objectives
	for _, c := range front {
		out = append(out, c.Objectives)
	}
	return out
}

func accuracyOf(rng *rand.Rand) unit.Accuracy   { return unit.Accuracy(rng.IntN(12)) }
func latencyOf(rng *rand.Rand) unit.Nanoseconds { return unit.Nanoseconds(1 + rng.IntN(12)) }

// layers returns the number of each point's front, by peeling.
func layers(points []search.Objectives) []int {
	layer := slices.Repeat([]int{-1}, len(points))
	for l, left := 0, len(points); left > 0; l++ {
		var front []int
		for i, p := range points {
			dominated := false
			for j, q := range points {
				dominated = dominated || (layer[j] < 0 && q.Latency <= p.Latency && q.Accuracy >= p.Accuracy && q != p)
			}
			if layer[i] < 0 && !dominated {
				front = append(front, i)
			}
		}
		for _, i := range front {
			layer[i] = l
		}
		left -= len(front)
	}
	return layer
}

// scored returns the scores of networks without constraints that are judged by latency and accuracy.
func scored(points []search.Objectives) []search.Score {
	out := make([]search.Score, len(points))
	for i, o := range points {
		out[i] = search.NewScore(o, 0, float64(o.Latency), -float64(o.Accuracy))
	}
	return out
}
