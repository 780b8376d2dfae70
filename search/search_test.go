package search_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/accuracy"
	"github.com/dynofa/dynofa/search/pareto"
)

var ctx = context.Background()

// methods are the methods that try whatever the problem; the memetic one with little evolution at a time.
func methods() []search.Method {
	return []search.Method{search.NSGA2{}, search.Memetic{Each: 200}, search.Random{}}
}

// A space of 2 * (2*2 + 2*2*2*2 + ...) = 2 * (4+16+64) = 168 networks fits any budget: the front must be
// the exhaustive one, whatever the method, and the search must end by itself.
func TestExhaustsSmallSpace(t *testing.T) {
	for _, twist := range []float64{0, 5} {
		p := toy{toySpace(1, []int{1, 2, 3}, []int{3, 5}, []float64{3, 6}, 32, 64), twist}.problem()
		want := exhaustive(t, p)
		for _, m := range methods() {
			for _, population := range []int{2, 10, 500} {
				r, err := search.Run(ctx, p, search.Settings{Method: m, Population: population})
				if err != nil {
					t.Fatal(err)
				}
				if r.Stop != search.StopExhausted || r.Evaluations != 168 {
					t.Errorf("%v, population %d: stop %q after %d evaluations, want all 168", m, population, r.Stop, r.Evaluations)
				}
				if diff := cmp.Diff(want, objectives(r.Front)); diff != "" {
					t.Errorf("%v, population %d: front (-exhaustive +got):\n%s", m, population, diff)
				}
			}
		}
	}
}

// 2 * (9^2+9^3+9^4) = 14,742 networks; with twist, blocks interact. Evaluating a fifth of them, NSGA-II
// finds the front but for a few points: 99.9% of the exhaustive front's hypervolume, which chance does not.
func TestFindsFront(t *testing.T) {
	for _, twist := range []float64{0, 2} {
		p := toy{toySpace(1, []int{2, 3, 4}, []int{3, 5, 7}, []float64{3, 4, 6}, 32, 64), twist}.problem()
		front := exhaustive(t, p)
		worst := search.Objectives{Accuracy: front[0].Accuracy, Latency: front[len(front)-1].Latency}
		want := hypervolume(front, worst)
		for seed := range uint64(3) {
			share := func(m search.Method) float64 {
				r, err := search.Run(ctx, p, search.Settings{Method: m, Evaluations: 3000, Population: 50, Seed: seed})
				if err != nil {
					t.Fatal(err)
				}
				return hypervolume(objectives(r.Front), worst) / want
			}
			if nsga2, random := share(search.NSGA2{}), share(search.Random{}); nsga2 < 0.999 || nsga2 > 1 || random > nsga2 {
				t.Errorf("twist %g, seed %d: shares %.5f by NSGA-II and %.5f by chance", twist, seed, nsga2, random)
			}
		}
	}
}

func hypervolume(front []search.Objectives, reference search.Objectives) float64 {
	var points [][]float64
	for _, o := range front {
		points = append(points, []float64{float64(o.Latency), -float64(o.Accuracy)})
	}
	return pareto.Hypervolume(points, []float64{float64(reference.Latency), -float64(reference.Accuracy)})
}

// The properties of every result, over several problems and all methods.
func TestResult(t *testing.T) {
	for seed := range uint64(4) {
		p := toy{toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4}, 32, 48, 64), float64(seed)}.problem()
		for _, m := range methods() {
			for _, budget := range []int{1, 2, 150, 777} {
				seen := map[string]bool{}
				var last search.Progress
				r, err := search.Run(ctx, p, search.Settings{Method: m, Evaluations: budget, Population: 40, Seed: seed,
					Observe: func(a supernet.Arch, _ search.Objectives) { seen[a.String()] = true }, Progress: func(p search.Progress) { last = p }})
				if err != nil {
					t.Fatal(err)
				}
				if r.Evaluations != budget || r.Stop != search.StopBudget || len(seen) != budget {
					t.Errorf("%v: %d evaluations, %d different networks, stop %q, want %d", m, r.Evaluations, len(seen), r.Stop, budget)
				}
				if last.Generation != r.Generations || last.Evaluations > budget || budget > 150 && last.Budget != budget {
					t.Errorf("%v: progress %+v, %d generations", m, last, r.Generations)
				}
				checkFront(t, p, r, seen)
				checkHistory(t, r)
			}
		}
	}
}

