package board

import (
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
)

// Bounds of what a file may say, far beyond any board.
const (
	minClock = unit.Hertz(1e3)
	maxClock = unit.Hertz(1e12)
	maxItems = 1000 // of a list or mapping
	maxText  = 2000 // bytes
)

// The schema says what a board's file looks like; Load describes it for people.
func (b *Board) schema() element {
	return group(nil,
		required("title", &text{value: &b.Title}),
		optional("description", &text{value: &b.Description}),
		optional("models", &texts{&b.Models}),
		required("sources", &entries[Source]{&b.Sources, func(s *Source) *string { return &s.ID }, (*Source).schema}),
		required("processors", &entries[Processor]{&b.Processors, func(p *Processor) *string { return &p.Name }, (*Processor).schema}),
		required("memory", b.Memory.schema()),
		optional("default_mode", &text{value: &b.DefaultMode}),
		optional("modes", &entries[PowerMode]{&b.Modes, func(m *PowerMode) *string { return &m.Name }, (*PowerMode).schema}),
		required("power", b.Power.schema()),
		required("thermal", b.Thermal.schema()),
		optional("scaling", &entries[ScalingData]{&b.Scaling, func(s *ScalingData) *string { return &s.Processor }, (*ScalingData).schema}),
	)
}

func (s *Source) schema() element {
	return group(nil,
		required("kind", &text{(*string)(&s.Kind), []string{string(Primary), string(Secondary), string(Derived)}}),
		required("text", &text{value: &s.Text}),
	)
}

func (p *Processor) schema() element {
	return group(&p.Origin,
		required("kind", &text{(*string)(&p.Kind), []string{string(CPU), string(GPU)}}),
		required("model", &text{value: &p.Model}),
		required("cores", count(&p.Cores)),
		optional("clusters", count(&p.Clusters)),
		optional("peak", positive(&p.Peak)),
		required("clocks", &clocks{&p.Clocks}),
		optional("stall", latency(&p.Stall)),
		optional("effect", latency(&p.Effect)),
	)
}

func (m *Memory) schema() element {
	return group(&m.Origin,
		required("kind", &text{value: &m.Kind}),
		required("size", &number[Bytes]{&m.Size, 1 << 20, 1 << 50}),
		required("clocks", &clocks{&m.Clocks}),
		required("bytes_per_clock", count(&m.BytesPerClock)),
		optional("stall", latency(&m.Stall)),
		optional("effect", latency(&m.Effect)),
	)
}

func (m *PowerMode) schema() element {
	limits := func(of *[]ClockLimit) element {
		return &entries[ClockLimit]{of, func(l *ClockLimit) *string { return &l.Processor }, func(l *ClockLimit) element {
			return &number[unit.Hertz]{&l.Clock, float64(minClock), float64(maxClock)}
		}}
	}
	return group(&m.Origin,
		required("id", &whole{&m.ID, 1 << 20}),
		optional("budget", positive(&m.Budget)),
		required("cores", count(&m.Cores)),
		optional("max", limits(&m.Max)),
		optional("min", limits(&m.Min)),
		optional("memory", &number[unit.Hertz]{&m.Memory, float64(minClock), float64(maxClock)}),
		optional("warn", positive(&m.Warn)),
		optional("critical", positive(&m.Critical)),
	)
}

func (p *Power) schema() element {
	return group(&p.Origin,
		required("fixed", &entries[FixedPower]{&p.Fixed, func(f *FixedPower) *string { return &f.Name }, func(f *FixedPower) element { return within(&f.Draw, 0, 1e4) }}),
		required("energy", within(&p.Energy, 0, 1e-6)),
		required("leakage", within(&p.Leakage, 0, 1)),
		required("parts", &entries[PartPower]{&p.Parts, func(p *PartPower) *string { return &p.Processor }, (*PartPower).schema}),
		optional("input_rail", &text{value: &p.InputRail}),
		optional("input", positive(&p.Input)),
		optional("rails", &entries[Rail]{&p.Rails, func(r *Rail) *string { return &r.Name }, func(r *Rail) element {
			return group(nil, required("feeds", &texts{&r.Feeds}))
		}}),
	)
}

func (p *PartPower) schema() element {
	return group(&p.Origin,
		required("idle", within(&p.Idle, 0, 1e4)),
		required("full", within(&p.Full, 0, 1e4)),
		required("exponent", within(&p.Exponent, 0, 10)),
	)
}

func (t *Thermal) schema() element {
	return group(&t.Origin,
		required("ambient", celsius(&t.Ambient)),
		required("die_resistance", positive(&t.DieResistance)),
		required("die_capacity", positive(&t.DieCapacity)),
		required("sink_resistance", positive(&t.SinkResistance)),
		required("sink_capacity", positive(&t.SinkCapacity)),
		optional("poll", latency(&t.Poll)),
		required("trips", &entries[Trip]{&t.Trips, func(t *Trip) *string { return &t.Name }, (*Trip).schema}),
	)
}

func (t *Trip) schema() element {
	return group(&t.Origin,
		required("kind", &text{(*string)(&t.Kind), []string{string(Throttle), string(Hard), string(Critical), string(Fan)}}),
		optional("parts", &texts{&t.Parts}),
		required("at", celsius(&t.At)),
		optional("hysteresis", within(&t.Hysteresis, 0, 100)),
		optional("speed", within(&t.Speed, 0, 1)),
	)
}

func (s *ScalingData) schema() element {
	return group(&s.Origin,
		required("points", &items[ScalingPoint]{&s.Points, func(p *ScalingPoint) element {
			return group(&p.Origin,
				required("clock", &number[unit.Hertz]{&p.Clock, float64(minClock), float64(maxClock)}),
				required("co_runners", within(&p.CoRunners, 0, maxCoRunners)),
				required("latency", &number[time.Duration]{&p.Latency, 1, float64(time.Hour)}),
			)
		}}),
	)
}

func count(n *Number[int]) element { return &number[int]{n, 1, 1 << 20} }

func latency(n *Number[time.Duration]) element {
	return &number[time.Duration]{n, 0, float64(time.Hour)}
}

func celsius(n *Number[unit.Celsius]) element { return &number[unit.Celsius]{n, -60, 200} }

func positive[T Quantity](n *Number[T]) element { return &number[T]{n, 1e-15, 1e18} }

func within[T Quantity](n *Number[T], low, high float64) element { return &number[T]{n, low, high} }
