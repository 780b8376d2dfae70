// Package stats has the few statistics that judging latency tables needs: intervals of medians and
// shares, Student's t, corrections for many tests, rank correlation, non-negative least squares. It
// knows nothing of tables.
package stats
