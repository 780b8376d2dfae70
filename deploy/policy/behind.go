package policy

// look prepares what is known about the next arrival.
func (p *QDP) look(o *Observation) {
	l := &p.plan
	l.known, l.rest = [len(l.known)]bool{}, 0
	since := p.ticks(min(max(o.Now-p.gaps.last, 0), maxSpan))
	l.from = int((since + cellTicks/2) / cellTicks)
	if l.from < reach {
		l.rest = p.gaps.total
		for _, m := range p.gaps.mass[:l.from] {
			l.rest -= m
		}
	}
}

// behind returns the value of everything behind the requests that are planned, if the processor is
// free in t ticks.
func (p *QDP) behind(o *Observation, t int64) int64 {
	l := &p.plan
	if l.depth < len(o.Queue) {
		r := &o.Queue[l.depth]
		if r.Deadline == 0 {
			return 0
		}
		return p.values.at(dueTicks - (p.slack(r, o.Now) - t))
	}
	if o.Waiting > l.depth {
		return p.values.after(t + p.ticks(max(o.Now-o.Queue[l.depth-1].Arrival, 0)))
	}
	if l.rest*64 <= p.gaps.total { // longer than any gap seen: the past says nothing
		return p.values.after(t)
	}
	i := int(t / cellTicks)
	if i >= reach {
		return p.soon(reach)
	}
	low, high := p.soon(i), p.soon(i+1)
	return low + (high-low)*(t%cellTicks)/cellTicks
}

// soon returns the value of the next arrival if the processor is free in so many cells.
func (p *QDP) soon(cells int) int64 {
	l := &p.plan
	group := cells / lanes
	if !l.known[group] {
		l.arrivals[group] = p.values.next(group*lanes+l.from, l.from, l.rest, &p.gaps.mass)
		l.known[group] = true
	}
	return l.arrivals[group][cells%lanes]
}
