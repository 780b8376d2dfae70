// Package selection chooses the few levels of a family from the many networks of a Pareto front.
//
// The rule: requests come with a latency limit, drawn from a stated distribution, and each is served
// by the most accurate level within its limit; choose the levels that maximise the expected accuracy.
// For a limit uniform over a range this is the area under the staircase that the levels form below the
// front. The choice is exact, by dynamic programming. The fastest network is always a level, so that
// every limit that can be kept is kept.
//
// The package predicts nothing but the latencies of the levels it has chosen, with the predictors that
// it is given, and it does not judge whether the front's numbers are true.
package selection

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/search/pareto"
)

// ErrTooFew is wrapped by errors that say that a front has fewer networks than levels are asked for.
var ErrTooFew = errors.New("too few networks")

// Keep says which networks are levels in any case.
type Keep int

// What to keep.
const (
	// KeepFastest keeps the fastest network only. The most accurate one is then rarely chosen: it
	// serves only limits above its own latency.
	KeepFastest Keep = iota
	// KeepBothEnds keeps the fastest and the most accurate network.
	KeepBothEnds
)

// Rule says how many levels to choose, and for what. Either Levels or Share is set.
type Rule struct {
	// Levels is the number of levels, 1 (2 with KeepBothEnds) to family.MaxLevels.
	Levels int
	// Share, in (0, 1], asks instead for the fewest levels that reach this share of what the whole front
	// gains in expected accuracy over its fastest network alone.
	Share float64
	// Limits is the distribution of the latency limit; nil stands for uniform over the front's range.
	Limits Limits
	Keep   Keep
}

// Limits is a distribution of latency limits.
type Limits interface {
	// Below returns the probability that a limit is below latency: not decreasing, in [0, 1].
	Below(latency unit.Nanoseconds) float64
	// String describes the distribution, to follow "a latency limit ".
	String() string
}

// Uniform is the uniform distribution of limits over a range.
type Uniform struct{ Low, High unit.Nanoseconds }

var _ Limits = Uniform{}

// Below is 0 up to Low and 1 from High on. An empty range holds the single limit Low.
func (u Uniform) Below(latency unit.Nanoseconds) float64 {
	switch {
	case latency <= u.Low:
		return 0
	case latency >= u.High:
		return 1
	}
	return float64(latency-u.Low) / float64(u.High-u.Low)
}

// String returns "uniform over 15.9 ms to 30.2 ms".
func (u Uniform) String() string { return fmt.Sprintf("uniform over %v to %v", u.Low, u.High) }

// Choice is a choice of levels.
type Choice struct {
	Indices []int // into the points that were given, ascending in latency
	// Expected is the expected accuracy; a limit that not even the fastest network keeps counts as 0.
	Expected unit.Accuracy
	// Share is the part of the whole front's gain over its fastest network that the levels reach, 0 to
	// 1; 1 if there is nothing to gain.
	Share  float64
	Limits Limits // as used
	Front  int    // non-dominated points that were to choose from; of equal ones only the first
}

// Choose chooses levels among points, of which it considers only those that no other dominates. It
// returns an error for an invalid rule or point, and one that wraps ErrTooFew if there are fewer points
// left than levels asked for.
//
// It takes O(Levels * n^2) for n non-dominated points. Of equally good choices it takes the one with the
// faster levels.
func Choose(points []search.Objectives, rule Rule) (*Choice, error) {
	if err := rule.Validate(); err != nil {
		return nil, err
	}
	front, err := nonDominated(points)
	if err != nil {
		return nil, fmt.Errorf("selection: %w", err)
	}
	n := len(front)
	if n == 0 || n < rule.Levels {
		return nil, fmt.Errorf("selection: %w: the front has %d networks, %d levels are asked for", ErrTooFew, n, max(rule.Levels, 1))
	}
	if rule.Limits == nil {
		rule.Limits = Uniform{points[front[0]].Latency, points[front[n-1]].Latency}
	}
	p := newProgramme(points, front, rule.Limits)
	chosen := p.choose(rule)
	if chosen == nil {
		return nil, fmt.Errorf("selection: %d levels reach less than the share %g that is asked for", family.MaxLevels, rule.Share)
	}
	c := &Choice{Limits: rule.Limits, Front: n, Share: p.share(p.gain(chosen))}
	for _, i := range chosen {
		c.Indices = append(c.Indices, front[i])
	}
	c.Expected = unit.Accuracy(float64(p.accuracy[0]*p.kept[0]) + p.gain(chosen))
	return c, nil
}

// Validate returns an error unless the rule asks for one thing that can be had.
func (r Rule) Validate() error {
	least := 1
	if r.Keep == KeepBothEnds {
		least = 2
	}
	switch {
	case r.Levels != 0 && r.Share != 0:
		return errors.New("selection: both a number of levels and a share are given")
	case r.Share != 0 && !(r.Share > 0 && r.Share <= 1):
		return fmt.Errorf("selection: share %g is outside (0, 1]", r.Share)
	case r.Share == 0 && (r.Levels < least || r.Levels > family.MaxLevels):
		return fmt.Errorf("selection: %d levels are outside [%d, %d]", r.Levels, least, family.MaxLevels)
	case r.Keep != KeepFastest && r.Keep != KeepBothEnds:
		return fmt.Errorf("selection: unknown rule of what to keep: %d", r.Keep)
	}
	if u, ok := r.Limits.(Uniform); ok && !(u.Low >= 0 && u.High >= u.Low && !math.IsInf(float64(u.High), 0)) {
		return fmt.Errorf("selection: limits from %v to %v are no range", u.Low, u.High)
	}
	return nil
}

// nonDominated returns the indices of the front of points, ascending in latency; of equal points the
// first.
func nonDominated(points []search.Objectives) ([]int, error) {
	var archive pareto.Archive
	for i, o := range points {
		if err := o.Accuracy.Validate(); err != nil {
			return nil, fmt.Errorf("network %d: %w", i, err)
		}
		if l := float64(o.Latency); !(l > 0) || math.IsInf(l, 0) {
			return nil, fmt.Errorf("network %d: latency %g ns is not positive and finite", i, l)
		}
		archive.Insert(float64(o.Latency), -float64(o.Accuracy), i)
	}
	var front []int
	for _, e := range archive.Entries() {
		front = append(front, e.ID)
	}
	slices.SortFunc(front, func(a, b int) int { return cmp.Compare(points[a].Latency, points[b].Latency) })
	return front, nil
}
