package policy_test

import (
	"testing"
	"time"

	"github.com/dynofa/dynofa/deploy/policy"
)

// One decision with ten requests in view, and the completion that follows it.
func BenchmarkDecide(b *testing.B) {
	m := paperModel(b)
	for _, spec := range []string{"static:3", "static-drop", "ladder", "qdp", "slack", "slackfit", "alert", "model-switching", "clipper"} {
		b.Run(spec, func(b *testing.B) {
			p := mustNew(b, spec, nil, m)
			o := waiting(0, 600*ms, 60*ms, 120*ms, 180*ms, 240*ms, 300*ms, 360*ms, 420*ms, 480*ms, 540*ms, 600*ms)
			o.Limit = 60 * ms
			b.ReportAllocs()
			for b.Loop() {
				d := p.Decide(o)
				p.Observe(policy.Completion{Level: d.Level, Start: 0, End: 50 * time.Millisecond})
			}
		})
	}
}
