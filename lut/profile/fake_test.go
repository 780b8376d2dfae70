package profile_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/dynofa/dynofa/datasets/supernet"
	"github.com/dynofa/dynofa/lut/profile"
)

// fakeMeter measures synthetic latencies: a block costs 1 ns per 100 MACs plus 1 us, a network the
// sum of its blocks times netFactor, all times lognormal noise with median 1. Time passes on its
// own clock.
type fakeMeter struct {
	space     *supernet.Space
	netFactor float64
	sigma     float64
	rng       *rand.Rand

	clock   time.Duration
	visits  []string // every run, in order
	open    int
	most    int              // probes open at the same time
	prepare map[string]error // by name
	fail    map[string]error
	onRun   func(n int) // called before the n-th run, from 0
}

func newFakeMeter(s *supernet.Space, sigma float64, seed uint64) *fakeMeter {
	return &fakeMeter{space: s, netFactor: 1, sigma: sigma, rng: rand.New(rand.NewPCG(seed, 7)),
		prepare: map[string]error{}, fail: map[string]error{}}
}

func blockCost(b supernet.Block) float64 { return 1000 + float64(b.MACs())/100 }

func (m *fakeMeter) Prepare(_ context.Context, b supernet.Block) (profile.Probe, error) {
	return m.probe(b.String(), blockCost(b))
}

func (m *fakeMeter) PrepareNetwork(_ context.Context, a supernet.Arch) (profile.Probe, error) {
	blocks, err := m.space.Blocks(a)
	if err != nil {
		return nil, err
	}
	sum := 0.0
	for _, b := range blocks {
		sum += blockCost(b)
	}
	return m.probe(a.String(), sum*m.netFactor)
}

func (m *fakeMeter) probe(name string, cost float64) (profile.Probe, error) {
	if err := m.prepare[name]; err != nil {
		return nil, err
	}
	m.clock += time.Millisecond
	m.open++
	m.most = max(m.most, m.open)
	return &fakeProbe{m, name, cost}, nil
}

func (m *fakeMeter) TimedRegion() string { return "nothing real" }

func (m *fakeMeter) now() time.Duration { return m.clock }

type fakeProbe struct {
	m    *fakeMeter
	name string
	cost float64
}

func (p *fakeProbe) Run() (time.Duration, error) {
	if p.m.onRun != nil {
		p.m.onRun(len(p.m.visits))
	}
	p.m.visits = append(p.m.visits, p.name)
	if err := p.m.fail[p.name]; err != nil {
		return 0, err
	}
	d := time.Duration(p.cost * math.Exp(p.m.sigma*p.m.rng.NormFloat64()))
	p.m.clock += d
	return d, nil
}

func (p *fakeProbe) Close() error {
	if p.m == nil {
		return errors.New("closed twice")
	}
	p.m.open--
	p.m = nil
	return nil
}
