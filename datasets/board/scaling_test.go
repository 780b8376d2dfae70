package board_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
)

// TestPaperScaling: the model of three parameters reproduces the paper's four points within 8%. How far it
// is off follows from the points themselves: the fit spreads the interaction of clock and co-runner, of
// which it has none, evenly, so that every point is off by exp(|ln(a d / (b c))| / 4): 4.87% and 3.34%.
func TestPaperScaling(t *testing.T) {
	b := builtin(t, "jetson-xavier-nx")
	for _, c := range []struct {
		processor  string
		low, high  unit.Hertz
		a, b, c, d float64 // ms: high clock alone, low alone, high beside another, low beside another
	}{
		{"gpu", 803.25e6, 1109.25e6, 42.9, 49.4, 49.4, 68.8},
		{"cpu", 1190.4e6, 1420.8e6, 567, 831, 1122, 1442},
	} {
		s, err := b.ScalingOf(c.processor)
		if err != nil {
			t.Fatal(err)
		}
		interaction := math.Log(c.a * c.d / (c.b * c.c))
		worst := math.Exp(math.Abs(interaction)/4) - 1
		t.Logf("%s: %+v", c.processor, s)
		if math.Abs(s.Worst-worst) > 1e-6 || s.Worst > 0.08 || s.Points != 4 {
			t.Errorf("%s: off by %v, want %v", c.processor, s.Worst, worst)
		}
		exponent := (math.Log(c.b/c.a) + math.Log(c.d/c.c)) / 2 / math.Log(float64(c.high/c.low))
		coRunner := math.Sqrt(c.c / c.a * c.d / c.b)
		if math.Abs(s.Exponent-exponent) > 1e-9 || math.Abs(s.CoRunner-coRunner) > 1e-9 {
			t.Errorf("%s: exponent %v and factor %v, want %v and %v", c.processor, s.Exponent, s.CoRunner, exponent, coRunner)
		}
		for i, want := range []float64{c.a, c.b, c.c, c.d} {
			clock := c.high
			if i%2 == 1 {
				clock = c.low
			}
			got, doubts := s.Latency(clock, i/2)
			if off := got.Seconds()*1e3/want - 1; math.Abs(off) > 0.08 || len(doubts) > 0 {
				t.Errorf("%s at %v beside %d: %v, want %v ms (%v)", c.processor, clock, i/2, got, want, doubts)
			}
		}
	}
	if _, err := builtin(t, "raspberry-pi-4").ScalingOf("cpu"); err == nil {
		t.Error("the Raspberry Pi has measurements that nobody made")
	}
}

// TestExtrapolation: beyond what was measured the model warns.
func TestExtrapolation(t *testing.T) {
	s, err := builtin(t, "jetson-xavier-nx").ScalingOf("gpu")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		clock     unit.Hertz
		coRunners int
		doubts    int
	}{
		{803.25e6, 0, 0}, {1109.25e6, 1, 0}, {956.25e6, 1, 0},
		{752.25e6, 0, 1}, {1377e6, 0, 1}, {956.25e6, 2, 1}, {510e6, 2, 2}, {956.25e6, -1, 1}, {unit.Hertz(math.NaN()), 0, 1},
	} {
		_, doubts := s.Latency(c.clock, c.coRunners)
		if len(doubts) != c.doubts {
			t.Errorf("%v beside %d: doubts %v, want %d", c.clock, c.coRunners, doubts, c.doubts)
		}
		var e *board.Extrapolation
		if len(doubts) > 0 && !errors.As(doubts[0], &e) {
			t.Errorf("%v is no Extrapolation", doubts[0])
		}
	}
	up, doubts := s.Factor(1109.25e6, 0, 803.25e6, 1)
	if len(doubts) > 0 || math.Abs(up-math.Pow(1109.25/803.25, s.Exponent)*s.CoRunner) > 1e-12 {
		t.Errorf("factor %v (%v)", up, doubts)
	}
	if same, doubts := s.Factor(510e6, 0, 510e6, 0); same != 1 || len(doubts) != 1 {
		t.Errorf("from 510 MHz to itself: %v (%v)", same, doubts)
	}
	if _, doubts := s.Factor(510e6, 0, 408e6, 3); len(doubts) != 3 {
		t.Errorf("outside twice: %v", doubts)
	}
}

