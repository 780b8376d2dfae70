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

// Encoding maps genomes to architectures of one space. The genes are, in this order: the depth of each
// stage, the kernel size of each position, the expand ratio of each position, the resolution. A gene's
// value is an index into the space's ascending list of choices. An Encoding does not change after
// NewEncoding, so it may be shared.
type Encoding struct {
	space       *supernet.Space
	resolutions []int
	choices     []uint8 // per gene
	stages      int
	positions   int
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
		{"stages", len(space.Stages)}, {"depths", len(space.Depths)}, {"kernel sizes", len(space.Kernels)},
		{"expand ratios", len(space.Expands)}, {"resolutions", len(resolutions)},
	} {
		if list.n == 0 {
			return nil, fmt.Errorf("%w: %s has no %s", ErrEmptySpace, space.Name, list.name)
		}
		if list.n > maxChoices {
			return nil, fmt.Errorf("%s has %d %s, at most %d are supported", space.Name, list.n, list.name, maxChoices)
		}
	}
	e := &Encoding{space: space, resolutions: slices.Clone(resolutions), stages: len(space.Stages), positions: space.Positions()}
	e.choices = slices.Concat(
		slices.Repeat([]uint8{uint8(len(space.Depths))}, e.stages),
		slices.Repeat([]uint8{uint8(len(space.Kernels))}, e.positions),
		slices.Repeat([]uint8{uint8(len(space.Expands))}, e.positions),
		[]uint8{uint8(len(resolutions))},
	)
	return e, nil
}

// Genes returns the length of a genome.
func (e *Encoding) Genes() int { return len(e.choices) }

// Choices returns the number of values of a gene, at least 1.
func (e *Encoding) Choices(gene int) int { return int(e.choices[gene]) }

// Active reports whether a gene matters in g: whether the depth of its stage reaches its position.
// Genes of depth and resolution always do.
func (e *Encoding) Active(g Genome, gene int) bool {
	if gene < e.stages || gene == len(e.choices)-1 {
		return true
	}
	p := (gene - e.stages) % e.positions
	stage, j := p/e.space.MaxDepth(), p%e.space.MaxDepth()
	return j < e.space.Depths[g[stage]]
}

// Canonical sets the inactive genes of g to zero, so that equal networks have equal genomes.
func (e *Encoding) Canonical(g Genome) {
	for stage := range e.stages {
		first := e.stages + stage*e.space.MaxDepth()
		for j := e.space.Depths[g[stage]]; j < e.space.MaxDepth(); j++ {
			g[first+j], g[first+j+e.positions] = 0, 0
		}
	}
}

// Decode sets a to the canonical architecture of g, reusing a's memory.
func (e *Encoding) Decode(g Genome, a *supernet.Arch) {
	a.KS = slices.Grow(a.KS[:0], e.positions)[:e.positions]
	a.E = slices.Grow(a.E[:0], e.positions)[:e.positions]
	a.D = slices.Grow(a.D[:0], e.stages)[:e.stages]
	a.R = e.resolutions[g[len(g)-1]]
	clear(a.KS)
	clear(a.E)
	for stage := range e.stages {
		a.D[stage] = e.space.Depths[g[stage]]
		first := stage * e.space.MaxDepth()
		for p := first; p < first+a.D[stage]; p++ {
			a.KS[p] = e.space.Kernels[g[e.stages+p]]
			a.E[p] = e.space.Expands[g[e.stages+e.positions+p]]
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
	for stage, d := range c.D {
		g[stage] = uint8(slices.Index(e.space.Depths, d))
		first := stage * e.space.MaxDepth()
		for p := first; p < first+d; p++ {
			g[e.stages+p] = uint8(slices.Index(e.space.Kernels, c.KS[p]))
			g[e.stages+e.positions+p] = uint8(slices.Index(e.space.Expands, c.E[p]))
		}
	}
	g[len(g)-1] = uint8(r)
	return g, nil
}

// Size returns the number of different networks: over the stages, the product of the sum over the
// depths of (kernel sizes * expand ratios)^depth; times the resolutions. Exact below 2^53.
func (e *Encoding) Size() float64 {
	block := float64(len(e.space.Kernels) * len(e.space.Expands))
	stage := 0.0
	for _, d := range e.space.Depths {
		stage += math.Pow(block, float64(d))
	}
	return math.Pow(stage, float64(e.stages)) * float64(len(e.resolutions))
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
