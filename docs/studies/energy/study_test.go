// Package energy_test is the study of energy on simulated boards: see README.md. `make study-energy` runs it all and
// writes results.csv and the tables of README.md; the test runs some of the cells and compares them with what is committed.
package energy_test

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/dynofa/dynofa/datasets/board"
	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/lut"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/platform"
	"github.com/dynofa/dynofa/sim/study"
)

var update = flag.Bool("update", false, "run every cell and write results.csv and README.md")

const (
	requests = 1500 // of a cell and replication
	judged   = 3    // replications that count, from 1 on; 0 is for choosing
)

// prices are those of an inference that qdp is tried with: of the most accurate level at the top clock, in accuracy.
var prices = []float64{0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 1, 10}

// margin is by how much accuracy may be lower and still count as equal.
const margin = 0.001

// weights returns the prices of a joule that follow from prices.
func (c cell) weights(t testing.TB) []string {
	config := c.config(t, platform.Performance, "qdp", nil, 0)
	f, err := sim.OperatingPoints(config.Family, config.Board, config.Demand)
	if err != nil {
		t.Fatal(err)
	}
	points := f.Levels[len(f.Levels)-1].Latencies[0].Points
	var all []string
	for _, p := range prices {
		all = append(all, fmt.Sprintf("%.3g", p/float64(points[len(points)-1].Energy)))
	}
	return all
}

// cell is a situation.
type cell struct {
	board, mode, processor, family string
	rate                           float64 // arrivals per second, Poisson
	limit                          time.Duration
	coRunner                       bool // slows down by 1.5 every other 5 s (50 s beside the CPU family)
}

func (c cell) String() string {
	name := fmt.Sprintf("%s %s, %g/s, %v", c.processor, c.family, c.rate, c.limit)
	if c.board != "jetson-xavier-nx" {
		name = c.board + " " + name
	}
	if c.coRunner {
		name += ", co-runner"
	}
	return name
}

// cells is the study's factorial, fixed before its first run.
func cells() []cell {
	var all []cell
	add := func(board, mode, processor, family string, rates []float64, limits []time.Duration) {
		for _, coRunner := range []bool{false, true} {
			for _, rate := range rates {
				for _, limit := range limits {
					all = append(all, cell{board, mode, processor, family, rate, limit, coRunner})
				}
			}
		}
	}
	const ms = time.Millisecond
	add("jetson-xavier-nx", "8", "gpu", "paper-gpu6", []float64{5, 10}, []time.Duration{200 * ms, 1000 * ms})
	add("jetson-xavier-nx", "8", "gpu", "wide-ladder", []float64{10, 20}, []time.Duration{100 * ms, 400 * ms})
	add("jetson-xavier-nx", "8", "cpu", "paper-cpu7", []float64{0.2, 0.4}, []time.Duration{4 * time.Second, 10 * time.Second})
	add("raspberry-pi-4", "", "cpu", "wide-ladder", []float64{1, 2}, []time.Duration{1000 * ms, 4000 * ms})
	return all
}

// members returns the cell's family.
func (c cell) members(t testing.TB) *family.Family {
	f, err := family.PaperGPU6()
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, latencies []float64, origin lut.Origin, source string) {
		f.Name = name
		for i, ms := range latencies {
			f.Levels[i].Latencies = []family.Latency{{Processor: c.processor, Latency: unit.Milliseconds(ms), Origin: origin, Source: source}}
		}
	}
	switch c.family {
	case "wide-ladder":
		ladder := []float64{14, 17, 21, 27, 33, 40}
		if c.board == "raspberry-pi-4" {
			ladder = []float64{140, 170, 210, 270, 330, 400}
		}
		set(c.family, ladder, lut.Modelled, "invented for the study, to have levels far apart")
	case "paper-cpu7": // without the last of its seven points
		for i, a := range []float64{.7252, .7630, .7714, .7745, .7813, .7839} {
			f.Levels[i].Accuracy = unit.Accuracy(a)
		}
		set(c.family, []float64{502, 683, 875, 1172, 1555, 1639}, lut.Imported, "Dynamic-OFA, CVPRW 2021, figure 4, read off")
	}
	return f
}

// config sets a run up.
func (c cell) config(t testing.TB, governor platform.Governor, policy string, params map[string]string, replication int) sim.Config {
	b, err := board.Builtin(c.board)
	if err != nil {
		t.Fatal(err)
	}
	f := c.members(t)
	s := &traffic.Scenario{
		Name: "cell", Family: f.Name, Processor: c.processor, Arrivals: traffic.Poisson{PerSecond: c.rate}, Limit: c.limit, Requests: requests, Seed: 20261,
		Noise: traffic.Noise{Kind: traffic.Lognormal, Sigma: 0.03},
	}
	if c.coRunner {
		period := 5 * time.Second
		if f.Levels[0].Latencies[0].Latency > unit.Milliseconds(100) {
			period = 50 * time.Second
		}
		var p traffic.Profile
		for i := range 1000 {
			p = append(p, traffic.Step{At: time.Duration(i+1) * period, Slowdown: 1.5 - 0.5*float64(i%2)})
		}
		s.Disturbances = []traffic.Disturbance{{Processor: c.processor, Profile: p}}
	}
	governors := map[string]platform.Governor{}
	for i := range b.Processors {
		governors[b.Processors[i].Name] = governor
	}
	place := &platform.Config{Board: b, Mode: c.mode, Governors: governors}
	if c.board == "jetson-xavier-nx" && c.processor == "cpu" {
		place.Reference = map[string]unit.Hertz{"cpu": 1420.8e6} // the mode's clock, at which the figure was taken
	}
	return sim.Config{Scenario: s, Family: f, Policy: policy, Params: params, Replication: replication, Board: place}
}

