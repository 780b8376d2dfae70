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

// fakeMeter measures synthetic latencies: a block costs 1 ns per 100 MACs plus 1 us, blocks joined or
// a network the sum of theirs (a network times netFactor); whatever runs alone pays edge for each end
// on top, unless it is a network. All times get lognormal noise with median 1. Time passes on its own
// clock.
type fakeMeter struct {
	space     *supernet.Space
	netFactor float64
	sigma     float64
	edge      func(s supernet.Shape) float64 // nanoseconds
	rng       *rand.Rand

	clock   time.Duration
	visits  []string // every run, in order
	open    int
	most    int              // probes open at the same time
	prepare map[string]error // by name
	fail    map[string]error
	onRun   func(n int)                                  // called before the n-th run, from 0
	change  func(n int, s profile.Sample) profile.Sample // of the n-th run
}

func newFakeMeter(s *supernet.Space, sigma float64, seed uint64) *fakeMeter {
	return &fakeMeter{space: s, netFactor: 1, sigma: sigma, rng: rand.New(rand.NewPCG(seed, 7)),
		edge: func(supernet.Shape) float64 { return 0 }, prepare: map[string]error{}, fail: map[string]error{}}
}

func blockCost(b supernet.Block) float64 { return math.Floor(1000 + float64(b.MACs())/100) }

func (m *fakeMeter) Prepare(_ context.Context, blocks ...supernet.Block) (profile.Probe, error) {
	sum, name := 0.0, ""
	for i, b := range blocks {
		if i > 0 {
			name += " + "
		}
		name += b.String()
		sum += blockCost(b)
	}
	return m.probe(name, sum+m.edge(blocks[0].In)+m.edge(blocks[len(blocks)-1].Out))
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

// sleep passes time.
func (m *fakeMeter) sleep(_ context.Context, d time.Duration) error {
	m.clock += d
	return nil
}

type fakeProbe struct {
	m    *fakeMeter
	name string
	cost float64
}

func (p *fakeProbe) Run() (profile.Sample, error) {
	n := len(p.m.visits)
	if p.m.onRun != nil {
		p.m.onRun(n)
	}
	p.m.visits = append(p.m.visits, p.name)
	if err := p.m.fail[p.name]; err != nil {
		return profile.Sample{}, err
	}
	s := profile.Sample{Wall: time.Duration(p.cost * math.Exp(p.m.sigma*p.m.rng.NormFloat64()))}
	if p.m.change != nil {
		s = p.m.change(n, s)
	}
	p.m.clock += s.Wall
	return s, nil
}

func (p *fakeProbe) Close() error {
	if p.m == nil {
		return errors.New("closed twice")
	}
	p.m.open--
	p.m = nil
	return nil
}

// memory is a journal that is kept in memory.
type memory struct {
	rounds [][]byte
	fail   error // of the next Append
}

func (m *memory) Rounds(context.Context) ([][]byte, error) { return m.rounds, nil }

func (m *memory) Append(_ context.Context, position int, samples []byte) error {
	if position != len(m.rounds) {
		return errors.New("out of order")
	}
	if m.fail != nil {
		return m.fail
	}
	m.rounds = append(m.rounds, samples)
	return nil
}
