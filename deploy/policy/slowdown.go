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
// It is the highest ratio seen lately, with hysteresis: a higher ratio is taken over at once; a lower
// one only if patience observations in a row stayed below the value by more than the dead band, and then
// the highest of those. So it reacts to the first slow inference, it covers the noise that it has
// seen, and in a constant environment it settles. One slow inference costs patience cautious ones, since
// slow ones come in bursts. If lowering turns out wrong within as many observations, patience doubles, up
// to slowdownCap times its first value, until a lowering stands: an error of the predictions that
// differs between levels makes probing rare instead of an oscillation.
type slowdown struct {
	value    factor
	band     factor // 1 + dead band
	first    int    // patience to begin with
	patience int
	count    int    // observations since the last change of value, or since the last block of them
	peak     factor // the highest of them
	lowered  int    // observations since value was lowered, 0 if that is settled
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
	if r > s.value {
		s.value, s.count, s.peak = r, 0, 0
		return
	}
	s.count++
	s.peak = max(s.peak, r)
	if s.count < s.patience {
		return
	}
	if s.peak.times(s.band) < s.value {
		s.value, s.lowered = s.peak, 1
	}
	s.count, s.peak = 0, 0
}

// settle judges the last lowering by the next ratio.
func (s *slowdown) settle(r factor) {
	switch {
	case r > s.value.times(s.band):
		s.patience = min(2*s.patience, slowdownCap*s.first)
		s.lowered = 0
	case s.lowered > s.first:
		s.patience = s.first
		s.lowered = 0
	default:
		s.lowered++
	}
}
