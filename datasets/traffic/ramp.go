package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// Ramp is a process whose rate follows straight lines between points and stays at the last point's: a rush
// hour, or a step if two points are close. Its arrivals are those of a renewal process of rate 1 and squared
// coefficient of variation CV2 in operational time, mapped to time through the inverse of the integrated
// rate; with CV2 = 1 that is exactly a Poisson process of this rate.
//
// Source: E. Cinlar, "Introduction to stochastic processes", 1975, chapter 4: time change by the integrated
// rate.
type Ramp struct {
	Points []RatePoint // ascending in At, the first at 0
	CV2    float64     // in [MinCV2, MaxCV2]; files have 1 by default
}

// RatePoint is a rate at a time.
type RatePoint struct {
	At        time.Duration
	PerSecond float64 // in [0, MaxRate]; of the last point at least MinRate
}

var _ Arrivals = Ramp{}

// Kind returns "ramp".
func (Ramp) Kind() string { return "ramp" }

// Rate returns the rate after the last point.
func (p Ramp) Rate() float64 { return p.Points[len(p.Points)-1].PerSecond }

// RateAt returns the rate at time t.
func (p Ramp) RateAt(t time.Duration) float64 {
	for i := 1; i < len(p.Points); i++ {
		a, b := p.Points[i-1], p.Points[i]
		if t < b.At {
			share := float64(t-a.At) / float64(b.At-a.At)
			return a.PerSecond + float64(share*(b.PerSecond-a.PerSecond))
		}
	}
	return p.Rate()
}

// Expected returns the integrated rate before d.
func (p Ramp) Expected(d time.Duration) float64 {
	total := 0.0
	for i, a := range p.Points {
		if a.At >= d {
			break
		}
		end, to := d, p.RateAt(d)
		if i+1 < len(p.Points) && p.Points[i+1].At < d {
			end, to = p.Points[i+1].At, p.Points[i+1].PerSecond
		}
		total += float64((end - a.At).Seconds() * (a.PerSecond + to) / 2)
	}
	return total
}

// Source starts the process.
func (p Ramp) Source() Source { return &rampSource{Ramp: p, gap: gammaGap(p.CV2)} }

func (p Ramp) problems(r *report) {
	r.cv2("cv2", p.CV2)
	if len(p.Points) == 0 {
		r.add("rates", "is empty")
	}
	r.size("rates", len(p.Points), MaxSteps)
	for i, q := range p.Points {
		key := fmt.Sprintf("rates[%d]", i)
		r.between(key+".at", q.At, 0, MaxDuration)
		switch {
		case i == 0 && q.At != 0:
			r.add(key+".at", "the first point is at %v, want 0s", q.At)
		case i > 0 && q.At <= p.Points[i-1].At:
			r.add(key+".at", "%v is not after the point before, at %v", q.At, p.Points[i-1].At)
		}
		low := 0.0
		if i == len(p.Points)-1 {
			low = MinRate // else nothing would come any more
		}
		if !(q.PerSecond >= low && q.PerSecond <= MaxRate) {
			r.add(key+".rate", "%g per second is outside [%g/s, %g/s]", q.PerSecond, low, MaxRate)
		}
	}
}

func (p Ramp) file() arrivalsFile {
	f := arrivalsFile{Kind: p.Kind()}
	if p.CV2 != 1 {
		f.CV2 = p.CV2
	}
	for _, q := range p.Points {
		f.Rates = append(f.Rates, rateFile{q.At.String(), rateText(q.PerSecond)})
	}
	return f
}

type rampSource struct {
	Ramp
	gap   func(*rand.Rand) float64
	piece int     // that the last arrival lies in
	done  float64 // operational time, in arrivals, from the start of the piece to the last arrival
	over  bool
}

