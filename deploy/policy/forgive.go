package policy

import "time"

// With several processors one whose inference took long is left alone, and then nothing would ever tell whether it still takes long. So what
// was seen of a processor is doubted while it is left alone:
//
//   - a single inference that took far longer than those before counts as an outlier when the processor has been free for as
//     long again as it took; if the next one is as slow, that is a change, as always;
//   - a pace slower than the table's counts no more after forgiveAfter times the last inference, so that trying a processor
//     that really is slow takes that share of the time at most.
//
// Ours; it is the optimism in the face of uncertainty of bandit algorithms, with times instead of counts.
const forgiveAfter = 64

// seen is what a processor did last.
type seen struct{ end, took time.Duration }

// doubts are the processors of which something is not believed any more, as bits. They are part of what looking at an observation
// changes, which a call that is answered by waiting undoes.
type doubts struct {
	outlier uint64 // the last inference, until the next
	pace    uint64 // all that was learned of the pace, until the next inference
}

// doubt looks for processors that were left alone for long.
func (p *QDP) doubt(o *Observation) {
	for i, s := range p.wide.seen {
		bit := uint64(1) << i
		if s.took == 0 || o.Busy&bit != 0 {
			continue
		}
		alone, k := o.Now-s.end, &p.pace[i]
		if alone > s.took && k.pending > 0 && p.doubts.outlier&bit == 0 {
			p.doubts.outlier |= bit
			p.stale = true
		}
		if alone/forgiveAfter > s.took && k.centre > unity && p.doubts.pace&bit == 0 {
			p.doubts.pace |= bit
			p.stale = true
		}
	}
}

// believe takes note of an inference, which settles the doubts about its processor.
func (p *QDP) believe(c *Completion) {
	if p.wide == nil || p.wide.seen == nil {
		return
	}
	bit := uint64(1) << c.Processor
	if p.doubts.pace&bit != 0 {
		p.pace[c.Processor] = newPace()
	}
	p.doubts.outlier &^= bit
	p.doubts.pace &^= bit
	p.wide.seen[c.Processor] = seen{c.End, c.Latency()}
}

// present returns the factor to reckon with on a processor.
func (p *QDP) present(processor int) factor {
	k, bit := &p.pace[processor], uint64(1)<<processor
	switch {
	case p.doubts.pace&bit != 0:
		return unity
	case p.doubts.outlier&bit != 0:
		return k.centre
	}
	return k.present()
}
