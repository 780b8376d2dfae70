package sim_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

// Numbers of requests that LoadGen's rule asks for, as its document's formula gives them: the least n with
// BinomCDF(t; n, 1-p) <= 1%. For t = 0 that is ceil(log 0.01 / log p).
func TestEarlyStoppingNeeds(t *testing.T) {
	for _, c := range []struct {
		target        float64
		misses, needs int
	}{
		{0.99, 0, 459}, {0.99, 1, 662}, {0.99, 2, 838}, {0.99, 5, 1307},
		{0.999, 0, 4603}, {0.999, 1, 6636}, {0.999, 2, 8403}, {0.999, 5, 13105},
		{0.9999, 0, 46050}, {0.9999, 1, 66381}, {0.9999, 2, 84057},
		{0.9, 0, 44}, // ceil(43.7)
	} {
		for n, met := range map[int]bool{c.needs - 1: false, c.needs: true} {
			v := sim.EarlyStopping(c.misses, n, c.target, 0.99)
			if v.Needed != c.needs || v.Met != met || v.Excluded {
				t.Errorf("%d misses of %d at %g: %+v, want %d needed, met %v", c.misses, n, c.target, v, c.needs, met)
			}
		}
	}
	if v := sim.EarlyStopping(3, 100, 0.999, 0.99); !v.Excluded || v.Met {
		t.Errorf("3 of 100 do not exclude 99.9%%: %v", v)
	}
	if v := sim.EarlyStopping(0, 0, 0.99, 0.99); v.Met || v.Needed != 459 {
		t.Errorf("no requests: %v", v)
	}
	if v := sim.EarlyStopping(500_000, 1_000_000, 0.4, 0.99); !v.Met {
		t.Errorf("50%% on time do not meet 40%%: %v", v)
	}
	if v := sim.EarlyStopping(500_000, 1_000_000, 0.6, 0.99); !v.Excluded {
		t.Errorf("50%% on time do not exclude 60%%: %v", v)
	}
}

func ExampleEarlyStopping() {
	fmt.Println(sim.EarlyStopping(1, 6636, 0.999, 0.99))
	fmt.Println(sim.EarlyStopping(1, 1000, 0.999, 0.99))
	// Output:
	// 99.9% on time at 99% confidence: met (1 misses of 6636, 6636 requests needed)
	// 99.9% on time at 99% confidence: undecided (1 misses of 1000; as few would do of 6636 requests)
}

// The rule errs as it says: at a true share of exactly the target it is met in at most 1% of runs.
func TestEarlyStoppingErrs(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	met := 0
	const runs = 4000
	for range runs {
		misses := 0
		for range 2000 {
			if rng.Float64() < 0.01 {
				misses++
			}
		}
		if sim.EarlyStopping(misses, 2000, 0.99, 0.99).Met {
			met++
		}
	}
	if share := float64(met) / runs; share > 0.01+3*math.Sqrt(0.01*0.99/runs) {
		t.Errorf("met in %.2f%% of runs in which it does not hold", 100*share)
	}
}

// A series that falls from 10 to 0 in 100 steps and then only varies loses about the fall; one without a transient
// loses little, on average over seeds. A trend throughout is cut at the bound.
func TestMSER5(t *testing.T) {
	cut := func(n int, f func(i int, rng *rand.Rand) float64) (mean float64) {
		const seeds = 50
		for seed := range uint64(seeds) {
			rng := rand.New(rand.NewPCG(seed, 3))
			series := make([]float64, n)
			for i := range series {
				series[i] = f(i, rng)
			}
			mean += float64(sim.MSER5(series)) / seeds
		}
		return mean
	}
	transient := cut(2000, func(i int, rng *rand.Rand) float64 { return max(0, 10-float64(i)/10) + rng.NormFloat64() })
	if transient < 80 || transient > 200 {
		t.Errorf("the transient of 100 is cut at %.0f", transient)
	}
	if none := cut(2000, func(_ int, rng *rand.Rand) float64 { return rng.NormFloat64() }); none > 300 {
		t.Errorf("without a transient %.0f of 2000 are cut", none)
	}
	if trend := cut(2000, func(i int, rng *rand.Rand) float64 { return float64(i) + rng.NormFloat64() }); trend != 1000 {
		t.Errorf("a trend is cut at %.0f, want the bound", trend)
	}
	for n := range 20 {
		if got := sim.MSER5(make([]float64, n)); got != 0 {
			t.Errorf("%d equal values: %d are cut", n, got)
		}
	}
}

// MeasureAfter is what Measure says about the rest.
func TestMeasureAfter(t *testing.T) {
	r, err := play(t, poissonHead+"disturbances: {gpu: [{at: 10s, slowdown: 1.2}, {at: 20s, slowdown: 1.5}]}\n", "slack")
	if err != nil {
		t.Fatal(err)
	}
	whole := sim.Measure(r.Trace, r.Profile)
	const cut = 120
	m := sim.MeasureAfter(r.Trace, r.Profile, cut)
	head := sim.Measure(&trace.Trace{Header: r.Trace.Header, Records: r.Trace.Records[:cut]}, nil) // one server: records are in order of arrival
	if m.Requests+cut != whole.Requests || m.OnTime+head.OnTime != whole.OnTime {
		t.Errorf("%d and %d on time, %d in all", m.OnTime, head.OnTime, whole.OnTime)
	}
	if len(whole.Compliance) != 2 || len(m.Compliance) != 1 || m.Compliance[0].At != 20*time.Second {
		t.Errorf("compliance %+v", m.Compliance)
	}
	if all := sim.MeasureAfter(r.Trace, r.Profile, 1<<20); all.Requests != 0 {
		t.Errorf("%d requests after everything is cut", all.Requests)
	}
	want := 0.0
	for _, rec := range r.Trace.Records {
		if rec.Outcome.Answered() {
			want += float64(r.Trace.Header.Family.Levels[rec.Decision.Level].Accuracy)
		}
	}
	if got := float64(whole.AccuracyOverAll); math.Abs(got-want/float64(whole.Requests)) > 1e-12 {
		t.Errorf("accuracy over all %v, want %v", got, want/float64(whole.Requests))
	}
}