// played is what came out of one run.
type played struct {
	hits, effective, accuracy float64
	usage                     platform.Usage
	energy                    platform.Energy
	board                     *board.Board
}

func (c cell) play(t testing.TB, governor platform.Governor, policy string, params map[string]string, replication int) played {
	config := c.config(t, governor, policy, params, replication)
	r, err := sim.Run(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	m := &r.Metrics
	return played{m.SLO.Share, float64(m.EffectiveAccuracy), float64(m.MeanAccuracy), r.Platform.Usage, r.Platform.Energy, config.Board.Board}
}

func (p *played) total() float64 { return float64(p.energy.Total) }

// dynamic returns what was drawn on top of doing nothing.
func (p *played) dynamic() float64 { return float64(p.energy.Busy + p.energy.Memory) }

func ours(c cell, t testing.TB, weight string, replication int) played {
	return c.play(t, platform.Performance, "qdp", map[string]string{"energy": weight, "drops": "0", "price": "1"}, replication)
}

func theirs(c cell, t testing.TB, level, replication int) played {
	return c.play(t, platform.Schedutil, fmt.Sprintf("schedutil+static:%d", level), nil, replication)
}

// compared is a setting of qdp beside the best static level, over the replications that count.
type compared struct {
	rule                      string
	weight                    string // none: no setting kept the rule
	hits, effective, accuracy float64
	saved                     platform.Saving // of the board's energy
	over                      study.Interval  // of the same over the replications
	dynamic                   float64         // share of what was drawn on top of doing nothing
}

// result is what came out of a cell.
type result struct {
	cell                      cell
	level                     int // best static
	hits, effective, accuracy float64
	perRequest                float64     // J
	dynamicShare              float64     // of that, drawn on top of doing nothing
	rules                     [2]compared // rule by rule
}

// measure plays a cell. The best static level is the one of highest effective accuracy under schedutil, and qdp's
// price of a joule the one of least energy that keeps the rule, both in replication 0; what counts is played in others.
func measure(t testing.TB, c cell) result {
	r := result{cell: c}
	best := played{effective: -1}
	for l := range c.members(t).Levels {
		if p := theirs(c, t, l, 0); p.effective > best.effective {
			best, r.level = p, l
		}
	}
	weights := c.weights(t)
	tried := make([]played, len(weights))
	for i, w := range weights {
		tried[i] = ours(c, t, w, 0)
	}
	choose := func(rule string, keeps func(p *played) bool) compared {
		out := compared{rule: rule}
		least := math.Inf(1)
		for i := range tried {
			if p := &tried[i]; keeps(p) && p.total() < least {
				least, out.weight = p.total(), weights[i]
			}
		}
		return out
	}
	r.rules[0] = choose("hits and accuracy", func(p *played) bool {
		return p.hits >= best.hits && p.effective >= best.effective-margin && p.accuracy >= best.accuracy-margin
	})
	r.rules[1] = choose("hits", func(p *played) bool { return p.hits >= best.hits })
	var base []played
	for n := range judged {
		base = append(base, theirs(c, t, r.level, n+1))
		p := &base[n]
		r.hits, r.effective, r.accuracy = r.hits+p.hits/judged, r.effective+p.effective/judged, r.accuracy+p.accuracy/judged
		r.perRequest += p.total() / requests / judged
		r.dynamicShare += p.dynamic() / p.total() / judged
	}
	for i := range r.rules {
		r.rules[i].compare(t, c, base)
	}
	return r
}

// compare plays the setting beside the baseline.
func (o *compared) compare(t testing.TB, c cell, base []played) {
	if o.weight == "" {
		return
	}
	var ourUse, theirUse platform.Usage
	var shares []float64
	ourDynamic, theirDynamic := 0.0, 0.0
	for n := range judged {
		p := ours(c, t, o.weight, n+1)
		o.hits, o.effective, o.accuracy = o.hits+p.hits/judged, o.effective+p.effective/judged, o.accuracy+p.accuracy/judged
		shares = append(shares, 1-p.total()/base[n].total())
		ourDynamic, theirDynamic = ourDynamic+p.dynamic(), theirDynamic+base[n].dynamic()
		ourUse.Add(&p.usage)
		theirUse.Add(&base[n].usage)
	}
	o.saved = platform.NewSaving(base[0].board, &ourUse, &theirUse)
	o.over = study.NewInterval(shares)
	o.dynamic = 1 - ourDynamic/theirDynamic
}
