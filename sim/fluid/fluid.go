// Package fluid shares resources among activities as a fluid: an activity makes progress at a pace, a
// fraction of the pace it would have alone, and takes of each resource in proportion to it. The paces are
// max-min fair: none can grow unless one that is no larger shrinks.
//
// It is the sharing of SimGrid's CPU model without its weights. The package knows no time, no events
// and no units: capacities and uses are whatever the caller counts in (cores, bytes per second).
package fluid

// MaxResources is the number of resources that an activity can take of.
const MaxResources = 8

// Use is what an activity takes of each resource at full pace; not negative. A zero Use is not limited
// by anything.
type Use [MaxResources]float64

// Limit says what keeps an activity from a larger pace: the index of a resource, or Free.
type Limit int8

// Free is the limit of an activity at full pace.
const Free Limit = -1

// Share computes the max-min fair paces of activities, each in [0, 1], and what limits each of them. The
// slices are as long as uses and overwritten; limits may be nil. Capacities are not negative, and only
// the first MaxResources count; resources without a capacity are not limited.
//
// Paces rise together until a resource is exhausted; whoever takes of it stays where it is, and the others go
// on. That takes O(resources) rounds of O(activities x resources). Nothing is allocated, and the result is the
// same on every machine.
//
// Source: D. Bertsekas, R. Gallager, "Data networks", 2nd edition, 1992, section 6.5.2 (progressive
// filling); H. Casanova et al., "Versatile, scalable and accurate simulation of distributed applications and
// platforms", J. Parallel and Distributed Computing 74, 2014.
func Share(capacity []float64, uses []Use, paces []float64, limits []Limit) {
	const rising = -1
	for i := range uses {
		paces[i] = rising
	}
	capacity = capacity[:min(len(capacity), MaxResources)]
	for left := len(uses); left > 0; {
		level, limit := 1.0, Free
		for r, c := range capacity {
			rest, sum := c, 0.0
			for i := range uses {
				if paces[i] == rising {
					sum += uses[i][r]
				} else {
					rest -= float64(uses[i][r] * paces[i])
				}
			}
			if sum > 0 && rest < level*sum {
				level, limit = max(0, rest/sum), Limit(r)
			}
		}
		for i := range uses {
			if paces[i] == rising && (limit == Free || uses[i][limit] > 0) {
				paces[i] = level
				if limits != nil {
					limits[i] = limit
				}
				left--
			}
		}
	}
}
