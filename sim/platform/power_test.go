package platform_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

// TestPowerOfBoard: what a platform draws is what the board's model says about its activity, on every built-in board.
func TestPowerOfBoard(t *testing.T) {
	for _, name := range board.Builtins() {
		b := builtin(t, name)
		l := start(t, platform.Config{Board: b})
		a := board.Activity{}
		for i, p := range b.Processors {
			threads := 1.0
			if p.Kind == board.GPU {
				threads = 0.5
			}
			l.Start(platform.Work{Processor: i, Nanoseconds: 1e12, Threads: threads, Bytes: 1e12})
			clock := l.Read().Clocks[i]
			all := 1.0
			if p.Kind == board.CPU {
				all = float64(p.Cores.Value)
			}
			a.Parts = append(a.Parts, board.PartActivity{Processor: p.Name, Clock: clock, Utilisation: threads / all})
			speed := 1.0
			if s, err := b.ScalingOf(p.Name); err == nil {
				speed = math.Pow(float64(clock/p.Clocks.Values[len(p.Clocks.Values)-1]), s.Exponent)
			} else {
				speed = float64(clock / p.Clocks.Values[len(p.Clocks.Values)-1])
			}
			a.Bandwidth += board.BytesPerSecond(1e9 * speed) // a byte per nanosecond of work
		}
		l.k.Run(10 * time.Second)
		a.Temperature = l.Temperature()
		want, _, err := b.Draw(a)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Power(); math.Abs(float64(got/want)-1) > 1e-9 {
			t.Errorf("%s draws %v, the board's model says %v", name, got, want)
		}
	}
}

// TestEnergyIsTheIntegralOfPower sums up power over small steps, by rail too, through a random load with all kinds of
// events: the trapezoids err by the square of the step within intervals, and by one step at each of the changes.
func TestEnergyIsTheIntegralOfPower(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	l := randomLoad(t, 5, platform.Config{Board: lab(t), Events: disturb(rng, 40)})
	sum, step := 0.0, 20*time.Microsecond
	for now := time.Duration(0); now < 8*time.Second; now += step {
		before := l.Power()
		l.k.Run(now + step - 1)
		sum += float64(before+l.Power()) / 2 * step.Seconds()
		l.k.Run(now + step)
	}
	r := l.Report()
	if got := float64(r.Energy.Total); math.Abs(got/sum-1) > 1e-4 {
		t.Errorf("%g J, summed up %g J", got, sum)
	}
	e := r.Energy
	if parts := e.Fixed + e.Memory + e.Idle + e.Leakage + e.Busy; math.Abs(float64(parts-e.Total)) > 1e-12 || e.Memory <= 0 || e.Busy <= 0 || e.Leakage <= 0 {
		t.Errorf("energies %+v", e)
	}
	if want := e.Idle + e.Leakage + e.Busy; len(e.Rails) != 1 || math.Abs(float64(e.Rails[0].Energy-want)) > 1e-9 {
		t.Errorf("the rail of both processors fed %+v, want %v", e.Rails, want)
	}
}

// nothing is a handler that does nothing, often.
type nothing struct{ every time.Duration }

func (n *nothing) Handle(k *des.Kernel, ev des.Event) { k.After(n.every, des.Statistics, 2, ev) }

// TestEnergyIsInvariant: events that change nothing leave energy and temperature as they are, to the last bit where nobody
// asks the platform, and within rounding where somebody does.
func TestEnergyIsInvariant(t *testing.T) {
	run := func(change func(l *load)) *platform.Report {
		l := randomLoad(t, 6, platform.Config{Board: lab(t), Events: disturb(rand.New(rand.NewPCG(6, 1)), 40)})
		change(l)
		l.k.Run(10 * time.Second)
		return l.Report()
	}
	want := run(func(*load) {})
	for name, got := range map[string]*platform.Report{
		"no-op events": run(func(l *load) {
			n := &nothing{every: 137 * time.Microsecond}
			if l.k.Register(n) != 2 {
				t.Fatal("another handler")
			}
			l.k.At(0, des.Statistics, 2, des.Event{})
		}),
		"readings":    run(func(l *load) { l.k.AtFunc(time.Second, des.Statistics, func() { l.Read() }) }),
		"many stops":  run(func(l *load) { l.k.Run(1); l.k.Run(2 * time.Second); l.k.Run(3 * time.Second) }),
		"reports too": run(func(l *load) { l.k.Run(time.Second); l.Report(); l.k.Run(2 * time.Second); l.Report() }),
	} {
		exact := name != "reports too" // which settle accounts, and so add up in another order
		if off := math.Abs(float64(got.Energy.Total/want.Energy.Total) - 1); exact && off != 0 || off > 1e-12 || exact && got.Temperature != want.Temperature {
			t.Errorf("%s: %v and %v, without %v and %v", name, got.Energy.Total, got.Temperature, want.Energy.Total, want.Temperature)
		}
	}
}

