package platform_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/platform"
)

func chain(r1, c1, r2, c2, ambient float64) *board.Thermal {
	var t board.Thermal
	t.DieResistance.Value, t.DieCapacity.Value = board.KelvinPerWatt(r1), board.JoulesPerKelvin(c1)
	t.SinkResistance.Value, t.SinkCapacity.Value = board.KelvinPerWatt(r2), board.JoulesPerKelvin(c2)
	t.Ambient.Value = unit.Celsius(ambient)
	return &t
}

func thermal(t testing.TB, b *board.Thermal, leak unit.Watts) *platform.Thermal {
	t.Helper()
	th, err := platform.NewThermal(b, leak)
	if err != nil {
		t.Fatal(err)
	}
	return th
}

// TestStepResponse: a die of hardly any capacity sits at P R1 above the sink, and the sink follows the step
// response of one node, P R2 (1 - exp(-t/(R2 C2))).
func TestStepResponse(t *testing.T) {
	const p, r1, r2, c2 = 10.0, 0.5, 2.0, 120.0
	th := thermal(t, chain(r1, 1e-10, r2, c2, 20), 0)
	th.SetPower(0, p)
	for _, at := range []time.Duration{time.Millisecond, time.Second, time.Minute, 240 * time.Second, time.Hour} {
		die, sink := th.At(at)
		want := p * r2 * (1 - math.Exp(-at.Seconds()/(r2*c2)))
		if off := math.Abs(float64(sink) - 20 - want); off > 1e-9*want+1e-10 {
			t.Errorf("after %v the sink is at %v, off by %g", at, sink, off)
		}
		if off := math.Abs(float64(die-sink) - p*r1); off > 1e-9*p*r1 {
			t.Errorf("after %v the die is %v above the sink, off by %g", at, die-sink, off)
		}
	}
}

// TestDutyCycle: power that is on for a while and off for a while brings a single node to a steady swing between
// PR (1-x)/(1-xy) and y times that, with x and y the decays of the two whiles.
func TestDutyCycle(t *testing.T) {
	const p, r2, c2 = 8.0, 2.0, 10.0
	th := thermal(t, chain(1e-9, 1e-6, r2, c2, 0), 0)
	on, off := 7*time.Second, 13*time.Second
	now := time.Duration(0)
	for range 100 {
		th.SetPower(now, p)
		now += on
		th.SetPower(now, 0)
		now += off
	}
	x, y := math.Exp(-on.Seconds()/(r2*c2)), math.Exp(-off.Seconds()/(r2*c2))
	_, sink := th.At(now)
	if want := y * p * r2 * (1 - x) / (1 - x*y); math.Abs(float64(sink)-want) > 1e-6*want { // the die's own capacity is 1e-7 of the sink's
		t.Errorf("at the end of the pause the sink is at %.12g, want %.12g", float64(sink), want)
	}
}

// TestTwoNodes integrates the equations of both nodes with small steps of the classical Runge-Kutta method, leakage and
// a change of power and ambient temperature included.
func TestTwoNodes(t *testing.T) {
	const r1, c1, r2, c2, leak = 0.5, 5.0, 2.0, 120.0, 0.05
	th := thermal(t, chain(r1, c1, r2, c2, 30), leak)
	power, ambient := 0.0, 30.0
	derive := func(s [3]float64) [3]float64 {
		flow := (s[0] - s[1]) / r1
		return [3]float64{(power + leak*(s[0]-25) - flow) / c1, (flow - (s[1]-ambient)/r2) / c2, s[0] - 25}
	}
	add := func(s, d [3]float64, h float64) [3]float64 {
		return [3]float64{s[0] + h*d[0], s[1] + h*d[1], s[2] + h*d[2]}
	}
	state := [3]float64{30, 30, 0}
	const h = 1e-3
	for k := range 60_000 {
		now := time.Duration(k) * time.Millisecond
		switch k {
		case 0:
			power = 12
			th.SetPower(now, 12)
		case 20_000:
			power, ambient = 3, 10
			th.SetPower(now, 3)
			th.SetAmbient(now, 10)
		}
		k1 := derive(state)
		k2 := derive(add(state, k1, h/2))
		k3 := derive(add(state, k2, h/2))
		k4 := derive(add(state, k3, h))
		for i := range state {
			state[i] += h / 6 * (k1[i] + 2*k2[i] + 2*k3[i] + k4[i])
		}
		if k%5000 == 4999 {
			die, sink := th.At(now + time.Millisecond)
			got := [3]float64{float64(die), float64(sink), th.Warmth(now + time.Millisecond)}
			for i := range got {
				if math.Abs(got[i]-state[i]) > 1e-9*math.Abs(state[i]) {
					t.Fatalf("after %d ms: die, sink and warmth %v, want %v", k+1, got, state)
				}
			}
		}
	}
}

// TestTemperatureIsInvariant: what is computed at more times, or with changes that change nothing, is the same.
func TestTemperatureIsInvariant(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	a, b := thermal(t, chain(0.5, 5, 2, 120, 25), 0.01), thermal(t, chain(0.5, 5, 2, 120, 25), 0.01)
	now := time.Duration(0)
	for range 1000 {
		w := unit.Watts(rng.Float64() * 15)
		a.SetPower(now, w)
		b.SetPower(now, w)
		now += time.Duration(rng.Int64N(int64(time.Second)))
		b.SetAmbient(now, 25) // a new starting point, the same temperatures
		b.At(now + time.Second)
	}
	dieA, sinkA := a.At(now)
	dieB, sinkB := b.At(now)
	if math.Abs(float64(dieA-dieB)) > 1e-11 || math.Abs(float64(sinkA-sinkB)) > 1e-11 || math.Abs(a.Warmth(now)/b.Warmth(now)-1) > 1e-12 {
		t.Errorf("%v, %v and %v, %v", dieA, sinkA, dieB, sinkB)
	}
}

// In the steady state the heat that leaves is the heat that enters: (P + leak (T - 25)) (R1 + R2) = T - ambient.
func TestSettles(t *testing.T) {
	th := thermal(t, chain(0.5, 5, 2, 120, 15), 0.1)
	th.SetPower(0, 10)
	die, _ := th.At(24 * time.Hour)
	if got, want := (10+0.1*(float64(die)-25))*2.5, float64(die)-15; math.Abs(got-want) > 1e-9 {
		t.Errorf("settles at %v: heat gives %g K above the air, want %g", die, got, want)
	}
	th.Settle(0)
	if now, _ := th.At(0); math.Abs(float64(now-die)) > 1e-9 {
		t.Errorf("settles at %v and at %v", die, now)
	}
}

func TestThermalRefuses(t *testing.T) {
	for _, c := range []struct {
		b    *board.Thermal
		leak unit.Watts
	}{
		{chain(0, 5, 2, 120, 25), 0}, {chain(0.5, -5, 2, 120, 25), 0}, {chain(0.5, 5, math.NaN(), 120, 25), 0},
		{chain(0.5, 5, 2, math.Inf(1), 25), 0}, {chain(0.5, 5, 2, 120, 25), -1}, {chain(0.5, 5, 2, 120, 25), 0.4},
	} {
		if th, err := platform.NewThermal(c.b, c.leak); err == nil {
			t.Errorf("took %+v with a leak of %v: %+v", c.b, c.leak, th)
		}
	}
}
