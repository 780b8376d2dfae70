package policy

import "slices"

// spread is the law of the noise of latencies: of observed over expected ones. The middle is that of the
// last ratios; beyond the tail's threshold it is a generalised-Pareto law, since Gaussian margins miss
// rare targets by an order of magnitude.
//
// Source: J. Hosking, J. Wallis, "Parameter and quantile estimation for the generalized Pareto
// distribution", Technometrics 29, 1987: probability-weighted moments.
type spread struct {
	ring   [spreadSize]uint32 // observed factors
	count  int                // of them, at most spreadSize
	next   int                // in the ring
	sorted [spreadSize + spreadPriors]uint32
	n      int // of them: observed ones and priors that are left
	priors int

	knot [knots]factor // quantiles at the probabilities knotAt
	safe factor        // quantile at 1 - target, 0 without a target
	// logs are logarithms of the tail's share over 1 - knotAt, for the shares of logsOf values.
	logs   [knots]float64
	logsOf int
	// target is the share of inferences that may take longer than safe.
	target float64
}

const (
	spreadSize   = 512
	spreadPriors = 8
	enough       = 24 // observed values from which on priors leave, one by one
	tailShare    = 8  // one in that many values is in the tail
	minTail      = 8  // values in a tail that is fitted
	knots        = 12
)

// knotAt are probabilities in units of 2^-16. The law is linear between them.
var knotAt = [knots]int64{0, 6554, 16384, 32768, 45875, 52429, 58982, 62259, 64225, 64881, 65208, 65470}

// Knots of interest.
const (
	knotLow  = 2 // 25%
	knotHigh = 5 // 80%
	knotBand = 9 // 99%
)

// init fills in what is believed before anything was observed: a few percent.
func (s *spread) init(target float64) {
	s.target = target
	for i := range spreadPriors {
		s.insert(prior(i))
	}
	s.priors = spreadPriors
	s.refresh()
}

func prior(i int) uint32 { return uint32(unity) + uint32(i-3)*(uint32(unity)/200) }

// add takes in a ratio.
func (s *spread) add(f factor) {
	if s.priors > 0 && s.count >= enough {
		s.priors--
		s.remove(prior(s.priors))
	}
	if s.count == spreadSize {
		s.remove(s.ring[s.next])
	} else {
		s.count++
	}
	v := uint32(min(max(f, unity/16), 16*unity))
	s.ring[s.next] = v
	s.next = (s.next + 1) % spreadSize
	s.insert(v)
}

func (s *spread) insert(v uint32) {
	i, _ := slices.BinarySearch(s.sorted[:s.n], v)
	copy(s.sorted[i+1:s.n+1], s.sorted[i:s.n])
	s.sorted[i] = v
	s.n++
}

func (s *spread) remove(v uint32) {
	i, _ := slices.BinarySearch(s.sorted[:s.n], v)
	copy(s.sorted[i:], s.sorted[i+1:s.n])
	s.n--
}

// refresh brings the quantiles up to date.
func (s *spread) refresh() {
	tail := s.fit()
	if s.logsOf != s.n && tail.share > 0 {
		for i, p := range knotAt {
			s.logs[i] = log(tail.share / (1 - float64(p)/65536))
		}
		s.logsOf = s.n
	}
	for i, p := range knotAt {
		if p := float64(p) / 65536; tail.share > 0 && p > 1-tail.share {
			s.knot[i] = tail.at(s.logs[i])
		} else {
			s.knot[i] = s.quantile(&tail, p)
		}
		if i > 0 {
			s.knot[i] = max(s.knot[i], s.knot[i-1])
		}
	}
	s.safe = 0
	if s.target > 0 {
		s.safe = s.quantile(&tail, 1-s.target)
	}
}

// gpd is a generalised-Pareto tail: P(X > u + y) = share (1 + shape y / scale)^(-1/shape).
type gpd struct {
	above               float64 // u, in units of factor
	share, shape, scale float64 // share 0: none is fitted
}

// fit computes the tail above all but one in tailShare values.
func (s *spread) fit() gpd {
	k := s.n / tailShare
	if k < minTail {
		return gpd{}
	}
	values := s.sorted[s.n-k : s.n]
	u := float64(s.sorted[s.n-k-1])
	var a0, a1 float64
	for i, v := range values {
		y := float64(v) - u
		a0 += y
		a1 += float64(y * ((float64(k-i) - 0.65) / float64(k)))
	}
	a0, a1 = a0/float64(k), a1/float64(k)
	t := gpd{above: u, share: float64(k) / float64(s.n)}
	if a0 <= 0 || a0 <= 2*a1 {
		t.scale = max(a0, 1)
		return t
	}
	t.shape = min(max(2-a0/(a0-2*a1), -0.5), 0.5)
	t.scale = max(float64(a0*(1-t.shape)), 1)
	return t
}

// at returns the quantile where the logarithm of the share over the probability to exceed it is y.
func (t *gpd) at(y float64) factor {
	if t.shape > 0.001 || t.shape < -0.001 {
		y = (exp(float64(t.shape*y)) - 1) / t.shape
	}
	return min(max(factor(t.above+float64(y*t.scale)), 1), 64*unity)
}

// quantile returns what a share of p of inferences do not exceed.
func (s *spread) quantile(tail *gpd, p float64) factor {
	if tail.share > 0 && p > 1-tail.share {
		return tail.at(log(tail.share / (1 - p)))
	}
	at := float64(p * float64(s.n-1))
	i := int(at)
	if i >= s.n-1 {
		return factor(s.sorted[s.n-1])
	}
	low, high := float64(s.sorted[i]), float64(s.sorted[i+1])
	return factor(low + float64((high-low)*(at-float64(i))))
}
