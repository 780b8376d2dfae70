package policy

import (
	"math"
	"math/bits"
	"time"
)

// factor is a positive ratio in units of 2^-16: 65536 is 1. Integers, so that every machine decides
// alike.
type factor uint64

const (
	unity     factor = 1 << 16
	maxFactor factor = 1 << 32 // 65,536 times
)

// ratioOf returns observed/predicted, rounded up and cut to [1, maxFactor] units. Both in
// nanoseconds; predicted is positive.
func ratioOf(observed, predicted time.Duration) factor {
	if observed <= 0 {
		return 1
	}
	hi, lo := bits.Mul64(uint64(observed), uint64(unity))
	if hi >= uint64(predicted) {
		return maxFactor
	}
	q, rest := bits.Div64(hi, lo, uint64(predicted))
	if rest > 0 {
		q++
	}
	return min(max(factor(q), 1), maxFactor)
}

// of returns d scaled by the factor, rounded up and saturating at a quarter of the largest duration.
func (f factor) of(d time.Duration) time.Duration {
	const most = math.MaxInt64 / 4
	hi, lo := bits.Mul64(uint64(d), uint64(f))
	lo, carry := bits.Add64(lo, uint64(unity-1), 0)
	hi += carry
	if hi >= uint64(unity)/4 {
		return most
	}
	return min(time.Duration(hi<<48|lo>>16), most)
}

// times returns the product of two factors, at most maxFactor.
func (f factor) times(g factor) factor {
	hi, lo := bits.Mul64(uint64(f), uint64(g))
	if hi > 0 {
		return maxFactor
	}
	return min(factor(lo>>16), maxFactor)
}

// fromShare returns 1 + share.
func fromShare(share float64) factor {
	return unity + factor(math.Round(float64(share*float64(unity))))
}

// slowdown estimates by what factor inferences take longer than predicted.
//
// It is the highest ratio seen lately, with hysteresis. A higher ratio is taken over at once, so the
// first slow inference is answered and the noise that was seen is covered. A lower one is taken over
// only when patience observations in a row stayed below the value by more than the dead band, and then it
// is the highest of those; so in a constant environment the value settles. One exception: if the
// inference after a jump is as fast as before the jump, the jump was an outlier and is undone.
//
// If lowering the value turns out wrong within as many observations as patience was at first, patience
// doubles, up to slowdownCap times that, and no jump is taken for an outlier until a lowering has stood
// for twice the patience.
// So slow inferences that come in bursts are respected, and predictions that are wrong by different
// factors for different levels make probing rare instead of an oscillation.
type slowdown struct {
	value    factor
	band     factor // 1 + dead band
	before   factor // value before the jump that the last observation was, 0 if it was none
	first    int    // patience at first
	patience int
	count    int    // observations in a row that were below value by more than the dead band
	peak     factor // the highest of them
	lowered  int    // observations since value was lowered, this one included; 0 if that is settled
	floor    factor // what it was lowered to
}

const slowdownCap = 64

func newSlowdown(patience int, band float64) slowdown {
	return slowdown{value: unity, band: fromShare(band), first: patience, patience: patience}
}

// observe takes in one ratio.
func (s *slowdown) observe(r factor) {
	if s.lowered > 0 {
		s.settle(r)
	}
	before := s.before
	s.before = 0
	switch {
	case r > s.value:
		if r > s.value.times(s.band) {
			s.before = s.value
		}
		s.set(r)
		return
	case before > 0 && s.patience == s.first && r <= before.times(s.band):
		s.lower(max(before, r))
		return
	}
	if r.times(s.band) >= s.value {
		s.count, s.peak = 0, 0
		return
	}
	s.count++
	s.peak = max(s.peak, r)
	if s.count >= s.patience {
		s.lower(s.peak)
	}
}

func (s *slowdown) set(value factor) { s.value, s.count, s.peak = value, 0, 0 }

func (s *slowdown) lower(value factor) {
	s.set(value)
	s.lowered, s.floor = 1, value
}

// settle judges the last lowering by the next ratio. Rises since then do not count for it: the value
// may climb back by steps within the dead band, one level after the other.
func (s *slowdown) settle(r factor) {
	switch {
	case r > s.floor.times(s.band):
		if s.lowered <= s.first {
			s.patience = min(2*s.patience, slowdownCap*s.first)
		}
		s.lowered = 0
	case s.lowered > 2*s.patience:
		s.patience = s.first
		s.lowered = 0
	default:
		s.lowered++
	}
}
