package main

import (
	"fmt"

	"github.com/dynofa/dynofa/cmd/internal/command"
	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim"
	simstudy "github.com/dynofa/dynofa/sim/study"
)

// comparisonColumns are the measures of a comparison's columns; those of a board only where there is one.
var comparisonColumns = []string{"accuracy served", "accuracy all", "effective", "P(miss|miss)", "miss run", "switches", "median", "p99", "response p99", "energy", "per answer", "hottest", "throttled"}

// comparisonGrid has a row per cell, application and policy.
func comparisonGrid(plan *simstudy.Plan, results []simstudy.CellResult) *command.Grid {
	g := &command.Grid{}
	severalCells, severalApps, onBoard, rises := len(results) > 1, false, false, 0
	for i := range results {
		severalApps = severalApps || len(results[i].Apps) > 1
		for _, a := range results[i].Apps {
			for _, p := range a.Policies {
				onBoard = onBoard || p.Outcomes[0].Board != nil
				rises = max(rises, len(p.Outcomes[0].Metrics.Compliance))
			}
		}
	}
	if severalCells || plan.Replications > 1 {
		rises = 0 // a time for each rise of each replication says nothing
	}
	pairs := plan.Replications > 1 && len(plan.Specs) > 1
	if severalCells {
		g.Head = append(g.Head, "cell")
	}
	if severalApps {
		g.Head = append(g.Head, "app")
	}
	g.Head = append(g.Head, "policy", "requests", "on time", "SLO (95%)", fmt.Sprintf("%g%% met", 100*plan.TargetShare()))
	var columns []simstudy.Measure
	for _, name := range comparisonColumns {
		m, _ := simstudy.MeasureNamed(name)
		boardOnly := name == "energy" || name == "per answer" || name == "hottest" || name == "throttled"
		if boardOnly && !onBoard {
			continue
		}
		columns = append(columns, m)
		g.Head = append(g.Head, m.Title())
	}
	g.Head = append(g.Head, "regret (points)")
	if pairs {
		g.Head = append(g.Head, "SLO - first (points)", "effective - first (points)")
	}
	for i := range rises {
		name := "compliance"
		if rises > 1 {
			name = fmt.Sprintf("compliance %d", i+1)
		}
		g.Head = append(g.Head, name)
	}
	for i := range results {
		r := &results[i]
		for j := range r.Apps {
			a := &r.Apps[j]
			for k := range a.Policies {
				p := &a.Policies[k]
				var row []any
				if severalCells {
					row = append(row, r.Cell.Name)
				}
				if severalApps {
					row = append(row, a.Name)
				}
				onTime, requests := p.Pooled()
				v := sim.EarlyStopping(requests-onTime, requests, plan.TargetShare(), loadGenConfidence)
				row = append(row, p.Spec, requests, onTime, proportion(sim.NewProportion(onTime, requests)), verdict(v))
				for _, m := range columns {
					row = append(row, m.Of(p).Format(m.Factor, m.Decimals))
				}
				row = append(row, regretText(a, p))
				if pairs {
					for _, name := range []string{"SLO", "effective"} {
						m, _ := simstudy.MeasureNamed(name)
						row = append(row, m.Difference(p, &a.Policies[0]).Format(100, 3))
					}
				}
				for n := range rises {
					text := "-"
					if c := p.Outcomes[0].Metrics.Compliance; n < len(c) {
						text = complianceText(c[n])
					}
					row = append(row, text)
				}
				g.Add(row...)
			}
		}
	}
	footnotes(g, plan, results, rises, pairs)
	return g
}

// loadGenConfidence is that of LoadGen's early stopping.
const loadGenConfidence = 0.99

func verdict(v sim.Verdict) string {
	switch {
	case v.Met:
		return "yes"
	case v.Excluded:
		return "no"
	}
	return fmt.Sprintf("undecided, %d needed", v.Needed)
}

func regretText(a *simstudy.AppResult, p *simstudy.PolicyResult) string {
	text := a.Regret(p).Format(100, 3)
	if text != "-" && !a.Exact() {
		text = "<= " + text
	}
	return text
}

// footnotes say how the numbers came about and what is doubtful.
func footnotes(g *command.Grid, plan *simstudy.Plan, results []simstudy.CellResult, rises int, pairs bool) {
	for i := range results {
		r := &results[i]
		cell := ""
		if len(results) > 1 {
			cell = "cell " + r.Cell.Name + ": "
		}
		most := 0
		for _, a := range r.Apps {
			for _, p := range a.Policies {
				for _, o := range p.Outcomes {
					most = max(most, o.MSER5)
				}
			}
		}
		if r.Cut > 0 || len(results) == 1 {
			g.Note("%swarm-up: %d requests of each replication cut (%s); MSER-5 on single runs: at most %d", cell, r.Cut, r.CutRule, most)
		}
		if requests := r.Apps[0].Policies[0].Outcomes[0].Metrics.Requests; r.Cut > 0 && r.Cut >= requests {
			g.Note("%sthe cut is half of the run or more: it is too short, or the queue grows all the time", cell)
		}
		for _, a := range r.Apps {
			if a.NoOptimum != "" && plan.Oracle == simstudy.WithOracle {
				g.Note("%sno hindsight optimum: %s", cell, a.NoOptimum)
			}
			for _, p := range a.Policies {
				if l := p.Outcomes[0].LoadGen; l != nil {
					g.Note("%s%s: %v", cell, p.Spec, l)
				}
				for _, o := range p.Outcomes {
					if o.Board != nil && o.Board.Down != "" {
						g.Note("%s%s: the board shut down: %s", cell, p.Spec, o.Board.Down)
					}
				}
			}
		}
		for _, n := range r.Notes {
			g.Note("%s", n)
		}
	}
	g.Note("met: LoadGen's early stopping at %g%% confidence, over all replications; SLO: Wilson's interval; both take misses for independent, and they come in bursts", 100*loadGenConfidence)
	if plan.Replications > 1 {
		text := fmt.Sprintf("+-: 95%% interval of the mean over %d replications, by Student's distribution", plan.Replications)
		if pairs {
			text += "; - first: mean of paired differences to the first policy, on common random numbers"
		}
		g.Note("%s", text)
	}
	if plan.Oracle == simstudy.WithOracle {
		g.Note("regret: the hindsight optimum's effective accuracy, with free switching, less the policy's, without a warm-up cut")
	}
	if rises > 0 {
		g.Note("compliance: time from the disturbance to the start of the first of 20 inferences in a row that keep the limit (inferences before it)")
	}
	for i := range results {
		for _, c := range results[i].Cell.Apps {
			f := c.Family
			for _, n := range f.Notes {
				g.Note("family: %s", n)
			}
			g.Note("accuracy: %s; latency: %s, %s", f.Levels[0].AccuracyOrigin, f.Levels[0].Latencies[0].Origin, f.Levels[0].Latencies[0].Source)
			seed := c.Seed
			if seed == 0 {
				seed = c.Scenario.Seed
			}
			if len(results) == 1 {
				g.Note("simulated; limit %v, seed %d", c.Scenario.Limit, seed)
			}
		}
	}
}

func proportion(p sim.Proportion) string {
	return fmt.Sprintf("%.2f%% (%.2f..%.2f)", 100*p.Share, 100*p.Low, 100*p.High)
}

func complianceText(c sim.Compliance) string {
	if !c.Complied {
		return "never"
	}
	return fmt.Sprintf("%v (%d)", unit.Nanos(c.After), c.Before)
}
