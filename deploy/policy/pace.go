package policy

// pace estimates by what factor inferences on a processor take longer than predicted at present: the
// mean ratio since the last change.
//
// A change is told from noise by the band that the noise was seen to keep. A ratio above it counts at
// once, as long as the next one does not show that it was an outlier; the next one that is above it too
// makes it a change. Below the band it takes two in a row. If the two differ by more than noise, the later one counts. A change within the band shows as a run of
// ratios that are all among the highest, or all among the lowest, of those that noise produced.
type pace struct {
	centre  factor
	n       uint64 // ratios since the last change, at most slowPace
	pending int8   // 1: the last ratio was above the band, -1: below
	held    factor // that ratio
	run     int8   // of high ratios if positive, of low ones if negative
	sum     factor // over the run
}

const (
	slowPace  = 32 // ratios that count in the long run
	firstPace = 2  // ratios that a fresh estimate stands for
	runUp     = 4  // high ratios in a row that are a change
	runDown   = 6
)

// verdict says what a ratio turned out to be.
type verdict struct {
	noise  factor // a ratio over the centre before it, to be taken for noise; 0: none
	older  factor // the same for the ratio held before it
	change bool   // the environment changed
}

func newPace() pace { return pace{centre: unity, n: firstPace} }

// present returns the factor to reckon with.
func (p *pace) present() factor {
	if p.pending > 0 {
		return max(p.held, p.centre)
	}
	return p.centre
}

// observe takes in the ratio of an observed latency to the predicted one. The band and the limits of
// high and low ratios are relative to the centre.
func (p *pace) observe(r, band, high, low factor) (v verdict) {
	r = min(max(r, unity/64), 4096*unity)
	relative := r.over(p.centre)
	side := int8(0)
	switch {
	case relative > band:
		side = 1
	case relative.times(band) < unity:
		side = -1
	}
	held := p.held
	if p.pending != 0 {
		if p.pending == side {
			if x := r.over(held); x > band || x.times(band) < unity {
				held = r // the change fell into the inference before
			}
			p.restart((held + r) / 2)
			v.change = true
			return v
		}
		v.older = held.over(p.centre)
	}
	p.pending, p.held = side, r
	if side != 0 {
		p.run, p.sum = 0, 0
		return v
	}
	v.noise = relative
	if p.drifted(r, relative, high, low) {
		v.change = true
		return v
	}
	p.n = min(p.n+1, slowPace)
	p.centre = moved(p.centre, r, p.n)
	return v
}

// drifted follows runs of high and low ratios.
func (p *pace) drifted(r, relative, high, low factor) bool {
	side := int8(0)
	switch {
	case relative > high:
		side = 1
	case relative < low:
		side = -1
	}
	if side == 0 || side > 0 != (p.run > 0) || p.run == 0 {
		p.run, p.sum = 0, 0
	}
	p.run += side
	p.sum += r
	switch {
	case p.run >= runUp:
		p.restart(p.sum / runUp)
	case p.run <= -runDown:
		p.restart(p.sum / runDown)
	default:
		if side == 0 {
			p.sum = 0
		}
		return false
	}
	return true
}

func (p *pace) restart(centre factor) {
	*p = pace{centre: max(centre, 1), n: firstPace}
}

// moved returns a mean of n values after r has come in.
func moved(mean, r factor, n uint64) factor {
	if r >= mean {
		return mean + (r-mean)/factor(n)
	}
	return mean - (mean-r)/factor(n)
}

// over returns f/g in units, at least 1 and at most maxFactor.
func (f factor) over(g factor) factor {
	return min(max(f*unity/g, 1), maxFactor) // both below 2^33
}
