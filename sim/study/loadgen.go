package study

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dynofa/dynofa/datasets/traffic"
	"github.com/dynofa/dynofa/deploy/trace"
	"github.com/dynofa/dynofa/sim"
)

// LoadGen is what MLPerf's load generator would report of a run.
type LoadGen struct {
	Scenario string `json:"scenario"`
	// Metric names the number: a percentile of the query's latency, from its scheduled time, or samples per second.
	Metric string `json:"metric"`
	// Latency is the percentile; 0 for offline. PerSecond is the throughput of offline; 0 for others.
	Latency   time.Duration `json:"latency_ns,omitempty"`
	PerSecond float64       `json:"per_second,omitempty"`
	Queries   int           `json:"queries"`
	// Valid reports whether LoadGen would take the run for valid; Why says why not.
	Valid bool   `json:"valid"`
	Why   string `json:"why,omitempty"`
}

// Rules of LoadGen: the percentile, the least number of queries, and the least duration.
var loadGenRules = map[string]struct {
	percentile float64
	queries    int
	duration   time.Duration
}{
	traffic.SingleStream: {0.90, 64, 600 * time.Second},
	traffic.MultiStream:  {0.99, 662, 600 * time.Second},
	traffic.Server:       {0.99, 1, 600 * time.Second},
	traffic.Offline:      {0, 1, 0},
}

// offlineSamples is the least number of samples of a valid offline run.
const offlineSamples = 24576

// String says the report in a line.
func (l *LoadGen) String() string {
	value := fmt.Sprintf("%.4g samples/s", l.PerSecond)
	if l.Scenario != traffic.Offline {
		value = fmt.Sprint(l.Latency.Round(time.Microsecond))
	}
	verdict := "valid"
	if !l.Valid {
		verdict = "not valid: " + l.Why
	}
	return fmt.Sprintf("LoadGen %s: %s %s over %d queries, %s", l.Scenario, l.Metric, value, l.Queries, verdict)
}

// loadGen reports a run in the way of the benchmark, nil for other arrivals than its scenarios.
//
// Source: MLCommons, inference/loadgen, README and mlperf.conf (Apache-2.0): percentiles 90 and 99, 662 queries of
// multi-stream, 600 s, 24,576 samples of offline.
func loadGen(s *traffic.Scenario, t *trace.Trace) *LoadGen {
	app := s.Applications()[0]
	arrivals, ok := app.Arrivals.(traffic.LoadGen)
	if !ok || len(t.Records) == 0 {
		return nil
	}
	rule := loadGenRules[arrivals.Scenario]
	l := &LoadGen{Scenario: arrivals.Scenario}
	samples := 1
	if arrivals.Scenario == traffic.MultiStream {
		samples = arrivals.Samples
	}
	queries := map[int64]time.Duration{} // latency of the slowest sample
	answered, last := 0, time.Duration(0)
	for i := range t.Records {
		r := &t.Records[i]
		last = max(last, r.End)
		latency := r.End - r.Arrival
		if r.Outcome.Answered() {
			answered++
		} else {
			latency = horizon
		}
		q := r.Request / int64(samples)
		queries[q] = max(queries[q], latency)
	}
	l.Queries = len(queries)
	if arrivals.Scenario == traffic.Offline {
		l.Metric, l.Queries = "throughput", 1
		if last > 0 { // else nothing was answered
			l.PerSecond = float64(answered) / last.Seconds()
		}
		l.Valid, l.Why = answered >= offlineSamples, fmt.Sprintf("%d samples, want %d", answered, offlineSamples)
	} else {
		latencies := make([]time.Duration, 0, len(queries))
		for _, d := range queries {
			latencies = append(latencies, d)
		}
		slices.Sort(latencies)
		l.Metric = fmt.Sprintf("latency at the %gth percentile", 100*rule.percentile)
		l.Latency = latencies[max(0, int(math.Ceil(rule.percentile*float64(len(latencies))))-1)]
		switch {
		case l.Queries < rule.queries:
			l.Why = fmt.Sprintf("%d queries, want %d", l.Queries, rule.queries)
		case last < rule.duration:
			l.Why = fmt.Sprintf("%v long, want %v", last.Round(time.Millisecond), rule.duration)
		case arrivals.Scenario == traffic.Server && app.Limit > 0:
			misses := 0
			for _, d := range latencies {
				if d > app.Limit {
					misses++
				}
			}
			v := sim.EarlyStopping(misses, len(latencies), rule.percentile, 0.99)
			l.Valid, l.Why = v.Met, v.String()
		default:
			l.Valid = true
		}
	}
	if l.Valid {
		l.Why = ""
	}
	return l
}

// horizon stands for the latency of a query that got no answer.
const horizon = time.Duration(1<<63 - 1)
