package study

import (
	"encoding/json"
	"fmt"
	"maps"

	"github.com/dynofa/dynofa/sim"
)

// configs fills in policy and replication.
func (c *Cell) configs(spec Spec, replication int) []sim.Config {
	all := make([]sim.Config, len(c.Apps))
	for i, base := range c.Apps {
		if base.Policy == "" {
			base.Policy, base.Params = spec.Policy, maps.Clone(spec.Params)
		}
		base.Replication = replication
		all[i] = base
	}
	return all
}

// one does a task, or takes its outcome from what was done before.
func (r *runner) one(t task) ([]Outcome, error) {
	cell, spec := &r.plan.Cells[t.cell], r.plan.Specs[t.spec]
	configs := cell.configs(spec, t.replication)
	key, document, err := digest(configs, t.cut)
	if err != nil {
		return nil, err
	}
	if o, err := r.load(key); o != nil || err != nil {
		return o, err
	}
	results, err := simulate(r.ctx, configs)
	if err != nil {
		return nil, err
	}
	outcomes := make([]Outcome, len(results))
	onBoard := boardOutcome(results)
	for i, res := range results {
		outcomes[i] = outcome(configs[i].App, res, t.cut)
		outcomes[i].Board = onBoard
	}
	return outcomes, r.save(key, document, &configs[0], spec, outcomes)
}

func outcome(app string, res *sim.Result, cut int) Outcome {
	o := Outcome{
		App: app, Metrics: res.Metrics, Cut: cut, MSER5: sim.WarmUp(res.Trace), EffectiveUncut: res.Metrics.EffectiveAccuracy,
		Fingerprint: fmt.Sprintf("%016x", res.Fingerprint), Notes: res.Trace.Header.Notes,
		LoadGen: loadGen(res.Scenario, res.Trace),
	}
	if cut > 0 {
		o.Metrics = sim.MeasureAfter(res.Trace, res.Profile, cut)
	}
	return o
}

func (r *runner) load(key string) ([]Outcome, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if o, ok := r.done[key]; ok {
		return o, nil
	}
	if r.plan.Cache == nil {
		return nil, nil
	}
	text, err := r.plan.Cache.Load(r.ctx, key)
	if text == nil || err != nil {
		return nil, err
	}
	var o []Outcome
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, fmt.Errorf("stored outcome %s: %w", key, err)
	}
	r.done[key] = o
	return o, nil
}

func (r *runner) save(key, document string, c *sim.Config, spec Spec, o []Outcome) error {
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	// What is returned is what would be read back.
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[key] = o
	if r.plan.Cache == nil {
		return nil
	}
	seed := c.Seed
	if seed == 0 {
		seed = c.Scenario.Seed
	}
	return r.plan.Cache.Save(r.ctx, Entry{
		Key: key, Scenario: c.Scenario.Name, Document: document, Spec: spec, Family: c.Family.Name, Seed: seed,
		Replication: c.Replication, Outcome: text,
	})
}
