package search_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
)

// scattered is a toy that knows tails, power and probabilities: p99 is 1.5 times the latency, 4 W are drawn,
// and the probability to end in time falls linearly from half the latency to twice of it.
type scattered struct{ toy }

func (p scattered) P99(a supernet.Arch) (unit.Nanoseconds, error) {
	l, err := p.Latency(a)
	return 1.5 * l, err
}

func (p scattered) Energy(a supernet.Arch) (unit.Joules, error) {
	l, err := p.Latency(a)
	return unit.Joules(4 * float64(l) / 1e9), err
}

func (p scattered) Meets(a supernet.Arch, limit unit.Nanoseconds) (float64, error) {
	l, err := p.Latency(a)
	return math.Min(1, math.Max(0, (float64(limit/l)-0.5)/1.5)), err
}

func scatteredProblem() search.Problem {
	s := scattered{toy{space: toySpace(2, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)}}
	return search.Problem{Space: s.space, Latency: s, Accuracy: s, Point: "cpu"}
}

// Every network of a small space is judged, and compared with what the definitions give.
func TestQuantitiesOfPoints(t *testing.T) {
	p := scatteredProblem()
	p.Objectives = []search.Quantity{{Kind: search.KindAccuracy}, {Kind: search.KindEnergy}}
	p.Constraints = mustConstrain(t, "meets(9ms) >= 60%", "p99(cpu) <= 14ms", "activations <= 1MiB")
	r, err := search.Run(context.Background(), p, search.Settings{Method: search.Random{}, Evaluations: 1 << 20, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	at := p.Latency.(scattered)
	best := map[string]bool{}
	all := enumerate(t, p.Space)
	type judged struct {
		accuracy unit.Accuracy
		energy   unit.Joules
	}
	values := make([]judged, len(all))
	feasible := make([]bool, len(all))
	for i, a := range all {
		var out [1]unit.Accuracy
		if err := at.Predict([]supernet.Arch{a}, out[:]); err != nil {
			t.Fatal(err)
		}
		e, _ := at.Energy(a)
		m, _ := at.Meets(a, 9e6)
		p99, _ := at.P99(a)
		act, err := p.Space.Activations(a)
		if err != nil {
			t.Fatal(err)
		}
		values[i], feasible[i] = judged{out[0], e}, m >= 0.6 && p99 <= 14e6 && 4*act <= 1<<20
	}
	for i, v := range values {
		dominated := !feasible[i]
		for j, w := range values {
			dominated = dominated || feasible[j] && w.accuracy >= v.accuracy && w.energy <= v.energy && (w.accuracy > v.accuracy || w.energy < v.energy)
		}
		if !dominated {
			best[all[i].String()] = true
		}
	}
	if len(best) < 3 || len(best) != len(r.Front) {
		t.Fatalf("the front has %d networks, want %d", len(r.Front), len(best))
	}
	for _, c := range r.Front {
		if !best[c.Arch.String()] {
			t.Errorf("%v is not on the front", c.Arch)
		}
		names := map[string]float64{}
		for _, o := range c.Others {
			names[o.Quantity.String()] = o.Value
		}
		act, _ := p.Space.Activations(c.Arch)
		if want := 4 * float64(c.Latency) / 1e9; names["energy(cpu)"] != want || names["p99(cpu)"] != 1.5*float64(c.Latency) || names["activations"] != float64(4*act) {
			t.Errorf("%v has %v", c.Arch, names)
		}
	}
}

// What a table cannot tell is refused before a search, with the reason.
func TestQuantitiesUnknown(t *testing.T) {
	p := toy{space: toySpace(1, []int{1}, []int{3}, []float64{3}, 32)}.problem()
	p.Point = "cpu"
	for _, text := range []string{"p99 <= 5ms", "energy(cpu) <= 5J", "meets(cpu,5ms) >= 50%"} {
		p.Constraints = mustConstrain(t, text)
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), `"cpu" predicts latencies only`) {
			t.Errorf("%s: error %v", text, err)
		}
	}
	p.Constraints = mustConstrain(t, "energy(gpu) <= 5J")
	if err := p.Validate(); err == nil || !strings.Contains(err.Error(), `no operating point "gpu", only "cpu"`) {
		t.Errorf("another point: error %v", err)
	}
}

// The nearest feasible network is known exactly for what is a sum.
func TestInfeasibleP99(t *testing.T) {
	p := scatteredProblem()
	p.Constraints = mustConstrain(t, "p99 <= 1us")
	_, err := search.Run(context.Background(), p, search.Settings{Evaluations: 100})
	var infeasible *search.InfeasibleError
	if !errors.As(err, &infeasible) || !infeasible.Proven || !strings.Contains(err.Error(), "nearest is p99(cpu) ") {
		t.Errorf("error %v", err)
	}
}

