package oracle_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/sim/oracle"
)

// brute tries all schedules of a tiny problem. It shares no code with the package.
type brute struct {
	p     oracle.Problem
	order []int // of service
	// inOrder: batches are neighbours in order of service; otherwise any requests in any order.
	inOrder bool
	best    float64
}

func bruteForce(p oracle.Problem, inOrder bool) float64 {
	b := &brute{p: p, inOrder: inOrder}
	for i := range p.Requests {
		b.order = append(b.order, i)
	}
	slices.SortFunc(b.order, func(i, j int) int {
		x, y := p.Requests[i], p.Requests[j]
		return slices.Compare([]int64{due(x), int64(x.Arrival), x.ID}, []int64{due(y), int64(y.Arrival), y.ID})
	})
	b.try(make([]bool, len(b.order)), 0, p.InitialLevel, 0)
	return b.best
}

func due(r policy.Request) int64 {
	if r.Deadline == 0 {
		return math.MaxInt64
	}
	return int64(r.Deadline)
}

// try extends a schedule by each possible batch. gone marks requests, by their place in the order, that
// have been served or passed over.
func (b *brute) try(gone []bool, free time.Duration, loaded int, utility float64) {
	b.best = max(b.best, utility)
	var batch []int
	var choose func(from int)
	choose = func(from int) {
		if len(batch) > 0 {
			b.serve(gone, batch, free, loaded, utility)
		}
		for k := from; k < len(b.order); k++ {
			if gone[k] || b.inOrder && len(batch) > 0 && k != batch[len(batch)-1]+1 {
				continue
			}
			batch = append(batch, k)
			choose(k + 1)
			batch = batch[:len(batch)-1]
		}
	}
	choose(0)
}

func (b *brute) serve(gone []bool, batch []int, free time.Duration, loaded int, utility float64) {
	start, factor := free, 1.0
	for _, k := range batch {
		start = max(start, b.p.Requests[b.order[k]].Arrival)
	}
	if b.p.Factors != nil {
		factor = b.p.Factors[b.order[batch[0]]]
	}
	for l, level := range b.p.Levels {
		if len(batch) > len(level.Latency) {
			continue
		}
		begin := start
		if l != loaded {
			begin += b.p.SwitchTime
		}
		end := walk(b.p.Profile, begin, float64(level.Latency[len(batch)-1])*factor)
		gain := 0.0
		after := slices.Clone(gone)
		for _, k := range batch {
			after[k] = true
			if int64(end) <= due(b.p.Requests[b.order[k]]) {
				gain += float64(level.Accuracy)
			}
		}
		if b.inOrder { // what was passed over does not come back
			for k := range batch[0] {
				after[k] = true
			}
		}
		b.try(after, end, l, utility+gain)
	}
}

// walk does work step by step of the profile. With the numbers of these tests nothing is rounded but
// the end.
func walk(profile []oracle.Step, start time.Duration, work float64) time.Duration {
	at := float64(start)
	for {
		slow, until := 1.0, math.Inf(1)
		for _, s := range profile {
			if float64(s.At) <= at {
				slow = s.Slowdown
			} else if until == math.Inf(1) {
				until = float64(s.At)
			}
		}
		if at+work*slow <= until {
			return max(start+time.Duration(math.Round(at-float64(start)+work*slow)), start+1)
		}
		work -= (until - at) / slow
		at = until
	}
}

// features of a random problem.
type features struct {
	requests, levels, batch               int
	factors, profile, switching, unsorted bool
	odd, free                             bool // latencies that descend with the batch; no deadlines
}

func random(rng *rand.Rand, f features) oracle.Problem {
	var p oracle.Problem
	limit := time.Duration(40 + rng.IntN(160))
	for i := range 1 + rng.IntN(f.requests) {
		r := policy.Request{ID: int64(i), Arrival: time.Duration(rng.IntN(50 * f.requests))}
		r.Deadline = r.Arrival + limit
		if f.unsorted {
			r.Deadline = r.Arrival + time.Duration(20+rng.IntN(200))
		}
		if f.free && rng.IntN(3) == 0 {
			r.Deadline = 0
		}
		p.Requests = append(p.Requests, r)
		if f.factors {
			p.Factors = append(p.Factors, []float64{0, 0.5, 1, 1, 1, 2}[rng.IntN(6)])
		}
	}
	for range 1 + rng.IntN(f.levels) {
		l := oracle.Level{Accuracy: unit.Accuracy(rng.IntN(100)) / 100}
		latency := time.Duration(8 * (1 + rng.IntN(12)))
		for range 1 + rng.IntN(f.batch) {
			l.Latency = append(l.Latency, latency)
			latency += time.Duration(8 * rng.IntN(8))
			if f.odd && rng.IntN(2) == 0 {
				latency = time.Duration(8 * (1 + rng.IntN(12)))
			}
		}
		p.Levels = append(p.Levels, l)
	}
	if f.profile {
		at := time.Duration(0)
		for range 1 + rng.IntN(4) {
			at += time.Duration(8 * (1 + rng.IntN(20)))
			p.Profile = append(p.Profile, oracle.Step{At: at, Slowdown: []float64{0.5, 1, 2, 4}[rng.IntN(4)]})
		}
	}
	if f.switching {
		p.SwitchTime = time.Duration(rng.IntN(40))
		p.InitialLevel = rng.IntN(len(p.Levels))
	}
	return p
}

