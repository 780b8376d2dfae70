package runner_test

import (
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/deploy/bundle"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/runner"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
)

const ms = time.Millisecond

// fakeClock is a clock that only sleeping and inferences move.
type fakeClock struct{ now time.Duration }

func (c *fakeClock) Now() time.Duration { return c.now }

func (c *fakeClock) Sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.now += d
	return nil
}

// fakeSession is a network that takes the time that it is told to and answers the class that it is
// told to.
type fakeSession struct {
	clock   *fakeClock
	in, out []float32
	takes   func(now time.Duration) time.Duration
	onRun   func(n int) error // called before run n, from 0
	runs    int
	class   int
	closed  *int
}

func (s *fakeSession) Input() []float32  { return s.in }
func (s *fakeSession) Output() []float32 { return s.out }

func (s *fakeSession) Run() error {
	n := s.runs
	s.runs++
	if s.onRun != nil {
		if err := s.onRun(n); err != nil {
			return err
		}
	}
	if s.takes != nil {
		s.clock.now += s.takes(s.clock.now)
	}
	clear(s.out)
	s.out[s.class] = 1
	return nil
}

func (s *fakeSession) Close() error {
	if s.closed != nil {
		*s.closed++
	}
	return nil
}

// fakePictures are plain grey pictures; picture i is of class i mod 10.
type fakePictures struct {
	n       int
	decoded int
	broken  int // picture that cannot be decoded, -1: none
}

func (p *fakePictures) Len() int          { return p.n }
func (p *fakePictures) Name(i int) string { return fmt.Sprintf("grey-%d", i) }
func (p *fakePictures) Label(i int) int   { return i % 10 }

func (p *fakePictures) Image(i int) (image.Image, error) {
	p.decoded++
	if i == p.broken {
		return nil, errors.New("not a picture")
	}
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	for j := range img.Pix {
		img.Pix[j] = uint8(i)
	}
	img.SetGray(0, 0, color.Gray{Y: 255})
	return img, nil
}

// memory keeps records.
type memory struct {
	records []trace.Record
	flushes int
	fail    error
}

func (m *memory) Write(r trace.Record) error {
	if m.fail != nil {
		return m.fail
	}
	r.Observation.Queue = slices.Clone(r.Observation.Queue)
	m.records = append(m.records, r)
	return nil
}

func (m *memory) Flush() error { m.flushes++; return nil }

// fixture is a run of three levels of the tiny space that take 10, 20 and 30 ms, as predicted.
type fixture struct {
	cfg      runner.Config
	clock    *fakeClock
	sessions []*fakeSession
	pictures *fakePictures
	memory   *memory
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	s, err := supernet.OFAMobileNetV3(0.25, 10)
	if err != nil {
		t.Fatal(err)
	}
	fx := &fixture{clock: &fakeClock{now: time.Hour}, pictures: &fakePictures{n: 20, broken: -1}, memory: &memory{}}
	f := &family.Family{Name: "tiny", Space: s.Name, Source: "made up"}
	for i, a := range []supernet.Arch{s.Uniform(3, 3, 2, 32), s.Uniform(5, 4, 3, 32), s.Uniform(7, 6, 4, 48)} {
		if a, err = s.Canonical(a); err != nil {
			t.Fatal(err)
		}
		latency := time.Duration(i+1) * 10 * ms
		f.Levels = append(f.Levels, family.Level{Arch: a, Accuracy: unit.Accuracy(0.70 + 0.05*float64(i)), AccuracyOrigin: family.AccuracyStandIn,
			Latencies: []family.Latency{
				{Processor: "cpu", Latency: unit.Nanos(latency), Origin: lut.Modelled},
				{Processor: "gpu", Latency: unit.Nanos(latency / 2), Origin: lut.Modelled},
			}})
		session := &fakeSession{clock: fx.clock, in: make([]float32, 3*a.R*a.R), out: make([]float32, 10), class: i,
			takes: func(time.Duration) time.Duration { return latency }}
		fx.sessions = append(fx.sessions, session)
		fx.cfg.Sessions = append(fx.cfg.Sessions, session)
	}
	fx.cfg.Family, fx.cfg.Pictures, fx.cfg.Clock, fx.cfg.Trace = f, fx.pictures, fx.clock, fx.memory
	fx.cfg.Policy = bundle.Policy{Spec: "static:1"}
	fx.cfg.Requests, fx.cfg.Warmup, fx.cfg.Program = 30, -1, "test"
	return fx
}

func (fx *fixture) run(t *testing.T) *runner.Report {
	t.Helper()
	rep, err := runner.Run(t.Context(), fx.cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// noise returns an inference time: the base, 1.5 times as long in the second second, times
// lognormal noise.
func noise(base time.Duration, seed uint64) func(time.Duration) time.Duration {
	rng := rand.New(rand.NewPCG(seed, 3))
	return func(now time.Duration) time.Duration {
		d := float64(base) * math.Exp(0.1*rng.NormFloat64())
		if now > time.Hour+time.Second && now < time.Hour+2*time.Second {
			d *= 1.5
		}
		return time.Duration(d)
	}
}

// scripted is a policy that answers what it is told to.
type scripted struct {
	decide   func(n int, o *policy.Observation) policy.Decision
	n        int
	observed []policy.Completion
}

func (p *scripted) Spec() string { return "scripted" }

func (p *scripted) Decide(o *policy.Observation) policy.Decision {
	d := p.decide(p.n, o)
	p.n++
	return d
}

func (p *scripted) Observe(c policy.Completion) { p.observed = append(p.observed, c) }

// use makes a run take a policy.
func (fx *fixture) use(p policy.Policy) {
	fx.cfg.Policy = bundle.Policy{Spec: p.Spec()}
	fx.cfg.NewPolicy = func(string, map[string]string, *policy.Model) (policy.Policy, error) { return p, nil }
}

// alternate serves levels 0, 1, 2, 0, ... for three requests each.
func alternate(n int, _ *policy.Observation) policy.Decision {
	return policy.Decision{Action: policy.Serve, Level: n / 3 % 3, Reason: "turn"}
}
