//go:build !race

package accuracy

// RaceEnabled says whether the race detector is on, which slows fits down tenfold.
const RaceEnabled = false
