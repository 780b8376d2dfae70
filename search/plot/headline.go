package plot

import (
	"math"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/search"
)

// Gain is what Dynamic-OFA gains over AutoSlim-MnasNet on one processor, by the published points.
type Gain struct {
	Processor string
	// Interpolated is the largest ratio of AutoSlim's latency to that of Dynamic-OFA at the same
	// accuracy, read off the straight line between two networks of the family: a network that does not
	// exist. AutoSlim's point and the interpolated one follow.
	Interpolated        float64
	Baseline, OnTheLine search.Objectives
	Members             float64 // the same, with the fastest real network that is at least as accurate
	Member              search.Objectives
	Accuracy            unit.Accuracy // the largest gain in top-1 of a network whose latency is similar
	AccuracyBase        search.Objectives
	AccuracyMember      search.Objectives
}

// similar is how far two latencies may differ to count as similar, relative to the baseline's: the
// smallest whole per cent under which the paper's CPU pair (2.8% apart) counts.
const similar = 0.03

// Headline computes the paper's headline figures from its points, GPU first, then CPU: "up to 3.5x (CPU),
// 2.4x (GPU) faster for similar ImageNet top-1 accuracy, or 3.8% (CPU), 5.1% (GPU) higher accuracy at
// similar latency".
//
// Source: the abstract of the paper (see Published). That AutoSlim-MnasNet is the baseline and that the
// ratios are of interpolated points is our reading: the only one found that gives all four figures.
func Headline() []Gain {
	var gains []Gain
	for _, processor := range []string{"gpu", "cpu"} {
		gains = append(gains, gain(processor, points(DynamicOFA, processor), points(AutoSlim, processor)))
	}
	return gains
}

// points returns the points of a series.
func points(name, processor string) []search.Objectives {
	for _, s := range Published() {
		if s.Name == name && s.Processor == processor {
			return s.Points
		}
	}
	return nil
}

func gain(processor string, family, baseline []search.Objectives) Gain {
	g := Gain{Processor: processor}
	for _, b := range baseline {
		if on, ok := interpolate(family, b.Accuracy); ok {
			if ratio := float64(b.Latency / on.Latency); ratio > g.Interpolated {
				g.Interpolated, g.Baseline, g.OnTheLine = ratio, b, on
			}
		}
		for _, m := range family {
			if ratio := float64(b.Latency / m.Latency); m.Accuracy >= b.Accuracy && ratio > g.Members {
				g.Members, g.Member = ratio, m
			}
			near := math.Abs(float64(m.Latency-b.Latency)) <= similar*float64(b.Latency)
			if more := m.Accuracy - b.Accuracy; near && more > g.Accuracy {
				g.Accuracy, g.AccuracyBase, g.AccuracyMember = more, b, m
			}
		}
	}
	return g
}

// interpolate returns the point at an accuracy on the lines between neighbours of a family, ascending in
// latency and accuracy, or false if the accuracy is outside their range.
func interpolate(family []search.Objectives, a unit.Accuracy) (search.Objectives, bool) {
	for i := 1; i < len(family); i++ {
		low, high := family[i-1], family[i]
		if a < low.Accuracy || a > high.Accuracy {
			continue
		}
		share := unit.Nanoseconds((a - low.Accuracy) / (high.Accuracy - low.Accuracy))
		return search.Objectives{Accuracy: a, Latency: low.Latency + share*(high.Latency-low.Latency)}, true
	}
	return search.Objectives{}, false
}
