package oracle_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/sim/oracle"
)

func isClosedLoop(err error) bool { return errors.Is(err, oracle.ErrClosedLoop) }

func hasPrefix(err error, prefix string) bool { return strings.HasPrefix(err.Error(), prefix) }

func solve(t testing.TB, p oracle.Problem) *oracle.Solution {
	t.Helper()
	s, err := oracle.Solve(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBoundHolds compares the bound with all schedules of tiny problems that have no order of service
// in which one would serve them: it is never below, and Solve returns it.
func TestBoundHolds(t *testing.T) {
	for i, f := range []features{
		{requests: 4, levels: 3, batch: 1, unsorted: true},
		{requests: 4, levels: 3, batch: 1, unsorted: true, factors: true, profile: true},
		{requests: 4, levels: 2, batch: 3, unsorted: true, odd: true},
		{requests: 4, levels: 2, batch: 3, unsorted: true, factors: true, free: true},
		{requests: 4, levels: 2, batch: 2, unsorted: true, switching: true, profile: true},
	} {
		rng := rand.New(rand.NewPCG(uint64(i), 0xb0d))
		bounds := 0
		var excess []float64
		for c := range 300 {
			p := random(rng, f)
			optimum := bruteForce(p, false)
			s := solve(t, p)
			if s.Utility < optimum-1e-9 {
				t.Fatalf("features %+v, case %d: %s %v is below the optimum %v\n%+v", f, c, s.Method, s.Utility, optimum, p)
			}
			b, err := oracle.Bound(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			if b.Exact || b.Decisions != nil || b.Utility < optimum-1e-9 {
				t.Fatalf("features %+v, case %d: bound %+v, optimum %v\n%+v", f, c, b, optimum, p)
			}
			cuts, err := oracle.IntervalCuts(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			if cuts < optimum-1e-9 {
				t.Fatalf("features %+v, case %d: interval cuts %v, optimum %v\n%+v", f, c, cuts, optimum, p)
			}
			if !s.Exact {
				bounds++
				excess = append(excess, s.Utility-optimum)
			}
		}
		if bounds < 50 {
			t.Errorf("features %+v: only %d of 300 cases were bounds: the test tests little", f, bounds)
		}
		slices.Sort(excess)
		t.Logf("features %+v: %d bounds, above the optimum by %.3f at the median, %.3f at 90%%", f, bounds, excess[len(excess)/2], excess[len(excess)*9/10])
	}
}

// TestBoundEdges: a bound must not cut off what rounding lets through, nor take a request that is hopeless
// for a contradiction.
func TestBoundEdges(t *testing.T) {
	level := []oracle.Level{{Accuracy: 1, Latency: []time.Duration{104}}}
	for _, c := range []struct {
		name string
		p    oracle.Problem
		want float64
	}{
		// 10.4 ns of work end after 10 ns, at the deadline.
		{"rounding", oracle.Problem{Requests: []policy.Request{{Deadline: 10}}, Factors: []float64{0.1}, Levels: level}, 1},
		// 10.4 ns of work at half pace take 20.8, rounded 21 ns.
		{"rounding under a slow-down", oracle.Problem{
			Requests: []policy.Request{{Deadline: 21}}, Factors: []float64{0.1}, Levels: level,
			Profile: []oracle.Step{{Slowdown: 2}},
		}, 1},
		{"due before it comes", oracle.Problem{
			Requests: []policy.Request{{ID: 0, Arrival: 100_000, Deadline: 50_000}, {ID: 1, Deadline: 200}}, Levels: level,
		}, 1},
		{"nothing can be on time", oracle.Problem{Requests: []policy.Request{{Deadline: 103}, {ID: 1, Arrival: 7, Deadline: 5}}, Levels: level}, 0},
	} {
		for name, f := range map[string]func(context.Context, oracle.Problem) (*oracle.Solution, error){"Solve": oracle.Solve, "Bound": oracle.Bound} {
			s, err := f(context.Background(), c.p)
			if err != nil {
				t.Fatal(err)
			}
			if s.Utility < c.want-1e-9 || s.Utility > c.want+1e-6 {
				t.Errorf("%s: %s gives %v (%s), want %v", c.name, name, s.Utility, s.Method, c.want)
			}
		}
		if cuts, err := oracle.IntervalCuts(context.Background(), c.p); err != nil || cuts < c.want-1e-9 {
			t.Errorf("%s: interval cuts give %v, want at least %v (%v)", c.name, cuts, c.want, err)
		}
	}
}

// TestBoundTightness: where the optimum is known, relaxations that have nothing to relax find it, and
// interval cuts come near. The limits are what was measured (0.1 to 5.5%), rounded up.
func TestBoundTightness(t *testing.T) {
	for _, c := range []struct {
		rate       float64
		limit      time.Duration
		batch      int
		efficiency float64
		within     float64
	}{
		{15, 60, 1, 1, 0.005}, {30, 60, 1, 1, 0.01}, {60, 60, 1, 1, 0.05},
		{60, 100, 8, 0.5, 0.03}, {120, 100, 8, 0.8, 0.07}, {20, 400, 1, 1, 0.001},
	} {
		p := load(300, c.rate, c.limit*time.Millisecond, c.batch, c.efficiency)
		s := solve(t, p)
		b, err := oracle.Bound(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(b.Utility-s.Utility) > 1e-9 {
			t.Errorf("%+v: bound %v, optimum %v", c, b.Utility, s.Utility)
		}
		cuts, err := oracle.IntervalCuts(context.Background(), p)
		if err != nil {
			t.Fatal(err)
		}
		gap := cuts/s.Utility - 1
		t.Logf("%+v: interval cuts are %.2f%% above the optimum", c, 100*gap)
		if gap < -1e-9 || gap > c.within {
			t.Errorf("%+v: interval cuts %v, optimum %v", c, cuts, s.Utility)
		}
	}
}

// TestServers: two servers are worth no less than one, and no more than everything at the best level.
func TestServers(t *testing.T) {
	p := load(500, 60, 60*time.Millisecond, 1, 1)
	one := solve(t, p)
	p.Servers = 2
	two := solve(t, p)
	if two.Exact || two.Decisions != nil {
		t.Errorf("two servers are said to be exact: %+v", two.Method)
	}
	if two.Utility < one.Utility || two.EffectiveAccuracy() > 0.7903+1e-9 {
		t.Errorf("two servers: %v, one: %v", two.EffectiveAccuracy(), one.EffectiveAccuracy())
	}
}

// TestMerging: with few labels allowed the answer is a bound, near the optimum and never below it.
func TestMerging(t *testing.T) {
	p := load(2000, 60, 100*time.Millisecond, 8, 0.5)
	exact := solve(t, p)
	for _, limit := range []int{2, 8, 64} {
		p.MaxLabels = limit
		s := solve(t, p)
		gap := s.Utility/exact.Utility - 1
		t.Logf("%d labels: %.2f%% above the optimum", limit, 100*gap)
		if s.Exact || s.Decisions != nil || gap < -1e-12 || limit == 64 && gap > 0.02 {
			t.Errorf("%d labels: %v (exact %v), optimum %v", limit, s.Utility, s.Exact, exact.Utility)
		}
	}
}

// TestOrderOfRequests: the order in which requests are given makes no difference, nor does it change them.
func TestOrderOfRequests(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	p := load(500, 60, 100*time.Millisecond, 8, 0.5)
	for range p.Requests {
		p.Factors = append(p.Factors, 0.8+0.4*rng.Float64())
	}
	want := solve(t, p)
	if err := check(p, want); err != nil {
		t.Fatal(err)
	}
	if again := solve(t, p); !cmp.Equal(again, want) {
		t.Error("solved twice, other answers")
	}
	rng.Shuffle(len(p.Requests), func(i, j int) {
		p.Requests[i], p.Requests[j] = p.Requests[j], p.Requests[i]
		p.Factors[i], p.Factors[j] = p.Factors[j], p.Factors[i]
	})
	before := slices.Clone(p.Requests)
	if diff := cmp.Diff(want, solve(t, p)); diff != "" {
		t.Errorf("shuffled (-want +got):\n%s", diff)
	}
	if !slices.Equal(before, p.Requests) {
		t.Error("the requests were reordered")
	}
}

// TestLooseDeadlines: where everything fits at the best level few labels are alive, whatever the
// deadlines.
func TestLooseDeadlines(t *testing.T) {
	p := load(20_000, 15, time.Hour, 8, 0.5)
	s := solve(t, p)
	if math.Abs(float64(s.EffectiveAccuracy())-0.7903) > 1e-9 || s.Labels > 10 {
		t.Errorf("effective accuracy %v with %d labels", s.EffectiveAccuracy(), s.Labels)
	}
}

// TestSweep makes more plan nodes than are kept without a sweep (some two million): the schedule is
// right all the same.
func TestSweep(t *testing.T) {
	p := load(20_000, 45, 120*time.Millisecond, 8, 0.5)
	s := solve(t, p)
	if err := check(p, s); err != nil {
		t.Fatal(err)
	}
}

// TestBestStatic compares with the best of single-level problems, one by one.
func TestBestStatic(t *testing.T) {
	p := load(1000, 25, 60*time.Millisecond, 1, 1)
	level, s, err := oracle.BestStatic(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	all := solve(t, p)
	if s.Utility > all.Utility {
		t.Errorf("one level gives %v, all of them %v", s.Utility, all.Utility)
	}
	for l := range p.Levels {
		one := p
		one.Levels = p.Levels[l : l+1]
		if u := solve(t, one).Utility; u > s.Utility || l == level && u != s.Utility {
			t.Errorf("level %d gives %v, the best is said to be %d with %v", l, u, level, s.Utility)
		}
	}
	for _, d := range s.Decisions {
		if d.Batch > 0 && d.Level != level {
			t.Fatalf("request %d is served at %d, not %d", d.Request, d.Level, level)
		}
	}
}

// TestSwitchingEarly: catching up at the best level loses nothing only if no other level had better be
// loaded. Found by brute force, as a counterexample to an earlier version of the clipping of labels.
func TestSwitchingEarly(t *testing.T) {
	p := oracle.Problem{
		Requests: []policy.Request{
			{ID: 0, Arrival: 17, Deadline: 122}, {ID: 1, Arrival: 47, Deadline: 152},
			{ID: 2, Arrival: 141, Deadline: 246}, {ID: 3, Arrival: 34, Deadline: 139},
		},
		Levels: []oracle.Level{
			{Accuracy: 0.11, Latency: []time.Duration{16}}, {Accuracy: 0.7, Latency: []time.Duration{80}},
		},
		SwitchTime: 23, InitialLevel: 1,
	}
	want := bruteForce(p, true) // 0.7 + 0.7 + 0.11
	if s := solve(t, p); math.Abs(s.Utility-want) > 1e-9 || math.Abs(want-1.51) > 1e-9 {
		t.Errorf("utility %v, all schedules give %v, want 1.51", s.Utility, want)
	}
}

func TestEmpty(t *testing.T) {
	s := solve(t, oracle.Problem{Levels: []oracle.Level{{Accuracy: 1, Latency: []time.Duration{1}}}})
	if !s.Exact || s.Utility != 0 || s.EffectiveAccuracy() != 0 {
		t.Errorf("no requests: %+v", s)
	}
}

func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	p := load(1000, 25, 60*time.Millisecond, 1, 1)
	if _, err := oracle.Solve(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("Solve: %v", err)
	}
	if _, err := oracle.Bound(ctx, p); !errors.Is(err, context.Canceled) {
		t.Errorf("Bound: %v", err)
	}
}

func TestValidate(t *testing.T) {
	second := time.Second
	for _, c := range []struct {
		want   string
		change func(p *oracle.Problem)
	}{
		{"0 levels, want 1 to 64", func(p *oracle.Problem) { p.Levels = nil }},
		{"level 0: accuracy 77 is outside [0, 1]", func(p *oracle.Problem) { p.Levels[0].Accuracy = 77 }},
		{"level 0: accuracy NaN is outside [0, 1]", func(p *oracle.Problem) { p.Levels[0].Accuracy = unit.Accuracy(nan) }},
		{"level 0: latencies of 0 batch sizes, want 1 to 8", func(p *oracle.Problem) { p.Levels[0].Latency = nil }},
		{"level 0: latencies of 9 batch sizes, want 1 to 8", func(p *oracle.Problem) { p.Levels[0].Latency = make([]time.Duration, 9) }},
		{"level 0: latency 0s of batch 1 is outside", func(p *oracle.Problem) { p.Levels[0].Latency[0] = 0 }},
		{"1 factors for 2 requests", func(p *oracle.Problem) { p.Factors = []float64{1} }},
		{"factor 1 is -1, want a finite number of at least 0", func(p *oracle.Problem) { p.Factors = []float64{1, -1} }},
		{"factor 0 is NaN", func(p *oracle.Problem) { p.Factors = []float64{nan, 1} }},
		{"request 0 arrives at -1s", func(p *oracle.Problem) { p.Requests[0].Arrival = -second }},
		{"request 1: deadline -1s is negative", func(p *oracle.Problem) { p.Requests[1].Deadline = -second }},
		{"request 1 stands twice among the requests", func(p *oracle.Problem) { p.Requests[0].ID = 1 }},
		{"step 0: slow-down 0 is not positive and finite", func(p *oracle.Problem) { p.Profile = []oracle.Step{{At: 1}} }},
		{"step 1 at 1ns is not after the one before", func(p *oracle.Problem) {
			p.Profile = []oracle.Step{{At: 1, Slowdown: 1}, {At: 1, Slowdown: 2}}
		}},
		{"switch time -1s is outside", func(p *oracle.Problem) { p.SwitchTime = -second }},
		{"initial level 1 is outside [0, 0]", func(p *oracle.Problem) { p.InitialLevel = 1 }},
		{"-1 servers", func(p *oracle.Problem) { p.Servers = -1 }},
		{"at most 1 labels", func(p *oracle.Problem) { p.MaxLabels = 1 }},
	} {
		p := load(2, 25, 60*time.Millisecond, 1, 1)
		p.Levels = p.Levels[:1]
		c.change(&p)
		for _, f := range []func(context.Context, oracle.Problem) (*oracle.Solution, error){oracle.Solve, oracle.Bound} {
			if _, err := f(context.Background(), p); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		}
	}
}

var nan = math.NaN()

// Two requests arrive close together. Only one of them can have the accurate level.
func ExampleSolve() {
	ms := time.Millisecond
	s, err := oracle.Solve(context.Background(), oracle.Problem{
		Requests: []policy.Request{
			{ID: 0, Arrival: 0, Deadline: 60 * ms},
			{ID: 1, Arrival: 10 * ms, Deadline: 70 * ms},
		},
		Levels: []oracle.Level{
			{Accuracy: 0.70, Latency: []time.Duration{20 * ms}},
			{Accuracy: 0.78, Latency: []time.Duration{40 * ms}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range s.Decisions {
		fmt.Printf("request %d at level %d from %v to %v\n", d.Request, d.Level, d.Start, d.End)
	}
	fmt.Printf("%v, exact: %v\n", s.EffectiveAccuracy(), s.Exact)
	// Output:
	// request 0 at level 0 from 0s to 20ms
	// request 1 at level 1 from 20ms to 60ms
	// 74.00%, exact: true
}
