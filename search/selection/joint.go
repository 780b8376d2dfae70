package selection

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/family"
)

// JointChoice is a choice of levels that serve several processors.
type JointChoice struct {
	Indices []int // into the networks that were given, ascending in accuracy
	// Expected is the mean over the processors of the expected accuracy; PerProcessor has each.
	Expected     unit.Accuracy
	PerProcessor []unit.Accuracy
	// Bound is the mean of what as many levels chosen for each processor by itself would reach, exactly: no
	// joint choice can be better. Separate has each.
	Bound    unit.Accuracy
	Separate []unit.Accuracy
	Limits   []Limits // as used
}

// ChooseJoint chooses one set of levels for several processors: points[p] are the networks as processor p
// runs them, in the same order for all. A request is for each processor with equal chance, with a latency
// limit of that processor's distribution (nil: uniform over the range of its front), and is served by the
// most accurate level within it. The fastest network of each processor is always a level.
//
// The best set cannot be had by a dynamic programme, since the processors order the networks differently.
// It is built by adding the level that gains most, then improved by exchanging one level at a time until
// none gains. Expected accuracy is monotone and submodular in the set, so the first step alone reaches
// 1-1/e of the best gain (G. L. Nemhauser, L. A. Wolsey, M. L. Fisher, Mathematical Programming 14, 1978);
// JointChoice.Bound shows how far the result is from the best at most.
func ChooseJoint(points [][]search.Objectives, levels int, limits []Limits) (*JointChoice, error) {
	j, err := newJoint(points, levels, limits)
	if err != nil {
		return nil, fmt.Errorf("selection: joint: %w", err)
	}
	c := &JointChoice{Limits: j.limits}
	for p := range points {
		alone, err := Choose(points[p], Rule{Levels: min(levels, len(j.fronts[p])), Limits: j.limits[p]})
		if err != nil {
			return nil, err
		}
		c.Separate = append(c.Separate, alone.Expected)
		c.Bound += alone.Expected / unit.Accuracy(len(points))
	}
	chosen := slices.Clone(j.fastest)
	for len(chosen) < min(levels, len(j.all)) {
		best, gain := -1, j.utility(chosen)
		for _, i := range j.all {
			if u := j.utility(append(slices.Clone(chosen), i)); u > gain {
				best, gain = i, u
			}
		}
		if best < 0 {
			break
		}
		chosen = append(chosen, best)
	}
	for improved := true; improved; {
		improved = false
		for k := len(j.fastest); k < len(chosen); k++ {
			now, old := j.utility(chosen), chosen[k]
			best := old
			for _, i := range j.all {
				chosen[k] = i
				// A gain of rounding only would let the exchange run in circles.
				if u := j.utility(chosen); u > now+1e-12 {
					best, now, improved = i, u, true
				}
			}
			chosen[k] = best
		}
	}
	slices.SortStableFunc(chosen, func(a, b int) int {
		switch x, y := points[0][a].Accuracy, points[0][b].Accuracy; {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return a - b
	})
	c.Indices = chosen
	for p := range points {
		e := Expected(j.pick(p, chosen), j.limits[p])
		c.PerProcessor = append(c.PerProcessor, e)
		c.Expected += e / unit.Accuracy(len(points))
	}
	return c, nil
}

// joint is what ChooseJoint works on.
type joint struct {
	points  [][]search.Objectives
	limits  []Limits
	fronts  [][]int
	all     []int // networks on any processor's front
	fastest []int // of each processor, each network once
}

func newJoint(points [][]search.Objectives, levels int, limits []Limits) (*joint, error) {
	if len(points) == 0 || limits != nil && len(limits) != len(points) {
		return nil, errors.New("there must be processors, and limits for each or none")
	}
	if levels < len(points) || levels > family.MaxLevels {
		return nil, fmt.Errorf("%d levels are outside [%d, %d]: each processor's fastest network is one", levels, len(points), family.MaxLevels)
	}
	j := &joint{points: points}
	for p := range points {
		if len(points[p]) != len(points[0]) {
			return nil, fmt.Errorf("processor %d has %d networks, processor 0 has %d", p, len(points[p]), len(points[0]))
		}
		front, err := nonDominated(points[p])
		if err != nil {
			return nil, fmt.Errorf("processor %d: %w", p, err)
		}
		if len(front) == 0 {
			return nil, fmt.Errorf("%w: there are none", ErrTooFew)
		}
		j.fronts = append(j.fronts, front)
		j.all = append(j.all, front...)
		if !slices.Contains(j.fastest, front[0]) {
			j.fastest = append(j.fastest, front[0])
		}
		switch {
		case limits != nil && limits[p] != nil:
			j.limits = append(j.limits, limits[p])
		default:
			j.limits = append(j.limits, Uniform{points[p][front[0]].Latency, points[p][front[len(front)-1]].Latency})
		}
	}
	slices.Sort(j.all)
	j.all = slices.Compact(j.all)
	return j, nil
}

func (j *joint) pick(p int, indices []int) []search.Objectives {
	list := make([]search.Objectives, len(indices))
	for k, i := range indices {
		list[k] = j.points[p][i]
	}
	return list
}

// utility is the mean expected accuracy of a set.
func (j *joint) utility(indices []int) float64 {
	sum := 0.0
	for p := range j.points {
		sum += float64(Expected(j.pick(p, indices), j.limits[p]))
	}
	return sum / float64(len(j.points))
}
