package traffic_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dynofa/dynofa/datasets/traffic"
)

var (
	mmpp2 = traffic.MMPP{States: []traffic.MMPPState{{PerSecond: 10, Stay: 200 * ms}, {PerSecond: 60, Stay: 100 * ms}}}
	mmpp4 = traffic.MMPP{States: []traffic.MMPPState{
		{PerSecond: 0, Stay: 50 * ms}, {PerSecond: 20, Stay: 100 * ms}, {PerSecond: 80, Stay: 40 * ms}, {PerSecond: 35, Stay: 70 * ms}}}
)

// gapsOf returns mean and squared coefficient of variation of n gaps.
func gapsOf(t *testing.T, a traffic.Arrivals, n int) (mean, cv2 float64) {
	t.Helper()
	source, rng := a.Source(), traffic.Stream(7, 0, "gaps of "+a.Kind())
	last, ok := source.Next(rng)
	var sum, squares float64
	for i := range n {
		at, more := source.Next(rng)
		if !ok || !more || at < last {
			t.Fatalf("arrival %d at %v after %v", i+1, at, last)
		}
		gap := (at - last).Seconds()
		sum, squares, last = sum+gap, squares+gap*gap, at
	}
	mean = sum / float64(n)
	return mean, squares/float64(n)/(mean*mean) - 1
}

// dispersionOf returns the index of dispersion of the counts in n windows.
func dispersionOf(t *testing.T, a traffic.Arrivals, window time.Duration, n int) float64 {
	t.Helper()
	source, rng := a.Source(), traffic.Stream(8, 0, "counts of "+a.Kind())
	at, ok := source.Next(rng)
	var sum, squares float64
	for w := range n {
		count := 0
		for ; ok && at < time.Duration(w+1)*window; at, ok = source.Next(rng) {
			count++
		}
		sum += float64(count)
		squares += float64(count) * float64(count)
	}
	mean := sum / float64(n)
	return (squares/float64(n) - mean*mean) / mean
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	t.Logf("%s %.5g, formula %.5g (%+.2f%%)", what, got, want, 100*(got/want-1))
	if math.Abs(got-want) > within*math.Abs(want) {
		t.Errorf("%s is %v, want %v within %g%%", what, got, want, 100*within)
	}
}

// TestProcesses compares generated mean, CV^2 and index of dispersion with the formulas, within 2%. Standard
// errors are at most 0.8% for CV^2 and 1% for dispersion; seeds are fixed. With 2,000,000 gaps and 45,000 windows all
// figures came within 1.7%.
func TestProcesses(t *testing.T) {
	const n = 500_000
	for name, c := range map[string]struct {
		arrivals traffic.Arrivals
		cv2      float64 // of the gaps; NaN: no formula
		idc      float64 // of counts in the window, whose size makes what is left out of the formula small
		window   time.Duration
	}{
		// A renewal process has IDC -> CV^2; for gamma gaps Var N(t) = c2 l t + (1 - c2^2)/6 + o(1).
		"gamma smooth": {traffic.Gamma{PerSecond: 30, CV2: 0.25}, 0.25, 0.25 + (1-0.0625)/6/60, 2 * time.Second},
		"gamma bursty": {traffic.Gamma{PerSecond: 30, CV2: 4}, 4, 4 - 15.0/6/90, 3 * time.Second},
		"gamma 1":      {traffic.Gamma{PerSecond: 30, CV2: 1}, 1, 1, time.Second},
		// MMPP(2) of rates 10, 60 and exit rates 5, 10: mean (10*10+60*5)/15 = 26.67/s,
		// IDC = 1 + 2*5*10*50^2/(15^2 * (10*10 + 60*5)) = 3.7778, less (IDC-1)/(15 T) for windows of T seconds;
		// CV^2 = 1 + 2*5*10*50^2/(15^2 (10*60 + 10*10 + 60*5)) = 2.1111.
		"mmpp2": {mmpp2, 1 + 250000.0/(225*1000), 1 + 250000.0/(225*400)*(1-1/(15*3.0)), 3 * time.Second},
		"mmpp4": {mmpp4, mmpp4.GapCV2(), mmpp4.Dispersion(), 8 * time.Second},
		// Superposed: the sum of rates; IDC (20*4 + 30*1)/50 for long windows, corrected like the gamma process.
		"superposition": {traffic.Superposition{Of: []traffic.Arrivals{traffic.Gamma{PerSecond: 20, CV2: 4}, traffic.Poisson{PerSecond: 30}}},
			math.NaN(), (20*4 + 30.0 - 15.0/6/4) / 50, 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			mean, cv2 := gapsOf(t, c.arrivals, n)
			near(t, "mean gap", mean, 1/c.arrivals.Rate(), 0.02)
			if !math.IsNaN(c.cv2) {
				near(t, "CV^2", cv2, c.cv2, 0.02)
			}
			const windows = 20_000
			if testing.Short() {
				return
			}
			near(t, "index of dispersion", dispersionOf(t, c.arrivals, c.window, windows), c.idc, 0.02)
		})
	}
}

