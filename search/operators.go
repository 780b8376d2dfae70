package search

import (
	"math/rand/v2"
)

// The parts of an evolutionary method. Each works on genomes of one encoding and takes its random
// numbers from rng alone, so that a seed repeats it.
type (
	// Sampling fills g with a new candidate.
	Sampling func(e *Encoding, g Genome, rng *rand.Rand)
	// Crossover fills child from two parents, which it leaves as they are.
	Crossover func(e *Encoding, a, b, child Genome, rng *rand.Rand)
	// Mutation changes g in place; it may leave it as it is.
	Mutation func(e *Encoding, g Genome, rng *rand.Rand)
)

// UniformSampling draws every gene uniformly from its choices. Deep stages are as likely as shallow
// ones, which is not uniform over networks: there are 81 times as many of depth 4 as of depth 2.
func UniformSampling(e *Encoding, g Genome, rng *rand.Rand) {
	for i := range g {
		g[i] = uint8(rng.IntN(e.Choices(i)))
	}
}

// UniformCrossover returns a crossover that, with the given probability, takes each gene from either
// parent with equal chance, and otherwise copies the first parent.
//
// Source: G. Syswerda, "Uniform crossover in genetic algorithms", ICGA 1989.
func UniformCrossover(probability float64) Crossover {
	return func(_ *Encoding, a, b, child Genome, rng *rand.Rand) {
		copy(child, a)
		if rng.Float64() >= probability {
			return
		}
		for i := range child {
			if rng.Uint64()&1 == 1 {
				child[i] = b[i]
			}
		}
	}
}

// StageCrossover returns a crossover that, with the given probability, takes each stage as a whole
// (depth, kernel sizes, expand ratios, width) from either parent with equal chance, and so the stem, if
// it has choices, and the resolution, and otherwise copies the first parent. What the genes of a stage do
// depends on its depth; the parents have proved their combinations.
func StageCrossover(probability float64) Crossover {
	return func(e *Encoding, a, b, child Genome, rng *rand.Rand) {
		copy(child, a)
		if rng.Float64() >= probability {
			return
		}
		for _, s := range e.stages {
			if rng.Uint64()&1 == 0 {
				continue
			}
			for _, gene := range []int{s.depth, s.width} {
				if gene >= 0 {
					child[gene] = b[gene]
				}
			}
			kernels, expands := e.kernel(s.first), e.expand(s.first)
			copy(child[kernels:kernels+s.count], b[kernels:])
			copy(child[expands:expands+s.count], b[expands:])
		}
		if stem := e.stemGenes(); len(stem) > 0 && rng.Uint64()&1 == 1 {
			for _, gene := range stem {
				child[gene] = b[gene]
			}
		}
		if rng.Uint64()&1 == 1 {
			child[len(child)-1] = b[len(b)-1]
		}
	}
}

// ResetMutation returns a mutation that gives genes of the genome, that many on average, a different
// value drawn uniformly. Inactive genes change too, which nobody sees until their stage grows.
func ResetMutation(genes float64) Mutation {
	return func(e *Encoding, g Genome, rng *rand.Rand) {
		p := genes / float64(len(g))
		for i := range g {
			if n := e.Choices(i); rng.Float64() < p && n > 1 {
				g[i] = uint8((int(g[i]) + 1 + rng.IntN(n-1)) % n)
			}
		}
	}
}
