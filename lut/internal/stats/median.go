package stats

import "math"

// MinMedian is the smallest number of samples that give a 95% interval of the median: the range of n
// samples misses the median with probability 2^(1-n), and 2^-5 = 3.1% is the first below 5%.
const MinMedian = 6

// MedianRanks returns the 1-based ranks of the two order statistics between which the median of the
// distribution lies with a probability of at least 95%, whatever the (continuous) distribution is.
// It is the narrowest symmetric pair that keeps the promise; ok is false below MinMedian samples.
//
// Source: David and Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1: the number of samples
// below the median is binomial(n, 1/2), so ranks l and n+1-l miss it with probability
// 2 P(B <= l-1).
func MedianRanks(n int) (low, high int, ok bool) { return MedianRanksAt(n, 0.05) }

// MedianRanksAt is MedianRanks for an interval that misses the median with a probability of at most alpha;
// ok is false if so few samples have none.
func MedianRanksAt(n int, alpha float64) (low, high int, ok bool) {
	// Terms below 10 standard deviations (sqrt(n)/2 each) add less than 1e-22.
	k := max(0, n/2-5*int(math.Sqrt(float64(n)))-1)
	below := 0.0 // P(B <= k)
	for ; k < n; k++ {
		below += math.Exp(logBinomial(n, k))
		if below > alpha/2 {
			break
		}
	}
	// P(B <= k-1) <= alpha/2 < P(B <= k), so the largest l with P(B <= l-1) <= alpha/2 is k.
	return k, n + 1 - k, k > 0
}

// MedianNormal returns how many standard errors of the median half the interval of MedianRanks
// spans, by the normal approximation of the binomial, and the degrees of freedom with which the
// interval's width estimates the standard error: NaN and 0 below MinMedian samples.
//
// The width spans m = high-low spacings of the ordered sample. Near the median these are nearly
// independent exponentials, so that the width's relative variance is 1/m; a standard deviation with
// v degrees of freedom has 1/(2v). Hence v = m/2, about the square root of n.
//
// Source: McKean and Schrader, "A comparison of methods for Studentizing the sample median",
// Communications in Statistics B 13, 1984 (the standardised width of the interval as standard
// error); the degrees of freedom are our addition, and its simulation the test of both.
func MedianNormal(n int) (standardErrors, freedom float64) {
	low, high, ok := MedianRanks(n)
	if !ok {
		return math.NaN(), 0
	}
	m := float64(high - low)
	return m / math.Sqrt(float64(n)), m / 2
}

// logBinomial returns ln P(B = k) for B binomial(n, 1/2).
func logBinomial(n, k int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	return lg(n) - lg(k) - lg(n-k) - float64(n)*math.Ln2
}