// TestBruteForce compares the oracle with all schedules of tiny random problems: all orders and all
// batches where the documentation says that the solution is the best of all, otherwise all batches of
// neighbours in order of service.
func TestBruteForce(t *testing.T) {
	for i, test := range []struct {
		name    string
		cases   int
		inOrder bool
		features
	}{
		{"single", 400, false, features{requests: 4, levels: 3, batch: 1}},
		{"single with factors", 300, false, features{requests: 4, levels: 3, batch: 1, factors: true}},
		{"batches", 400, false, features{requests: 4, levels: 3, batch: 3}},
		{"batches under a slow-down", 300, false, features{requests: 4, levels: 2, batch: 3, profile: true}},
		{"batches with switching", 300, false, features{requests: 4, levels: 2, batch: 2, switching: true}},
		{"batches with odd latencies", 300, false, features{requests: 4, levels: 2, batch: 3, odd: true}},
		{"no deadlines among them", 300, false, features{requests: 4, levels: 2, batch: 2, free: true}},
		{"in order", 300, true, features{requests: 6, levels: 3, batch: 3}},
		{"in order with factors", 400, true, features{requests: 6, levels: 2, batch: 4, factors: true}},
		{"in order with everything", 600, true, features{requests: 5, levels: 3, batch: 3, factors: true, profile: true, switching: true, odd: true}},
		{"in order with switching", 400, true, features{requests: 6, levels: 2, batch: 2, switching: true, profile: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(i), 0x0dac1e))
			for c := range test.cases {
				p := random(rng, test.features)
				want := bruteForce(p, test.inOrder)
				got, err := oracle.Solve(context.Background(), p)
				if err != nil {
					t.Fatal(err)
				}
				if !got.Exact || math.Abs(got.Utility-want) > 1e-9 {
					t.Fatalf("case %d: utility %v (exact %v), all schedules give %v\n%+v", c, got.Utility, got.Exact, want, p)
				}
				if err := check(p, got); err != nil {
					t.Fatalf("case %d: %v\n%+v\n%+v", c, err, p, got)
				}
			}
		})
	}
}

// check plays the decisions of a solution and compares what they give with what it says.
func check(p oracle.Problem, s *oracle.Solution) error {
	if len(s.Decisions) != len(p.Requests) {
		return fmt.Errorf("%d decisions for %d requests", len(s.Decisions), len(p.Requests))
	}
	byID := map[int64]int{}
	for i, r := range p.Requests {
		byID[r.ID] = i
	}
	free, loaded, utility := time.Duration(0), p.InitialLevel, 0.0
	for i := 0; i < len(s.Decisions); {
		d := s.Decisions[i]
		if d.Batch == 0 {
			if d != (oracle.Decision{Request: d.Request}) {
				return fmt.Errorf("request %d is given up, but %+v", d.Request, d)
			}
			delete(byID, d.Request)
			i++
			continue
		}
		start, factor := free, 1.0
		for k := range d.Batch {
			m := s.Decisions[i+k]
			if m.Batch != d.Batch || m.Level != d.Level || m.Start != d.Start || m.End != d.End {
				return fmt.Errorf("requests %d and %d of a batch differ: %+v, %+v", d.Request, m.Request, d, m)
			}
			at, ok := byID[m.Request]
			if !ok {
				return fmt.Errorf("request %d stands twice or is unknown", m.Request)
			}
			delete(byID, m.Request)
			r := p.Requests[at]
			if k == 0 && p.Factors != nil {
				factor = p.Factors[at]
			}
			start = max(start, r.Arrival)
			if int64(m.End) <= due(r) {
				utility += float64(p.Levels[m.Level].Accuracy)
			}
		}
		if d.Level != loaded {
			start += p.SwitchTime
			loaded = d.Level
		}
		if want := walk(p.Profile, start, float64(p.Levels[d.Level].Latency[d.Batch-1])*factor); d.Start != start || d.End != want {
			return fmt.Errorf("request %d runs from %d to %d, want %d to %d", d.Request, d.Start, d.End, start, want)
		}
		free = d.End
		i += d.Batch
	}
	if math.Abs(utility-s.Utility) > 1e-9*max(1, utility) {
		return fmt.Errorf("the decisions give %v, the solution says %v", utility, s.Utility)
	}
	return nil
}
