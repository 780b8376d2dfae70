package sim

import (
	"context"
	"errors"
	"runtime"
	"sync"
)

// Compare runs the same scenario under several policies, base with the Policy replaced by each
// spec, in parallel on the given number of workers (0: one per processor). Results are in the order
// of the specs and do not depend on the number of workers. Parameters of the policies belong into
// the scenario's Policies: base.Params would go to all of them, so it must be empty.
//
// It returns the errors of all runs that failed, joined, in the order of the specs.
func Compare(ctx context.Context, base Config, specs []string, workers int) ([]*Result, error) {
	if len(base.Params) > 0 {
		return nil, errors.New("sim: compare: parameters for all policies at once; give them by policy in the scenario")
	}
	configs := make([]Config, len(specs))
	for i, spec := range specs {
		configs[i] = base
		configs[i].Policy = spec
	}
	return RunAll(ctx, configs, workers)
}

// RunAll does several runs in parallel on the given number of workers (0: one per processor) and
// returns their results in the order of the configs, whichever ends first. NewPolicy of the configs
// must be safe for concurrent calls.
//
// It returns the errors of all runs that failed, joined, in the order of the configs.
func RunAll(ctx context.Context, configs []Config, workers int) ([]*Result, error) {
	results := make([]*Result, len(configs))
	err := Each(ctx, configs, workers, func(i int, r *Result) { results[i] = r })
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Each is RunAll for runs that are too many to keep: it hands each result to a function, one at a
// time and in no particular order, with the index of its config.
func Each(ctx context.Context, configs []Config, workers int, done func(i int, r *Result)) error {
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	errs := make([]error, len(configs))
	var mu sync.Mutex // held while done runs
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(workers, len(configs)) {
		wg.Go(func() {
			for i := range next {
				r, err := Run(ctx, configs[i])
				if err != nil {
					errs[i] = err
					continue
				}
				mu.Lock()
				done(i, r)
				mu.Unlock()
			}
		})
	}
	for i := range configs {
		next <- i
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}
