package platform

import (
	"maps"
	"slices"

	"github.com/dynofa/dynofa/datasets/board"
)

// Spread is the relative error of the power model's coefficients that a claim about energy is tried with.
const Spread = 0.3

// Saving is a claim about energy, with what it rests on: the coefficients of the power model, many of them assumed.
type Saving struct {
	// Share is 1 - ours/theirs by the board's coefficients; negative if ours took more.
	Share float64 `json:"share"`
	// Low and High bound the share over all combinations of coefficients that are Spread larger or smaller.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Parts has the same with one coefficient alone larger or smaller.
	Parts []SavingPart `json:"parts"`
}

// SavingPart is what becomes of a saving as one coefficient changes.
type SavingPart struct {
	Coefficient string  `json:"coefficient"`
	Low         float64 `json:"low"`
	High        float64 `json:"high"`
}

// NewSaving compares two usages of one board, or means of them. Temperatures, and so leakage and throttling, are as they
// were with the board's coefficients. It panics like Usage.Energy, and takes the 64 corners of the coefficients for the extremes,
// which they are: ours and theirs are linear in each coefficient but the exponent, and their ratio is monotone in each of those; in
// the exponent it is monotone where one of the two ran at lower clocks throughout.
func NewSaving(b *board.Board, ours, theirs *Usage) Saving {
	share := func(c coefficients) float64 {
		return 1 - float64(ours.energy(b, c).Total/theirs.energy(b, c).Total)
	}
	one := coefficients{1, 1, 1, 1, 1, 1}
	s := Saving{Share: share(one)}
	s.Low, s.High = s.Share, s.Share
	for corner := range 1 << numCoefficients {
		var c coefficients
		for i := range c {
			c[i] = 1 - Spread
			if corner>>i&1 == 1 {
				c[i] = 1 + Spread
			}
		}
		v := share(c)
		s.Low, s.High = min(s.Low, v), max(s.High, v)
	}
	for i := range one {
		low, high := one, one
		low[i], high[i] = 1-Spread, 1+Spread
		a, z := share(low), share(high)
		s.Parts = append(s.Parts, SavingPart{coefficientNames[i], min(a, z), max(a, z)})
	}
	return s
}

// Add adds another usage of the same board, for means over replications.
func (u *Usage) Add(other *Usage) {
	u.Elapsed += other.Elapsed
	u.Bytes += other.Bytes
	u.Warmth += other.Warmth
	if u.Busy == nil {
		u.Busy = make([][]float64, len(other.Busy))
	}
	for i, steps := range other.Busy {
		if u.Busy[i] == nil {
			u.Busy[i] = make([]float64, len(steps))
		}
		for step, seconds := range steps {
			u.Busy[i][step] += seconds
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
