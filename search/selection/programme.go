package selection

import (
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/family"
)

// programme is the dynamic programme behind Choose. A level i that follows level j in latency adds
// (accuracy i - accuracy j) to every limit that i keeps, so the expected accuracy of a choice is a sum
// over neighbouring levels:
//
//	accuracy[0]*kept[0] + sum of step(j, i)
//
// It holds a front, fastest first.
type programme struct {
	accuracy []float64
	kept     []float64 // probability that a limit is at or above the network's latency
	full     float64   // gain of the whole front over its fastest network
}

func newProgramme(points []search.Objectives, front []int, limits Limits) *programme {
	p := &programme{}
	all := make([]int, len(front))
	for i, id := range front {
		p.accuracy = append(p.accuracy, float64(points[id].Accuracy))
		p.kept = append(p.kept, 1-min(max(limits.Below(points[id].Latency), 0), 1))
		all[i] = i
	}
	p.full = p.gain(all)
	return p
}

// step returns what level i adds after level j.
func (p *programme) step(j, i int) float64 { return (p.accuracy[i] - p.accuracy[j]) * p.kept[i] }

// gain returns what the levels, ascending, add to the fastest network, which is the first of them.
func (p *programme) gain(levels []int) float64 {
	sum := 0.0
	for k := 1; k < len(levels); k++ {
		sum += float64(p.step(levels[k-1], levels[k]))
	}
	return sum
}

// share returns a gain as a part of the whole front's.
func (p *programme) share(gain float64) float64 {
	if p.full <= 0 {
		return 1
	}
	return min(gain/p.full, 1)
}

// choose returns the levels that the rule asks for, ascending, or nil if family.MaxLevels do not reach
// the share.
//
// Invariant: after round k, best[i] is the largest gain of k levels of which 0 is the first and i the
// last, or negative if there are none.
func (p *programme) choose(rule Rule) []int {
	n := len(p.accuracy)
	best := slices.Repeat([]float64{-1}, n)
	best[0] = 0
	var before [][]int // [round][last level] is the level before it
	for k := 1; ; k++ {
		if levels := p.trace(best, before, rule.Keep); levels != nil {
			if k == rule.Levels || rule.Share > 0 && p.share(p.gain(levels)) >= rule.Share {
				return levels
			}
		}
		if k == min(n, family.MaxLevels) {
			return nil
		}
		next, from := slices.Repeat([]float64{-1}, n), make([]int, n)
		for i := k; i < n; i++ {
			for j := k - 1; j < i; j++ {
				if g := best[j] + float64(p.step(j, i)); best[j] >= 0 && g > next[i] {
					next[i], from[i] = g, j
				}
			}
		}
		best, before = next, append(before, from)
	}
}

// trace returns the best choice of a round, or nil if there is none.
func (p *programme) trace(best []float64, before [][]int, keep Keep) []int {
	last := 0
	if keep == KeepBothEnds {
		last = len(best) - 1
	} else {
		for i, g := range best {
			if g > best[last] {
				last = i
			}
		}
	}
	if best[last] < 0 {
		return nil
	}
	levels := []int{last}
	for _, from := range slices.Backward(before) {
		last = from[last]
		levels = append(levels, last)
	}
	slices.Reverse(levels)
	return levels
}

// Expected returns the expected accuracy of a set of networks in any order: each limit is served by the
// most accurate one within it, and counts as 0 if there is none.
func Expected(points []search.Objectives, limits Limits) unit.Accuracy {
	front, err := nonDominated(points)
	if err != nil || len(front) == 0 {
		return 0
	}
	p := newProgramme(points, front, limits)
	return unit.Accuracy(float64(p.accuracy[0]*p.kept[0]) + p.full)
}