func checkFront(t *testing.T, p search.Problem, r *search.Result, seen map[string]bool) {
	t.Helper()
	for i, c := range r.Front {
		canonical, err := p.Space.Canonical(c.Arch)
		if err != nil || !canonical.Equal(c.Arch) {
			t.Errorf("network %d is not canonical: %v, error %v", i, c.Arch, err)
		}
		if !seen[c.Arch.String()] {
			t.Errorf("network %d was not evaluated", i)
		}
		if !slices.Contains(r.Resolutions, c.Arch.R) {
			t.Errorf("network %d has resolution %d", i, c.Arch.R)
		}
		out := make([]unit.Accuracy, 1)
		if err := p.Accuracy.Predict([]supernet.Arch{c.Arch}, out); err != nil || out[0] != c.Accuracy {
			t.Errorf("network %d: accuracy %v, predicted %v, error %v", i, c.Accuracy, out[0], err)
		}
		if l, err := p.Latency.Latency(c.Arch); err != nil || l != c.Latency {
			t.Errorf("network %d: latency %v, predicted %v, error %v", i, c.Latency, l, err)
		}
		if macs, err := p.Space.MACs(c.Arch); err != nil || macs != c.MACs {
			t.Errorf("network %d: %d multiply-accumulates, want %d, error %v", i, c.MACs, macs, err)
		}
		if i > 0 && !(c.Latency > r.Front[i-1].Latency && c.Accuracy > r.Front[i-1].Accuracy) {
			t.Errorf("networks %d and %d: one dominates the other", i-1, i)
		}
	}
}

func checkHistory(t *testing.T, r *search.Result) {
	t.Helper()
	for i := 1; i < len(r.History); i++ {
		a, b := r.History[i-1], r.History[i]
		if b.Evaluations <= a.Evaluations || b.Hypervolume < a.Hypervolume {
			t.Errorf("history goes from %+v to %+v", a, b)
		}
	}
	if last := r.History[len(r.History)-1]; last.Evaluations != r.Evaluations || last.Front != len(r.Front) {
		t.Errorf("history ends with %+v, result has %d evaluations and a front of %d", last, r.Evaluations, len(r.Front))
	}
}

// The same seed gives the same result: again, with more workers, and beside other searches.
func TestDeterminism(t *testing.T) {
	p := toy{toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4}, 32, 48, 64), 1}.problem()
	for _, m := range methods() {
		run := func(seed uint64, workers int) string {
			r, err := search.Run(ctx, p, search.Settings{Method: m, Evaluations: 1000, Population: 150, Seed: seed, Workers: workers})
			if err != nil {
				t.Error(err)
				return ""
			}
			return fmt.Sprintf("%+v", *r)
		}
		want := run(7, 1)
		results := make([]string, 6)
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = run(7, i+1) })
		}
		wg.Wait()
		for i, got := range results {
			if got != want {
				t.Errorf("%v with %d workers differs", m, i+1)
			}
		}
		if run(8, 1) == want {
			t.Errorf("%v: another seed changes nothing", m)
		}
	}
}

