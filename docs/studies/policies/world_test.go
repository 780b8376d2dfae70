package policies_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/oracle"
)

// cell is one situation of the study.
type cell struct {
	family      string
	rate        float64 // arrivals per second
	cv2         float64 // squared coefficient of variation of the gaps
	limit       time.Duration
	disturbance string
	seed        uint64
}

func (c cell) String() string {
	return fmt.Sprintf("%s, %g/s, CV2 %g, %v, %s", c.family, c.rate, c.cv2, c.limit, c.disturbance)
}

// world is a cell with its random numbers drawn: what all policies and the oracle meet.
type world struct {
	cell     cell
	family   *family.Family
	scenario *traffic.Scenario
	arrivals *trace.Trace // records with arrivals and deadlines only
	seed     uint64
}

// newWorld draws a cell.
func newWorld(c cell, f *family.Family, requests int) *world {
	seed := c.seed
	w := &world{cell: c, family: f, seed: seed}
	w.scenario = &traffic.Scenario{
		Name: "cell", Family: f.Name, Processor: f.Processors()[0], Arrivals: traffic.Poisson{PerSecond: c.rate}, // replaced
		Limit: c.limit, Requests: int64(requests), Seed: seed,
	}
	switch c.disturbance {
	case "none":
	case "noise":
		w.scenario.Noise = traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.05}
	case "corunner":
		w.scenario.Noise = traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.05}
		var p traffic.Profile
		for i := range 2000 {
			p = append(p, traffic.Step{At: time.Duration(i+1) * w.period(), Slowdown: 1.5 - 0.5*float64(i%2)})
		}
		w.scenario.Disturbances = []traffic.Disturbance{{Processor: w.scenario.Processor, Profile: p}}
	default:
		panic("unknown disturbance " + c.disturbance)
	}
	rng := traffic.Stream(seed, 0, "study-gaps")
	w.arrivals = &trace.Trace{Header: trace.Header{Family: *f, Kind: trace.Simulated, Policy: "none"}}
	at := time.Duration(0)
	for i := range requests {
		at += time.Duration(math.Round(gammaGap(rng, c.cv2) / c.rate * 1e9))
		w.arrivals.Records = append(w.arrivals.Records, trace.Record{Request: int64(i), Arrival: at, Deadline: at + c.limit})
	}
	return w
}

// period is how long the co-runner runs and rests: 5 s, and 50 s beside networks that take longer than half a
// second.
func (w *world) period() time.Duration {
	if w.family.Levels[0].Latencies[0].Latency.Duration() > 500*time.Millisecond {
		return 50 * time.Second
	}
	return 5 * time.Second
}

// gammaGap draws from the gamma law with mean 1 and the given squared coefficient of variation.
//
// Source: G. Marsaglia, W. Tsang, "A simple method for generating gamma variables", 2000.
func gammaGap(rng *rand.Rand, cv2 float64) float64 {
	if cv2 == 0 {
		return 1
	}
	shape, boost := 1/cv2, 1.0
	if shape < 1 {
		boost = math.Pow(1-rng.Float64(), 1/shape)
		shape++
	}
	d := shape - 1.0/3
	for {
		x := rng.NormFloat64()
		v := 1 + x/math.Sqrt(9*d)
		if v <= 0 {
			continue
		}
		v *= v * v
		if math.Log(1-rng.Float64()) < x*x/2+d-d*v+d*math.Log(v) {
			return d * v * cv2 * boost
		}
	}
}

// play simulates a policy.
func (w *world) play(ctx context.Context, spec string, params map[string]string) (*sim.Result, error) {
	return sim.ReplayArrivals(ctx, w.arrivals, sim.Config{Scenario: w.scenario, Family: w.family, Policy: spec, Params: params, Seed: w.seed})
}

// optimum solves for the best in hindsight.
func (w *world) optimum(ctx context.Context) (*oracle.Solution, error) {
	p, err := w.problem()
	if err != nil {
		return nil, err
	}
	return oracle.Solve(ctx, p)
}

// problem is the cell as the oracle sees it.
func (w *world) problem() (oracle.Problem, error) {
	noise := w.scenario.Noise.Source(traffic.Stream(w.seed, 0, "noise"))
	p := oracle.Problem{}
	for i := range w.arrivals.Records {
		r := &w.arrivals.Records[i]
		p.Requests = append(p.Requests, policy.Request{ID: r.Request, Arrival: r.Arrival, Deadline: r.Deadline})
		p.Factors = append(p.Factors, noise.Next())
	}
	for _, s := range w.scenario.Profile(w.scenario.Processor) {
		p.Profile = append(p.Profile, oracle.Step{At: s.At, Slowdown: s.Slowdown})
	}
	m, err := policy.NewModel(w.family)
	if err != nil {
		return p, err
	}
	for _, l := range m.Levels {
		p.Levels = append(p.Levels, oracle.Level{Accuracy: l.Accuracy, Latency: l.Latency[:1]})
	}
	return p, nil
}
