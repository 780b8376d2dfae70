package search

// neighbours calls visit with every network that differs from the canonical genome g in one choice: one
// kernel size, expand ratio, width or resolution, or one stage's depth. A stage that grows by one position gets
// every kind of block there; one that grows by more gets copies of its last block. The genome that visit
// gets is reused.
func (e *Encoding) neighbours(g Genome, visit func(Genome)) {
	n := append(Genome(nil), g...)
	for gene := range g {
		stem := gene < len(e.depths) && e.space.StageOfEntry(gene) < 0
		if e.Active(g, gene) && (gene >= len(e.depths) || stem) {
			e.each(n, gene, g[gene], func() { visit(n) })
			n[gene] = g[gene]
		}
	}
	for _, s := range e.stages {
		if s.depth < 0 {
			continue
		}
		for d := range e.depths[s.depth] {
			if d != int(g[s.depth]) {
				e.resized(n, g, s, d, visit)
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
func (e *Encoding) resized(n, g Genome, s stageGenes, depth int, visit func(Genome)) {
	old, now := s.base+e.depths[s.depth][g[s.depth]], s.base+e.depths[s.depth][depth]
	kernels, expands := e.kernel(s.first), e.expand(s.first)
	n[s.depth] = uint8(depth)
	if now != old+1 {
		for j := old; j < now && old > 0; j++ {
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
