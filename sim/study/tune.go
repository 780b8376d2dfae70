package study

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// Candidates returns what a tuning tries for a family of some levels: every policy of the registry that knows how to
// manage one, with the parameters that matter on a small grid. Names, unless empty, leaves only these policies.
func Candidates(levels int, names []string) ([]Spec, error) {
	var all []Spec
	add := func(policy string, params ...string) {
		s := Spec{Policy: policy}
		for i := 0; i < len(params); i += 2 {
			if s.Params == nil {
				s.Params = map[string]string{}
			}
			s.Params[params[i]] = params[i+1]
		}
		all = append(all, s)
	}
	type grid struct {
		policy string
		add    func(policy string)
	}
	grids := []grid{
		{"static", func(p string) {
			for l := range levels {
				add(p + ":" + strconv.Itoa(l))
			}
		}},
		{"static-drop", func(p string) {
			for l := range levels {
				add(p, "level", strconv.Itoa(l))
			}
		}},
		{"ladder", func(p string) { add(p); add(p, "min_images", "40") }},
		{"slack", func(p string) {
			for _, margin := range []string{"2%", "5%", "10%"} {
				add(p, "margin", margin)
			}
		}},
		{"slackfit", func(p string) {
			for _, hopeless := range []string{"serve", "drop"} {
				for _, margin := range []string{"0%", "5%", "10%", "20%", "50%", "100%"} {
					add(p, "hopeless", hopeless, "margin", margin)
				}
			}
		}},
		{"alert", func(p string) {
			for _, q0 := range []string{"0.001", "0.01", "0.1"} {
				add(p, "q0", q0)
			}
		}},
		{"model-switching", func(p string) {
			for _, window := range []string{"200ms", "1s", "5s"} {
				add(p, "window", window)
			}
		}},
		{"proteus", func(p string) { add(p); add(p, "period", "1s") }},
		{"clipper", func(p string) { add(p); add(p, "increase", "0.02") }},
		{"qdp", func(p string) {
			add(p)
			add(p, "miss_target", "0.1%")
			add(p, "price", "1")
			for _, doubt := range []string{"1", "2.5"} {
				for _, hopeless := range []string{"serve", "drop"} {
					add(p, "doubt", doubt, "hopeless", hopeless)
				}
			}
		}},
	}
	for _, name := range names {
		if !slices.ContainsFunc(grids, func(g grid) bool { return g.policy == name }) {
			return nil, fmt.Errorf("study: no candidates of policy %.80q are known", name)
		}
	}
	for _, g := range grids {
		if len(names) == 0 || slices.Contains(names, g.policy) {
			g.add(g.policy)
		}
	}
	return all, nil
}

// Goal says which policy is best.
type Goal struct {
	// Target is the share of requests on time that must be reached in every cell, 0 for none. Among those that reach it
	// the highest mean accuracy of answered requests wins; among those that do not, or without a target, the highest
	// mean effective accuracy.
	Target float64 `json:"target"`
	// Objective says what wins instead among those that reach the target.
	Objective Objective `json:"objective,omitempty"`
	// Accuracy is the mean accuracy of answered requests that must be reached in every cell too, 0 for none.
	Accuracy float64 `json:"accuracy,omitempty"`
}

// Objective is what is best among policies that reach a target.
type Objective string

// Objectives.
const (
	MostAccurate Objective = ""       // the highest mean accuracy of answered requests
	LeastEnergy  Objective = "energy" // the least energy of the boards; equal cells count alike
)

// Validate returns an error for a goal that says nothing, or that giving everything up would reach.
func (g Goal) Validate() error {
	switch {
	case !(g.Target >= 0 && g.Target < 1) || !(g.Accuracy >= 0 && g.Accuracy <= 1):
		return fmt.Errorf("study: goal: target %g or accuracy %g is outside [0, 1)", g.Target, g.Accuracy)
	case g.Objective != MostAccurate && g.Objective != LeastEnergy:
		return fmt.Errorf("study: goal: objective %.40q is neither empty nor %s", g.Objective, LeastEnergy)
	case g.Objective == LeastEnergy && g.Target == 0:
		return errors.New("study: goal: least energy needs a target of requests on time")
	}
	return nil
}

