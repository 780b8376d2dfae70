package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/supernet"
)

// Genome is a candidate in a method's hands: for each gene the index of a choice, in the order of
// [Encoding]. Genes of inactive positions mean nothing, but children inherit them.
type Genome []uint8

// Encoding maps genomes to architectures of one space. The genes are, in this order: the entries of the
// architecture's depths, the kernel size of each position, the expand ratio of each position, the entries
// of its widths, the resolution. A gene's value is an index into the space's ascending list of choices. An
// Encoding does not change after NewEncoding, so it may be shared.
type Encoding struct {
	space       *supernet.Space
	resolutions []int
	choices     []uint8 // per gene
	depths      [][]int // per entry of Arch.D: its values
	widths      [][]int // per entry of Arch.W: its values
	stages      []stageGenes
	positions   int
	stageOf     []int // per position
}

// stageGenes says where the genes of a stage are.
type stageGenes struct {
	depth int // gene of its entry of Arch.D, or -1: the depth is fixed
	first int // position of block 0
	count int // positions
	base  int // blocks that are active beyond the entry
	width int // gene of its entry of Arch.W, or -1
}

// maxChoices bounds the choices of a gene, so that they fit one byte.
const maxChoices = 255

// NewEncoding returns the encoding of a space with the given resolutions, ascending. It returns an error
// that wraps ErrEmptySpace if a list of choices is empty, and an error if one has more than 255.
func NewEncoding(space *supernet.Space, resolutions []int) (*Encoding, error) {
	for _, list := range []struct {
		name string
		n    int
	}{
		{"stages", len(space.Stages)}, {"depths", fewestDepths(space)}, {"kernel sizes", len(space.Kernels)},
		{"expand ratios", len(space.Expands)}, {"resolutions", len(resolutions)}, {"widths", max(1, len(space.Widths))},
	} {
		if list.n == 0 {
			return nil, fmt.Errorf("%w: %s has no %s", ErrEmptySpace, space.Name, list.name)
		}
		if list.n > maxChoices {
			return nil, fmt.Errorf("%s has %d %s, at most %d are supported", space.Name, list.n, list.name, maxChoices)
		}
	}
	e := &Encoding{space: space, resolutions: slices.Clone(resolutions), positions: space.Positions()}
	for i := range space.DepthEntries() {
		e.depths = append(e.depths, space.DepthChoices(i))
		e.choices = append(e.choices, uint8(len(e.depths[i])))
	}
	e.choices = append(e.choices, slices.Repeat([]uint8{uint8(len(space.Kernels))}, e.positions)...)
	e.choices = append(e.choices, slices.Repeat([]uint8{uint8(len(space.Expands))}, e.positions)...)
	for i := range space.WidthEntries() {
		e.widths = append(e.widths, space.WidthChoices(i))
		e.choices = append(e.choices, uint8(len(e.widths[i])))
	}
	e.choices = append(e.choices, uint8(len(resolutions)))
	for i, stage := range space.Stages {
		s := stageGenes{depth: space.DepthEntry(i), first: space.FirstPosition(i), base: stage.Base, width: -1}
		s.count = space.FirstPosition(i+1) - s.first
		if len(e.widths) > 0 {
			s.width = e.width(len(e.widths) - len(space.Stages) + i)
		}
		e.stages = append(e.stages, s)
		e.stageOf = append(e.stageOf, slices.Repeat([]int{i}, s.count)...)
	}
	return e, nil
}

// fewestDepths returns the length of the shortest list of depths that a stage has, or the longest if that
// is above the limit.
func fewestDepths(space *supernet.Space) int {
	fewest, most := maxChoices, 0
	for i, stage := range space.Stages {
		n := len(space.Depths)
		if i < len(space.StageDepths) && len(space.StageDepths[i]) > 0 {
			n = len(space.StageDepths[i])
		}
		if !stage.Fixed {
			fewest, most = min(fewest, n), max(most, n)
		}
	}
	if most > maxChoices {
		return most
	}
	return fewest
}

// Genes returns the length of a genome.
func (e *Encoding) Genes() int { return len(e.choices) }

// Choices returns the number of values of a gene, at least 1.
func (e *Encoding) Choices(gene int) int { return int(e.choices[gene]) }

// kernel, expand and width return the gene of a position or entry.
func (e *Encoding) kernel(position int) int { return len(e.depths) + position }
func (e *Encoding) expand(position int) int { return len(e.depths) + e.positions + position }
func (e *Encoding) width(entry int) int     { return len(e.depths) + 2*e.positions + entry }

// active returns the number of active blocks of a stage in g.
func (e *Encoding) active(g Genome, stage int) int {
	s := &e.stages[stage]
	if s.depth < 0 {
		return s.base
	}
	return s.base + e.depths[s.depth][g[s.depth]]
}

