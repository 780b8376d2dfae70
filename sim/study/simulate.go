package study

import (
	"context"
	"encoding/json"
	"fmt"
	"hash"
	"time"

	"github.com/dynofa/dynofa/datasets/unit"
	"github.com/dynofa/dynofa/sim"
)

// simulate plays the applications of a cell.
func simulate(ctx context.Context, configs []sim.Config) ([]*sim.Result, error) {
	if len(configs) > 1 {
		return sim.RunTogether(ctx, configs)
	}
	r, err := sim.Run(ctx, configs[0])
	if err != nil {
		return nil, err
	}
	return []*sim.Result{r}, nil
}

// digestBoard adds what a config says about the board.
func digestBoard(h hash.Hash, c *sim.Config) error {
	placed, err := c.OnBoard()
	if err != nil {
		return err
	}
	text, err := json.Marshal([]any{placed.Board, c.Demand})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(h, "%s\n", text)
	return err
}

// boardOutcome sums up what became of the board in a run of one or several applications, nil without a board.
func boardOutcome(results []*sim.Result) *BoardOutcome {
	report := results[0].Platform
	if report == nil {
		return nil
	}
	answered := 0
	for _, r := range results {
		answered += r.Metrics.OnTime + r.Metrics.Late
	}
	b := &BoardOutcome{Energy: report.Energy.Total, Hottest: report.Peak, Elapsed: report.Elapsed, Transitions: report.MemoryTransitions, Down: report.Down}
	if answered > 0 {
		b.PerAnswer = unit.Joules(float64(b.Energy) / float64(answered))
	}
	throttled := time.Duration(0)
	for _, p := range report.Processors {
		throttled = max(throttled, p.Throttled)
		b.Transitions += p.Transitions
	}
	b.Throttled = throttled
	return b
}

// Simulate plays a cell under a policy in one replication, for the records that Run does not keep. It returns the
// errors of sim.Run and sim.RunTogether.
func Simulate(ctx context.Context, c *Cell, spec Spec, replication int) ([]*sim.Result, error) {
	return simulate(ctx, c.configs(spec, replication))
}