// The general formulas for MMPPs, at two states, are the textbook's.
func TestMMPPFormulas(t *testing.T) {
	near(t, "rate", mmpp2.Rate(), (10*10+60*5)/15.0, 1e-12)
	near(t, "IDC", mmpp2.Dispersion(), 1+2*5*10*2500.0/(225*400), 1e-12)
	near(t, "CV^2", mmpp2.GapCV2(), 1+2*5*10*2500.0/(225*(600+100+300)), 1e-12)
	same := traffic.MMPP{States: []traffic.MMPPState{{PerSecond: 9, Stay: ms}, {PerSecond: 9, Stay: 2 * ms}, {PerSecond: 9, Stay: 3 * ms}}}
	near(t, "IDC of one rate", same.Dispersion(), 1, 1e-12)
	near(t, "CV^2 of one rate", same.GapCV2(), 1, 1e-9)
}

// A ramp has as many arrivals in each second as its rate integrates to, over 2,000 runs within 2%, and is a
// Poisson process there: the variance of the counts is their mean (within 10%: the standard error is 3.2%).
func TestRamp(t *testing.T) {
	ramp := traffic.Ramp{CV2: 1, Points: []traffic.RatePoint{{0, 20}, {2 * time.Second, 100}, {3 * time.Second, 100}, {3500 * ms, 0}, {4 * time.Second, 60}}}
	const runs, seconds = 2000, 6
	var sum, squares [seconds]float64
	for run := range runs {
		source, rng := ramp.Source(), traffic.Stream(3, run, "ramp")
		var count [seconds]float64
		for at, ok := source.Next(rng); ok && at < seconds*time.Second; at, ok = source.Next(rng) {
			count[at/time.Second]++
		}
		for i, c := range count {
			sum[i], squares[i] = sum[i]+c, squares[i]+c*c
		}
	}
	// 20..60, 60..100, 100, falling to 0 within half a second and rising to 60 within the other, 60, 60.
	for i, want := range []float64{40, 80, 100, 25 + 15, 60, 60} {
		mean := sum[i] / runs
		near(t, "arrivals in a second", mean, want, 0.02)
		near(t, "variance", squares[i]/runs-mean*mean, want, 0.10)
		whole := ramp.Expected(time.Duration(i+1)*time.Second) - ramp.Expected(time.Duration(i)*time.Second)
		near(t, "Expected", whole, want, 1e-9)
	}
	near(t, "RateAt", ramp.RateAt(time.Second), 60, 1e-12)
	// A ramp of one rate is the gamma process itself.
	flat, gamma := traffic.Ramp{CV2: 4, Points: []traffic.RatePoint{{0, 25}}}.Source(), traffic.Gamma{PerSecond: 25, CV2: 4}.Source()
	a, b := traffic.Stream(1, 1, "x"), traffic.Stream(1, 1, "x")
	for range 1000 {
		u, _ := flat.Next(a)
		v, _ := gamma.Next(b)
		if off := u - v; off < -2000 || off > 2000 { // each gap of the latter is rounded to a nanosecond
			t.Fatalf("ramp %v, gamma %v", u, v)
		}
	}
}

