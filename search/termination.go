package search

import "fmt"

// Termination looks at the samples so far, at least one, oldest first, and returns why the search
// should end, or "" if it should go on. It must not change them.
type Termination func(history []Sample) string

// Stagnation returns a termination that ends a search when the hypervolume has grown by less than a
// share gain (0.001 is 0.1%) over the latest evaluations.
func Stagnation(evaluations int, gain float64) Termination {
	return func(history []Sample) string {
		now := history[len(history)-1]
		for i := len(history) - 2; i >= 0; i-- {
			then := history[i]
			if now.Evaluations-then.Evaluations < evaluations {
				continue
			}
			if then.Hypervolume > 0 && now.Hypervolume-then.Hypervolume < gain*then.Hypervolume {
				return fmt.Sprintf("hypervolume grew by less than %g%% over %d evaluations", gain*100, now.Evaluations-then.Evaluations)
			}
			return ""
		}
		return ""
	}
}
