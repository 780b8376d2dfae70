package platform_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/platform"
)

// trip replaces the board's trips.
func trip(b *board.Board, kind board.TripKind, at, hysteresis unit.Celsius, parts ...string) {
	one := board.Trip{Name: "trip", Kind: kind, Parts: parts, Origin: b.Thermal.Trips[0].Origin}
	one.At.Value, one.Hysteresis.Value = at, hysteresis
	one.At.Origin, one.Hysteresis.Origin = one.Origin, one.Origin
	b.Thermal.Trips = []board.Trip{one}
}

// busy keeps a GPU busy for ever.
func busy(t testing.TB, c platform.Config) *bench {
	b := start(t, c)
	b.Start(platform.Work{Processor: gpu, Nanoseconds: math.Inf(1)})
	return b
}

// TestThrottles: the lab's GPU draws 2 W at the top, 0.5 W at half of that. A trip at 33 C takes away one step at each poll at or
// above it, and gives one back at each below 32 C; at half of the top clock the die would settle at 33.5 C, at a quarter below 32 C.
func TestThrottles(t *testing.T) {
	board := lab(t)
	trip(board, "throttle", 33, 1, "gpu")
	const poll = 100 * ms
	b := busy(t, platform.Config{Board: board, Poll: poll})
	steps := map[unit.Hertz]int{250e6: 2, 500e6: 1, 1e9: 0}
	last, seen := 0, map[int]bool{}
	temperature := b.Temperature()
	for k := 1; k < 6000; k++ {
		b.k.Run(time.Duration(k) * poll)
		r := b.Read()
		step := steps[r.Clocks[gpu]]
		seen[step] = true
		want := last
		switch {
		case r.Temperature >= 33:
			want = min(2, last+1)
		case r.Temperature < 32:
			want = max(0, last-1)
		}
		if step != want || r.Limits[gpu] != r.Clocks[gpu] || r.Clocks[cpu] != 2e9 {
			t.Fatalf("after %d polls at %v (before %v): %+v, want %d steps below the top", k, r.Temperature, temperature, r, want)
		}
		last, temperature = step, r.Temperature
	}
	if len(seen) != 3 {
		t.Errorf("steps %v were taken away", seen)
	}
	report := b.Report()
	if p := report.Processors[gpu]; p.Throttled < 10*time.Second || p.Transitions < 4 || report.Processors[cpu].Throttled != 0 || report.Peak < 33 || report.Peak > 35 {
		t.Errorf("report %+v", report)
	}
}

func TestHardAndCritical(t *testing.T) {
	b := lab(t)
	trip(b, "hard", 40, 2)
	hard := busy(t, platform.Config{Board: b})
	hard.k.Run(2 * time.Minute)
	r := hard.Report()
	for _, c := range r.Processors[gpu].Clocks {
		if c.Clock == 500e6 {
			t.Errorf("a hard trip goes down step by step: %+v", r.Processors[gpu])
		}
	}
	if r.Processors[gpu].Transitions < 4 || r.Processors[cpu].Transitions < 4 {
		t.Errorf("report %+v", r)
	}
	b = lab(t)
	trip(b, "critical", 40, 0)
	down := busy(t, platform.Config{Board: b})
	down.k.Run(time.Hour)
	r = down.Report()
	if !strings.Contains(down.down, "trip: the die is at 40.") || r.Down != down.down || r.Elapsed > 2*time.Minute || r.Elapsed%time.Second != 0 || down.Power() != 0 {
		t.Errorf("down because %q: %+v", down.down, r)
	}
	down.Start(work(7, gpu, 1, 0, 0))
	down.k.Run(2 * time.Hour)
	if len(down.ended) != 0 || down.Report().Energy.Total != r.Energy.Total {
		t.Error("the board goes on")
	}
}

// While temperatures cannot be read, trips do nothing.
func TestSensorLoss(t *testing.T) {
	b := lab(t)
	trip(b, "critical", 40, 0)
	lost := busy(t, platform.Config{Board: b, Events: []platform.Event{event(0, platform.SensorLost), event(5*time.Minute, platform.SensorBack)}})
	lost.k.Run(4 * time.Minute)
	if r := lost.Read(); r.Temperature == r.Temperature || r.Power == r.Power || lost.down != "" || lost.Temperature() < 40 {
		t.Errorf("without a sensor: %+v at %v", r, lost.Temperature())
	}
	lost.k.Run(6 * time.Minute)
	if lost.down == "" {
		t.Error("with the sensor back the board goes on")
	}
}

// The current of the input rail throttles, and at last shuts down: 5 V x 0.55 A = 2.75 W; with the GPU busy the lab
// draws 1.2 W + 2 W and more as it warms up.
func TestCurrent(t *testing.T) {
	b := lab(t)
	m := b.Mode("full")
	m.Warn.Value, m.Warn.Origin = 0.55, b.Thermal.Trips[0].Origin
	warned := busy(t, platform.Config{Board: b})
	warned.k.Run(10 * time.Minute)
	if p := warned.Report().Processors[gpu]; p.Throttled == 0 || len(p.Clocks) < 2 {
		t.Errorf("over the warning current: %+v", p)
	}
	m.Critical.Value, m.Critical.Origin = 0.6, m.Warn.Origin
	down := busy(t, platform.Config{Board: b})
	down.k.Run(10 * time.Minute)
	if !strings.Contains(down.down, "full: the board draws") {
		t.Errorf("over the critical current: %q", down.down)
	}
}

func TestAmbient(t *testing.T) {
	b := start(t, platform.Config{Board: lab(t), Events: []platform.Event{{At: time.Minute, Kind: platform.AmbientSet, Ambient: 45}}})
	b.k.Run(time.Minute)
	before := b.Temperature()
	b.k.Run(time.Hour)
	// 20 K more outside are 20/(1 - 0.002 W/K x 5 K/W) inside.
	if rise := float64(b.Temperature() - before); math.Abs(rise-20/(1-0.002*5)) > 1e-6 {
		t.Errorf("the die gets warmer by %g K", rise)
	}
}
