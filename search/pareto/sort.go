package pareto

import (
	"cmp"
	"slices"
	"sort"
)

// Sort splits the points into fronts: front 0 is dominated by no point, front 1 by points of front 0
// only, and so on. It returns the indices of each front in ascending order. Equal points share a front.
//
// O(n log n) for one and two objectives, O(M n^2) at worst and O(M n sqrt(n)) typically beyond.
//
// Source: for two objectives M. T. Jensen, "Reducing the run-time complexity of multiobjective EAs",
// IEEE Trans. Evolutionary Computation 7(5), 2003; for more X. Zhang et al., "An efficient approach to
// nondominated sorting for evolutionary multiobjective optimization" (ENS-BS), same journal 19(2), 2015.
func Sort(points [][]float64) [][]int {
	ranks, n := Ranks(points)
	sizes := make([]int, n)
	for _, r := range ranks {
		sizes[r]++
	}
	fronts, all := make([][]int, n), make([]int, len(points))
	for r, size := range sizes {
		fronts[r], all = all[:0:size], all[size:]
	}
	for i, r := range ranks {
		fronts[r] = append(fronts[r], i)
	}
	return fronts
}

// Ranks returns for each point the number of the front on which Sort puts it, and the number of fronts.
func Ranks(points [][]float64) (ranks []int, fronts int) {
	mustCheck(points)
	ranks = make([]int, len(points))
	switch {
	case len(points) == 0:
		return ranks, 0
	case len(points[0]) == 2:
		return ranks, ranks2(points, ranks)
	}
	var members [][]int // of each front, in lexicographic order
	for _, i := range lexicographic(points) {
		// If a front holds a dominator of i then so does every front before it: search by halves.
		r := sort.Search(len(members), func(f int) bool { return !dominatedBy(points, members[f], i) })
		if r == len(members) {
			members = append(members, nil)
		}
		members[r] = append(members[r], i)
		ranks[i] = r
	}
	return ranks, len(members)
}

// dominatedBy reports whether a member of front dominates point i. The latest members are the likeliest.
func dominatedBy(points [][]float64, front []int, i int) bool {
	for _, j := range slices.Backward(front) {
		if dominates(points[j], points[i]) {
			return true
		}
	}
	return false
}

// point2 is a point with two objectives and where it came from.
type point2 struct {
	x, y float64
	i    int
}

// sorted2 returns points with two objectives in lexicographic order.
func sorted2(points [][]float64) []point2 {
	s := make([]point2, len(points))
	for i, p := range points {
		s[i] = point2{p[0], p[1], i}
	}
	slices.SortFunc(s, func(a, b point2) int {
		switch {
		case a.x < b.x:
			return -1
		case a.x > b.x:
			return 1
		case a.y < b.y:
			return -1
		case a.y > b.y:
			return 1
		}
		return cmp.Compare(a.i, b.i)
	})
	return s
}

// ranks2 is Ranks for two objectives. In lexicographic order the last member of a front has its least y, so it
// dominates a newcomer if any member does, unless it equals the newcomer, which then belongs to that front.
func ranks2(points [][]float64, ranks []int) int {
	var last []point2 // of each front
	for _, p := range sorted2(points) {
		r := sort.Search(len(last), func(f int) bool {
			q := last[f]
			return q.y > p.y || (q.y == p.y && q.x == p.x)
		})
		if r == len(last) {
			last = append(last, p)
		}
		last[r] = p
		ranks[p.i] = r
	}
	return len(last)
}

// Front returns the indices of the points that no other dominates, in ascending order. Of equal points all
// are kept. O(n log n) for two objectives, O(M n |front|) otherwise.
func Front(points [][]float64) []int {
	mustCheck(points)
	front := []int{}
	if len(points) > 0 && len(points[0]) == 2 {
		var last point2
		for k, p := range sorted2(points) {
			if k == 0 || p.y < last.y || (p.y == last.y && p.x == last.x) {
				front = append(front, p.i)
				last = p
			}
		}
	} else {
		for _, i := range lexicographic(points) {
			if !dominatedBy(points, front, i) {
				front = append(front, i)
			}
		}
	}
	slices.Sort(front)
	return front
}

// StrictFront returns, in ascending order, the indices of the points to which no other is better in every
// objective. It keeps more than Front: points that tie with a front point in one objective, and all of equal
// points. O(n log n) for two objectives, O(M n |front|) otherwise.
//
// Source: the rule of Dynamic-OFA's notebooks (Lou et al., CVPR workshops 2021; repository
// UoS-EEC/DynamicOFA), which drop a network iff another is both more accurate and cheaper.
func StrictFront(points [][]float64) []int {
	mustCheck(points)
	front := []int{}
	if len(points) > 0 && len(points[0]) == 2 {
		front = strictFront2(sorted2(points))
	} else {
		for _, i := range lexicographic(points) {
			beaten := slices.ContainsFunc(front, func(j int) bool { return strictlyDominates(points[j], points[i]) })
			if !beaten {
				front = append(front, i)
			}
		}
	}
	slices.Sort(front)
	return front
}

// strictFront2 returns the indices of the points whose y is not above the least y at smaller x.
func strictFront2(s []point2) []int {
	front := []int{}
	least, leastHere := s[0].y, s[0].y // over smaller x, and including the present x
	first := true                      // no smaller x yet
	for k, p := range s {
		if k > 0 && p.x != s[k-1].x {
			least, first = leastHere, false
		}
		if first || p.y <= least {
			front = append(front, p.i)
		}
		leastHere = min(leastHere, p.y)
	}
	return front
}