func TestCancel(t *testing.T) {
	p := toy{toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4}, 32, 48, 64), 1}.problem()
	for _, m := range methods() {
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(ctx)
		n := 0
		r, err := search.Run(ctx, p, search.Settings{Method: m, Observe: func(supernet.Arch, search.Objectives) {
			if n++; n == 350 {
				cancel(cause)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		// The generation in progress is finished: two initial networks, then generations of 98 and 100, or of
		// 100, up to the one that holds the 350th.
		if r.Stop != search.StopCancelled || r.Reason != "enough" || r.Evaluations < 350 || r.Evaluations > 449 || len(r.Front) == 0 {
			t.Errorf("%v: stop %q because of %q after %d evaluations, front of %d", m, r.Stop, r.Reason, r.Evaluations, len(r.Front))
		}
		r, err = search.Run(ctx, p, search.Settings{Method: m})
		if err != nil || r.Stop != search.StopCancelled || r.Evaluations != 0 || r.Front != nil {
			t.Errorf("%v, cancelled before it begins: result %+v, error %v", m, r, err)
		}
	}
}

// broken predicts like a toy, except for one network.
type broken struct {
	toy
	at       supernet.Arch
	latency  func() (unit.Nanoseconds, error)
	accuracy func() (unit.Accuracy, error)
}

func (b broken) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	if b.latency != nil && a.Equal(b.at) {
		return b.latency()
	}
	return b.toy.Latency(a)
}

func (b broken) Predict(archs []supernet.Arch, out []unit.Accuracy) error {
	err := b.toy.Predict(archs, out)
	for i, a := range archs {
		if b.accuracy != nil && a.Equal(b.at) {
			out[i], err = b.accuracy()
		}
	}
	return err
}

func TestPredictionErrors(t *testing.T) {
	space := toySpace(1, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)
	at := supernet.Arch{KS: []int{5, 0}, E: []float64{3, 0}, D: []int{1}, R: 32}
	latency := func(ms float64) func() (unit.Nanoseconds, error) {
		return func() (unit.Nanoseconds, error) { return unit.Milliseconds(ms), nil }
	}
	acc := func(a unit.Accuracy) func() (unit.Accuracy, error) {
		return func() (unit.Accuracy, error) { return a, nil }
	}
	failure := errors.New("a failure")
	missing := &lut.MissingError{Key: lut.Key{Resolution: 32}}
	for name, c := range map[string]struct {
		broken broken
		check  func(error) bool
		text   string
	}{
		"NaN accuracy":      {broken{accuracy: acc(unit.Accuracy(math.NaN()))}, isPrediction, "predicted accuracy of " + at.String() + " is NaN"},
		"accuracy above 1":  {broken{accuracy: acc(76)}, isPrediction, "is 76"},
		"NaN latency":       {broken{latency: latency(math.NaN())}, isPrediction, "predicted latency of " + at.String() + " is NaN"},
		"no latency":        {broken{latency: latency(0)}, isPrediction, "is 0, want positive nanoseconds"},
		"infinite latency":  {broken{latency: latency(math.Inf(1))}, isPrediction, "is +Inf"},
		"predictor fails":   {broken{accuracy: func() (unit.Accuracy, error) { return 0, failure }}, func(err error) bool { return errors.Is(err, failure) }, "accuracy of"},
		"entry is missing":  {broken{latency: func() (unit.Nanoseconds, error) { return 0, missing }}, isMissing, "latency of " + at.String()},
		"negative accuracy": {broken{accuracy: acc(-0.1)}, isPrediction, "is -0.1"},
	} {
		c.broken.toy, c.broken.at = toy{space: space}, at
		r, err := search.Run(ctx, search.Problem{Space: space, Latency: c.broken, Accuracy: c.broken}, search.Settings{})
		if r != nil || err == nil || !c.check(err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: result %v, error %v", name, r, err)
		}
	}
}

func isPrediction(err error) bool {
	var p *search.PredictionError
	return errors.As(err, &p)
}

func isMissing(err error) bool {
	var m *lut.MissingError
	return errors.As(err, &m)
}

// only covers some resolutions.
type only struct {
	toy
	resolutions []int
}

func (o only) Resolutions() []int { return o.resolutions }

func TestProblemErrors(t *testing.T) {
	whole := toy{space: toySpace(1, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)}
	for name, c := range map[string]struct {
		change func(p *search.Problem)
		empty  bool
		text   string
	}{
		"space":              {func(p *search.Problem) { p.Space = nil }, false, "no space"},
		"latency":            {func(p *search.Problem) { p.Latency = nil }, false, "no latency predictor"},
		"accuracy":           {func(p *search.Problem) { p.Accuracy = nil }, false, "no accuracy predictor"},
		"resolutions":        {func(p *search.Problem) { p.Space = p.Space.WithResolutions() }, true, "resolutions []"},
		"no common ones":     {func(p *search.Problem) { p.Latency = only{whole, []int{48}} }, true, "resolutions [32 64], none of which the latency table covers: it has [48]"},
		"kernels":            {func(p *search.Problem) { s := *p.Space; s.Kernels = nil; p.Space = &s }, true, "no kernel sizes"},
		"too many":           {func(p *search.Problem) { s := *p.Space; s.Kernels = make([]int, 256); p.Space = &s }, false, "256 kernel sizes"},
		"stages":             {func(p *search.Problem) { s := *p.Space; s.Stages = nil; p.Space = &s }, true, "no stages"},
		"depths":             {func(p *search.Problem) { s := *p.Space; s.Depths = nil; p.Space = &s }, true, "no depths"},
		"everything is nil":  {func(p *search.Problem) { *p = search.Problem{} }, false, "no latency predictor"},
		"expand ratios":      {func(p *search.Problem) { s := *p.Space; s.Expands = nil; p.Space = &s }, true, "no expand ratios"},
		"table without rows": {func(p *search.Problem) { p.Latency = only{whole, nil} }, true, "it has []"},
	} {
		p := whole.problem()
		c.change(&p)
		_, err := search.Run(ctx, p, search.Settings{})
		if err == nil || errors.Is(err, search.ErrEmptySpace) != c.empty || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.text)
		}
	}
}

