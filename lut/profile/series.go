package profile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// minClean is the share of samples without preemption above which the others are set aside. Where
// even fewer are clean they are a choice of lucky moments rather than a sample: then all count, and
// the grade says so.
const minClean = 0.2

// series are the samples of one unit, in order of rounds.
type series []Sample

// use returns the times that statistics rest on, how many samples were preempted, and whether those
// were set aside.
func (s series) use(c Clock) (times []time.Duration, preempted int, aside bool) {
	for _, x := range s {
		if x.Preempted {
			preempted++
		}
	}
	clean := len(s) - preempted
	aside = preempted > 0 && clean >= MinMedian && float64(clean) >= minClean*float64(len(s))
	for _, x := range s {
		if c == Thread && x.CPU == 0 { // see mostUntold
			continue
		}
		if !aside || !x.Preempted {
			times = append(times, c.of(x))
		}
	}
	return times, preempted, aside
}

// samples are what a run has measured.
type samples struct {
	units  []series // by unit
	hot    []series // by target, of the second of two runs in a row
	rounds int      // complete ones
}

func newSamples(p *plan) *samples {
	return &samples{units: make([]series, p.units()), hot: make([]series, len(p.targets))}
}

// round is the samples of one round as a journal keeps it.
type round struct {
	units []Sample // by unit
	hot   []Sample // by target; empty unless the round had them
}

func (s *samples) add(r round) {
	for i, x := range r.units {
		s.units[i] = append(s.units[i], x)
	}
	for i, x := range r.hot {
		s.hot[i] = append(s.hot[i], x)
	}
	s.rounds++
}

// roundFormat is the first byte of an encoded round. Two counts follow, of units and of hot targets,
// then for each sample twice the wall time, plus 1 if it was preempted, and the processor time, in
// nanoseconds; all numbers are unsigned varints.
const roundFormat = 1

// longestSample bounds what a journal may claim.
const longestSample = time.Hour

func (r round) encode() []byte {
	b := []byte{roundFormat}
	b = binary.AppendUvarint(b, uint64(len(r.units)))
	b = binary.AppendUvarint(b, uint64(len(r.hot)))
	for _, list := range [][]Sample{r.units, r.hot} {
		for _, s := range list {
			wall := uint64(s.Wall) << 1
			if s.Preempted {
				wall |= 1
			}
			b = binary.AppendUvarint(b, wall)
			b = binary.AppendUvarint(b, uint64(s.CPU))
		}
	}
	return b
}

// decodeRound reads a round of a plan with so many units and targets.
func decodeRound(b []byte, units, targets int) (round, error) {
	var r round
	if len(b) == 0 || b[0] != roundFormat {
		return r, errors.New("it is in no known format")
	}
	b = b[1:]
	next := func() (uint64, error) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errors.New("it is cut short or a number is too large")
		}
		b = b[n:]
		return v, nil
	}
	haveUnits, err := next()
	if err != nil {
		return r, err
	}
	haveHot, err := next()
	if err != nil {
		return r, err
	}
	if haveUnits != uint64(units) || haveHot != 0 && haveHot != uint64(targets) {
		return r, fmt.Errorf("it has %d samples and %d hot ones, the plan %d and %d", haveUnits, haveHot, units, targets)
	}
	list := make([]Sample, units+int(haveHot))
	for i := range list {
		wall, err := next()
		if err != nil {
			return r, err
		}
		cpu, err := next()
		if err != nil {
			return r, err
		}
		s := Sample{Wall: time.Duration(wall >> 1), CPU: time.Duration(cpu), Preempted: wall&1 == 1}
		if s.Wall <= 0 || s.Wall > longestSample || s.CPU < 0 || s.CPU > longestSample {
			return r, fmt.Errorf("sample %d is %v of wall and %v of processor time", i, s.Wall, s.CPU)
		}
		list[i] = s
	}
	if len(b) > 0 {
		return r, fmt.Errorf("%d bytes follow its end", len(b))
	}
	r.units, r.hot = list[:units:units], list[units:]
	return r, nil
}
