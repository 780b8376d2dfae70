package study

import (
	"context"
	"hash"

	"github.com/dynofa/dynofa/sim"
)

// simulate plays the applications of a cell.
func simulate(ctx context.Context, configs []sim.Config) ([]*sim.Result, error) {
	r, err := sim.Run(ctx, configs[0])
	if err != nil {
		return nil, err
	}
	return []*sim.Result{r}, nil
}

func digestBoard(hash.Hash, *sim.Config) error { return nil }

func boardOutcome(*sim.Result) *BoardOutcome { return nil }
