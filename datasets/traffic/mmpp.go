package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// MMPP is a Markov-modulated Poisson process: it stays in a state for an exponentially distributed time,
// during which requests arrive as a Poisson process of the state's rate, then jumps to one of the others, all
// equally likely. With two states it is the MMPP(2) of the literature, whose exit rates are 1/Stay. It starts
// in its stationary regime: in a state with the share of time that belongs to it.
type MMPP struct {
	States []MMPPState // 2 to MaxStates
}

// MMPPState is one state.
type MMPPState struct {
	PerSecond float64       // in [0, MaxRate]; of one state at least MinRate
	Stay      time.Duration // mean, at least MinPeriod
}

var _ Arrivals = MMPP{}

// Kind returns "mmpp".
func (MMPP) Kind() string { return "mmpp" }

// share returns the long-run share of time of a state. The embedded jump chain is uniform, so it goes with
// the mean stay.
func (p MMPP) share(i int) float64 {
	sum := 0.0
	for _, s := range p.States {
		sum += s.Stay.Seconds()
	}
	return p.States[i].Stay.Seconds() / sum
}

// Rate returns the mean of the states' rates, weighted by their shares of time. For two states with exit
// rates s1, s2 that is (l1 s2 + l2 s1) / (s1 + s2).
func (p MMPP) Rate() float64 {
	sum := 0.0
	for i, s := range p.States {
		sum += float64(p.share(i) * s.PerSecond)
	}
	return sum
}

// Expected returns the mean number of arrivals before d.
func (p MMPP) Expected(d time.Duration) float64 { return p.Rate() * d.Seconds() }

// Dispersion returns the index of dispersion for counts in long windows,
//
//	1 + 2 (m-1)/m sum_i share_i Stay_i (l_i - mean)^2 / mean
//
// for m states. For two it is 1 + 2 s1 s2 (l1-l2)^2 / ((s1+s2)^2 (l1 s2 + l2 s1)).
//
// Source: W. Fischer, K. Meier-Hellstern, "The Markov-modulated Poisson process (MMPP) cookbook", Performance
// Evaluation 18, 1993, section 2; the sum is its formula with the deviation matrix of the uniform jump chain.
func (p MMPP) Dispersion() float64 {
	mean, sum := p.Rate(), 0.0
	for i, s := range p.States {
		off := s.PerSecond - mean
		sum += float64(float64(p.share(i)*s.Stay.Seconds()) * float64(off*off))
	}
	m := float64(len(p.States))
	return 1 + 2*(m-1)/m*sum/mean
}

// GapCV2 returns the squared coefficient of variation of the gap before an arrival: 2 mean^2 phi M^2 1 - 1 with
// M = (L - Q)^-1, phi the distribution of states at arrivals, L the rates and Q the generator. O(states^3).
//
// Source: as of Dispersion, section 1.2.
func (p MMPP) GapCV2() float64 {
	n := len(p.States)
	once, twice := make([]float64, n), []float64(nil)
	for i := range once {
		once[i] = 1
	}
	once = p.solve(once)
	twice = p.solve(once)
	mean := p.Rate()
	second := 0.0
	for i, s := range p.States {
		second += 2 * p.share(i) * s.PerSecond / mean * twice[i]
	}
	return second*mean*mean - 1
}

// solve returns (L - Q)^-1 b by Gaussian elimination with row pivots.
func (p MMPP) solve(b []float64) []float64 {
	n := len(p.States)
	a := make([][]float64, n)
	for i, s := range p.States {
		a[i] = make([]float64, n+1)
		out := 1 / s.Stay.Seconds()
		for j := range n {
			a[i][j] = -out / float64(n-1)
		}
		a[i][i], a[i][n] = s.PerSecond+out, b[i]
	}
	for c := range n {
		pivot := c
		for r := c + 1; r < n; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[pivot][c]) {
				pivot = r
			}
		}
		a[c], a[pivot] = a[pivot], a[c]
		for r := range n {
			if r == c {
				continue
			}
			f := a[r][c] / a[c][c]
			for k := c; k <= n; k++ {
				a[r][k] -= f * a[c][k]
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = a[i][n] / a[i][i]
	}
	return x
}

// Source starts the process in a state drawn at its first arrival.
func (p MMPP) Source() Source { return &mmppSource{MMPP: p, state: -1} }

func (p MMPP) problems(r *report) {
	if n := len(p.States); n < 2 || n > MaxStates {
		r.add("states", "has %d entries, want 2 to %d", n, MaxStates)
	}
	highest := 0.0
	for i, s := range p.States {
		key := fmt.Sprintf("states[%d]", i)
		if !(s.PerSecond >= 0 && s.PerSecond <= MaxRate) {
			r.add(key+".rate", "%g per second is outside [0/s, %g/s]", s.PerSecond, MaxRate)
		}
		highest = max(highest, s.PerSecond)
		r.between(key+".stay", s.Stay, MinPeriod, MaxDuration)
	}
	if highest < MinRate {
		r.add("states", "no state has a rate of at least %g/s", MinRate)
	}
}

func (p MMPP) file() arrivalsFile {
	f := arrivalsFile{Kind: p.Kind()}
	for _, s := range p.States {
		f.States = append(f.States, stateFile{rateText(s.PerSecond), s.Stay.String()})
	}
	return f
}

type mmppSource struct {
	MMPP
	state int
	at    float64 // ns
	until float64 // ns, end of the stay
	last  time.Duration
	over  bool
}

func (s *mmppSource) enter(state int, rng *rand.Rand) {
	s.state = state
	s.until = s.at + float64(exponential(rng)*float64(s.States[state].Stay))
}

func (s *mmppSource) Next(rng *rand.Rand) (time.Duration, bool) {
	if s.state < 0 {
		u, first := rng.Float64(), 0
		for first < len(s.States)-1 && u >= s.share(first) {
			u -= s.share(first)
			first++
		}
		s.enter(first, rng)
	}
	for !s.over {
		gap := math.Inf(1)
		if rate := s.States[s.state].PerSecond; rate > 0 {
			gap = float64(exponential(rng) * (1e9 / rate))
		}
		if s.at+gap < s.until {
			s.at += gap
			if s.at >= float64(horizon) {
				break
			}
			s.last = max(s.last, time.Duration(math.Round(s.at)))
			return s.last, true
		}
		s.at = s.until
		if s.at >= float64(horizon) {
			break
		}
		next := rng.IntN(len(s.States) - 1)
		if next >= s.state {
			next++
		}
		s.enter(next, rng)
	}
	s.over = true
	return 0, false
}
