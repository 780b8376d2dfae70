//go:build !unix

package accuracy_test

// cpuSeconds returns 0: unknown.
func cpuSeconds() float64 { return 0 }
