package policy

import (
	"math/bits"
	"time"
)

// SlackFit serves at the most accurate level that fits the head's slack: SuperServe's scheduling policy.
//
// Levels are put into latency buckets of equal width between the fastest and the slowest level. The slack
// of the head selects the bucket with the largest upper edge that it covers, and the most accurate level
// of at most that latency serves. With too little slack for the fastest level, that level serves, or
// the request is dropped if the policy is told so.
//
// Where the family has batches, buckets hold pairs of level and batch of a latency between the edge before and
// their own, and in a bucket the largest batch serves, at the most accurate level that it is served at; with
// fewer requests waiting, all of them.
//
// Source: A. Khare et al., "SuperServe: Fine-Grained Inference Serving for Unpredictable Workloads", NSDI
// 2025, section on SlackFit.
type SlackFit struct {
	processor int
	edges     []time.Duration // ascending; the first is the fastest level's latency
	levels    []int           // for each edge
	batches   []int           // for each edge
	margin    factor
	drop      bool
}

var _ Policy = (*SlackFit)(nil)

// ReasonBucket is SlackFit's reason if a bucket fits; it shares ReasonLate and ReasonHopeless.
const ReasonBucket Reason = "bucket"

var slackFitEntry = entry{
	info: Info{
		Name:    "slackfit",
		Usage:   "slackfit",
		Summary: "SuperServe's SlackFit: the most accurate level of the latency bucket that fits the head's slack",
		Fidelity: "From summaries of the paper (NSDI 2025); its code was not seen. Buckets of equal width and the choice by the head's slack " +
			"are the paper's as summarised. Inside a bucket the paper takes the largest batch (from memory), and so does this where the family has batches; without, it is the most accurate " +
			"level. It has no estimate of the slow-down, no regard for queue and arrivals, no switch cost, as in the paper. " +
			"What is done about a request that nothing fits is not known; both ways are offered. The margin is an addition, so that it can be tuned.",
		Params: []Param{
			{"buckets", "64", "buckets between the fastest and the slowest level, 1 to 4096"},
			{"hopeless", "serve", "what is done with a request for which even the fastest level is too slow: serve or drop"},
			{"margin", "0%", "added to every predicted latency, 0% to 300%"},
			processorParam,
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &SlackFit{
			processor: s.processor(m), margin: fromShare(s.ratio("margin", 0, 3)),
			drop: s.choice("hopeless", "serve", "drop") == 1,
		}
		if n := s.count("buckets", 1, 4096); m.batchesOn(p.processor) {
			p.fillBatches(m, n)
		} else {
			p.fill(m, n)
		}
		return p, nil
	},
}

// fill sorts the levels into n buckets, and one for the fastest.
func (p *SlackFit) fill(m *Model, n int) {
	latency := func(l int) time.Duration { return min(p.margin.of(m.Levels[l].Latency[p.processor]), maxSpan) }
	low, high := latency(0), latency(0)
	for l := range m.Levels {
		low, high = min(low, latency(l)), max(high, latency(l))
	}
	for k := range n + 1 {
		hi, lo := bits.Mul64(uint64(high-low), uint64(k))
		q, _ := bits.Div64(hi, lo, uint64(n))
		edge, best := low+time.Duration(q), -1
		for l := range m.Levels {
			if latency(l) <= edge && (best < 0 || m.Levels[l].Accuracy > m.Levels[best].Accuracy ||
				m.Levels[l].Accuracy == m.Levels[best].Accuracy && latency(l) < latency(best)) {
				best = l
			}
		}
		p.edges, p.levels, p.batches = append(p.edges, edge), append(p.levels, best), append(p.batches, 1)
	}
}

// batchesOn reports whether any level has batches on a processor.
func (m *Model) batchesOn(processor int) bool {
	for l := range m.Levels {
		if m.Levels[l].Largest(processor) > 1 {
			return true
		}
	}
	return false
}

// fillBatches sorts pairs of level and batch into n buckets, and one for the fastest. An empty bucket repeats
// the one before.
func (p *SlackFit) fillBatches(m *Model, n int) {
	latency := func(l, b int) time.Duration { return min(p.margin.of(m.Levels[l].Of(p.processor, b)), maxSpan) }
	low, high := latency(0, 1), latency(0, 1)
	for l := range m.Levels {
		for b := 1; b <= m.Levels[l].Largest(p.processor); b++ {
			low, high = min(low, latency(l, b)), max(high, latency(l, b))
		}
	}
	before := time.Duration(-1)
	for k := range n + 1 {
		hi, lo := bits.Mul64(uint64(high-low), uint64(k))
		q, _ := bits.Div64(hi, lo, uint64(n))
		edge, level, batch := low+time.Duration(q), -1, 0
		for l := range m.Levels {
			for b := 1; b <= m.Levels[l].Largest(p.processor); b++ {
				if t := latency(l, b); t > before && t <= edge && b >= batch { // levels ascend in accuracy
					level, batch = l, b
				}
			}
		}
		if level < 0 {
			level, batch = p.levels[k-1], p.batches[k-1]
		}
		p.edges, p.levels, p.batches = append(p.edges, edge), append(p.levels, level), append(p.batches, batch)
		before = edge
	}
}

// Spec returns "slackfit".
func (p *SlackFit) Spec() string { return "slackfit" }

// Decide selects the bucket. O(log buckets).
func (p *SlackFit) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	slack := headSlack(o)
	if slack < p.edges[0] {
		if p.drop {
			return Decision{Action: Drop, Reason: ReasonHopeless}
		}
		return Decision{Action: Serve, Level: p.levels[0], Processor: p.processor, Reason: ReasonLate}
	}
	low, high := 0, len(p.edges) // edges[low] fits, edges[high] does not
	for high-low > 1 {
		if middle := (low + high) / 2; p.edges[middle] <= slack {
			low = middle
		} else {
			high = middle
		}
	}
	d := Decision{Action: Serve, Level: p.levels[low], Processor: p.processor, Reason: ReasonBucket}
	if n := min(p.batches[low], len(o.Queue)); n > 1 {
		d.Batch = n
	}
	return d
}

// Observe learns nothing: SlackFit trusts its table.
func (p *SlackFit) Observe(Completion) {}
