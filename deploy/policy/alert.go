package policy

import (
	"math"
	"time"
)

// Alert serves at the level with the highest expected accuracy, given a Gaussian belief about one global
// slow-down: ALERT's rule for maximal accuracy under a latency goal.
//
// The slow-down xi is believed to be normal with mean mu and variance sigma^2, which a Kalman filter with
// adaptive process noise updates after each inference (y is the innovation):
//
//	y = observed/predicted - mu
//	Q = max(Q0, alpha Q + (1 - alpha) (K y)^2)
//	K = ((1-K) sigma^2 + Q) / ((1-K) sigma^2 + Q + R)
//	mu = mu + K y,  sigma^2 = (1-K') sigma^2 + Q   with K' the gain before
//
// A level with predicted latency t answers in time with probability Phi((T/t - mu)/sigma), T the head's
// slack, and is worth that probability times its accuracy.
//
// Source: C. Wan et al., "ALERT: Accurate Learning for Energy and Timeliness", USENIX ATC 2020, section 3.
type Alert struct {
	processor int
	latency   []float64 // ns
	accuracy  []float64

	q0, r, alpha              float64
	mu, variance, noise, gain float64
}

var _ Policy = (*Alert)(nil)

// ReasonExpected is Alert's reason if a level may be in time; it shares ReasonLate.
const ReasonExpected Reason = "expected"

var alertEntry = entry{
	info: Info{
		Name:    "alert",
		Usage:   "alert",
		Summary: "ALERT: the level with the highest expected accuracy under a Kalman filter's Gaussian slow-down",
		Fidelity: "The task and one global slow-down are from the paper's abstract and first pages; the filter's equations and constants (mu 1, K 0.5, " +
			"Q 0.1, R 0.001, alpha 0.3) are from memory, since the code could not be had. Of ALERT's tasks only accuracy under a latency goal is here: " +
			"there are no power settings and no anytime networks in a family, so the idle-power filter is left out. It has no queue and no switch cost, as in the paper; " +
			"the latency goal is what is left until the head's deadline.",
		Params: []Param{
			{"alpha", "30%", "weight of the process noise before, 0% to 100%"},
			processorParam,
			{"q0", "0.1", "least process noise, 0 to 10"},
			{"r", "0.001", "measurement noise, 0.000001 to 10"},
		},
	},
	build: func(_ string, s *settings, m *Model) (Policy, error) {
		p := &Alert{
			processor: s.processor(m), q0: s.ratio("q0", 0, 10), r: s.ratio("r", 1e-6, 10), alpha: s.ratio("alpha", 0, 1),
			mu: 1, variance: 0.1, gain: 0.5,
		}
		p.noise = p.q0
		for _, l := range m.Levels {
			p.latency = append(p.latency, float64(l.Latency[p.processor]))
			p.accuracy = append(p.accuracy, float64(l.Accuracy))
		}
		return p, nil
	},
}

// Spec returns "alert".
func (p *Alert) Spec() string { return "alert" }

// Observe updates the filter.
func (p *Alert) Observe(c Completion) {
	if c.Processor != p.processor || c.Level < 0 || c.Level >= len(p.latency) {
		return
	}
	y := min(float64(max(c.Latency(), 0))/p.latency[c.Level], 1e6) - p.mu
	step := float64(p.gain * y)
	p.noise = max(p.q0, float64(p.alpha*p.noise)+float64((1-p.alpha)*float64(step*step)))
	before := p.gain
	prior := float64((1-before)*p.variance) + p.noise
	p.gain = prior / (prior + p.r)
	p.mu += float64(p.gain * y)
	p.variance = prior
}

// chance returns the probability that a level answers within the time.
func (p *Alert) chance(level int, within time.Duration) float64 {
	if within <= 0 {
		return 0
	}
	sigma := math.Sqrt(max(p.variance, 1e-12))
	return normal((float64(within)/p.latency[level] - p.mu) / sigma)
}

// Decide maximises expected accuracy, among equals the lower level's.
func (p *Alert) Decide(o *Observation) Decision {
	if d, busy := occupied(o, p.processor); busy {
		return d
	}
	d := Decision{Action: Serve, Processor: p.processor, Reason: ReasonExpected}
	within, best := headSlack(o), 0.0
	for l := range p.latency {
		if value := float64(p.chance(l, within) * p.accuracy[l]); value > best {
			d.Level, best = l, value
		}
	}
	if best == 0 {
		d.Reason = ReasonLate
		for l := range p.latency {
			if p.latency[l] < p.latency[d.Level] {
				d.Level = l
			}
		}
	}
	return d
}
