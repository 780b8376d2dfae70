package runner_test

import (
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/runner"
)

// BenchmarkTogetherOverhead is what loop and workers add to an inference that takes no time, on two processors, with all requests
// waiting from the start.
func BenchmarkTogetherOverhead(b *testing.B) {
	fx := newFixture(b)
	for _, s := range fx.sessions {
		s.takes = nil
	}
	other := newFixture(b)
	for _, s := range other.sessions {
		s.takes = nil
	}
	fx.cfg.Processors = []runner.Processor{{Name: "cpu", Sessions: fx.cfg.Sessions}, {Name: "gpu", Sessions: other.cfg.Sessions}}
	fx.cfg.Sessions, fx.cfg.Clock, fx.cfg.Trace, fx.cfg.Requests, fx.cfg.Deadline = nil, nil, nil, int64(b.N), time.Hour
	fx.cfg.Arrivals, fx.cfg.Period = runner.Periodic, 1
	fx.use(&scripted{decide: either})
	b.ReportAllocs()
	b.ResetTimer()
	if _, err := runner.Run(b.Context(), fx.cfg); err != nil {
		b.Fatal(err)
	}
}