// Ranked is a candidate with its figures over all cells.
type Ranked struct {
	Spec      Spec    `json:"spec"`
	Effective float64 `json:"effective"` // mean over cells
	Accuracy  float64 `json:"accuracy"`  // of answered requests, mean over cells
	LeastSLO  float64 `json:"least_slo"` // share on time in the worst cell
	Switches  float64 `json:"switches"`  // mean over cells
	Reaches   bool    `json:"reaches"`   // the goal's target, in every cell
	// Energy is that of the boards over the mean of all candidates, mean over cells; 0 without boards.
	Energy float64 `json:"energy,omitempty"`
	// LeastAccuracy is the accuracy of answered requests in the worst cell.
	LeastAccuracy float64 `json:"least_accuracy,omitempty"`
}

// Rank orders policies by a goal, the best first; equal ones by fewer switches, then in the plan's order. Results are
// those of Run: every application of every cell counts alike.
func Rank(results []CellResult, goal Goal) []Ranked {
	if len(results) == 0 || len(results[0].Apps) == 0 {
		return nil
	}
	ranked := make([]Ranked, len(results[0].Apps[0].Policies))
	for s := range ranked {
		r := &ranked[s]
		r.Spec, r.LeastSLO, r.LeastAccuracy = results[0].Apps[0].Policies[s].Spec, 1, 1
		n := 0.0
		for c := range results {
			r.Energy += energyOf(&results[c], s) / float64(len(results))
			for a := range results[c].Apps {
				p := &results[c].Apps[a].Policies[s]
				mean := func(name string) float64 { m, _ := MeasureNamed(name); return m.Of(p).Mean }
				r.Effective += mean("effective")
				r.Accuracy += mean("accuracy served")
				r.Switches += mean("switches")
				r.LeastSLO = min(r.LeastSLO, mean("SLO"))
				r.LeastAccuracy = min(r.LeastAccuracy, mean("accuracy served"))
				n++
			}
		}
		r.Effective, r.Accuracy, r.Switches = r.Effective/n, r.Accuracy/n, r.Switches/n
		r.Reaches = goal.Target > 0 && r.LeastSLO >= goal.Target && r.LeastAccuracy >= goal.Accuracy
	}
	slices.SortStableFunc(ranked, func(a, b Ranked) int {
		if a.Reaches != b.Reaches {
			if a.Reaches {
				return -1
			}
			return 1
		}
		if a.Reaches && goal.Objective == LeastEnergy {
			return cmp.Or(cmp.Compare(a.Energy, b.Energy), cmp.Compare(b.Accuracy, a.Accuracy))
		}
		if a.Reaches {
			return cmp.Or(cmp.Compare(b.Accuracy, a.Accuracy), cmp.Compare(b.Effective, a.Effective), cmp.Compare(a.Switches, b.Switches))
		}
		return cmp.Or(cmp.Compare(b.Effective, a.Effective), cmp.Compare(a.Switches, b.Switches))
	})
	return ranked
}

// energyOf returns the energy of a policy in a cell over the mean of all policies, 0 without a board.
func energyOf(r *CellResult, policy int) float64 {
	m, _ := MeasureNamed("energy")
	all, own := 0.0, 0.0
	for s := range r.Apps[0].Policies {
		e := m.Of(&r.Apps[0].Policies[s]).Mean
		all += e / float64(len(r.Apps[0].Policies))
		if s == policy {
			own = e
		}
	}
	if all == 0 {
		return 0
	}
	return own / all
}

// Tune plays a plan, whose policies are candidates, and ranks them.
func Tune(ctx context.Context, p Plan, goal Goal) ([]Ranked, []CellResult, error) {
	if err := goal.Validate(); err != nil {
		return nil, nil, err
	}
	p.Oracle = WithoutOracle
	results, err := Run(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	return Rank(results, goal), results, nil
}
