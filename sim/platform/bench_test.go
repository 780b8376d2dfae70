package platform_test

import (
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/dynofa/dynofa/sim/des"
	"github.com/dynofa/dynofa/sim/platform"
)

// churn starts another activity wherever one ends.
type churn struct {
	platform *platform.Platform
	rng      *rand.Rand
}

func (c *churn) Ended(tag uint64) { c.start(tag) }
func (c *churn) Down(string)      {}

// start begins an activity of 20 ms on average: even tags on the CPU with 1.5 threads, odd ones on a third of the GPU, all of
// them with memory traffic.
func (c *churn) start(tag uint64) {
	w := platform.Work{Tag: tag, Processor: int(tag % 2), Nanoseconds: 2e7*c.rng.ExpFloat64() + 1, Threads: 1.5, Bytes: 2e8}
	if tag%2 == 1 {
		w.Threads = 0.33
	}
	c.platform.Start(w)
}

// BenchmarkActivities times events of the full board model, sharing, power and temperature included, with so many
// activities on a Jetson Xavier NX at any time. CPU-ns/event is the CPU time of the process.
func BenchmarkActivities(b *testing.B) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	for _, c := range []struct {
		name       string
		activities int
		governor   platform.Governor
	}{{"8/performance", 8, platform.Performance}, {"8/schedutil", 8, platform.Schedutil}, {"3/schedutil", 3, platform.Schedutil}} {
		b.Run(c.name, func(b *testing.B) {
			kernel := des.New()
			owner := &churn{rng: rand.New(rand.NewPCG(8, 1))}
			p, err := platform.New(platform.Config{
				Board: builtin(b, "jetson-xavier-nx"), Mode: "8", Governors: map[string]platform.Governor{"cpu": c.governor, "gpu": c.governor},
			}, kernel, owner)
			if err != nil {
				b.Fatal(err)
			}
			owner.platform = p
			for i := range c.activities {
				owner.start(uint64(i))
			}
			b.ReportAllocs()
			before, events := used(), kernel.Events()
			for b.Loop() {
				kernel.Run(kernel.Now() + 1000*ms)
			}
			b.ReportMetric(float64(used()-before)/float64(kernel.Events()-events), "CPU-ns/event")
			b.ReportMetric(float64(kernel.Events()-events)/float64(b.N), "events/op")
		})
	}
}
