package traffic

import (
	"math/rand/v2"
	"time"
)

// LoadGen's scenarios as kinds of arrivals; [ClosedLoop] without a pause is the same as SingleStream.
const (
	SingleStream = "single-stream" // the next query when the last one is answered
	MultiStream  = "multi-stream"  // the same with several samples a query
	Server       = "server"        // a Poisson process
	Offline      = "offline"       // everything at once
)

// LoadGen is the arrival process of one of the scenarios of the MLPerf inference benchmark's load generator.
// A request is a sample; a query is the samples of MultiStream that arrive together, and takes as long as the
// slowest of them. Latencies count from the scheduled arrival in all scenarios, so a late start is the
// system's own.
//
// Source: MLCommons, inference/loadgen (Apache-2.0), README and early_stopping.md.
type LoadGen struct {
	Scenario string // one of the four
	// PerSecond is the rate of Server, in [MinRate, MaxRate], and 0 otherwise.
	PerSecond float64
	// Samples are those of a query of MultiStream (LoadGen has 8), or of the only query of Offline; 1 otherwise.
	Samples int
}

var _ Arrivals = LoadGen{}

// Kind returns the scenario's name.
func (l LoadGen) Kind() string { return l.Scenario }

// Rate returns PerSecond; 0 for scenarios in which it depends on the answers.
func (l LoadGen) Rate() float64 { return l.PerSecond }

// Expected returns the mean number of arrivals before d, 0 where it depends on the answers.
func (l LoadGen) Expected(d time.Duration) float64 {
	if l.Scenario == Offline {
		return float64(l.Samples)
	}
	return l.PerSecond * d.Seconds()
}

// Closed reports whether requests come when others are answered, and how many at a time.
func (l LoadGen) Closed() (samples int, closed bool) {
	return max(1, l.Samples), l.Scenario == SingleStream || l.Scenario == MultiStream
}

// Source returns the arrivals that are known beforehand: of single- and multi-stream the first query's.
func (l LoadGen) Source() Source {
	if l.Scenario == Server {
		return Poisson{l.PerSecond}.Source()
	}
	return &burstSource{left: max(1, l.Samples)}
}

func (l LoadGen) problems(r *report) {
	switch l.Scenario {
	case Server:
		r.rate("rate", l.PerSecond)
	case MultiStream, Offline:
		if l.Samples < 1 || l.Samples > MaxRequests {
			r.add("samples", "%d is outside [1, %d]", l.Samples, MaxRequests)
		}
	case SingleStream:
	default:
		r.add("kind", "%q is none of LoadGen's scenarios", l.Scenario)
	}
}

func (l LoadGen) file() arrivalsFile {
	f := arrivalsFile{Kind: l.Scenario}
	if l.Scenario == Server {
		f.Rate = rateText(l.PerSecond)
	}
	if l.Scenario == MultiStream || l.Scenario == Offline {
		f.Samples = l.Samples
	}
	return f
}

// burstSource hands out requests at time 0.
type burstSource struct{ left int }

func (s *burstSource) Next(*rand.Rand) (time.Duration, bool) {
	if s.left == 0 {
		return 0, false
	}
	s.left--
	return 0, true
}
