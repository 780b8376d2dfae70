package search_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
)

// sums judges networks by sums over their blocks, all of them multiples of powers of two, so that sums in
// any order are equal. Values differ between resolutions and seeds, and a stage's depth counts too.
type sums struct {
	toy
	seed float64
}

func (s sums) problem() search.Problem {
	return search.Problem{Space: s.space, Latency: s, Accuracy: s}
}

// sum adds up numbers in [0, steps) for blocks and depths.
func (s sums) sum(a supernet.Arch, what, steps float64) float64 {
	total := math.Floor(steps * cell(float64(a.R), s.seed, what, 1))
	for pos, k := range a.KS {
		if k > 0 {
			total += math.Floor(steps * cell(float64(a.R)+s.seed, float64(pos), float64(k)+float64(a.E[pos]*11), what))
		}
	}
	for i, d := range a.D {
		total += math.Floor(steps * cell(float64(a.R), float64(i)+s.seed, float64(d), what+5))
	}
	return total
}

func (s sums) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	return unit.Nanoseconds(1024 * (1 + s.sum(a, 2, 64))), nil
}

func (s sums) Predict(archs []supernet.Arch, out []unit.Accuracy) error {
	for i, a := range archs {
		out[i] = unit.Accuracy(s.sum(a, 3, 256) / (1 << 14))
	}
	return nil
}

// smallSpaces can be enumerated: 2 to 42,336 networks, with gaps in the depths.
func smallSpaces() []*supernet.Space {
	return []*supernet.Space{
		toySpace(1, []int{1}, []int{3}, []float64{3}, 32, 64),
		toySpace(1, []int{2, 3, 4}, []int{3, 5, 7}, []float64{3, 4, 6}, 32),
		toySpace(2, []int{1, 3}, []int{3, 5}, []float64{3, 6}, 32, 48, 64),
		toySpace(3, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64),
	}
}

// Exact finds the exhaustive front, and with constraints the part of it that keeps them.
func TestExactIsExhaustive(t *testing.T) {
	for _, space := range smallSpaces() {
		for seed := range 5 {
			p := sums{toy{space: space}, float64(seed)}.problem()
			want := exhaustive(t, p)
			r, err := search.Run(ctx, p, search.Settings{Method: search.Exact{}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, objectives(r.Front)); diff != "" || r.Stop != search.StopConverged {
				t.Fatalf("seed %d, stop %q, front (-exhaustive +got):\n%s", seed, r.Stop, diff)
			}
			middle := want[len(want)/2]
			p.Constraints = []search.Constraint{
				{Quantity: search.Quantity{Kind: search.KindLatency}, Side: search.AtMost, Bound: float64(middle.Latency)},
				{Quantity: search.Quantity{Kind: search.KindAccuracy}, Side: search.AtLeast, Bound: float64(middle.Accuracy)},
			}
			if r, err = search.Run(ctx, p, search.Settings{Method: search.Exact{}}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]search.Objectives{middle}, objectives(r.Front)); diff != "" {
				t.Errorf("seed %d, constrained (-want +got):\n%s", seed, diff)
			}
		}
	}
}

