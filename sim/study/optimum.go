package study

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/sim"
	"github.com/dynofa/dynofa/sim/oracle"
)

// optimum is an application's optimum, or why there is none.
type optimum struct {
	Optimum
	why string
}

// optima returns the optimum of each cell and replication, in this order, by application; nil if they are not asked
// for.
func (r *runner) optima() ([][]optimum, error) {
	if r.plan.Oracle == WithoutOracle {
		return nil, nil
	}
	n := r.plan.replications()
	all := make([][]optimum, len(r.plan.Cells)*n)
	err := r.each(len(all), func(i int) error {
		o, err := r.optimumOf(&r.plan.Cells[i/n], i%n)
		if err != nil {
			return fmt.Errorf("study: cell %q: optimum of replication %d: %w", r.plan.Cells[i/n].Name, i%n, err)
		}
		all[i] = o
		return nil
	})
	return all, err
}

// storedOptimum is an optimum as a cache keeps it.
type storedOptimum struct {
	Optimum
	Why string `json:"why,omitempty"`
}

// optimumOf solves for one cell and replication. Any policy shows the arrivals, so the cheapest does: they are the
// same for all. Switching costs nothing in the optimum, so it is one for all policies and a bound for those that pay.
func (r *runner) optimumOf(c *Cell, replication int) ([]optimum, error) {
	if why := noOptimum(c); why != "" {
		all := make([]optimum, len(c.Apps))
		for i := range all {
			all[i].why = why
		}
		return all, nil
	}
	config := c.configs(Spec{Policy: "static:0"}, replication)[0]
	key, document, err := digest([]sim.Config{config}, -1)
	if err != nil {
		return nil, err
	}
	if stored, err := r.loadOptimum(key); stored != nil || err != nil {
		return stored, err
	}
	run, err := sim.Run(r.ctx, config)
	if err != nil {
		return nil, err
	}
	problem, err := oracle.FromTrace(run.Trace, oracle.TraceOptions{World: world(&config, run)})
	if errors.Is(err, oracle.ErrClosedLoop) {
		return []optimum{{why: "in a closed loop other decisions bring other arrivals"}}, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := oracle.Solve(r.ctx, problem)
	if err != nil {
		return nil, err
	}
	o := optimum{Optimum: Optimum{Effective: s.EffectiveAccuracy(), Exact: s.Exact, Method: s.Method}}
	return []optimum{o}, r.saveOptimum(key, document, &config, o)
}

// noOptimum says why there is no optimum for a cell, empty if there is one.
func noOptimum(c *Cell) string {
	if len(c.Apps) > 1 {
		return "several applications share a board"
	}
	a := &c.Apps[0]
	if a.Board != nil || a.Scenario.Board != "" {
		return "on a board latency depends on clocks, heat and sharing"
	}
	app := a.Scenario.Applications()[0]
	if len(a.Processors) > 1 || len(a.Processors) == 0 && len(app.May()) > 1 {
		return "several processors serve"
	}
	switch arrivals := app.Arrivals.(type) {
	case traffic.ClosedLoop:
		return "in a closed loop other decisions bring other arrivals"
	case traffic.LoadGen:
		if _, closed := arrivals.Closed(); closed {
			return "in a closed loop other decisions bring other arrivals"
		}
	}
	return ""
}

// world repeats the luck of a run: request n has the nth noise.
func world(c *sim.Config, run *sim.Result) *oracle.World {
	seed := c.Seed
	if seed == 0 {
		seed = c.Scenario.Seed
	}
	noise := c.Scenario.Noise.Source(traffic.Stream(seed, c.Replication, "noise"))
	factors := make([]float64, len(run.Trace.Records))
	for i := range factors {
		factors[i] = noise.Next()
	}
	w := &oracle.World{Factor: func(request int64) float64 { return factors[request] }, InitialLevel: run.Scenario.InitialLevel}
	for _, s := range run.Profile {
		w.Profile = append(w.Profile, oracle.Step{At: s.At, Slowdown: s.Slowdown})
	}
	return w
}

func (r *runner) loadOptimum(key string) ([]optimum, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.plan.Cache == nil {
		return nil, nil
	}
	text, err := r.plan.Cache.Load(r.ctx, key)
	if text == nil || err != nil {
		return nil, err
	}
	var s storedOptimum
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("stored optimum %s: %w", key, err)
	}
	return []optimum{{s.Optimum, s.Why}}, nil
}

func (r *runner) saveOptimum(key, document string, c *sim.Config, o optimum) error {
	text, err := json.Marshal(storedOptimum{o.Optimum, o.why})
	if err != nil || r.plan.Cache == nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.plan.Cache.Save(r.ctx, Entry{
		Key: key, Scenario: c.Scenario.Name, Document: document, Spec: Spec{Policy: "oracle"}, Family: c.Family.Name,
		Seed: c.Scenario.Seed, Replication: c.Replication, Outcome: text,
	})
}
