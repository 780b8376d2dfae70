package runtime_test

import (
	"fmt"
	"image"
	goruntime "runtime"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/images"
	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/onnx"
	"github.com/dynofa/dynofa/deploy/ort"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

// overhead is what the loop adds to a call of the runtime, in nanoseconds of CPU time per inference.
type overhead struct {
	Call, Loop float64 // the null model alone, and through the loop: medians of repetitions
	Low, High  float64 // of the difference, over repetitions
	Allocs     float64 // per inference, through the loop
	N, Repeats int
}

// null is a session that looks like a level's and runs the smallest model there is.
type null struct {
	*ort.Session
	in, out []float32
}

func (n *null) Input() []float32  { return n.in }
func (n *null) Output() []float32 { return n.out }

// one is a single picture.
type one struct{}

func (one) Len() int                       { return 1 }
func (one) Name(int) string                { return "one" }
func (one) Label(int) int                  { return images.Unlabelled }
func (one) Image(int) (image.Image, error) { return images.Pattern(1, 0, 64) }

func measureOverhead(t *testing.T) (o overhead) {
	t.Helper()
	rt, err := ort.Load(library(t))
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnx.Block(supernet.Block{Op: supernet.OpPool, In: supernet.Shape{Size: 1, Channels: 1}, Out: supernet.Shape{Size: 1, Channels: 1}}, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	f := &family.Family{Name: "null", Space: s.Name, Source: "made up"}
	var sessions []runner.Session
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 32), s.Uniform(5, 4, 3, 32), s.Uniform(7, 6, 4, 32)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(.5 + .1*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{{Processor: "cpu", Latency: unit.Nanos(time.Duration(i+1) * time.Millisecond), Origin: lut.Modelled}}})
		session, err := rt.NewSession(model, ort.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Close() })
		sessions = append(sessions, &null{session, make([]float32, 3*32*32), make([]float32, 10)})
	}
	o.N, o.Repeats = 40_000, 15
	var calls, loops, differences []float64
	for range o.Repeats {
		at := cpuTime()
		for range o.N {
			if err := sessions[1].Run(); err != nil {
				t.Fatal(err)
			}
		}
		call := float64(cpuTime()-at) / float64(o.N)
		var before, after goruntime.MemStats
		goruntime.ReadMemStats(&before)
		at = cpuTime()
		rep, err := runner.Run(t.Context(), runner.Config{Family: f, Sessions: sessions, Pictures: one{}, Policy: bundle.Policy{Spec: "slack"},
			Requests: int64(o.N), Limit: 10 * time.Millisecond, Deadline: time.Second, Warmup: 1})
		loop := float64(cpuTime()-at) / float64(o.N)
		goruntime.ReadMemStats(&after)
		if err != nil || rep.Requests != int64(o.N) || rep.OnTime+rep.Late != rep.Requests {
			t.Fatalf("report %+v, %v", rep, err)
		}
		o.Allocs = float64(after.Mallocs-before.Mallocs) / float64(o.N)
		calls, loops, differences = append(calls, call), append(loops, loop), append(differences, loop-call)
	}
	o.Call, o.Loop = median(calls), median(loops)
	o.Low, o.High = differences[0], differences[0]
	for _, d := range differences {
		o.Low, o.High = min(o.Low, d), max(o.High, d)
	}
	return o
}

// turns serves every request at another level than the one before.
type turns struct{ n, levels int }

func (p *turns) Spec() string                { return "turns" }
func (p *turns) Observe(_ policy.Completion) {}
func (p *turns) Decide(*policy.Observation) policy.Decision {
	p.n++
	return policy.Decision{Action: policy.Serve, Level: p.n * 5 % p.levels, Reason: "turn"}
}

// everyRequestSwitches serves requests that all switch, and counts those that get no answer.
func everyRequestSwitches(c *process, pool *runner.Pool) (requests, lost int64, err error) {
	f := &c.bundle.Manifest().Family
	rep, err := runner.Run(c.ctx, runner.Config{Family: f, Pool: pool, Pictures: one{}, Requests: 120, Policy: bundle.Policy{Spec: "turns"},
		NewPolicy: func(string, map[string]string, *policy.Model) (policy.Policy, error) {
			return &turns{levels: len(f.Levels)}, nil
		}})
	if err != nil {
		return 0, 0, err
	}
	if rep.Switches < 110 {
		return 0, 0, fmt.Errorf("%d switches", rep.Switches)
	}
	return rep.Requests, rep.Requests - rep.OnTime - rep.Late, nil
}
