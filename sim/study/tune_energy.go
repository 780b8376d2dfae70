package study

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/dynofa/dynofa/deploy/policy"
	"github.com/dynofa/dynofa/search/family"
	"github.com/dynofa/dynofa/sim"
)

// EnergyCandidates returns what a tuning for least energy tries beside Candidates: each level under schedutil, and qdp with
// prices of a joule of 0.1% to 1000% of accuracy for the dearest inference. Names, unless empty, leaves only these policies. The
// family needs operating points, see Placed.
func EnergyCandidates(f *family.Family, names []string) []Spec {
	var all []Spec
	wanted := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	if wanted("schedutil+static") {
		for l := range f.Levels {
			all = append(all, Spec{Policy: "schedutil+static:" + strconv.Itoa(l)})
		}
	}
	dearest := 0.0
	for l := range f.Levels {
		for _, lat := range f.Levels[l].Latencies {
			for _, p := range lat.Points {
				dearest = max(dearest, float64(p.Energy))
			}
		}
	}
	if dearest == 0 || !wanted("qdp") {
		return all
	}
	for _, price := range []float64{0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 1, 10} {
		all = append(all, Spec{Policy: "qdp", Params: map[string]string{
			"energy": strconv.FormatFloat(min(price/dearest, 1000), 'g', 3, 64), "drops": "0", "price": "1",
		}})
	}
	return all
}

// Placed returns the family of a cell's first application with the operating points of its board, or as it is without
// one: of the power modes that the cell goes through, and of others, by name.
func Placed(c *Cell, modes ...string) (*family.Family, error) {
	placed, err := c.Apps[0].OnBoard()
	if err != nil || placed.Board == nil {
		return placed.Family, err
	}
	f, err := sim.OperatingPoints(placed.Family, placed.Board, placed.Demand, append(placed.Modes(), modes...)...)
	if err != nil {
		return nil, fmt.Errorf("study: cell %q: %w", c.Name, err)
	}
	return f, nil
}

// SolvedTable returns the table that a policy starts best from: of those that it learned in each cell the one with which it
// ranks first by the goal, empty if it learns none or ranks no better than without.
func SolvedTable(ctx context.Context, p Plan, spec Spec, goal Goal) (string, error) {
	tables := []string{""}
	for i := range p.Cells {
		table, err := learned(ctx, &p.Cells[i], spec)
		if err != nil {
			return "", err
		}
		if table != "" && !slices.Contains(tables, table) && len(tables) < 9 {
			tables = append(tables, table)
		}
	}
	if len(tables) == 1 {
		return "", nil
	}
	p.Specs, p.Progress = nil, nil
	for _, table := range tables {
		s := Spec{Policy: spec.Policy, Params: maps.Clone(spec.Params)}
		if table != "" {
			if s.Params == nil {
				s.Params = map[string]string{}
			}
			s.Params[tableParam] = table
		}
		p.Specs = append(p.Specs, s)
	}
	ranked, _, err := Tune(ctx, p, goal)
	if err != nil {
		return "", err
	}
	return ranked[0].Spec.Params[tableParam], nil
}

// tableParam is the parameter by which a policy is given a table.
const tableParam = "table"

// learned plays a cell once and returns the table of its first application's policy.
func learned(ctx context.Context, c *Cell, spec Spec) (string, error) {
	configs := c.configs(spec, 0)
	var tabled policy.Tabled
	configs[0].NewPolicy = func(spec string, params map[string]string, m *policy.Model) (policy.Policy, error) {
		p, err := policy.New(spec, params, m)
		if t, ok := p.(policy.Tabled); ok {
			tabled = t
		}
		return p, err
	}
	if _, err := simulate(ctx, configs); err != nil {
		return "", fmt.Errorf("study: cell %q: policy %s: %w", c.Name, spec, err)
	}
	if tabled == nil {
		return "", nil
	}
	return tabled.Table(), nil
}
