package traffic

import (
	"math/rand/v2"
)

// Stream returns the random stream of the given name: a PCG generator seeded by a hash of all three
// arguments. Different names, replications and roots give unrelated streams, so adding a stream or drawing
// more from one never shifts another, and policies compared under one root and replication meet the same
// arrivals and the same noise. The same arguments give the same numbers on every machine.
func Stream(root uint64, replication int, name string) *rand.Rand {
	// FNV-1a spells the name into a word; SplitMix64's finaliser, which is a bijection, then stirs each
	// argument into two words that differ in their start.
	var spelled uint64 = 14695981039346656037
	for i := range len(name) {
		spelled = (spelled ^ uint64(name[i])) * 1099511628211
	}
	seed := func(h uint64) uint64 {
		for _, word := range [...]uint64{root, uint64(replication), spelled} {
			h = stir(h ^ word)
		}
		return h
	}
	return rand.New(rand.NewPCG(seed(1), seed(2)))
}

// stir is one step of SplitMix64 (G. L. Steele, D. Lea, C. H. Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014), with the constants of its variant 13 by D. Stafford.
func stir(h uint64) uint64 {
	h += 0x9e3779b97f4a7c15
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// exponential draws from the exponential distribution with mean 1, in steps of 2^-53. It compares integers
// and evaluates no function, so unlike rand.ExpFloat64 it gives the same bits on every architecture.
//
// Source: J. von Neumann, "Various techniques used in connection with random digits", NBS Applied
// Mathematics Series 12, 1951: the fraction is accepted if a run of decreasing uniforms that it begins has
// odd length, which happens with probability 1 - 1/e; each rejection adds 1.
func exponential(rng *rand.Rand) float64 {
	for whole := 0.0; ; whole++ {
		first := rng.Uint64() >> 11
		odd := true
		for last := first; ; odd = !odd {
			next := rng.Uint64() >> 11
			if next >= last {
				break
			}
			last = next
		}
		if odd {
			return whole + float64(first)/(1<<53)
		}
	}
}
