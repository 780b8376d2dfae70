package traffic

import (
	"math"
	"math/rand/v2"
	"time"
)

// Gamma is a renewal process whose gaps, the one before the first request included, are gamma-distributed
// with mean 1/PerSecond and squared coefficient of variation CV2: shape 1/CV2. CV2 = 1 is a Poisson process,
// below 1 it is smoother, above 1 burstier. Its index of dispersion tends to CV2.
type Gamma struct {
	PerSecond float64 // mean rate, in [MinRate, MaxRate]
	CV2       float64 // in [MinCV2, MaxCV2]
}

var _ Arrivals = Gamma{}

// Kind returns "gamma".
func (Gamma) Kind() string { return "gamma" }

// Rate returns PerSecond.
func (g Gamma) Rate() float64 { return g.PerSecond }

// Expected returns the mean number of arrivals before d in the long run.
func (g Gamma) Expected(d time.Duration) float64 { return g.PerSecond * d.Seconds() }

// Source starts the process.
func (g Gamma) Source() Source {
	return &renewalSource{mean: 1e9 / g.PerSecond, gap: gammaGap(g.CV2)}
}

func (g Gamma) problems(r *report) {
	r.rate("rate", g.PerSecond)
	r.cv2("cv2", g.CV2)
}

func (g Gamma) file() arrivalsFile {
	return arrivalsFile{Kind: g.Kind(), Rate: rateText(g.PerSecond), CV2: g.CV2}
}

// gammaGap returns what draws gaps of mean 1.
func gammaGap(cv2 float64) func(*rand.Rand) float64 {
	if cv2 == 1 {
		return exponential
	}
	shape := 1 / cv2
	return func(rng *rand.Rand) float64 { return float64(gamma(shape, rng) * cv2) }
}

// renewalSource adds up independent gaps.
type renewalSource struct {
	mean float64 // ns
	gap  func(*rand.Rand) float64
	at   time.Duration
	over bool
}

func (s *renewalSource) Next(rng *rand.Rand) (time.Duration, bool) {
	gap := math.Round(s.gap(rng) * s.mean)
	s.over = s.over || gap > float64(horizon-s.at)
	if s.over {
		return 0, false
	}
	s.at += time.Duration(gap)
	return s.at, true
}