// A process more at the end of a superposition shifts none of the others.
func TestSuperpositionStreams(t *testing.T) {
	arrivals := func(n int) map[time.Duration]bool {
		s := traffic.Superposition{Of: []traffic.Arrivals{traffic.Poisson{PerSecond: 5}, traffic.Gamma{PerSecond: 7, CV2: 2}, traffic.Poisson{PerSecond: 3}}[:n]}
		source, rng := s.Source(), traffic.Stream(1, 0, "sum")
		all := map[time.Duration]bool{}
		for at, ok := source.Next(rng); ok && at < time.Minute; at, ok = source.Next(rng) {
			all[at] = true
		}
		return all
	}
	two, three := arrivals(2), arrivals(3)
	for at := range two {
		if !three[at] {
			t.Fatalf("the arrival at %v is gone", at)
		}
	}
	if n := len(three) - len(two); n < 120 || n > 240 {
		t.Errorf("the third process of 3/s adds %d arrivals in a minute", n)
	}
}

func TestLoadGen(t *testing.T) {
	first := func(l traffic.LoadGen) (n int) {
		source, rng := l.Source(), traffic.Stream(1, 0, "l")
		for at, ok := source.Next(rng); ok && at == 0; at, ok = source.Next(rng) {
			n++
		}
		return n
	}
	for _, c := range []struct {
		l    traffic.LoadGen
		want int
	}{
		{traffic.LoadGen{Scenario: traffic.SingleStream}, 1},
		{traffic.LoadGen{Scenario: traffic.MultiStream, Samples: 8}, 8},
		{traffic.LoadGen{Scenario: traffic.Offline, Samples: 1000}, 1000},
		{traffic.LoadGen{Scenario: traffic.Server, PerSecond: 10}, 0},
	} {
		if n := first(c.l); n != c.want {
			t.Errorf("%s begins with %d arrivals, want %d", c.l.Scenario, n, c.want)
		}
	}
	mean, cv2 := gapsOf(t, traffic.LoadGen{Scenario: traffic.Server, PerSecond: 10}, 500_000)
	near(t, "mean gap", mean, 0.1, 0.02)
	near(t, "CV^2", cv2, 1, 0.02)
}

// Co-runners are on for the share of time On/(On+Off), at each factor equally often.
func TestCoRunner(t *testing.T) {
	s := &traffic.Scenario{Duration: time.Hour, CoRunners: []traffic.CoRunner{{Processor: "gpu", On: time.Second, Off: 3 * time.Second, Slowdowns: []float64{1.2, 2}}}}
	at := map[float64]time.Duration{}
	for replication := range 10 {
		p := s.ProfileIn("gpu", 1, replication)
		last, slow := time.Duration(0), 1.0
		for _, step := range append(p, traffic.Step{At: time.Hour}) {
			at[slow] += step.At - last
			last, slow = step.At, step.Slowdown
		}
	}
	for slow, want := range map[float64]float64{1: 0.75, 1.2: 0.125, 2: 0.125} {
		near(t, "share of time", at[slow].Hours()/10, want, 0.07) // some 4,500 stays each: 2.1% standard error
	}
	if p := s.ProfileIn("cpu", 1, 0); len(p) != 0 {
		t.Errorf("the CPU has %d steps", len(p))
	}
	// Factors multiply with those of disturbances.
	s.Disturbances = []traffic.Disturbance{{Processor: "gpu", Profile: traffic.Profile{{At: time.Minute, Slowdown: 1.5, What: "heavy"}}}}
	alone := traffic.Scenario{Duration: s.Duration, CoRunners: s.CoRunners}
	p, q := s.ProfileIn("gpu", 1, 0), alone.ProfileIn("gpu", 1, 0)
	for _, step := range p {
		want := q.At(step.At)
		if step.At >= time.Minute {
			want *= 1.5
		}
		if step.Slowdown != want {
			t.Fatalf("at %v the slow-down is %v, want %v", step.At, step.Slowdown, want)
		}
	}
}

// Golden numbers: gamma and normal variables go through functions that round alike on every machine.
func TestProcessesGolden(t *testing.T) {
	var got []time.Duration
	for _, a := range []traffic.Arrivals{traffic.Gamma{PerSecond: 30, CV2: 4}, traffic.Gamma{PerSecond: 30, CV2: 0.25}, mmpp4,
		traffic.Ramp{CV2: 2, Points: []traffic.RatePoint{{0, 1}, {time.Second, 50}}}} {
		source, rng := a.Source(), traffic.Stream(5, 0, a.Kind())
		var at time.Duration
		for range 1000 {
			at, _ = source.Next(rng)
		}
		got = append(got, at)
	}
	want := []time.Duration{31128321421, 33627768152, 35279208914, 19889147228}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
