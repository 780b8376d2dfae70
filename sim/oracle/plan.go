package oracle

import "time"

// node is a served batch in the tree of plans that labels share. What is given up has no node.
type node struct {
	parent int32 // -1: none
	first  int32 // request
	level  uint8
	batch  uint8
}

// plans keeps the nodes of all labels alive. Nodes of labels that died are removed from time to time,
// so that memory stays in proportion to the requests: plans of labels alive differ only in the end.
type plans struct {
	nodes   []node
	sweepAt int
	mark    []int32
}

// minSweep is the number of nodes below which nothing is removed.
const minSweep = 1 << 20

// add returns the number of a new node.
func (p *plans) add(n node) int32 {
	p.nodes = append(p.nodes, n)
	return int32(len(p.nodes) - 1)
}

// full reports whether it is time to sweep.
func (p *plans) full() bool { return len(p.nodes) >= max(p.sweepAt, minSweep) }

// sweep removes every node that no root leads to, and renumbers the roots.
func (p *plans) sweep(roots func(visit func(n *int32))) {
	const dead, alive = -1, 0
	p.mark = p.mark[:0]
	for range p.nodes {
		p.mark = append(p.mark, dead)
	}
	roots(func(n *int32) {
		for i := *n; i >= 0 && p.mark[i] == dead; i = p.nodes[i].parent {
			p.mark[i] = alive
		}
	})
	kept := int32(0)
	for i, n := range p.nodes { // parents come before their children
		if p.mark[i] == dead {
			continue
		}
		if n.parent >= 0 {
			n.parent = p.mark[n.parent]
		}
		p.nodes[kept], p.mark[i] = n, kept
		kept++
	}
	p.nodes = p.nodes[:kept]
	p.sweepAt = 2 * len(p.nodes)
	roots(func(n *int32) {
		if *n >= 0 {
			*n = p.mark[*n]
		}
	})
}

// path returns the nodes that lead to one, the first batch first.
func (p *plans) path(last int32) []node {
	n := 0
	for i := last; i >= 0; i = p.nodes[i].parent {
		n++
	}
	path := make([]node, n)
	for i := last; i >= 0; i = p.nodes[i].parent {
		n--
		path[n] = p.nodes[i]
	}
	return path
}

// schedule plays a plan and returns what becomes of each request, those without a deadline after all
// others at the best level.
func (in *instance) schedule(plan []node) []Decision {
	decisions := make([]Decision, 0, len(in.ids)+len(in.free))
	free, loaded := time.Duration(0), in.initial
	serve := func(level, batch int, ids []int64, arrival time.Duration, factor float64) {
		start := max(free, arrival)
		if level != loaded {
			start += in.switchTime
			loaded = level
		}
		end, _ := in.profile.finish(start, float64(in.levels[level].Latency[batch-1])*factor)
		for _, id := range ids {
			decisions = append(decisions, Decision{Request: id, Batch: batch, Level: level, Start: start, End: end})
		}
		free = end
	}
	i := 0
	giveUp := func(until int) {
		for ; i < until; i++ {
			decisions = append(decisions, Decision{Request: in.ids[i]})
		}
	}
	for _, n := range plan {
		first, batch := int(n.first), int(n.batch)
		giveUp(first)
		i = first + batch
		serve(int(n.level), batch, in.ids[first:i], in.arrival[i-1], in.factor[first])
	}
	giveUp(len(in.ids))
	best := in.best()
	for k, r := range in.free {
		serve(best, 1, []int64{r.ID}, r.Arrival, in.freeFactor[k])
	}
	return decisions
}