// stemGenes returns the genes of a stem with choices: its depth and widths.
func (e *Encoding) stemGenes() []int {
	var genes []int
	if len(e.depths) > 0 && e.space.StageOfEntry(0) < 0 {
		genes = append(genes, 0)
	}
	for i := range len(e.widths) - len(e.stages) {
		genes = append(genes, e.width(i))
	}
	return genes
}

// Active reports whether a gene matters in g: whether the depth of its stage reaches its position.
// Genes of depths, widths and resolution always do.
func (e *Encoding) Active(g Genome, gene int) bool {
	if gene < len(e.depths) || gene >= e.width(0) {
		return true
	}
	p := (gene - len(e.depths)) % e.positions
	stage := e.stageOf[p]
	return p-e.stages[stage].first < e.active(g, stage)
}

// Canonical sets the inactive genes of g to zero, so that equal networks have equal genomes.
func (e *Encoding) Canonical(g Genome) {
	for i := range e.stages {
		s := &e.stages[i]
		for p := s.first + e.active(g, i); p < s.first+s.count; p++ {
			g[e.kernel(p)], g[e.expand(p)] = 0, 0
		}
	}
}

// Decode sets a to the canonical architecture of g, reusing a's memory.
func (e *Encoding) Decode(g Genome, a *supernet.Arch) {
	a.KS = slices.Grow(a.KS[:0], e.positions)[:e.positions]
	a.E = slices.Grow(a.E[:0], e.positions)[:e.positions]
	a.D = slices.Grow(a.D[:0], len(e.depths))[:len(e.depths)]
	a.R = e.resolutions[g[len(g)-1]]
	clear(a.KS)
	clear(a.E)
	for i, choices := range e.depths {
		a.D[i] = choices[g[i]]
	}
	for i := range e.stages {
		first := e.stages[i].first
		for p := first; p < first+e.active(g, i); p++ {
			a.KS[p] = e.space.Kernels[g[e.kernel(p)]]
			a.E[p] = e.space.Expands[g[e.expand(p)]]
		}
	}
	if len(e.widths) > 0 {
		a.W = slices.Grow(a.W[:0], len(e.widths))[:len(e.widths)]
		for i, choices := range e.widths {
			a.W[i] = choices[g[e.width(i)]]
		}
	}
}

// Encode returns the canonical genome of a. It returns an error if a is no sub-network of the space or
// its resolution is not among the encoding's.
func (e *Encoding) Encode(a supernet.Arch) (Genome, error) {
	c, err := e.space.Canonical(a)
	if err != nil {
		return nil, err
	}
	r := slices.Index(e.resolutions, c.R)
	if r < 0 {
		return nil, fmt.Errorf("architecture: resolution %d is not searched, choices are %v", c.R, e.resolutions)
	}
	g := make(Genome, e.Genes())
	for i, d := range c.D {
		g[i] = uint8(slices.Index(e.depths[i], d))
	}
	for i, w := range c.W {
		g[e.width(i)] = uint8(slices.Index(e.widths[i], w))
	}
	for i := range e.stages {
		first := e.stages[i].first
		for p := first; p < first+e.active(g, i); p++ {
			g[e.kernel(p)] = uint8(slices.Index(e.space.Kernels, c.KS[p]))
			g[e.expand(p)] = uint8(slices.Index(e.space.Expands, c.E[p]))
		}
	}
	g[len(g)-1] = uint8(r)
	return g, nil
}

// Size returns the number of different networks: over the stages, the product of the sum over the
// depths of (kernel sizes * expand ratios)^blocks; times the widths and the resolutions. Exact below 2^53.
func (e *Encoding) Size() float64 {
	block := float64(len(e.space.Kernels) * len(e.space.Expands))
	size := 1.0
	for i := range e.depths {
		if e.space.StageOfEntry(i) < 0 {
			size *= float64(len(e.depths[i]))
		}
	}
	for _, w := range e.widths {
		size *= float64(len(w))
	}
	for _, s := range e.stages {
		depths := []int{0}
		if s.depth >= 0 {
			depths = e.depths[s.depth]
		}
		sum := 0.0
		for _, d := range depths {
			sum += math.Pow(block, float64(s.base+d))
		}
		size *= sum
	}
	return size * float64(len(e.resolutions))
}

// next advances a canonical genome to its successor in the order of genomes, or reports that g was the
// last. Depths come first, so that what is active changes only when all later genes start again at zero.
func (e *Encoding) next(g Genome) bool {
	for i := len(g) - 1; i >= 0; i-- {
		if !e.Active(g, i) {
			continue
		}
		if int(g[i])+1 < e.Choices(i) {
			g[i]++
			return true
		}
		g[i] = 0
	}
	return false
}