func TestResolutionsOfBoth(t *testing.T) {
	whole := toy{space: toySpace(1, []int{1, 2}, []int{3}, []float64{3}, 32, 48, 64)}
	r, err := search.Run(ctx, search.Problem{Space: whole.space, Latency: only{whole, []int{16, 48, 64}}, Accuracy: whole}, search.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int{48, 64}, r.Resolutions); diff != "" || r.Evaluations != 4 {
		t.Errorf("%d evaluations, resolutions (-want +got):\n%s", r.Evaluations, diff)
	}
}

func TestSettingsErrors(t *testing.T) {
	p := toy{space: toySpace(1, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)}.problem()
	for name, c := range map[string]struct {
		settings search.Settings
		text     string
	}{
		"population":         {search.Settings{Population: 1}, "population 1"},
		"negative":           {search.Settings{Population: -2}, "population -2"},
		"evaluations":        {search.Settings{Evaluations: -1}, "-1 evaluations"},
		"too many":           {search.Settings{Evaluations: 1 << 40}, "evaluations are outside"},
		"workers":            {search.Settings{Workers: -1}, "-1 workers"},
		"reference accuracy": {search.Settings{Reference: search.Objectives{Accuracy: 75, Latency: 1}}, "reference: accuracy 75"},
		"reference latency":  {search.Settings{Reference: search.Objectives{Accuracy: 0.75}}, "reference: latency 0 ns"},
		"crossover":          {search.Settings{Method: search.NSGA2{CrossoverRate: 1.1}}, "crossover rate 1.1"},
		"mutation":           {search.Settings{Method: search.NSGA2{MutatedGenes: math.NaN()}}, "NaN mutated genes"},
		"share":              {search.Settings{Method: search.Memetic{Each: -1}}, "-1 evaluations for each evolution"},
		"initial":            {search.Settings{Initial: []supernet.Arch{{R: 32}}}, "initial network 0: architecture"},
		"initial resolution": {search.Settings{Initial: []supernet.Arch{p.Space.Uniform(3, 3, 1, 40)}}, "resolution 40 is not searched"},
	} {
		if _, err := search.Run(ctx, p, c.settings); err == nil || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: error %v, want one with %q", name, err, c.text)
		}
	}
}

