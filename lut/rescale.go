package lut

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dynofa/dynofa/datasets/unit"
)

// PointError says that a table was measured at another operating point than asked for.
type PointError struct {
	Differences []Difference // A: the table's
}

// Error lists the differences.
func (e *PointError) Error() string {
	texts := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		texts[i] = d.String()
	}
	return "the table was measured at another operating point: " + strings.Join(texts, "; ")
}

// Rescale is the model by which latencies are carried over to other clocks: a share of the time
// follows the memory clock, the rest the clock of the table's processor. It is crude (published
// measurements of a Xavier NX's CPU grow by 1.47 for a clock lowered by 1.17), so that a result says
// which model it comes from.
type Rescale struct {
	MemoryShare float64 // in [0, 1]
}

// At returns a predictor for another operating point. Fields that want does not know are not asked
// for; a field that the table does not know becomes a warning. If a field differs, At returns a
// *PointError, unless a model is given and only the memory clock or the clock of the table's
// processor (field Processor "cpu" or "gpu") differ: then latencies are rescaled and every prediction
// carries a warning, and the power that the device draws is not known any more (ErrNoPower). The
// rescaling's own error is not in a prediction's interval.
func (p *Predictor) At(want OperatingPoint, model *Rescale) (*Predictor, error) {
	q := *p
	q.doubts.table = p.Warnings()
	var differ []Difference
	for _, d := range p.point.Differences(want) {
		switch {
		case d.B == "":
		case d.A == "":
			q.doubts.table = append(q.doubts.table, "operating point of the table: "+d.String())
		default:
			differ = append(differ, d)
		}
	}
	if len(differ) == 0 {
		return &q, nil
	}
	if model == nil {
		return nil, fmt.Errorf("lut: %w", &PointError{differ})
	}
	factor, doubts, err := model.factor(p.point, want, differ)
	if err != nil {
		return nil, err
	}
	q.calibration = p.calibration.times(factor)
	q.power = 0
	q.doubts.table = append(q.doubts.table, doubts...)
	q.point = want
	return &q, nil
}

// times returns the calibration with results a factor larger.
func (c Calibration) times(factor float64) Calibration {
	if c.Scale == 0 {
		c.Scale = 1
	}
	return Calibration{Scale: c.Scale * factor, Offset: unit.Nanoseconds(float64(c.Offset) * factor)}
}

// factor returns by how much latencies at want exceed those at have, and a warning for each clock, or
// an error if anything else differs.
func (m Rescale) factor(have, want OperatingPoint, differ []Difference) (factor float64, doubts []string, err error) {
	if !(m.MemoryShare >= 0 && m.MemoryShare <= 1) {
		return 0, nil, fmt.Errorf("lut: rescale: the share of the time that follows the memory clock is %g, not in [0, 1]", m.MemoryShare)
	}
	compute, memory := 1.0, 1.0
	var others []Difference
	for _, d := range differ {
		switch {
		case d.Field == "memory clock":
			memory = ratio(have.MemoryClock, want.MemoryClock)
		case d.Field == have.Processor+" clock" && have.Processor == "cpu":
			compute = ratio(have.CPUClock, want.CPUClock)
		case d.Field == have.Processor+" clock" && have.Processor == "gpu":
			compute = ratio(have.GPUClock, want.GPUClock)
		default:
			others = append(others, d)
		}
	}
	if len(others) > 0 {
		return 0, nil, fmt.Errorf("lut: clocks can be rescaled, nothing else: %w", &PointError{others})
	}
	factor = float64(m.MemoryShare*memory) + float64((1-m.MemoryShare)*compute)
	for _, d := range differ {
		doubts = append(doubts, fmt.Sprintf("latencies are rescaled by %.3f, not measured (%.0f%% of the time taken to follow the memory clock): the table's %s", factor, 100*m.MemoryShare, d))
	}
	return factor, doubts, nil
}

func ratio(have, want unit.Hertz) float64 { return float64(have / want) }