// Energy at rest is power times time, for any time.
func TestEnergyAtRest(t *testing.T) {
	b := start(t, platform.Config{Board: builtin(t, "jetson-xavier-nx")})
	b.k.Run(1000 * time.Second)
	r := b.Report()
	if want := float64(b.Power()) * 1000; math.Abs(float64(r.Energy.Total)/want-1) > 1e-9 {
		t.Errorf("%v in 1000 s at %v", r.Energy.Total, b.Power())
	}
}

// TestSaving: the corners of the coefficients bound what random ones in between give, and a claim that rests on one coefficient moves
// with it as it should.
func TestSaving(t *testing.T) {
	b := lab(t)
	ours := platform.Usage{Elapsed: 100 * time.Second, Bytes: 1e10, Warmth: 500, Busy: [][]float64{{0, 0, 0}, {0, 60, 0}}}
	theirs := platform.Usage{Elapsed: 100 * time.Second, Bytes: 1e10, Warmth: 900, Busy: [][]float64{{0, 0, 0}, {0, 0, 40}}}
	s := platform.NewSaving(b, &ours, &theirs)
	// Fixed 100 J, memory 1 J, idle 20 J, leakage 0.2 W x 1%/K x 500 or 900 K s, busy 2 W/4 x 60 s and 2 W x 40 s.
	a, z := 100+1+20+1+30.0, 100+1+20+1.8+80.0
	if math.Abs(s.Share-(1-a/z)) > 1e-12 {
		t.Errorf("saving %v, want %v", s.Share, 1-a/z)
	}
	if !(s.Low < s.Share && s.Share < s.High) || len(s.Parts) != 6 {
		t.Errorf("saving %+v", s)
	}
	if p := s.Parts[0]; p.Coefficient != "fixed power" || math.Abs(p.Low-(1-(a+30)/(z+30))) > 1e-12 || math.Abs(p.High-(1-(a-30)/(z-30))) > 1e-12 {
		t.Errorf("fixed power alone: %+v", p)
	}
	rng := rand.New(rand.NewPCG(7, 1))
	for range 1000 {
		scale := func() float64 { return 0.7 + 0.6*rng.Float64() }
		c := *b
		c.Power.Fixed = []board.FixedPower{b.Power.Fixed[0]}
		c.Power.Fixed[0].Draw.Value *= unit.Watts(scale())
		c.Power.Energy.Value *= board.JoulesPerByte(scale())
		c.Power.Leakage.Value *= scale()
		idle, full, exponent := scale(), scale(), scale()
		c.Power.Parts = append([]board.PartPower(nil), b.Power.Parts...)
		for i := range c.Power.Parts {
			c.Power.Parts[i].Idle.Value *= unit.Watts(idle)
			c.Power.Parts[i].Full.Value *= unit.Watts(full)
			c.Power.Parts[i].Exponent.Value *= exponent
		}
		if got := 1 - float64(ours.Energy(&c).Total/theirs.Energy(&c).Total); got < s.Low-1e-12 || got > s.High+1e-12 {
			t.Fatalf("saving %v is outside [%v, %v]", got, s.Low, s.High)
		}
	}
	var sum platform.Usage
	sum.Add(&ours)
	sum.Add(&ours)
	if got, want := sum.Energy(b).Total, 2*ours.Energy(b).Total; math.Abs(float64(got-want)) > 1e-9 {
		t.Errorf("twice the usage takes %v, want %v", got, want)
	}
}
