package oracle

import "context"

// IntervalCuts returns what the interval cuts alone give, beside requests without a deadline.
func IntervalCuts(ctx context.Context, p Problem) (float64, error) {
	in := p.instance()
	u, err := in.cuts(ctx, p.servers())
	return u + fromFixed(in.freeUtility()), err
}
