package policy_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// BenchmarkDecide times decisions with ten requests in view whose deadlines leave nothing to all of what the levels take, each followed
// by a completion that varies by some percent. p99-us is the time that 99 of 100 decisions keep, by the wall clock, other programs
// included; p99-least-us is the same over the 512 situations, each with the shortest of its times, which is what the decision itself takes.
func BenchmarkDecide(b *testing.B) {
	for _, c := range []struct {
		spec   string
		params map[string]string
		energy bool
	}{
		{spec: "static:3"}, {spec: "schedutil+static:3"}, {spec: "static-drop"}, {spec: "ladder"}, {spec: "slack"}, {spec: "slackfit"}, {spec: "alert"}, {spec: "model-switching"},
		{spec: "clipper"}, {spec: "proteus"}, {spec: "qdp"}, {spec: "qdp", params: map[string]string{"energy": "20%"}, energy: true},
	} {
		name, m := c.spec, paperModel(b)
		if c.energy {
			name, m = name+" with clocks", clockedModel(b)
		}
		b.Run(name, func(b *testing.B) {
			p := mustNew(b, c.spec, c.params, m)
			rng := rand.New(rand.NewPCG(3, 4))
			observations := make([]*policy.Observation, 512)
			took := make([]time.Duration, len(observations))
			for i := range observations {
				now := time.Duration(i) * 200 * ms
				due, deadlines := now+time.Duration(rng.IntN(300))*ms, make([]time.Duration, policy.MaxQueue)
				for k := range deadlines {
					deadlines[k] = due
					due += time.Duration(rng.IntN(60)) * ms
				}
				observations[i] = waiting(now, 300*ms, deadlines...)
				took[i] = time.Duration((45 + 10*rng.Float64()) * float64(ms))
			}
			samples := make([]time.Duration, 0, 1<<20)
			least := make([]time.Duration, len(observations))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				o := observations[i%len(observations)]
				begin := time.Now()
				d := p.Decide(o)
				t := time.Since(begin)
				if len(samples) < cap(samples) {
					samples = append(samples, t)
				}
				if l := &least[i%len(least)]; *l == 0 || t < *l {
					*l = t
				}
				if d.Action == policy.Serve {
					p.Observe(policy.Completion{Level: d.Level, Clock: d.Clock, Start: o.Now, End: o.Now + took[i%len(took)]})
				}
				i++
			}
			slices.Sort(samples)
			b.ReportMetric(float64(samples[len(samples)*99/100].Nanoseconds())/1000, "p99-us")
			slices.Sort(least)
			b.ReportMetric(float64(least[len(least)*99/100].Nanoseconds())/1000, "p99-least-us")
			b.ReportMetric(float64(samples[len(samples)/2].Nanoseconds())/1000, "median-us")
		})
	}
}
