package eval

import (
	"fmt"
	"math"
)

// Paired compares two sub-networks on the same pictures.
type Paired struct {
	Both, OnlyA, OnlyB, Neither int     // pictures that were answered right (top-1)
	P                           float64 // of McNemar's exact test, two-sided: how likely as uneven a split is if both are equally good
}

// McNemar compares the ranks of two sub-networks on the same list of pictures. Pictures that either
// skipped do not count. It returns an error if the lists differ in length.
//
// Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions",
// Psychometrika 12, 1947; with the exact binomial distribution in place of chi-square.
func McNemar(a, b []Rank) (Paired, error) {
	if len(a) != len(b) {
		return Paired{}, fmt.Errorf("eval: %d and %d pictures cannot be paired", len(a), len(b))
	}
	var p Paired
	for i := range a {
		switch {
		case a[i] == Skipped || b[i] == Skipped:
		case a[i] == 0 && b[i] == 0:
			p.Both++
		case a[i] == 0:
			p.OnlyA++
		case b[i] == 0:
			p.OnlyB++
		default:
			p.Neither++
		}
	}
	p.P = binomialTest(min(p.OnlyA, p.OnlyB), p.OnlyA+p.OnlyB)
	return p, nil
}

// binomialTest is twice the probability of at most k heads in n fair throws, at most 1.
func binomialTest(k, n int) float64 {
	lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
	sum := 0.
	for i := range k + 1 {
		sum += math.Exp(lg(n) - lg(i) - lg(n-i) - float64(n)*math.Ln2)
	}
	return min(1, 2*sum)
}
