package search

// neighbours calls visit with every network that differs from the canonical genome g in one choice: one
// kernel size, expand ratio or resolution, or one stage's depth. A stage that grows by one position gets
// every kind of block there; one that grows by more gets copies of its last block. The genome that visit
// gets is reused.
func (e *Encoding) neighbours(g Genome, visit func(Genome)) {
	n := append(Genome(nil), g...)
	for gene := e.stages; gene < len(g); gene++ {
		if e.Active(g, gene) {
			e.each(n, gene, g[gene], func() { visit(n) })
			n[gene] = g[gene]
		}
	}
	for stage := range e.stages {
		for d := range e.space.Depths {
			if d != int(g[stage]) {
				e.resized(n, g, stage, d, visit)
				copy(n, g)
			}
		}
	}
}

// each sets a gene to each of its values but one.
func (e *Encoding) each(n Genome, gene int, but uint8, visit func()) {
	for c := range e.Choices(gene) {
		if c != int(but) {
			n[gene] = uint8(c)
			visit()
		}
	}
}

// resized visits the networks in which a stage has another depth.
func (e *Encoding) resized(n, g Genome, stage, depth int, visit func(Genome)) {
	old, now := e.space.Depths[g[stage]], e.space.Depths[depth]
	kernels := e.stages + stage*e.space.MaxDepth()
	expands := kernels + e.positions
	n[stage] = uint8(depth)
	if now != old+1 {
		for j := old; j < now; j++ {
			n[kernels+j], n[expands+j] = g[kernels+old-1], g[expands+old-1]
		}
		e.Canonical(n)
		visit(n)
		return
	}
	for k := range e.Choices(kernels) {
		for x := range e.Choices(expands) {
			n[kernels+old], n[expands+old] = uint8(k), uint8(x)
			visit(n)
		}
	}
}
