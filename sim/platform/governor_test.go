package platform_test

import (
	"math"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim/platform"
)

func governed(g platform.Governor) map[string]platform.Governor {
	return map[string]platform.Governor{"cpu": g, "gpu": g}
}

func TestGovernors(t *testing.T) {
	for _, tt := range []struct {
		governor platform.Governor
		mode     string
		gpu      unit.Hertz
		ends     time.Duration
	}{
		{platform.Performance, "full", 1e9, 100 * ms}, {platform.Performance, "half", 500e6, 200 * ms},
		{platform.Powersave, "full", 250e6, 400 * ms}, {platform.Userspace, "full", 1e9, 100 * ms}, {platform.Userspace, "half", 500e6, 200 * ms},
	} {
		b := start(t, platform.Config{Board: lab(t), Mode: tt.mode, Governors: governed(tt.governor)})
		b.Start(work(0, gpu, 100, 0, 0))
		if r := b.Read(); r.Clocks[gpu] != tt.gpu || r.Mode != tt.mode {
			t.Errorf("%s in mode %s: %+v", tt.governor, tt.mode, r)
		}
		b.k.Run(time.Second)
		if b.ended[0] != tt.ends {
			t.Errorf("%s in mode %s: ends at %v, want %v", tt.governor, tt.mode, b.ended[0], tt.ends)
		}
	}
	if err := platform.Governor("ondemand").Validate(); err == nil {
		t.Error("ondemand is taken")
	}
}

// TestSchedutil follows the rule by hand on a GPU of 250, 500 and 1000 MHz that gets work at time 0 from idle. The
// tracked utilisation tends to clock/top with a half-life of 32 ms; the clock asked for is the first at or above 1.25 x
// 1000 MHz x utilisation; it is looked at every 10 ms.
func TestSchedutil(t *testing.T) {
	b := start(t, platform.Config{Board: lab(t), Governors: governed(platform.Schedutil)})
	if r := b.Read(); r.Clocks[gpu] != 250e6 {
		t.Errorf("idle at %v", r.Clocks[gpu])
	}
	b.Start(work(0, gpu, 1000, 0, 0))
	value, clock := 0.0, 250.0
	for k := range 60 {
		b.k.Run(time.Duration(k)*10*ms + ms)
		wanted := 1250 * value
		clock = 250
		for clock < wanted && clock < 1000 {
			clock *= 2
		}
		if got := b.Read().Clocks[gpu]; math.Abs(float64(got)/1e6-clock) > 1e-9 {
			t.Fatalf("after %d ms at %v, want %g MHz", k*10, got, clock)
		}
		value = clock/1000 + (value-clock/1000)*math.Exp2(-10.0/32)
	}
	// 1.25 x utilisation can exceed one step for ever only at the top: at a quarter it tends to 312 MHz, at half to 625 MHz.
	if clock != 1000 {
		t.Errorf("busy for 600 ms and at %g MHz", clock)
	}
	b.k.Run(5 * time.Second)
	if r := b.Read(); r.Clocks[gpu] != 250e6 || b.ended[0] == 0 {
		t.Errorf("idle again at %v", r.Clocks[gpu])
	}
	if n := b.k.Pending(); n > 2 { // the poll, and nothing of a governor
		t.Errorf("%d events pending of an idle board", n)
	}
}

// A CPU cluster of one core does not slow down while it is busy.
func TestSchedutilAlone(t *testing.T) {
	for _, clusters := range []int{1, 2} {
		board := lab(t)
		board.Processors[cpu].Clusters.Value = clusters // of two cores
		b := start(t, platform.Config{Board: board, Governors: map[string]platform.Governor{"cpu": platform.Schedutil}, Events: []platform.Event{
			// At 2 GHz the work takes all of the memory's 10 GB/s. Beside 30 GB/s more it goes at a quarter of its pace:
			// 1.25 x 2 GHz / 4 is 625 MHz.
			{At: time.Second, Kind: platform.CoRunnerOn, CoRunner: platform.CoRunner{Name: "a", Processor: "gpu", Bandwidth: 30e9}},
		}})
		b.Start(work(0, cpu, 10_000, 1, 100e9))
		b.k.Run(900 * ms)
		before := b.Read().Clocks[cpu]
		b.k.Run(2 * time.Second)
		after := b.Read().Clocks[cpu]
		if before != 2e9 || (after == 2e9) != (clusters == 2) {
			t.Errorf("%d clusters of two cores: %v before, %v after", clusters, before, after)
		}
	}
}

// A manager sets clocks under Userspace only.
func TestSetClock(t *testing.T) {
	b := start(t, platform.Config{Board: lab(t), Governors: map[string]platform.Governor{"gpu": platform.Userspace}})
	if b.SetClock(cpu, 0) || !b.SetClock(gpu, 1) {
		t.Error("performance lets a manager set its clock, or userspace does not")
	}
	b.Start(work(0, gpu, 100, 0, 0))
	b.k.Run(time.Second)
	if b.ended[0] != 200*ms {
		t.Errorf("ends at %v", b.ended[0])
	}
}