// Table returns a copy of t carried over to other clocks: every time of entries and networks by one
// factor, without samples, with the origin Modelled, a grade of C at best, and warnings that say so. The
// power is not carried over: at other clocks the device draws another.
// Zero clocks stay as they are in t. It returns an error if t does not know a clock that is to change,
// or a *PointError if the clock of another processor than the table's changes. t is not changed; the
// copy shares the entries' warnings.
func (m Rescale) Table(t *Table, cpu, gpu, memory unit.Hertz) (*Table, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	c := *t
	for _, clock := range []struct {
		name string
		of   *unit.Hertz
		to   unit.Hertz
	}{{"cpu", &c.Point.CPUClock, cpu}, {"gpu", &c.Point.GPUClock, gpu}, {"memory", &c.Point.MemoryClock, memory}} {
		if clock.to == 0 {
			continue
		}
		if *clock.of == 0 {
			return nil, fmt.Errorf("lut: rescale: the table of %s/%s does not know its %s clock", t.Point.Device, t.Point.Processor, clock.name)
		}
		*clock.of = clock.to
	}
	factor, doubts, err := m.factor(t.Point, c.Point, t.Point.Differences(c.Point))
	if err != nil {
		return nil, err
	}
	if len(doubts) == 0 {
		return nil, errors.New("lut: rescale: no clock changes")
	}
	times := func(l Latency) Latency {
		for _, v := range []*unit.Nanoseconds{&l.Min, &l.P50, &l.P90, &l.P99, &l.Mean, &l.Std, &l.CILow, &l.CIHigh} {
			*v = unit.Nanoseconds(float64(*v) * factor)
		}
		l.Samples = nil
		return l
	}
	c.ID, c.Origin, c.Power = 0, Modelled, 0
	c.Entries, c.Networks = slices.Clone(t.Entries), slices.Clone(t.Networks)
	for i := range c.Entries {
		c.Entries[i].Latency = times(c.Entries[i].Latency)
	}
	for i := range c.Networks {
		c.Networks[i].Latency = times(c.Networks[i].Latency)
	}
	c.Calibration.Offset = unit.Nanoseconds(float64(t.Calibration.Offset) * factor) // the scale is relative
	if c.Grade != Ungraded && GradeC.Worse(c.Grade) {
		c.Grade = GradeC
	}
	c.Provenance = setFact(slices.Clone(t.Provenance), Fact{"rescaling", strings.Join(doubts, "; ")})
	c.Warnings = append(slices.Clone(t.Warnings), doubts...)
	if t.Power != 0 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("the %v that the device drew at the table's clocks were not carried over: energies are unknown", t.Power))
	}
	return &c, nil
}

// FindPoint returns the newest of tables (given oldest first) that was measured at the operating point
// that want describes: fields that want does not know are not asked for, and its period only with
// SamePeriod. A table that does not know a field that is asked for comes after all that do,
// with warnings that name the fields. If every table differs it returns a *PointError with the newest
// one's differences.
func FindPoint(tables []Info, want OperatingPoint, period PeriodRule) (info Info, doubts []string, err error) {
	var refused *PointError
	found := false
	for i := len(tables) - 1; i >= 0; i-- {
		t := tables[i]
		var differ []Difference
		var unknown []string
		for _, d := range t.Point.Differences(want) {
			switch {
			case d.B == "" || d.Field == "period" && period == AnyPeriod:
			case d.A == "":
				unknown = append(unknown, "operating point of the table: "+d.String())
			default:
				differ = append(differ, d)
			}
		}
		switch {
		case len(differ) > 0:
			if refused == nil {
				refused = &PointError{differ}
			}
		case len(unknown) == 0:
			return t, nil, nil
		case !found:
			info, doubts, found = t, unknown, true
		}
	}
	if !found && refused != nil {
		return Info{}, nil, fmt.Errorf("lut: %w", refused)
	}
	if !found {
		return Info{}, nil, ErrNoTable
	}
	return info, doubts, nil
}

// Undecided says that a table that FindPoint chose is only the newest of several that fit, and in what they differ; it is
// empty where there is nothing that another question would have decided.
func Undecided(tables []Info, chosen Info, want OperatingPoint, period PeriodRule) string {
	fields, count := map[string]bool{}, 1
	for _, t := range tables {
		if t.ID == chosen.ID {
			continue
		}
		if _, _, err := FindPoint([]Info{t}, want, period); err != nil {
			continue
		}
		differs := t.Space != chosen.Space
		if differs {
			fields["space"] = true
		}
		for _, d := range chosen.Point.Differences(t.Point) {
			if !d.Unknown() && slices.Contains(decisive[:], d.Field) {
				fields[d.Field], differs = true, true
			}
		}
		if differs {
			count++
		}
	}
	if count == 1 {
		return ""
	}
	var names []string
	for _, f := range decisive {
		if fields[f] {
			names = append(names, f)
		}
	}
	return fmt.Sprintf("table %d of %s was taken because it is the newest of %d that differ in %s", chosen.ID, chosen.Point.Label(), count, strings.Join(names, ", "))
}

// decisive are the fields by which tables are asked for.
var decisive = [...]string{"device", "processor", "space", "cpu clock", "gpu clock", "memory clock", "power mode", "threads", "batch", "co-runner", "period"}

// PeriodRule says whether FindPoint asks for the period between inferences, whose zero value means
// back to back.
type PeriodRule int

// The rules.
const (
	AnyPeriod  PeriodRule = iota
	SamePeriod            // want's, back to back included
)