// Initial networks are evaluated after the smallest and the largest, and count.
func TestInitial(t *testing.T) {
	p := toy{space: toySpace(1, []int{1, 2}, []int{3, 5, 7}, []float64{3, 6}, 32, 64)}.problem()
	var seen []string
	given := p.Space.Uniform(5, 6, 1, 64)
	_, err := search.Run(ctx, p, search.Settings{Evaluations: 3, Initial: []supernet.Arch{given, given},
		Observe: func(a supernet.Arch, _ search.Objectives) { seen = append(seen, a.String()) }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`{"ks":[3,0],"e":[3,0],"d":[1],"r":32}`,
		`{"ks":[7,7],"e":[6,6],"d":[2],"r":64}`,
		`{"ks":[5,0],"e":[6,0],"d":[1],"r":64}`,
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("evaluated (-want +got):\n%s", diff)
	}
}

// Hypervolume is in milliseconds times accuracy, from the reference that was given.
func TestReference(t *testing.T) {
	p := toy{space: toySpace(1, []int{1}, []int{3}, []float64{3}, 32)}.problem() // one network
	r, err := search.Run(ctx, p, search.Settings{Reference: search.Objectives{Accuracy: 0.1, Latency: unit.Milliseconds(10)}})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Front[0]
	want := (10 - c.Latency.Milliseconds()) * (float64(c.Accuracy) - 0.1)
	if got := r.History[0].Hypervolume; math.Abs(got-want) > 1e-9 || want <= 0 || r.Evaluations != 1 {
		t.Errorf("hypervolume %v, want %v", got, want)
	}
}

func TestTerminate(t *testing.T) {
	p := toy{toySpace(3, []int{2, 3}, []int{3, 5, 7}, []float64{3, 4}, 32, 48, 64), 0}.problem()
	r, err := search.Run(ctx, p, search.Settings{Terminate: search.Stagnation(500, 0.01)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Stop != search.StopTerminated || r.Evaluations >= search.DefaultEvaluations || !strings.Contains(r.Reason, "less than 1% over") {
		t.Errorf("stop %q because of %q after %d evaluations", r.Stop, r.Reason, r.Evaluations)
	}
}

func TestStagnation(t *testing.T) {
	stop := search.Stagnation(100, 0.1)
	for name, c := range map[string]struct {
		history []search.Sample
		stops   bool
	}{
		"too early":        {[]search.Sample{{50, 1, 1}, {140, 1, 1}}, false},
		"no growth":        {[]search.Sample{{50, 1, 1}, {150, 1, 1}}, true},
		"too little":       {[]search.Sample{{50, 1, 1}, {150, 1.09, 1}}, true},
		"growth":           {[]search.Sample{{50, 1, 1}, {150, 1.1, 1}}, false},
		"growth long ago":  {[]search.Sample{{50, 1, 1}, {150, 2, 1}, {200, 2, 1}, {250, 2, 1}}, true},
		"nothing yet":      {[]search.Sample{{50, 0, 1}, {150, 0, 1}}, false},
		"the first sample": {[]search.Sample{{150, 1, 1}}, false},
	} {
		if reason := stop(c.history); (reason != "") != c.stops {
			t.Errorf("%s: reason %q", name, reason)
		}
	}
}

// A method of the user's own: it evaluates one network, and the same again, which costs nothing.
type once struct{ t *testing.T }

func (once) String() string { return "once" }

func (o once) Search(ctx context.Context, v *search.Evaluator) error {
	before := v.Remaining()
	g := make(search.Genome, v.Encoding().Genes())
	g[0] = 1
	if !v.Claim(g) || v.Claim(g) || v.Claim(v.Initial()[0]) {
		o.t.Error("a network can be claimed once, and only if it is new")
	}
	out := make([]search.Score, 4)
	for range 2 {
		if err := v.Evaluate(ctx, []search.Genome{g, v.Initial()[1], g, v.Initial()[0]}, out); err != nil {
			return err
		}
	}
	if spent := before - v.Remaining(); spent != 1 {
		o.t.Errorf("%d evaluations were counted, want 1", spent)
	}
	if out[0] != out[2] || out[0] == out[1] || out[0] == out[3] {
		o.t.Errorf("objectives %v", out)
	}
	return nil
}

func TestEvaluationsAreCountedOnce(t *testing.T) {
	p := toy{space: toySpace(1, []int{1, 2}, []int{3, 5}, []float64{3, 6}, 32, 64)}.problem()
	r, err := search.Run(ctx, p, search.Settings{Method: once{t}})
	if err != nil {
		t.Fatal(err)
	}
	if r.Evaluations != 3 || r.Stop != search.StopConverged || r.Method != "once" {
		t.Errorf("%d evaluations, stop %q, method %q", r.Evaluations, r.Stop, r.Method)
	}
}

func ExampleRun() {
	space, err := supernet.OFAMobileNetV3(1.2, 1000)
	if err != nil {
		fmt.Println(err)
		return
	}
	stand, err := accuracy.NewStandIn(space)
	if err != nil {
		fmt.Println(err)
		return
	}
	r, err := search.Run(context.Background(), search.Problem{Space: space, Latency: macs{space}, Accuracy: stand},
		search.Settings{Evaluations: 2000, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Method, r.Stop, r.Evaluations, r.Accuracy.Origin)
	fmt.Println(r.Front[0].Latency, r.Front[0].Accuracy)
	// Output:
	// memetic(nsga2(crossover 0.3, mutated genes 1), each 30000) budget 2000 stand-in
	// 65.54 ms 50.00%
}

// macs predicts a nanosecond for each multiply-accumulate.
type macs struct{ space *supernet.Space }

func (m macs) Latency(a supernet.Arch) (unit.Nanoseconds, error) {
	n, err := m.space.MACs(a)
	return unit.Nanoseconds(n), err
}