// known is a comparer with given latencies by resolution; the standard error of any difference is 1 ns, so
// that latencies tie up to 1.96 ns.
type known struct{ unknown bool }

func (known) Latency(a supernet.Arch) (unit.Nanoseconds, error) { return unit.Nanoseconds(a.R), nil }

func (k known) StandardError(supernet.Arch) (unit.Nanoseconds, error) {
	if k.unknown {
		return 0, errors.New("no intervals")
	}
	return 1, nil
}

func (known) Difference(a, b supernet.Arch) (unit.Nanoseconds, unit.Nanoseconds, error) {
	return unit.Nanoseconds(b.R - a.R), 1, nil
}

func TestTies(t *testing.T) {
	front := func(points ...float64) (list []search.Candidate) {
		for i := 0; i < len(points); i += 2 {
			list = append(list, search.Candidate{Arch: supernet.Arch{R: int(points[i])}, Objectives: search.Objectives{Accuracy: unit.Accuracy(points[i+1]), Latency: unit.Nanoseconds(points[i])}})
		}
		return list
	}
	bars := func(rs ...int) (list []search.AccuracyError) {
		for _, r := range rs {
			list = append(list, search.AccuracyError{Resolution: r, Bar: accuracy.ErrorBar{StdDev: 0.01, Relative: 0.001}})
		}
		return list
	}
	// Latencies 10, 11, 12, 20: neighbours among the first three tie, 10 and 12 do not. Accuracies of
	// different resolutions tie up to 1.96 * 0.0141 = 0.0277.
	points := front(10, 0.70, 11, 0.71, 12, 0.75, 20, 0.76)
	for _, c := range []struct {
		name    string
		latency search.Comparer
		errors  []search.AccuracyError
		want    []search.Tie // Latency, Accuracy, Both, First
		reason  string
	}{
		{"both", known{}, bars(10, 11, 12, 20), []search.Tie{{1, 1, 1, 0}, {2, 1, 1, 0}, {1, 1, 0, 2}, {0, 1, 0, 3}}, ""},
		{"latency", known{}, nil, []search.Tie{{1, -1, 1, 0}, {2, -1, 2, 0}, {1, -1, 1, 1}, {0, -1, 0, 3}}, ""},
		{"accuracy", known{unknown: true}, bars(10, 11, 12, 20), []search.Tie{{-1, 1, 1, 0}, {-1, 1, 1, 0}, {-1, 1, 1, 2}, {-1, 1, 1, 2}}, "no intervals"},
		{"one resolution unknown", known{}, bars(10, 11, 12), []search.Tie{{1, -1, 1, 0}, {2, -1, 2, 0}, {1, -1, 1, 1}, {0, -1, 0, 3}}, ""},
		{"nothing", nil, nil, []search.Tie{{-1, -1, -1, 0}, {-1, -1, -1, 1}, {-1, -1, -1, 2}, {-1, -1, -1, 3}}, "neither"},
	} {
		got, reason := search.Ties(points, c.latency, c.errors)
		for i := range c.want {
			if got[i] != c.want[i] {
				t.Errorf("%s: network %d: %+v, want %+v", c.name, i, got[i], c.want[i])
			}
		}
		if (reason == nil) != (c.reason == "") || reason != nil && !strings.Contains(reason.Error(), c.reason) {
			t.Errorf("%s: reason %v, want %q", c.name, reason, c.reason)
		}
	}
	// Networks of one resolution are told apart by the relative error: 1.96 * 0.0014 = 0.0028.
	same := front(10, 0.70, 10, 0.702, 10, 0.71)
	got, _ := search.Ties(same, nil, bars(10))
	if got[0].Accuracy != 1 || got[1].Accuracy != 1 || got[2].Accuracy != 0 {
		t.Errorf("one resolution: %+v", got)
	}
}

// The fronts of three and four objectives have thousands of networks: what is told of them grows with their
// number, not with its square.
func TestTiesOfALargeFront(t *testing.T) {
	const n = 3000
	front := make([]search.Candidate, n)
	for i := range front {
		front[i].Arch.R, front[i].Accuracy, front[i].Latency = 10, unit.Accuracy(i)/n, 1
	}
	errors := []search.AccuracyError{{Resolution: 10, Bar: accuracy.ErrorBar{Relative: 1.1 / (n * 1.96 * math.Sqrt2)}}} // neighbours tie
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	ties, _ := search.Ties(front, nil, errors)
	runtime.ReadMemStats(&after)
	if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 1000*n {
		t.Errorf("%d bytes for %d networks", bytes, n)
	}
	if want := (search.Tie{Latency: -1, Accuracy: 2, Both: 2, First: 1499}); ties[1500] != want {
		t.Errorf("%+v, want %+v", ties[1500], want)
	}
}