// TestFitRecovers: points made by the model give it back.
func TestFitRecovers(t *testing.T) {
	for _, want := range []board.Scaling{
		{Alone: 40 * time.Millisecond, Exponent: 1, CoRunner: 1.3},
		{Alone: time.Second, Exponent: 0, CoRunner: 1},
		{Alone: 7 * time.Microsecond, Exponent: 2.5, CoRunner: 4},
	} {
		d := board.ScalingData{Processor: "cpu"}
		for _, clock := range []unit.Hertz{1e9, 8e8, 5e8} {
			for n := range 3 {
				d.Points = append(d.Points, point(clock, n, time.Duration(math.Round(float64(want.Alone)*
					math.Pow(float64(1e9/clock), want.Exponent)*math.Pow(want.CoRunner, float64(n))))))
			}
		}
		got, err := d.Fit()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(got.Alone-want.Alone)) > 1e-4*float64(want.Alone)+1 || math.Abs(got.Exponent-want.Exponent) > 1e-3 ||
			math.Abs(got.CoRunner-want.CoRunner) > 1e-3 || got.Low != 5e8 || got.Reference != 1e9 || got.Most != 2 || got.Points != 9 {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func point(clock unit.Hertz, coRunners int, latency time.Duration) board.ScalingPoint {
	var p board.ScalingPoint
	p.Clock.Value, p.CoRunners.Value, p.Latency.Value = clock, coRunners, latency
	return p
}

func TestFitRefuses(t *testing.T) {
	ms := time.Millisecond
	for _, c := range []struct {
		want   string
		points []board.ScalingPoint
	}{
		{"2 points, want at least 3", []board.ScalingPoint{point(1e9, 0, ms), point(5e8, 1, ms)}},
		{"do not tell", []board.ScalingPoint{point(1e9, 0, ms), point(1e9, 1, ms), point(1e9, 2, ms)}},
		{"do not tell", []board.ScalingPoint{point(1e9, 0, ms), point(8e8, 0, ms), point(5e8, 0, ms)}},
		{"do not tell", []board.ScalingPoint{point(8e8, 0, ms), point(4e8, 1, ms), point(2e8, 2, ms)}},
		{"point 1 has a clock or latency that is not positive", []board.ScalingPoint{point(1e9, 0, ms), point(8e8, 0, 0), point(5e8, 1, ms)}},
		{"point 0 has", []board.ScalingPoint{point(0, 0, ms), point(8e8, 0, ms), point(5e8, 1, ms)}},
		{"point 2 has", []board.ScalingPoint{point(1e9, 0, ms), point(8e8, 0, ms), point(5e8, -1, ms)}},
	} {
		d := board.ScalingData{Processor: "cpu", Points: c.points}
		if s, err := d.Fit(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("fitted %+v with error %v, want %s", s, err, c.want)
		}
	}
}

// How long does a network take at the clock that a power mode allows, beside another program?
func ExampleBoard_ScalingOf() {
	b, err := board.Builtin("jetson-xavier-nx")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := b.ScalingOf("gpu")
	if err != nil {
		fmt.Println(err)
		return
	}
	factor, doubts := s.Factor(1109.25e6, 0, 803.25e6, 1)
	fmt.Printf("%.2f %v\n", factor, doubts)
	factor, doubts = s.Factor(1109.25e6, 0, 510e6, 0)
	fmt.Printf("%.2f %v\n", factor, doubts)
	// Output:
	// 1.60 []
	// 1.77 [board: scaling of gpu: 510 MHz is outside the measured clocks, 803.25 MHz to 1109.25 MHz: the model says nothing about that]
}