func (s *rampSource) Next(rng *rand.Rand) (time.Duration, bool) {
	s.done += s.gap(rng)
	for !s.over {
		a := s.Points[s.piece]
		if s.piece == len(s.Points)-1 {
			return s.at(a.At, s.done/a.PerSecond*1e9)
		}
		b := s.Points[s.piece+1]
		span := (b.At - a.At).Seconds()
		whole := span * (a.PerSecond + b.PerSecond) / 2
		if s.done < whole {
			// Solves rate*x + slope*x^2/2 = done for x in a form that does not cancel.
			slope := (b.PerSecond - a.PerSecond) / span
			root := float64(a.PerSecond*a.PerSecond) + float64(2*float64(slope*s.done))
			return s.at(a.At, 2*s.done/(a.PerSecond+math.Sqrt(max(0, root)))*1e9)
		}
		s.done -= whole
		s.piece++
	}
	return 0, false
}

// at returns the time some nanoseconds after the start of a piece.
func (s *rampSource) at(start time.Duration, ns float64) (time.Duration, bool) {
	if !(ns < float64(horizon-start)) {
		s.over = true
		return 0, false
	}
	return start + time.Duration(math.Round(ns)), true
}

// Superposition merges independent processes, as of several sensors and users that ask the same application.
// Its rate is the sum of theirs; its index of dispersion is their mean, weighted by rates.
type Superposition struct {
	Of []Arrivals // 2 to 100, none of them a closed loop or a superposition
}

var _ Arrivals = Superposition{}

// Kind returns "superposition".
func (Superposition) Kind() string { return "superposition" }

// Rate returns the sum of the rates.
func (p Superposition) Rate() float64 {
	sum := 0.0
	for _, a := range p.Of {
		sum += a.Rate()
	}
	return sum
}

// Expected returns the sum of what the processes expect.
func (p Superposition) Expected(d time.Duration) float64 {
	sum := 0.0
	for _, a := range p.Of {
		sum += a.Expected(d)
	}
	return sum
}

// Source starts the processes. Each has a random stream of its own, so a process more at the end of Of shifts
// none of the others.
func (p Superposition) Source() Source {
	s := &superposedSource{}
	for _, a := range p.Of {
		s.of = append(s.of, superposed{source: a.Source()})
	}
	return s
}

func (p Superposition) problems(r *report) {
	if len(p.Of) < 2 {
		r.add("of", "has %d entries, want at least 2", len(p.Of))
	}
	r.size("of", len(p.Of), maxEntries)
	for i, a := range p.Of {
		key := fmt.Sprintf("of[%d]", i)
		if a == nil {
			r.add(key, "is missing")
			continue
		}
		if slices.Contains([]string{Superposition{}.Kind(), ClosedLoop{}.Kind(), SingleStream, MultiStream, Offline}, a.Kind()) {
			r.add(key+".kind", "%s cannot be part of a superposition", a.Kind())
			continue
		}
		r.within(key, a.problems)
	}
}

func (p Superposition) file() arrivalsFile {
	f := arrivalsFile{Kind: p.Kind()}
	for _, a := range p.Of {
		f.Of = append(f.Of, a.file())
	}
	return f
}

type superposed struct {
	source Source
	rng    *rand.Rand
	at     time.Duration // of the next arrival
	label  Label
	ok     bool
}

type superposedSource struct {
	of    []superposed
	begun bool
	last  Label
}

var _ Labelled = (*superposedSource)(nil)

func (s *superposed) advance() {
	s.at, s.ok = s.source.Next(s.rng)
	if l, labelled := s.source.(Labelled); labelled {
		s.label = l.Label()
	}
}

func (s *superposedSource) Next(rng *rand.Rand) (time.Duration, bool) {
	if !s.begun {
		s.begun = true
		for i := range s.of {
			s.of[i].rng = rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64()))
			s.of[i].advance()
		}
	}
	first := -1
	for i := range s.of {
		if s.of[i].ok && (first < 0 || s.of[i].at < s.of[first].at) {
			first = i
		}
	}
	if first < 0 {
		return 0, false
	}
	at := s.of[first].at
	s.last = s.of[first].label
	s.of[first].advance()
	return at, true
}

// Label returns what the last arrival carries.
func (s *superposedSource) Label() Label { return s.last }
