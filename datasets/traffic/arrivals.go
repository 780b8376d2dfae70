package traffic

import (
	"math"
	"math/rand/v2"
	"time"
)

// Arrivals is a process that requests arrive by: one of [Periodic], [Poisson], [Gamma], [MMPP], [Ramp],
// [Superposition], [ClosedLoop], [LoadGen], [Recorded] and [Counted].
type Arrivals interface {
	// Kind returns the name of the process in scenario files.
	Kind() string
	// Source starts the process at time 0.
	Source() Source
	// Rate returns the mean number of arrivals per second in the long run, or 0 if it depends on the
	// answers.
	Rate() float64
	// Expected returns the mean number of arrivals before time d that are known beforehand, 0 if it depends on
	// the answers.
	Expected(d time.Duration) float64

	problems(r *report)
	file() arrivalsFile
}

// Source produces the arrivals of one run. It is used by one goroutine.
type Source interface {
	// Next returns the time since the start of the next arrival, never before the one returned last. It
	// returns false if no further arrival is known beforehand: of a closed loop after the first one, else
	// beyond some 140 years. All randomness comes from rng.
	Next(rng *rand.Rand) (time.Duration, bool)
}

// Label is what an arrival may carry beside its time.
type Label struct {
	// Limit is the request's own deadline relative to its arrival, 0: the scenario's.
	Limit time.Duration
	// Class is a name for the kind of request, empty if the trace has none.
	Class string
}

// Labelled is a Source whose arrivals carry more than their time.
type Labelled interface {
	Source
	// Label returns what the arrival that Next returned last carries.
	Label() Label
}

// horizon is where sources end, so that times never overflow.
const horizon = time.Duration(math.MaxInt64 / 2)

// Periodic is a camera or another clocked sensor: request k arrives at k*Period plus a delay that is
// uniform in [0, Jitter], independent of the others (release jitter; it does not accumulate).
//
// The gaps have mean Period and squared coefficient of variation Jitter^2 / (6 Period^2).
type Periodic struct {
	Period time.Duration // at least MinPeriod
	Jitter time.Duration // in [0, Period], so that requests arrive in order; 0 by default
}

var _ Arrivals = Periodic{}

// Kind returns "periodic".
func (Periodic) Kind() string { return "periodic" }

// Rate returns 1/Period.
func (p Periodic) Rate() float64 { return 1 / p.Period.Seconds() }

// Expected returns d/Period.
func (p Periodic) Expected(d time.Duration) float64 { return float64(d) / float64(p.Period) }

// Source starts the process with request 0.
func (p Periodic) Source() Source { return &periodicSource{Periodic: p} }

func (p Periodic) problems(r *report) {
	r.between("period", p.Period, MinPeriod, MaxDuration)
	r.between("jitter", p.Jitter, 0, max(p.Period, 0))
}

func (p Periodic) file() arrivalsFile {
	return arrivalsFile{Kind: p.Kind(), Period: durationText(p.Period), Jitter: durationText(p.Jitter)}
}

type periodicSource struct {
	Periodic
	tick time.Duration // k*Period
}

func (s *periodicSource) Next(rng *rand.Rand) (time.Duration, bool) {
	if s.tick > horizon {
		return 0, false
	}
	at := s.tick
	if s.Jitter > 0 {
		at += time.Duration(rng.Int64N(int64(s.Jitter) + 1))
	}
	s.tick += s.Period
	return at, true
}

// Poisson is many independent users: the gaps, the one before the first request included, are independent
// and exponentially distributed. They have mean 1/PerSecond and squared coefficient of variation 1.
type Poisson struct {
	PerSecond float64 // mean rate, in [MinRate, MaxRate]
}

var _ Arrivals = Poisson{}

// Kind returns "poisson".
func (Poisson) Kind() string { return "poisson" }

// Rate returns PerSecond.
func (p Poisson) Rate() float64 { return p.PerSecond }

// Expected returns PerSecond times d.
func (p Poisson) Expected(d time.Duration) float64 { return p.PerSecond * d.Seconds() }

// Source starts the process.
func (p Poisson) Source() Source { return &renewalSource{mean: 1e9 / p.PerSecond, gap: exponential} }

func (p Poisson) problems(r *report) { r.rate("rate", p.PerSecond) }

func (p Poisson) file() arrivalsFile {
	return arrivalsFile{Kind: p.Kind(), Rate: rateText(p.PerSecond)}
}

// ClosedLoop is one user who asks again after each answer: the first request arrives at time 0, the next
// ones Think after the answer to (or the drop of) the one before. The Source knows the first one only.
type ClosedLoop struct {
	Think time.Duration // not negative; 0 by default
}

var _ Arrivals = ClosedLoop{}

// Kind returns "closed-loop".
func (ClosedLoop) Kind() string { return "closed-loop" }

// Rate returns 0: it depends on the answers.
func (ClosedLoop) Rate() float64 { return 0 }

// Expected returns 0: it depends on the answers.
func (ClosedLoop) Expected(time.Duration) float64 { return 0 }

// Source returns the first arrival only.
func (ClosedLoop) Source() Source { return &burstSource{left: 1} }

func (c ClosedLoop) problems(r *report) { r.between("think", c.Think, 0, MaxDuration) }

func (c ClosedLoop) file() arrivalsFile {
	return arrivalsFile{Kind: c.Kind(), Think: durationText(c.Think)}
}