func TestExactRefuses(t *testing.T) {
	space := toySpace(2, []int{1, 3}, []int{3, 5}, []float64{3, 6}, 32, 48, 64)
	additive := sums{toy{space: space}, 1}
	curved := search.Problem{Space: space, Latency: additive, Accuracy: toy{space: space}}
	if _, err := search.Run(ctx, curved, search.Settings{Method: search.Exact{}}); !errors.Is(err, search.ErrNotAdditive) {
		t.Errorf("an accuracy that is no sum: error %v", err)
	}
	p := additive.problem()
	p.Constraints = []search.Constraint{{Quantity: search.Quantity{Kind: search.KindLatency}, Side: search.AtLeast, Bound: 1}}
	if _, err := search.Run(ctx, p, search.Settings{Method: search.Exact{}}); err == nil {
		t.Error("a lower bound of latency cuts into the front, yet there is no error")
	}
	p = additive.problem()
	p.Objectives = []search.Quantity{{Kind: search.KindLatency}, {Kind: search.KindAccuracy}, {Kind: search.KindMACs}}
	if _, err := search.Run(ctx, p, search.Settings{Method: search.Exact{}}); err == nil {
		t.Error("three objectives, yet there is no error")
	}
	widths, err := supernet.OFAResNet50([]float64{0.65, 1}, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (search.Problem{Space: widths, Latency: macs{widths}, Accuracy: additive}).Ranges(search.Quantity{Kind: search.KindMACs}); !errors.Is(err, search.ErrNotAdditive) {
		t.Errorf("elastic width: error %v", err)
	}
}

// Ranges are those of all networks, and the networks that come with them have these values.
func TestRangesAreExhaustive(t *testing.T) {
	for _, space := range smallSpaces() {
		p := sums{toy{space: space}, 3}.problem()
		for _, q := range []search.Quantity{{Kind: search.KindLatency}, {Kind: search.KindMACs}, {Kind: search.KindParams}, {Kind: search.KindMemory}, {Kind: search.KindAccuracy}} {
			ranges, err := p.Ranges(q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range ranges {
				low, high := math.Inf(1), math.Inf(-1)
				for _, a := range enumerate(t, space) {
					if a.R == r.Resolution {
						v := valueOf(t, p, q, a)
						low, high = min(low, v), max(high, v)
					}
				}
				if r.Min != low || r.Max != high || valueOf(t, p, q, r.MinArch) != low || valueOf(t, p, q, r.MaxArch) != high {
					t.Errorf("%v at %d: [%v, %v], want [%v, %v]", q, r.Resolution, r.Min, r.Max, low, high)
				}
			}
			if len(ranges) != len(space.Resolutions) {
				t.Errorf("%d ranges, want %d", len(ranges), len(space.Resolutions))
			}
		}
	}
}

// valueOf works out a quantity by itself.
func valueOf(t testing.TB, p search.Problem, q search.Quantity, a supernet.Arch) float64 {
	t.Helper()
	var v float64
	var err error
	switch q.Kind {
	case search.KindLatency:
		l := p.Latency
		for _, other := range p.Also {
			if other.Name == q.Point {
				l = other.Latency
			}
		}
		var ns unit.Nanoseconds
		ns, err = l.Latency(a)
		v = float64(ns)
	case search.KindAccuracy:
		out := make([]unit.Accuracy, 1)
		err = p.Accuracy.Predict([]supernet.Arch{a}, out)
		v = float64(out[0])
	case search.KindMACs:
		var n int64
		n, err = p.Space.MACs(a)
		v = float64(n)
	case search.KindParams, search.KindMemory:
		var n int64
		n, err = p.Space.Params(a)
		v = float64(n)
		if q.Kind == search.KindMemory {
			v *= 4 // float32
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// In the whole space of OFA, 1.1e20 networks at five resolutions, the front of sums takes a second. No
// other method's front may beat it anywhere.
func TestExactBoundsOthers(t *testing.T) {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		t.Fatal(err)
	}
	p := sums{toy{space: space.WithResolutions(160, 192)}, 1}.problem()
	exact, err := search.Run(ctx, p, search.Settings{Method: search.Exact{}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := search.Run(ctx, p, search.Settings{Evaluations: 3000})
	if err != nil {
		t.Fatal(err)
	}
	reached := 0
	for _, c := range other.Front {
		covered := false
		for _, e := range exact.Front {
			covered = covered || e.Latency <= c.Latency && e.Accuracy >= c.Accuracy
			if e.Objectives == c.Objectives {
				reached++
			}
		}
		if !covered {
			t.Errorf("%v is not covered by the exact front", c)
		}
	}
	if reached == len(exact.Front) {
		t.Error("3000 evaluations found the whole front: the problem is too easy to show anything")
	}
}

// The largest network of the toy at 64 pixels is its slowest.
func ExampleProblem_Ranges() {
	p := toy{space: toySpace(1, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)}.problem()
	ranges, err := p.Ranges(search.Quantity{Kind: search.KindMACs})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range ranges {
		fmt.Println(r.Resolution, r.Min < r.Max, r.MinArch, r.MaxArch)
	}
	// Output:
	// 32 true {"ks":[3,0],"e":[3,0],"d":[1],"r":32} {"ks":[5,5],"e":[6,6],"d":[2],"r":32}
	// 64 true {"ks":[3,0],"e":[3,0],"d":[1],"r":64} {"ks":[5,5],"e":[6,6],"d":[2],"r":64}
}
