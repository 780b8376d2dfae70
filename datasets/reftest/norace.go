//go:build !race

package reftest

// RaceDetector tells whether the race detector watches the test: statistics of many events and bars on
// memory leave it out.
const RaceDetector = false
